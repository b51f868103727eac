# SPDX-License-Identifier: GPL-3.0-or-later
"""Train several kinds of model on simulated patterns and compare them where they were not trained.

    python examples/train_and_compare.py

All learn four directions of tetragonal KNN at one thickness. They are asked about another crystal
at other probe positions, and then about another thickness, which is what is hard. The crystals are
small and ideal: the numbers show how it is done, and say nothing about experiments.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from polarstem.config.physics import Simulate
from polarstem.data.patterns import PatternSet
from polarstem.models import FitJob, create
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.structures.build import build_specimen
from polarstem.structures.recipes import make_recipe

CLASSES = ["RM", "MU", "LM", "MD"]
DIRECTIONS = 90.0 * np.arange(4)
TRAINED_NM, OTHER_NM = 8.0, 16.0
SEMIANGLE_MRAD = 16.0
OPTIONS = {"linear": {"components": 80}}  # of families; the defaults for all others
# few pixels per cell, on which abTEM's projection is the smoother one: an example, no reference
SETTINGS = Simulate(
    pixels_per_cell=16,
    projection="abtem",
    semiangle_mrad=SEMIANGLE_MRAD,
    detector={"pixels": 24, "mrad_per_pixel": 2.6},
)


def microscope(amplitude: float) -> VirtualMicroscope:
    """A crystal that is polar to the right, its displacements multiplied by `amplitude`."""
    recipe = make_recipe(
        material="KNN",
        phase="T",
        variant=(1, 0, 0),
        zone_axis=(0, 0, 1),
        a_site="virtual",
        amplitude=amplitude,
        cells=(3, 3),
        thickness_nm=OTHER_NM,
        name=f"times_{amplitude:g}",
        specimen_set="example",
        split="train",
        class_index=0,
        class_name="RM",
        direction_deg=0.0,
    )
    crystal = Crystal.of(build_specimen(recipe))
    matrix = compute_scattering_matrix(crystal, [TRAINED_NM, OTHER_NM], SETTINGS, cells=(3, 3))
    return VirtualMicroscope(matrix, SETTINGS.detector)


def patterns(
    measured: VirtualMicroscope, thickness_nm: float, positions: int, offset: float
) -> PatternSet:
    """A scan of one cell for each class, `positions` along each side, begun at `offset` steps."""
    steps = (np.arange(positions) + offset) / positions * measured.matrix.grid.size[0]
    places = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    quarter = np.array([[0, -1], [1, 0]])  # by 90 degrees, counter-clockwise with y up
    optics, found = Optics(SEMIANGLE_MRAD), []
    for turns in range(4):
        (a, b), (c, d) = np.linalg.matrix_power(quarter, turns).tolist()
        turned = measured.measure(places, [thickness_nm], optics, turn=((a, b), (c, d)))
        found.append(turned[0].numpy())
    labels = np.repeat(np.arange(4), len(places))
    return PatternSet.from_arrays(np.concatenate(found), labels, CLASSES, DIRECTIONS)


def main() -> None:
    """Measure, train, compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--models",
        nargs="+",
        default=["linear", "template", "pca_knn"],
        help="families of polarstem.models.families(); networks such as cnn take longer",
    )
    given = parser.parse_args()

    # each split is a crystal of its own: never split the positions of one crystal
    train = patterns(microscope(1.0), TRAINED_NM, 16, 0.25)
    validation = patterns(microscope(1.1), TRAINED_NM, 6, 0.1)
    tested = microscope(0.9)
    tests = {nm: patterns(tested, nm, 6, 0.5) for nm in (TRAINED_NM, OTHER_NM)}

    print(f"{'model':12}{f'{TRAINED_NM:g} nm':>8}{f'{OTHER_NM:g} nm':>8}")
    for family in given.models:
        model = create(family, OPTIONS.get(family, {}), CLASSES, DIRECTIONS)
        with TemporaryDirectory() as folder:
            model.fit(train, validation, FitJob(Path(folder), seed=0))
        right = [
            np.mean(model.predict_proba(test.read(slice(None))).argmax(1) == test.class_index)
            for test in tests.values()
        ]
        print(f"{family:12}{right[0]:8.0%}{right[1]:8.0%}", flush=True)


if __name__ == "__main__":
    main()
