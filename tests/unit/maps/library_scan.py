# SPDX-License-Identifier: GPL-3.0-or-later
"""A scan of four domains of a crystal whose library there is, and a model that knows its classes.

Patterns are measured from scattering matrices of columns with moving atoms and random A sites that
the library does not know. The domains meet without walls of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from polarstem.data.patterns import PatternSet
from polarstem.maps.anomaly_fit import fit_anomaly, scan_of_map
from polarstem.maps.mapper import map_scan
from polarstem.models import FitJob, create
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.pattern_library import FILE_NAME
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope

NAMES = ["RU", "LU", "LD", "RD"]
DIRECTIONS = 45.0 + 90.0 * np.arange(4)
STEPS = 6  # positions along a cell
PLANE = 3  # of the library's thicknesses: 10 nm
TILT = (1.2, -0.7)  # in the crystal's frame [mrad]
SEEDS = (11, 12, 13)  # columns that the library does not know
DETECTOR, DETECTOR_MRAD = 70, 1.3
SEMIANGLE = 20.0
_QUARTER = np.array([[0, -1], [1, 0]])
Make = Callable[..., Any]


@cache
def _microscopes(make: Make, seeds: tuple[int, ...]) -> list[VirtualMicroscope]:
    camera = Camera(DETECTOR, DETECTOR_MRAD)
    return [VirtualMicroscope(make((1, 1, 0), seed), camera) for seed in seeds]


def cell_angstrom(make: Make) -> float:
    """Edge of the projected cell [Å]."""
    grid = _microscopes(make, SEEDS)[0].matrix.grid
    return float(grid.size[0])


def thickness_nm(make: Make, plane: int = PLANE) -> float:
    """Thickness of a plane of the matrices [nm]."""
    return float(_microscopes(make, SEEDS)[0].matrix.thickness_nm[plane])


def measure(
    make: Make,
    places: NDArray[np.float64],
    quarters: int,
    camera: Camera,
    plane: int = PLANE,
    tilt: tuple[float, float] = TILT,
    seeds: tuple[int, ...] = SEEDS,
) -> NDArray[np.float64]:
    """Patterns (n, ky, kx) at places x and y (up) [Å] of the domain turned by so many quarters."""
    rows = np.linalg.matrix_power(_QUARTER, quarters).tolist()
    turn = (tuple(rows[0]), tuple(rows[1]))
    optics = Optics(SEMIANGLE, tilt_mrad=tilt, source_fwhm=0.8)
    nm = [thickness_nm(make, plane)]
    found = [
        eye.measure(places, nm, optics, turn=turn, camera=camera)[0].numpy()
        for eye in _microscopes(make, seeds)
    ]
    mean: NDArray[np.float64] = np.mean(found, axis=0, dtype=np.float64)
    return mean


def intensities(
    make: Make,
    cells: tuple[int, int] = (8, 8),
    *,
    steps: int = STEPS,
    plane: int = PLANE,
    crystal_rotation_deg: float = 0.0,
    detector_rotation_deg: float = 0.0,
    camera: Camera | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Mean patterns (ny, nx, ky, kx), and the class of each position (ny, nx).

    Quadrants of the scan, from the upper left clockwise: right up, left up, left down and right
    down in the crystal's frame.
    """
    size = cell_angstrom(make)
    rows, columns = (n * steps for n in cells[::-1])
    right, up = np.meshgrid(
        (np.arange(columns) - (columns - 1) / 2) * size / steps,
        -(np.arange(rows) - (rows - 1) / 2) * size / steps,
    )
    angle = np.radians(crystal_rotation_deg)
    turned = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    places = np.stack([right.ravel(), up.ravel()], axis=1) @ turned.T + size / 4
    truth = np.where(up > 0, np.where(right < 0, 0, 1), np.where(right > 0, 2, 3)).ravel()
    camera = camera or Camera(DETECTOR, DETECTOR_MRAD)
    if turn := detector_rotation_deg + crystal_rotation_deg:
        camera = Camera(camera.pixels, camera.mrad_per_pixel, turn)
    patterns = np.empty((len(places), camera.pixels, camera.pixels), np.float32)
    for quarters in range(4):
        members = np.flatnonzero(truth == quarters)
        # what repeats is measured once
        unique, place = np.unique(
            np.round(places[members] % size, 3) % size, axis=0, return_inverse=True
        )
        patterns[members] = measure(make, unique, quarters, camera, plane)[place.ravel()]
    shape = (rows, columns)
    return patterns.reshape(*shape, camera.pixels, camera.pixels), truth.reshape(shape)


def counted(patterns: NDArray[np.floating], dose: float = 3e4, seed: int = 0) -> NDArray[np.uint16]:
    """Electrons on the detector."""
    return np.random.default_rng(seed).poisson(dose * patterns).astype(np.uint16)


