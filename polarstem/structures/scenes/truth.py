# SPDX-License-Identifier: GPL-3.0-or-later
"""What is true at each probe position of a scene."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from polarstem.structures.scenes.build import wedge_of
from polarstem.structures.scenes.defects import defects_of, unmoved
from polarstem.structures.scenes.domains import lay_out
from polarstem.structures.scenes.recipe import SceneRecipe
from polarstem.structures.scenes.scan_frame import ScanFrame

Floats = NDArray[np.float64]
_IMPERFECT = (
    *("disorder", "octahedral_tilt_deg", "amorphous_nm", "amorphous_of"),
    *("wedge", "wedge_deg"),
)


def scene_truth(recipe: SceneRecipe, frame: ScanFrame) -> xr.Dataset:
    """Tell what is at each probe position.

    Parameters
    ----------
    recipe : SceneRecipe
        The scene.
    frame : ScanFrame
        The scan over it.

    Returns
    -------
    xarray.Dataset
        On the scan's grid (y, x) [nm from its first position, y down]. Directions are in the
        frame of the scan, class indices in that of the crystal. Cells are those of the lattice
        where the atoms stand: shifted beyond a fault, strained around a dislocation, in whose core
        they mean nothing. In a distorted scan all of this is about the places where probes are,
        and the grid about those where they were wanted. The attribute ``walls`` is a JSON list of
        what each wall is (`Domains.described`) and of the ends ``[[y, x], [y, x]]`` of its piece
        within the scan, drift taken out [nm]; ``defects`` has the ends of the defects. Class -1 is
        unpolar. ``cell_nm`` is the edge of a square as large as the projected cell.
    """
    edges, period = np.array(recipe.lengths[:2]), recipe.lengths[2]
    origin = recipe.origin
    shape, turn = frame.shape, frame.turn_deg
    places = frame.positions().reshape(-1, 2)
    flat = places - origin[:2]
    domains, defects = lay_out(recipe), defects_of(recipe)
    wedge, most = wedge_of(recipe), recipe.field[2]
    periods = np.full(len(flat), most) if wedge is None else wedge.periods_at(places)
    levels = (np.arange(most) + 0.5) * period - origin[2]  # through the thickness
    shares = np.zeros((len(flat), len(domains.templates)))
    for number, z in enumerate(levels):
        there = domains.shares(np.column_stack([flat, np.full(len(flat), z)]))
        shares += there * ((number < periods) / periods)[:, None]
    vectors, polarization = shares @ domains.polar_vectors, shares @ domains.polarization
    moved_b = np.exp(1j * np.radians(turn)) * (shares @ domains.displacements_pm @ [1, 1j, 0])
    shares = shares[:, : len(recipe.domain_classes)]
    strongest = shares.argmax(axis=1)
    indices = np.array([c.index for c in recipe.domain_classes])[strongest]
    indices[(shares.sum(axis=1) < 0.5) | (recipe.amplitude == 0)] = -1
    direction = (np.degrees(np.arctan2(vectors[:, 1], vectors[:, 0])) + turn) % 360
    none = np.full(len(flat), np.inf)
    wall = np.min([none, *(_apart(flat, w.ends) - w.overlap / 2 for w in domains.walls)], axis=0)
    defect = np.min([none, *(_apart(flat, ends) for ends in defects.ends)], axis=0)
    control = np.full(len(flat), recipe.kind == "tilt_ramp")
    if recipe.kind == "a_cluster":
        control = np.hypot(*flat.T) < 10 * recipe.cluster_radius_nm
    before, more = unmoved(recipe, flat)
    cell = (before + origin[:2]) / edges
    right, up = (cell - np.floor(cell)).T
    found: dict[str, tuple[Any, str, str]] = {
        "class_index": (indices.astype(np.int8), "1", "class of the largest share"),
        "domain": (strongest.astype(np.int8), "1", "domain of the largest share"),
        "share": (shares.max(axis=1), "1", "its share through the thickness"),
        "direction": (direction, "degrees", "direction of the projected polarization in the scan"),
        "polarization": (
            np.hypot(*polarization[:, :2].T),
            "uC cm-2",
            "projected polarization, NaN where the material has no Born charges",
        ),
        "displacement_x": (
            moved_b.real,
            "pm",
            "B against its oxygens, to the right in the scan",
        ),
        "displacement_y": (moved_b.imag, "pm", "B against its oxygens, up in the scan"),
        "wall_distance": (np.clip(wall, 0, None) / 10, "nm", "distance to the nearest wall"),
        "defect": (defect < defects.core, "1", "in the core of a defect"),
        "defect_distance": (defect / 10, "nm", "distance to the nearest defect"),
        "control": (control, "1", "disturbed without a defect"),
        "crystal_row": (-np.ceil(cell[:, 1]).astype(np.int16), "1", "row of the crystal's cell"),
        "crystal_column": ((np.floor(cell[:, 0]) + more).astype(np.int16), "1", "its column"),
        "cell_y": ((1 - up) % 1, "1", "place in the cell, down from an A column"),
        "cell_x": (right, "1", "place in the cell, right of an A column"),
        "thickness": (periods * period / 10, "nm", "thickness of the crystal"),
    }
    if frame.is_distorted:
        for axis, values in zip("yx", frame.taken(), strict=True):
            text = f"where the probe is, along {axis} from the first wanted position"
            found[f"true_{axis}"] = (values / 10, "nm", text)
    step = frame.step / 10

    def on_scan(lines: Any) -> Floats:
        """Lines relative to the origin, shape (n, 2, 2) [Å], as y and x in the scan [nm]."""
        lines = np.reshape(lines, (-1, 2, 2)) + origin[:2] - frame.first
        turned = np.exp(1j * np.radians(turn)) * (lines[..., 0] + 1j * lines[..., 1]) / 10
        down, seen = frame.wanted(-10 * turned.imag, 10 * turned.real)
        return np.stack([down, seen], axis=-1) / 10

    extent = step * (np.array(shape) - 1)
    walls = [
        domains.described(wall) | {"points": within.tolist()}
        for wall, ends in zip(domains.walls, on_scan([w.ends for w in domains.walls]), strict=True)
        if (within := _clipped(ends, extent)) is not None
    ]
    lines = [_clipped(ends, extent) for ends in on_scan(defects.ends)]
    axes = {"y": "distance down", "x": "distance to the right"}
    return xr.Dataset(
        {
            name: (("y", "x"), np.reshape(values, shape), {"units": units, "long_name": text})
            for name, (values, units, text) in found.items()
        },
        {
            name: (name, step * np.arange(count), {"units": "nm", "long_name": axes[name]})
            for name, count in zip(axes, shape, strict=True)
        },
        {
            "kind": recipe.kind,
            "class_names": json.dumps([c.name for c in recipe.table]),
            "crystal_rotation_deg": turn,
            "cell_nm": math.sqrt(np.prod(edges)) / 10,
            "thickness_nm": (most if wedge is None else round(wedge.periods)) * period / 10,
            "imperfections": json.dumps({key: getattr(recipe, key) for key in _IMPERFECT}),
            "drift": list(frame.drift),
            "walls": json.dumps(walls),
            "defects": json.dumps([line.tolist() for line in lines if line is not None]),
        },
    )


def _apart(places: Floats, ends: Floats) -> Floats:
    """Distance of places (n, 2) to a piece of a line."""
    start, along = ends[0], ends[1] - ends[0]
    square = float(along @ along)
    share = np.clip((places - start) @ along / square, 0, 1) if square else np.zeros(len(places))
    return np.asarray(np.linalg.norm(places - start - share[:, None] * along, axis=1))


def _clipped(ends: Floats, extent: Floats) -> Floats | None:
    """The part of a line within [0, extent], None if there is none (Liang and Barsky, 1984)."""
    start, along = ends[0], ends[1] - ends[0]
    low, high = 0.0, 1.0
    for at, step, most in zip(start, along, extent, strict=True):
        if abs(step) < 1e-12:
            if not 0 <= at <= most:
                return None
            continue
        first, last = sorted((-at / step, (most - at) / step))
        low, high = max(low, first), min(high, last)
    return start + np.outer((low, high), along) if low <= high else None
