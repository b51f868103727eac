# SPDX-License-Identifier: GPL-3.0-or-later
"""Which validation patterns choose the epoch, and which calibrate the model then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polarstem.data.cells import CELL_POSITIONS
from polarstem.data.patterns import PatternSet
from polarstem.models.calibration import INFO_KEY
from polarstem.models.calibration_fit import (
    class_probabilities,
    coverage_by_halves,
    fit_calibration,
)

if TYPE_CHECKING:
    from polarstem.data.stream import PatternStream
    from polarstem.models.calibration_fit import Predicts

BY_SPECIMEN = "specimens that did not choose the epoch"
BY_POSITION = "probe positions that did not choose the epoch, of specimens that did"
BY_CONDITIONS = "specimens that chose the epoch, under conditions of their own"


@dataclass(frozen=True)
class CalibrationPatterns:
    """Patterns that a model is calibrated on.

    Attributes
    ----------
    patterns : PatternSet
        None of them trained the model or chose its epoch.
    taken_from : str
        What they are, in words.
    positions : int
        Fewest patterns that make up a unit cell.
    """

    patterns: PatternSet
    taken_from: str
    positions: int = CELL_POSITIONS

    @classmethod
    def of_stream(cls, stream: PatternStream) -> CalibrationPatterns:
        """Scans of a stream."""
        return cls(stream.scans(stream.settings["calibration"]), BY_CONDITIONS)

    @classmethod
    def of_data_sets(cls, paths: Sequence[Path | str]) -> CalibrationPatterns:
        """Those of data sets that calibrated what was trained on them; files stay open."""
        return split_validation(PatternSet.open(paths, "validation"))[1]

    def facts(self, model: Predicts) -> dict[str, Any]:
        """Calibrate a model: what its `Model.info` tells."""
        probability, usable = class_probabilities(model, self.patterns)
        found = fit_calibration(probability, usable, self.positions)
        names = {name.partition("/")[0] for name in np.unique(usable.specimen).tolist()}
        told = {
            "taken_from": self.taken_from,
            "specimens": sorted(names),
            "patterns": usable.n,
            **coverage_by_halves(probability, usable, self.positions),
        }
        return {INFO_KEY: found.attributes(), "calibrated_on": told}


def split_validation(validation: PatternSet) -> tuple[PatternSet, CalibrationPatterns]:
    """Part validation patterns: some choose the epoch, the others calibrate.

    Where each class has two specimens or more, half of them serve for each, and one more for
    calibration if their number is odd. Else each scan is cut in quarters, of which two that touch
    at a corner serve for each; scans at random positions are dealt out in turn.
    """
    last = np.zeros(validation.n, bool)
    enough = True
    for label in np.unique(validation.class_index):
        names = np.unique(validation.specimen[validation.class_index == label])
        enough &= len(names) > 1
        last |= np.isin(validation.specimen, names[len(names) // 2 :])
    if enough:
        calibrating = CalibrationPatterns(validation.select(np.flatnonzero(last)), BY_SPECIMEN)
        return validation.select(np.flatnonzero(~last)), calibrating
    last = _second_quarters(validation)
    positions = CELL_POSITIONS // 2
    calibrating = CalibrationPatterns(
        validation.select(np.flatnonzero(last)), BY_POSITION, positions
    )
    return validation.select(np.flatnonzero(~last)), calibrating


def _second_quarters(patterns: PatternSet) -> NDArray[np.bool_]:
    """Upper right and lower left quarters of scans, or every other position of one without rows."""
    found = np.zeros(patterns.n, bool)
    for scan in range(int(patterns.scan.max(initial=-1)) + 1):
        rows = np.flatnonzero(patterns.scan == scan)
        y, x = patterns.scan_y[rows], patterns.scan_x[rows]
        ny, nx = int(y.max()) + 1, int(x.max()) + 1
        if ny > 1 and nx > 1:
            found[rows] = (2 * y // ny + 2 * x // nx) % 2 == 1
        else:
            found[rows] = np.arange(len(rows)) % 2 == 1
    return found
