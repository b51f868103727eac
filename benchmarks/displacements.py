# SPDX-License-Identifier: GPL-3.0-or-later
"""How right fitted displacements are, on virtual experiments whose truth is known.

``python -m benchmarks.displacements results`` holds what ``evaluate.displacements.experiments``
asks for, ``results/displacements/<experiment>/displacements.nc``, against the truth of the scene.
Cells at walls and defects are left out. Printed are the root-mean-square error of a component, the
mean error, the median error of the angle, the standard deviation that is told, and how many cells
lie within their ellipses of 68 and 95 %.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.finished_run import run
from polarstem.displacements.displacement_files import DISPLACEMENTS_FILE
from polarstem.evaluate.map_scores.displacements_beside_truth import (
    DisplacementErrors,
    displacement_errors,
)
from polarstem.maps.outputs import MAP_FILE


@dataclass(frozen=True)
class Row:
    """One experiment.

    Attributes
    ----------
    experiment : str
    errors : DisplacementErrors
    """

    experiment: str
    errors: DisplacementErrors

    def __str__(self) -> str:
        found = self.errors
        right, up = found.bias_pm
        return (
            f"{self.experiment:20s} {found.told:4d} of {found.cells:4d}  "
            f"rms {found.rms_pm:5.2f} pm  bias {right:5.2f} {up:5.2f}  "
            f"told {found.sigma_pm:5.2f}  angle {found.angle_deg:4.1f}  "
            f"length {found.share:5.3f}  "
            f"in 68 % {found.within_68:4.0%}  in 95 % {found.within_95:4.0%}"
        )


def rows(results: Path) -> Iterator[Row]:
    """Score all experiments of a folder.

    Parameters
    ----------
    results : path
        With ``maps``, ``scans`` and ``displacements``.
    """
    for path in sorted((results / "displacements").glob(f"*/{DISPLACEMENTS_FILE}")):
        name = path.parent.name
        truth = results / "scans" / f"{name}.truth.nc"
        if truth.exists():
            yield Row(name, displacement_errors(path, results / "maps" / name / MAP_FILE, truth))


if __name__ == "__main__":
    run(__doc__ or "", rows)
