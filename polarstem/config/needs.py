# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory that simulating jobs need, from their settings alone: no arrays, no abTEM.

The numbers of bytes are those of the arrays that a job holds at its largest moment; measured
peaks are in tests/unit/core/test_needs.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from polarstem.config.physics import Simulate
from polarstem.config.scene_limits import SAMPLES_PER_CELL, window_shape
from polarstem.structures.cell_metric import cell_points, lengths_of
from polarstem.structures.imperfections import layer_slices
from polarstem.structures.recipes import whole_periods
from polarstem.structures.scenes.recipe import SceneRecipe, make_scene

LIBRARIES_MB = 900
"""abTEM, torch and numba, imported and idle [MB]."""
WAVE_COPIES = 6
"""Arrays of abTEM's multislice for each wave: itself, its transforms and copies, complex64."""
_ATOMS_PER_UNIT = 5  # of a perovskite
_BYTES_PER_ATOM = 320  # while a structure is read as text; its copies afterwards take less


def batch_size(gpts: tuple[int, int], thicknesses: int, memory_mb: float) -> int:
    """Probe positions of one batch, at least one.

    Parameters
    ----------
    gpts : tuple of int
        Grid points of a wave along x and y.
    thicknesses : int
        Exit planes that keep a pattern.
    memory_mb : float
        Memory for the waves of a batch [MB].
    """
    return max(1, int(memory_mb / _wave_mb(math.prod(gpts), thicknesses)))


class MultisliceShape(NamedTuple):
    """Grid points of a wave along x and y, slices, and formula units in each layer of the field."""

    x: int
    y: int
    slices: int
    layers: int  # periods of the crystal along the beam
    units: int


def multislice_shape(
    structure: Mapping[str, Any], simulation: Mapping[str, Any]
) -> MultisliceShape:
    """Count what the multislice of one specimen goes through.

    Parameters
    ----------
    structure, simulation : mapping
        As `polarstem.config.jobs` gives them.
    """
    simulate = simulation["simulate"]
    lengths = lengths_of(structure)
    units = sum(map(abs, structure["zone_axis"]))  # formula units of the projected cell
    lattice_constant = (math.prod(lengths) / units) ** (1 / 3)
    x, y = (
        cell_points(simulate["pixels_per_cell"], length, lattice_constant) * cells
        for length, cells in zip(lengths, structure["cells"], strict=False)
    )
    periods = whole_periods(max(simulation["thicknesses_nm"]), lengths[2])
    slices = periods * units * _slices_per_unit(simulate["slices"])
    return MultisliceShape(x, y, slices, periods, math.prod(structure["cells"]) * units)


def multislice_mb(structure: Mapping[str, Any], simulation: Mapping[str, Any]) -> float:
    """Memory of the multislice of one specimen [MB].

    Parameters
    ----------
    structure, simulation : mapping
        As `polarstem.config.jobs` gives them.
    """
    simulate = simulation["simulate"]
    x, y, slices, layers, units = multislice_shape(structure, simulation)
    thicknesses = len(simulation["thicknesses_nm"])
    atoms = units * _ATOMS_PER_UNIT * layers
    rows, columns = simulate["scan"]["positions"]
    size = min(rows * columns, batch_size((x, y), thicknesses, simulate["memory_mb"]))
    # several batches go through a potential that is kept if it fits
    potential = 4e-6 * slices * x * y if size < rows * columns else 0.0
    if potential > simulate["memory_mb"]:
        potential = 0.0
    # sums over the configurations, and twice the images of a batch before they are added
    images = 4e-6 * thicknesses * simulate["detector"]["pixels"] ** 2
    return (
        LIBRARIES_MB
        + potential
        + _slice_mb(x, y, units)
        + size * _wave_mb(x * y, thicknesses)
        + images * (rows * columns + 2 * size)
        + 1e-6 * _BYTES_PER_ATOM * atoms
    )


def scene_mb(scene: Mapping[str, Any], scan: Mapping[str, Any]) -> float:
    """Memory of the scan of a scene [MB].

    Parameters
    ----------
    scene, scan : mapping
        As `polarstem.config.map_jobs` gives them.
    """
    recipe, simulate = make_scene(scene), scan["simulate"]
    nx, ny, periods = recipe.field
    x, y = recipe.grid(simulate["pixels_per_cell"])
    slices, points = scene_shape(recipe, simulate)
    field = 8e-6 * slices * nx * ny * x * y  # transmission functions, complex64
    images = 4e-6 * simulate["detector"]["pixels"] ** 2
    # a window's samples of one configuration: patterns, and copies on their way to the camera
    edges = sorted(recipe.lengths[:2])
    samples = SAMPLES_PER_CELL**2 * edges[1] / edges[0] * (3 * 4e-6 * points + 2 * images)
    positions = math.prod(recipe.scanned(scan["positions_per_cell"])[:2])
    units = sum(map(abs, recipe.zone_axis)) * nx * ny  # formula units of a period
    return (
        LIBRARIES_MB
        + field
        + 8e-6 * slices * points
        + samples
        + _slice_mb(nx * x, ny * y, units)
        # fractions of the beam, blurred and counted, whole numbers and these as they are stored
        + 4 * images * positions
        + 1e-6 * _BYTES_PER_ATOM * units * periods * _ATOMS_PER_UNIT
    )


def scene_shape(recipe: SceneRecipe, simulate: Mapping[str, Any]) -> tuple[int, int]:
    """Slices of a scene, and grid points of the window that a probe goes through."""
    periods = recipe.field[2]
    slices = periods * sum(map(abs, recipe.zone_axis)) * _slices_per_unit(simulate["slices"])
    slices += sum(layer_slices(10 * t) for t in recipe.amorphous_nm)
    thickness_nm = periods * recipe.lengths[2] / 10
    window = window_shape(Simulate.model_validate(simulate), recipe.lengths, thickness_nm)
    return slices, math.prod(window) * math.prod(recipe.grid(simulate["pixels_per_cell"]))


def _slices_per_unit(kind: str) -> int:
    """Slices that hold one formula unit: two planes, or at most a height for each atom."""
    return 2 if kind == "planes" else _ATOMS_PER_UNIT


def _wave_mb(points: int, thicknesses: int) -> float:
    return 1e-6 * points * (8 * WAVE_COPIES + 4 * thicknesses)


def _slice_mb(x: int, y: int, cells: int) -> float:
    """Potential of one slice while it is made: its transform, and phases of an element's atoms."""
    return 1e-6 * (x * y * 40 + 2 * cells * (8 * x + 40 * y))
