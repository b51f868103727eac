# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns of a small tetragonal crystal in its four in-plane directions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from polarstem.config.physics import Simulate
from polarstem.data.patterns import PatternSet
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.structures.build import build_specimen
from tests.unit.tetragonal import tetragonal_recipe

FOUR = ("RM", "MU", "LM", "MD")
# reflections (h, 0) at h * 25.08 mÅ / 3.97 Å on pixels of 2.6 mrad
SPACING = (2.42, 2.42)
_SETTINGS = Simulate.model_validate(
    {
        # few pixels, on which abTEM's projection is the smoother one
        "pixels_per_cell": 16,
        "projection": "abtem",
        "semiangle_mrad": 16.0,
        "detector": {"pixels": 24, "mrad_per_pixel": 2.6},
    }
)


@cache
def _microscope(amplitude: float) -> VirtualMicroscope:
    recipe = tetragonal_recipe(cells=(3, 3), thickness_nm=16.0, amplitude=amplitude)
    crystal = Crystal.of(build_specimen(recipe))
    matrix = compute_scattering_matrix(crystal, [8.0, 16.0], _SETTINGS, cells=(3, 3))
    return VirtualMicroscope(matrix, _SETTINGS.detector)


def crystal_set(
    positions: int,
    offset: float,
    amplitude: float = 1.0,
    nm: Sequence[float] = (8.0,),
    dose: float | None = None,
    semiangle_mrad: float = 16.0,
) -> PatternSet:
    """A scan of one cell for each direction and thickness.

    Parameters
    ----------
    positions : int
        Along each side of the cell.
    offset : float
        Of the first position, in steps; 0.5 makes the scan as symmetric as the cell.
    amplitude : float
        Factor on the polar displacements.
    nm : sequence of float
        Of 8 and 16 [nm].
    dose : float, optional
        Electrons per pattern.
    semiangle_mrad : float
        Of the probe, at most 16 [mrad].
    """
    microscope = _microscope(amplitude)
    size = microscope.matrix.grid.size[0]
    steps = (np.arange(positions) + offset) / positions * size
    places = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    parts, labels, thickness = [], [], []
    turn = np.eye(2, dtype=int)
    for label in range(4):
        (a, b), (c, d) = turn.tolist()
        optics = Optics(semiangle_mrad)
        parts.append(microscope.measure(places, nm, optics, turn=((a, b), (c, d))).numpy())
        labels += [label] * len(nm) * len(places)
        thickness += np.repeat(nm, len(places)).tolist()
        turn = np.array([[0, -1], [1, 0]]) @ turn  # by 90 degrees counter-clockwise
    patterns = np.concatenate(parts).reshape(-1, *parts[0].shape[-2:])
    if dose is not None:
        counts = np.random.default_rng(0).poisson(patterns * dose)
        patterns = (counts / dose).astype(np.float32)
    return PatternSet.from_arrays(
        patterns, labels, FOUR, np.arange(4) * 90.0, thickness=np.array(thickness)
    )
