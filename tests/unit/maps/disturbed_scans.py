# SPDX-License-Identifier: GPL-3.0-or-later
"""Defect-free scans that differ in all that is no defect, and defects in them.

Patterns are measured from scattering matrices of columns with moving atoms and random A sites.
Each unit cell mixes a few of them by weights of its own, as K and Na are in another order in each
column; between cells the weights change evenly. What a real crystal has beyond it: a probe beside
a column sees the next one too, whose order differs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any

import library_scan
import numpy as np
from library_scan import NAMES, SEMIANGLE, STEPS
from numpy.typing import NDArray
from scipy import ndimage

from polarstem.maps.anomaly_fit import DefectFreeScan
from polarstem.simulate.microscope.camera import Camera

CELLS = 8
COLUMNS = (11, 12, 13, 14, 15, 16)  # seeds of the columns that are mixed
PIXELS, MRAD_PER_PIXEL = 24, 3.0
TILT_STEP = 0.25  # between which patterns are linear [mrad]
EDGE = STEPS * np.eye(2)
SIDE = CELLS * STEPS
Make = Callable[..., Any]

assert len(NAMES) == 4
assert SEMIANGLE < PIXELS * MRAD_PER_PIXEL / 2


@cache
def _of_place(
    make: Make, quarters: int, plane: int, tilt: tuple[float, float]
) -> NDArray[np.float32]:
    """Patterns (column, place, place, ky, kx) of the places of a cell, down and right."""
    size = library_scan.cell_angstrom(make)
    along = (np.arange(STEPS) + 0.5) / STEPS * size
    right, up = np.meshgrid(along, -along)
    places = np.stack([right.ravel(), up.ravel()], axis=1)
    camera = Camera(PIXELS, MRAD_PER_PIXEL)
    shape = (STEPS, STEPS, PIXELS, PIXELS)
    found = [
        library_scan.measure(make, places, quarters, camera, plane, tilt, (seed,)).reshape(shape)
        for seed in COLUMNS
    ]
    return np.array(found, np.float32)


def _weights(rng: np.random.Generator) -> NDArray[np.float64]:
    """Of the columns at each position (column, y, x): those of a cell, even between cells."""
    own = rng.dirichlet(np.full(len(COLUMNS), 2.0), (CELLS + 2, CELLS + 2))
    at = (np.arange(SIDE) + 0.5) / STEPS + 0.5
    places = np.meshgrid(at, at, indexing="ij")
    return np.array(
        [
            ndimage.map_coordinates(w, places, order=1, mode="nearest")
            for w in np.moveaxis(own, 2, 0)
        ]
    )


def _around(values: NDArray[np.float64]) -> range:
    """Whole numbers between which all values lie."""
    return range(int(np.floor(values.min())), int(np.ceil(values.max())) + 1)


def domains(kind: str) -> NDArray[np.int64]:
    """Quarter turns of each position's domain (y, x)."""
    y, x = np.indices((SIDE, SIDE)) >= SIDE // 2
    one = np.zeros((SIDE, SIDE), int)
    return {"one": one, "two": one + x, "four": np.where(y, 3 - x, 0 + x)}[kind]


def disturbed(
    make: Make,
    seed: int,
    *,
    dose: float = 3e4,
    walls: str = "four",
    planes: tuple[int, int] = (3, 3),
    tilts: tuple[float, float] = (1.0, 1.0),
    descan: float = 0.0,
    foreign: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Counts (y, x, ky, kx).

    Parameters
    ----------
    planes : (int, int)
        Of the matrices, whose thickness goes from one to the other down the scan.
    tilts : (float, float)
        Tilt along x, which goes from one to the other to the right [mrad].
    descan : float
        Shift of the pattern in the corners, growing with the square of the distance [pixels].
    foreign : ndarray of bool, shape (y, x)
        Where the crystal is shifted by half a cell.
    """
    rng = np.random.default_rng(seed)
    weights, turned = _weights(rng), domains(walls)
    patterns = np.zeros((SIDE, SIDE, PIXELS, PIXELS))
    row, column = np.indices((SIDE, SIDE))
    place = [row % STEPS, column % STEPS]
    if foreign is not None:
        place[0] = np.where(foreign, (place[0] + STEPS // 2) % STEPS, place[0])
    down = np.linspace(*planes, SIDE)[:, None] + np.zeros(SIDE)
    right = np.linspace(*tilts, SIDE) / TILT_STEP + np.zeros((SIDE, 1))
    for plane, tilt, quarters in product(_around(down), _around(right), range(4)):
        share = (1 - abs(down - plane)).clip(0) * (1 - abs(right - tilt)).clip(0)
        here = np.nonzero((share > 1e-6) & (turned == quarters))
        if len(here[0]):
            known = _of_place(make, quarters, plane, (tilt * TILT_STEP, -0.7))
            mixed = weights[:, *here] * share[here]
            at_place = known[:, place[0][here], place[1][here]]
            patterns[here] += np.einsum("cn,cnkl->nkl", mixed, at_place)
    if descan:
        at = np.linspace(-1, 1, SIDE)
        for (y, x), size in np.ndenumerate(descan * (at[:, None] ** 2 + at**2) / 2):
            patterns[y, x] = ndimage.shift(patterns[y, x], (size, -size), order=1, mode="nearest")
    return rng.poisson(dose * patterns.clip(0)).astype(np.float32)


def cell_numbers() -> NDArray[np.int64]:
    """Cell of each position (y, x)."""
    along = np.arange(SIDE) // STEPS
    return along[:, None] * CELLS + along


def beside_walls(kind: str) -> NDArray[np.bool_]:
    """Which cells (cell,) lie within one cell of a wall."""
    if kind == "one":
        return np.zeros(CELLS**2, bool)
    near = np.abs(np.arange(CELLS) + 0.5 - CELLS / 2) < 1
    alone = np.zeros(CELLS, bool)
    return (near | (near if kind == "four" else alone)[:, None]).ravel()


def defect_free(make: Make, seed: int, **changed: Any) -> DefectFreeScan:
    """As a scan to fit a reference to."""
    wall = beside_walls(changed.get("walls", "four"))
    return DefectFreeScan(disturbed(make, seed, **changed), EDGE, cell_numbers(), wall)