def facts(make: Make, steps: int = STEPS) -> dict[str, Any]:
    """What a sheet says of a scan."""
    return {
        "step_nm": cell_angstrom(make) / steps / 10,
        "energy_kv": 200.0,
        "semiangle_mrad": SEMIANGLE,
        "mrad_per_pixel": DETECTOR_MRAD,
    }


def write_model(make: Make, library: Path, folder: Path, trained: dict[str, Any]) -> Path:
    """Templates of the four classes as a model beside its library, with an anomaly reference.

    Parameters
    ----------
    make : callable
        The fixture `column_matrix`.
    library : path
        File of the library.
    folder : path
        Where the model is saved.
    trained : dict
        Of the library: its ``simulate`` and ``thicknesses_nm``.
    """
    detector = trained["simulate"]["detector"]
    camera = Camera(detector["pixels"], detector["mrad_per_pixel"])
    size = cell_angstrom(make)
    fitted = create("template", {"templates": 1024}, NAMES, DIRECTIONS)
    seeds = (21, 22, 23, 24, 25, 26), (31, 32, 33)
    tilts = [(0.0, 0.0), (1.0, -1.0)], [(0.6, -0.4)]
    known, others = (
        _labelled(make, camera, count, own, tilt)
        for count, own, tilt in zip((8, 4), seeds, tilts, strict=True)
    )
    fitted.fit(known, others, FitJob(Path(), seed=0))
    fitted.info["calibration"] = {
        "temperature": 0.6, "threshold": 0.7, "cell_temperature": 0.16, "cell_threshold": 0.7,
        "scans": 100,
    }  # fmt: skip
    nm = trained["thicknesses_nm"]
    fitted.info["trained_for"] = {
        "energy_kv": 200.0,
        "semiangle_mrad": SEMIANGLE,
        "pixels": detector["pixels"],
        "mrad_per_pixel": detector["mrad_per_pixel"],
        "material": "KNN",
        "phase": "O",
        "zone_axis": [0, 0, 1],
        "cell_angstrom": [size] * 2,
        "pixels_per_cell": trained["simulate"]["pixels_per_cell"],
        "thickness_nm": [min(nm), max(nm)],
        "conditions": {"dose_electrons": [3e3, 1e6]},
    }
    fitted.save(folder)
    (folder / FILE_NAME).write_bytes(library.read_bytes())
    calm, _ = intensities(make)
    sheet = facts(make) | {"detector_rotation_deg": 0.0}
    maps = []
    for seed in (5, 6):
        out = folder.parent / f"calm{seed}"
        map_scan(
            _file(counted(calm, seed=seed), folder.parent / f"c{seed}.npy"), folder, out, sheet
        )
        maps.append(scan_of_map(out / "map.nc"))
    fit_anomaly(maps, DIRECTIONS).save(folder)
    return folder


def _labelled(
    make: Make,
    camera: Camera,
    count: int,
    seeds: tuple[int, ...],
    tilts: list[tuple[float, float]],
) -> PatternSet:
    """Counts over the cell of all classes, and what they are."""
    along = (np.arange(count) + 0.5) / count * cell_angstrom(make)
    places = np.stack(np.meshgrid(along, along[::-1]), axis=-1).reshape(-1, 2)
    parts = [
        measure(make, places, quarters, camera, PLANE, tilt, seeds)
        for tilt in tilts
        for quarters in range(4)
    ]
    labels = np.tile(np.repeat(np.arange(4), len(places)), len(tilts))
    counts = counted(np.concatenate(parts), seed=1).astype(np.float32)
    counts /= counts.sum((1, 2), keepdims=True)
    return PatternSet.from_arrays(counts, labels, NAMES, DIRECTIONS)


def _file(counts: NDArray[np.uint16], path: Path) -> Path:
    np.save(path, counts)
    return path


def cells_of(data: xr.Dataset, truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """True direction of each cell in the scan's frame [degrees]; nan where two domains meet."""
    cell, found = data["cell"].values, []
    for number in range(data.sizes["cell"]):
        count = np.bincount(truth[cell == number], minlength=4)
        alone = count.max() > 0.9 * count.sum()
        found.append(DIRECTIONS[count.argmax()] if alone else np.nan)
    return np.array(found)


def judged(
    data: xr.Dataset, truth: NDArray[np.int64], crystal_rotation_deg: float = 0.0
) -> tuple[int, int, int]:
    """Cells of one domain, those of them that are answered, and those answered and wrong."""
    own = cells_of(data, truth) + crystal_rotation_deg
    clear = np.isfinite(own)
    answered = data["cell_answered"].values & clear
    off = np.abs((data["cell_direction"].values - own + 180) % 360 - 180)
    wrong = answered & ~(off < 10)
    return int(clear.sum()), int(answered.sum()), int(wrong.sum())
