# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scan of a scene can hold, so that a config is refused before its first job.

The engine of scenes takes its numbers from here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from polarstem.config.accuracy import least_repeats
from polarstem.config.angles import edge_of
from polarstem.config.conditions import Conditions
from polarstem.config.experiment_conditions import ExperimentConditions
from polarstem.config.physics import Simulate, band_mrad
from polarstem.structures.scenes.recipe import SceneRecipe

# Patterns of a point source change with its position up to twice the aperture's frequency, 7.6 per
# cell. Ten samples and a source of 0.8 Å leave 0.6 % of a pattern, six leave 15 %.
SAMPLES_PER_CELL = 10
"""Point sources sampled along the edge of a cell."""
LEAST_SOURCE = 2.0
"""Full width at half maximum of a source that joins samples [their steps]."""
SOURCE_REACH = 3.0
"""How far a source's image is followed [standard deviations]."""
MOST_JITTER = 3.0
"""Largest shift of a row [standard deviations]."""
MOST_OFFSETS = 8
"""Offsets of the aperture's samples: so many neighbours the narrowest source joins."""
_SIGMA_PER_FWHM = 1 / math.sqrt(8 * math.log(2))


def window_cells(simulate: Simulate, cell: float, thickness_nm: float) -> int:
    """Square cells along the edge of the window of a scene that a probe goes through.

    Parameters
    ----------
    simulate : Simulate
        The microscope, and the accuracy asked for.
    cell : float
        Edge of a cell [Å].
    thickness_nm : float
        Thickness of the scene [nm].
    """
    offsets = min(simulate.phonons.configurations, MOST_OFFSETS)
    phonons = simulate.phonons.model_copy(update={"configurations": offsets})
    return least_repeats(simulate.model_copy(update={"phonons": phonons}), cell, thickness_nm)


def window_shape(
    simulate: Simulate, lengths: Sequence[float], thickness_nm: float
) -> tuple[int, int]:
    """Cells of a window along x and y, of projected cells with such edges [Å].

    Along a longer edge fewer of them are as wide.
    """
    x, y = lengths[:2]
    side = min(x, y) * window_cells(simulate, min(x, y), thickness_nm)
    return math.ceil(side / x - 1e-9), math.ceil(side / y - 1e-9)


def window_text(shape: Iterable[int]) -> str:
    """Cells of a window along x and y in a message: one number where both are the same."""
    x, y = shape
    return f"{x}" if x == y else f"{x} x {y}"


def least_source(cell: float) -> float:
    """Least full width of a source that joins the samples of a scene, its cells so long [Å]."""
    return LEAST_SOURCE * cell / SAMPLES_PER_CELL


def source_problem(simulate: Simulate, conditions: Conditions, cell: float) -> str | None:
    """Say that a source cannot join the samples of a scene, its cells so long [Å]."""
    low, high = conditions.source_fwhm_angstrom
    least = least_source(cell)
    if low >= least or (high == 0 and simulate.phonons.configurations <= 1):
        return None
    return (
        f"is {low:g} Å at the least, but only a source of {math.ceil(100 * least) / 100:.2f} Å or "
        "more joins the probes that a scene is sampled with; raise it"
    )


def margin_problem(
    recipe: SceneRecipe, simulate: Simulate, conditions: ExperimentConditions
) -> str | None:
    """Say that windows would reach beyond the crystal."""
    lacking = lacking_margin(recipe, simulate, conditions)
    if not lacking:
        return None
    window = window_shape(simulate, recipe.lengths, recipe.field[2] * recipe.lengths[2] / 10)
    distorted = conditions.drift[1] or conditions.row_jitter_angstrom[1]
    return (
        f"{recipe.margin_cells} cells around the scan do not hold the windows of "
        f"{window_text(window)} cells that probes go through, with a source of "
        f"{conditions.source_fwhm_angstrom[1]:g} Å"
        f"{' in a distorted scan' if distorted else ''}; use {recipe.margin_cells + lacking}"
    )


def lacking_margin(
    recipe: SceneRecipe, simulate: Simulate, conditions: ExperimentConditions
) -> int:
    """Cells that lack around a scan, so that no window reaches beyond the crystal."""
    *edges, period = recipe.lengths
    windows = window_shape(simulate, edges, recipe.field[2] * period / 10)
    reach = SOURCE_REACH * _SIGMA_PER_FWHM * conditions.source_fwhm_angstrom[1]
    turn = math.radians(recipe.crystal_rotation_deg)
    c, s = abs(math.cos(turn)), abs(math.sin(turn))
    width, height = (n * edge for n, edge in zip(recipe.cells, edges, strict=True))
    drift = conditions.drift[1] * height / 2
    jitter = MOST_JITTER * conditions.row_jitter_angstrom[1]
    x, y = width + 2 * (reach + drift + jitter), height + 2 * (reach + drift)
    extents = (x * c + y * s, x * s + y * c)
    # of an odd number of cells the smaller half lies on the left
    lacking = (
        window // 2 - (n // 2 - extent / edge / 2)
        for window, n, extent, edge in zip(windows, recipe.field, extents, edges, strict=False)
    )
    return max(0, math.ceil(max(lacking) - 1e-9))


def band_problem(
    simulate: Simulate, conditions: Conditions, cell: float, pixels_per_cell: int
) -> str | None:
    """Say that a detector or an aperture is wider than the angles that a grid holds.

    Parameters
    ----------
    simulate : Simulate
        The microscope.
    conditions : Conditions
        They may shift, stretch and scale the pattern on the detector.
    cell : float
        Pseudo-cubic lattice constant [Å].
    pixels_per_cell : int
        Grid points along it.
    """
    edge, band = edge_of(simulate.detector, conditions), band_mrad(simulate.energy_kv, cell)
    what, most = "detector", edge
    if simulate.semiangle_mrad > edge:
        what, most = "aperture", simulate.semiangle_mrad
    if most <= band * pixels_per_cell:
        return None
    return (
        f"the {what} reaches {most:.1f} mrad, but {pixels_per_cell} pixels per cell hold angles up "
        f"to {band * pixels_per_cell:.1f} mrad only; set pixels_per_cell to "
        f"{2 * math.ceil(most / band / 2)} or more, or take a smaller {what}"
    )
