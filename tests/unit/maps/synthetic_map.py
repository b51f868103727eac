# SPDX-License-Identifier: GPL-3.0-or-later
"""Map of an invented scan, in the layout that `polarstem map` writes.

Four domains, one in each quadrant of the scan (right, up, left and down in the crystal's frame),
with a plane of foreign cells through the upper left one. Patterns are a disc whose brighter side
is where the polarization points, and four faint Bragg discs that tell the place in the cell.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

NAMES = ("RM", "RU", "MU", "LU", "LM", "LD", "MD", "RD")
DIRECTIONS = tuple(45.0 * i for i in range(8))
QUADRANTS = {(False, False): 0, (False, True): 2, (True, False): 4, (True, True): 6}
CELL_NM = 0.395
PIXELS = 32
MRAD_PER_PIXEL = 3.0
RADIUS_MRAD = 24.0
FORCED = "Energy 200 kV: the model was trained for 300 kV."


def make_map(
    cells: int = 8,
    steps: int = 6,
    crystal_rotation_deg: float = 12.0,
    patterns: bool = True,
    forced: bool = False,
    seed: int = 0,
) -> tuple[xr.Dataset, xr.Dataset]:
    """The map and the truth of the same scan.

    Parameters
    ----------
    cells, steps : int
        Unit cells along each side of the scan, probe positions along each side of a cell.
    crystal_rotation_deg : float
        Of the crystal's x axis from the scan's, counter-clockwise.
    patterns : bool
        Whether the map holds patterns.
    forced : bool
        Whether the map was made against the checks.
    seed : int
        Of the noise.
    """
    rng = np.random.default_rng(seed)
    size, step = cells * steps, CELL_NM / steps
    nm = np.arange(size) * step
    y, x = np.meshgrid(nm, nm, indexing="ij")
    angle = np.radians(crystal_rotation_deg)
    middle = nm[-1] / 2
    right, up = x - middle, middle - y
    u = (np.cos(angle) * right + np.sin(angle) * up) / CELL_NM
    v = -(-np.sin(angle) * right + np.cos(angle) * up) / CELL_NM  # down, in the crystal's frame
    row, column = np.floor(v + 1e-9).astype(int), np.floor(u + 1e-9).astype(int)
    place = _class_of(y, x, middle)
    distance = np.minimum(abs(y - middle), abs(x - middle))
    defect = abs(x + y - 0.8 * middle) < CELL_NM

    probability = _probability(place, distance, steps * step, rng)
    anomaly = rng.normal(1.0, 0.25, (size, size)) + 3.0 * defect
    table = _cells(row, column, u, v, nm, probability, anomaly, crystal_rotation_deg)
    index = table.pop("index")
    class_index = probability.argmax(-1)
    turned = (np.array(DIRECTIONS) + crystal_rotation_deg) % 360
    confidence = probability.max(-1)
    direction = turned[class_index]
    grid, cell = ("y", "x"), ("cell",)
    dark = 0.05 + 0.05 * np.exp(-4 * ((u % 1 - 0.5) ** 2 + (v % 1 - 0.5) ** 2)) - 0.01 * defect
    weight = np.radians(direction)
    data = xr.Dataset(
        {
            "probability": ((*grid, "class"), probability.astype("f4")),
            "class_index": (grid, class_index.astype("i2")),
            "confidence": (grid, confidence.astype("f4")),
            "direction": (grid, direction.astype("f4"), {"units": "degrees"}),
            "direction_x": (grid, (confidence * np.cos(weight)).astype("f4")),
            "direction_y": (grid, (confidence * np.sin(weight)).astype("f4")),
            "conformal_set": (grid, _bits(probability)),
            "answered": (grid, _answered(probability)),
            "anomaly": (grid, anomaly.astype("f4")),
            "flagged": (grid, anomaly > 2.0),
            "bright_field": (grid, (1 - 8 * dark).astype("f4")),
            "dark_field": (grid, dark.astype("f4")),
            "com_x": (grid, rng.normal(0, 0.1, (size, size)).astype("f4"), {"units": "mrad"}),
            "com_y": (grid, rng.normal(0, 0.1, (size, size)).astype("f4"), {"units": "mrad"}),
            "total": (grid, rng.poisson(2000, (size, size)).astype("f4"), {"units": "counts"}),
            "cell": (grid, index.astype("i4")),
            "cell_y": (grid, (v % 1).astype("f4")),
            "cell_x": (grid, (u % 1).astype("f4")),
            **{name: ((*cell, "class")[: v.ndim], v) for name, v in table.items()},
        },
        coords={
            "y": ("y", nm, {"units": "nm"}),
            "x": ("x", nm, {"units": "nm"}),
            "class_name": ("class", list(NAMES)),
            "class_direction": ("class", list(DIRECTIONS), {"units": "degrees"}),
        },
        attrs={
            "crystal_rotation_deg": crystal_rotation_deg,
            "thickness_nm": 14.0,
            "anomaly_threshold": 2.0,
            "forced": FORCED if forced else "",
            "model": "equivariant",
        },
    )
    if patterns:
        _add_patterns(data, place, u, v, index)
    truth = xr.Dataset(
        {
            "class_index": (grid, place.astype("i2")),
            "direction": (grid, turned[place].astype("f4"), {"units": "degrees"}),
            "polarization": (grid, np.ones((size, size), "f4")),
            "domain": (grid, place.astype("i2") // 2),
            "wall_distance": (grid, distance.astype("f4"), {"units": "nm"}),
            "defect": (grid, defect),
        },
        coords={"y": data["y"], "x": data["x"]},
        attrs={"crystal_rotation_deg": crystal_rotation_deg},
    )
    return data, truth


def make_summary(data: xr.Dataset) -> dict[str, Any]:
    """What `summary.json` says of a map."""

    def sourced(
        value: Any, unit: str, origin: str, note: str = "", interval: Any = None
    ) -> dict[str, Any]:
        return {
            "value": value, "unit": unit, "origin": origin, "note": note, "interval": interval
        }  # fmt: skip

    forced = data.attrs["forced"]
    answered = data["cell_answered"].values
    classes = data["cell_class_index"].values[answered]
    return {
        "scan": "four_domains.hspy",
        "model": data.attrs["model"],
        "positions": int(data["class_index"].size),
        "cells": int(data.sizes["cell"]),
        "directions": {n: float((classes == i).mean()) for i, n in enumerate(NAMES)},
        "answered": float(answered.mean()),
        "mean_confidence": float(data["cell_confidence"].mean()),
        "thickness_nm": sourced(14.0, "nm", "estimated", "position-averaged pattern", [12.5, 15.5]),
        "tilt_mrad": sourced([0.8, -0.3], "mrad", "estimated", "of its length", [0.4, 1.3]),
        "counted": "cells",
        "anomalies": {"count": int(data["cell_flagged"].sum()),
                      "share": float(data["cell_flagged"].mean())},
        "settings": {
            "step_nm": sourced([CELL_NM / 6] * 2, "nm", "file"),
            "energy_kv": sourced(200.0 if forced else 300.0, "kV", "file"),
            "semiangle_mrad": sourced(RADIUS_MRAD, "mrad", "sheet"),
            "mrad_per_pixel": sourced(1.2, "mrad", "estimated", "radius of the disc", [1.19, 1.21]),
            "detector_rotation_deg": sourced(0.0, "degrees", "assumed", "nothing says otherwise"),
            "crystal_rotation_deg": sourced(
                data.attrs["crystal_rotation_deg"], "degrees", "estimated", "lattice of the scan",
                [11.8, 12.2],
            ),
        },
        "steps": [
            {"name": "pixels", "status": "done", "sentence": "3 bad pixels were found.",
             "values": {"bad": 3}},
            {"name": "centring", "status": "done", "values": {"rms_px": 0.03},
             "sentence": "The beam moves by 0.6 pixels over the scan."},
            {"name": "ellipticity", "status": "off", "values": {},
             "sentence": "Switched off in the sheet."},
        ],
        "warnings": ["0.2 % of the pixels are saturated."],
        "seconds": {"reading": 0.4, "model": 1.1},
        "forced": forced or None,
    }  # fmt: skip


def make_diagnostics(data: xr.Dataset, seed: int = 1) -> xr.Dataset:
    """What `diagnostics.nc` holds of a map: arrays of each step, ``{step}_{name}``."""
    rng = np.random.default_rng(seed)
    k = np.arange(80)
    ky, kx = np.meshgrid(k, k, indexing="ij")
    centre = np.array([40.4, 38.7])
    radius = RADIUS_MRAD / 1.2
    disc = 1 / (1 + np.exp(np.hypot(ky - centre[0], kx - centre[1]) - radius))
    mean = rng.poisson(200 * disc + 2).astype("f4")
    bad = np.zeros(mean.shape, bool)
    bad[[10, 44, 70], [60, 41, 5]] = True
    mean[bad] = [3000, 0, 900]
    blocks = np.array([(r, c) for r in range(4, 48, 8) for c in range(4, 48, 8)], "f4")
    plane = centre + (blocks - 24) @ np.array([[0.01, 0.0], [-0.003, 0.008]])
    angles = np.arange(-90.0, 90.0, 2.0)
    thickness = np.arange(5.0, 31.0, 1.0)
    grid = np.arange(PIXELS) - 15.5
    qy, qx = np.meshgrid(grid, grid, indexing="ij")
    fitted = pattern(qy, qx, 0.0, 0.25, 0.25)
    return xr.Dataset(
        {
            "pixels_mean": (("ky", "kx"), mean, {"units": "counts"}),
            "pixels_bad": (("ky", "kx"), bad),
            "centring_position": (("block", "axis"), blocks),
            "centring_measured": (("block", "axis"), plane + rng.normal(0, 0.03, plane.shape)),
            "centring_plane": (("block", "axis"), plane),
            "rotation_angle": ("angle", angles, {"units": "degrees"}),
            "rotation_curl": ("angle", 1 - 0.8 * np.cos(np.radians(2 * angles))),
            "rotation_curl_transposed": ("angle", np.full(angles.shape, 1.1)),
            "thickness_nm": ("thickness", thickness, {"units": "nm"}),
            "thickness_residual": ("thickness", 0.02 + 0.0008 * (thickness - 14) ** 2),
            "thickness_measured": (("qy", "qx"), fitted + rng.normal(0, 2e-5, fitted.shape)),
            "thickness_simulated": (("qy", "qx"), fitted),
        },
        attrs={
            "centre": list(centre),
            "radius_pixels": radius,
            "rotation_deg": 0.0,
            "lattice_a1": [0.0, CELL_NM],
            "lattice_a2": [CELL_NM, 0.0],
        },
    )


def write_map(folder: Path, **options: Any) -> tuple[xr.Dataset, xr.Dataset]:
    """Write ``map.nc``, ``truth.nc``, ``diagnostics.nc`` and ``summary.json`` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    data, truth = make_map(**options)
    encoding = {}
    if "pattern" in data:  # netCDF has no half precision: packed into two bytes
        step = float(data["pattern"].max()) / 65534
        encoding["pattern"] = {"dtype": "u2", "scale_factor": step, "_FillValue": 65535}
    data.to_netcdf(folder / "map.nc", encoding=encoding)
    truth.to_netcdf(folder / "truth.nc")
    make_diagnostics(data).to_netcdf(folder / "diagnostics.nc")
    (folder / "summary.json").write_text(json.dumps(make_summary(data), indent=1))
    return data, truth


