# SPDX-License-Identifier: GPL-3.0-or-later
"""Microscopes, positions and a distance for the tests of scattering matrices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from polarstem.config.physics import Simulate
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.multislice.abtem_run import simulate_patterns
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix

# on the A column, off every axis, near an edge of the cell [fractions of the cell]
FRACTIONS = np.array([(0.0, 0.0), (0.21, 0.63), (0.98, 0.47)])
# inside the cell of the fixture `matrix` [Å]
POSITIONS = np.array([(0.3, 1.1), (2.2, 3.9)])
DETECTOR = {"pixels": 36, "mrad_per_pixel": 2.2}
AGREEMENT = 5e-5


def optics_of(settings: Simulate, **changes) -> Optics:
    optics = Optics(settings.semiangle_mrad, settings.aberrations, settings.tilt_mrad)
    return replace(optics, **changes)


def microscope(**settings) -> Simulate:
    return Simulate.model_validate({"pixels_per_cell": 24, "detector": DETECTOR, **settings})


def places(specimen: Crystal, fractions=FRACTIONS) -> np.ndarray:
    return (np.asarray(fractions) + 1) * specimen.cell[:2]


def relative(ours, theirs) -> float:
    """Largest relative L1 distance of patterns."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    return float((np.abs(ours - theirs).sum((-1, -2)) / theirs.sum((-1, -2))).max())


def both_engines(specimen: Crystal, settings: Simulate, nm, **options):
    """Patterns of the scattering matrix and of abTEM, and the matrix."""
    cells = specimen.repeats[:2]
    matrix = compute_scattering_matrix(specimen, nm, settings, cells=cells, **options)
    eye = VirtualMicroscope(matrix, settings.detector)
    ours = eye.measure(places(specimen), nm, optics_of(settings))
    theirs = simulate_patterns(specimen, places(specimen), nm, settings, seed=0).intensity
    return ours.numpy(), theirs, matrix
