# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulate diffraction patterns of a polar crystal and look at what its polarity changes.

    python examples/simulate_and_look.py --figure patterns.png

A scattering matrix of tetragonal KNN is computed once and then measured at a few probe positions
with the crystal polar to the right and to the left. Their difference, a few per cent, is all that a
model can go by.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from polarstem.config.physics import Simulate
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.structures.build import build_specimen
from polarstem.structures.recipes import make_recipe

SEMIANGLE_MRAD = 24.0
SETTINGS = Simulate(
    semiangle_mrad=SEMIANGLE_MRAD,
    pixels_per_cell=32,
    detector={"pixels": 48, "mrad_per_pixel": 2.0},
)
LEFT = ((-1, 0), (0, 1))  # the crystal mirrored, so that what was polar to the right is to the left


def microscope(thickness_nm: float) -> VirtualMicroscope:
    """Scattering matrix of KNN that is polar to the right, beneath the detector of SETTINGS."""
    recipe = make_recipe(
        material="KNN",
        phase="T",
        variant=(1, 0, 0),  # pseudo-cubic; x is right, y up, z along the beam
        zone_axis=(0, 0, 1),
        a_site="virtual",  # K and Na averaged
        cells=(1, 1),
        thickness_nm=thickness_nm,
        name="polar_to_the_right",
        specimen_set="example",
        split="test",
        class_index=0,
        class_name="RM",
        direction_deg=0.0,
    )
    crystal = Crystal.of(build_specimen(recipe))
    matrix = compute_scattering_matrix(crystal, [thickness_nm], SETTINGS, cells=(2, 2))
    return VirtualMicroscope(matrix, SETTINGS.detector)


def main() -> None:
    """Simulate, measure and draw."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--thickness-nm", type=float, default=10.0)
    parser.add_argument("--figure", type=Path, default=Path("patterns.png"))
    given = parser.parse_args()

    measure = microscope(given.thickness_nm)
    cell = measure.matrix.grid.size[0]  # Å, along x
    optics = Optics(SEMIANGLE_MRAD, source_fwhm=0.8)  # Å
    # x and y (up), from an A column
    places = np.array([[0, 0], [0.25, 0.25], [0.5, 0.5], [0.25, 0.5]]) * cell
    at = ["on A", "between", "on B", "beside B"]
    right = measure.measure(places, [given.thickness_nm], optics)[0].numpy()
    mirrored = places * [-1, 1]  # the same places of the mirrored crystal
    left = measure.measure(mirrored, [given.thickness_nm], optics, turn=LEFT)[0].numpy()
    # a mirrored crystal has mirrored patterns: what is right of that is polarity alone
    np.testing.assert_allclose(left, right[..., ::-1], atol=1e-6)
    other = measure.measure(places, [given.thickness_nm], optics, turn=LEFT)[0].numpy()
    change = np.abs(right - other).sum((1, 2)) / right.sum((1, 2))

    figure, axes = plt.subplots(2, len(places), figsize=(2.2 * len(places), 4.6), layout="tight")
    for column, (name, share) in enumerate(zip(at, change, strict=True)):
        axes[0, column].imshow(right[column] ** 0.5, cmap="gray")
        axes[0, column].set_title(name)
        difference = right[column] - other[column]
        most = np.abs(difference).max()
        axes[1, column].imshow(difference, cmap="RdBu_r", vmin=-most, vmax=most)
        axes[1, column].set_title(f"right - left: {share:.0%}")
        print(f"{name}: reversing the polarization changes {share:.1%} of the pattern")
    for axis in axes.flat:
        axis.set_axis_off()
    figure.savefig(given.figure, dpi=120)
    print(given.figure)


if __name__ == "__main__":
    main()