def _class_of(y: NDArray, x: NDArray, middle: float) -> NDArray:
    place = np.zeros(y.shape, int)
    for (lower, right), number in QUADRANTS.items():
        place[((y > middle) == lower) & ((x > middle) == right)] = number
    return place


def _probability(place: NDArray, distance: NDArray, width: float, rng: Any) -> NDArray:
    """Sure inside the domains, unsure within half a cell of the walls."""
    logits = rng.normal(0, 0.7, (*place.shape, len(NAMES)))
    sure = 2.0 + 3.0 * np.clip(distance / width, 0, 1)
    np.put_along_axis(logits, place[..., None], sure[..., None], -1)
    return np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)


def _answered(probability: NDArray) -> NDArray:
    return (probability >= 0.25).sum(-1) == 1


def _bits(probability: NDArray) -> NDArray:
    return ((probability >= 0.25) << np.arange(len(NAMES))).sum(-1).astype("u1")


def _cells(
    row: NDArray,
    column: NDArray,
    u: NDArray,
    v: NDArray,
    nm: NDArray,
    probability: NDArray,
    anomaly: NDArray,
    rotation_deg: float,
) -> dict[str, Any]:
    """Table of the whole cells of the scan, and `index`, the cell of each position."""
    index = np.full(row.shape, -1)
    steps = round(CELL_NM / (nm[1] - nm[0]))
    angle = np.radians(rotation_deg)
    found = []
    for r, c in sorted(set(zip(row.ravel().tolist(), column.ravel().tolist(), strict=True))):
        inside = (row == r) & (column == c)
        if inside.sum() < 0.9 * steps**2:  # of a turned cell, positions slip over the edges
            continue
        index[inside] = len(found)
        right, up = (c + 0.5) * CELL_NM, -(r + 0.5) * CELL_NM
        x = nm[-1] / 2 + np.cos(angle) * right - np.sin(angle) * up
        y = nm[-1] / 2 - (np.sin(angle) * right + np.cos(angle) * up)
        log = np.log(probability[inside]).mean(0)
        p = np.exp(log - log.max())
        found.append((r, c, y, x, p / p.sum(), anomaly[inside].mean(), inside.sum()))
    rows, columns, y, x, p, score, count = (np.array(part) for part in zip(*found, strict=True))
    best = p.argmax(-1)
    return {
        "index": index,
        "cell_row": rows.astype("i4"),
        "cell_column": columns.astype("i4"),
        "cell_centre_y": y,
        "cell_centre_x": x,
        "cell_probability": p.astype("f4"),
        "cell_class_index": best.astype("i2"),
        "cell_direction": ((np.array(DIRECTIONS) + rotation_deg) % 360)[best].astype("f4"),
        "cell_confidence": p.max(-1).astype("f4"),
        "cell_set": _bits(p),
        "cell_answered": _answered(p),
        "cell_anomaly": score.astype("f4"),
        "cell_flagged": score > 2.0,
        "cell_count": count.astype("i4"),
    }


def _add_patterns(data: xr.Dataset, place: NDArray, u: NDArray, v: NDArray, index: NDArray) -> None:
    k = np.arange(PIXELS) - (PIXELS - 1) / 2
    ky, kx = np.meshgrid(k, k, indexing="ij")
    stack = np.stack(
        [
            pattern(ky, kx, DIRECTIONS[c], b, a)
            for c, b, a in zip(place.ravel(), (v % 1).ravel(), (u % 1).ravel(), strict=True)
        ]
    )
    noisy = np.random.default_rng(2).poisson(2e4 * stack) / 2e4
    shape = (*place.shape, PIXELS, PIXELS)
    data["pattern"] = (("y", "x", "ky", "kx"), noisy.reshape(shape).astype("f4"))
    flat = index.ravel()
    means = [noisy[flat == i].mean(0) for i in range(data.sizes["cell"])]
    data["cell_pattern"] = (("cell", "ky", "kx"), np.array(means, "f4"))
    for name in ("ky", "kx"):
        data[name] = (name, k * MRAD_PER_PIXEL, {"units": "mrad"})


def pattern(
    ky: NDArray, kx: NDArray, direction_deg: float, cell_y: float, cell_x: float
) -> NDArray:
    """Disc, brighter where the polarization points, and Bragg discs that tell the place."""
    radius = RADIUS_MRAD / MRAD_PER_PIXEL
    angle = np.radians(direction_deg)
    disc = 1 / (1 + np.exp(2 * (np.hypot(ky, kx) - radius)))
    lean = np.cos(angle) * kx - np.sin(angle) * ky
    total = disc * np.maximum(1 + 0.04 * lean, 0)
    x, y = 2 * np.pi * cell_x, 2 * np.pi * cell_y
    for number, wave in enumerate((np.sin(x), np.sin(y), np.cos(x), np.cos(y))):
        angle = np.pi / 2 * number
        far = np.hypot(ky + 12 * np.sin(angle), kx - 12 * np.cos(angle))
        total = total + 0.1 * (1 + 0.5 * wave) / (1 + np.exp(2 * (far - 3)))
    return total / total.sum()
