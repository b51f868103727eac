# SPDX-License-Identifier: GPL-3.0-or-later
"""How right fitted displacements are, on virtual experiments whose truth is known.

``python -m benchmarks.displacements results`` holds every
``results/displacements/<experiment>/displacements.nc``, which ``python -m polarstem vectors
results/maps/<experiment> --model results/mapping_model --out results/displacements/<experiment>``
makes, against the truth of its scene. Cells at walls and defects are left out. Printed are the
root-mean-square error of a component, the mean error, the median error of the angle, the standard
deviation that is told, and how many cells lie within their ellipses of 68 and 95 %.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.true_displacements import at_cells, run
from polarstem.displacements.displacement_files import DISPLACEMENTS_FILE
from polarstem.evaluate.map_scores.beside_truth import AWAY_CELLS, read_scored, truth_of_cells
from polarstem.files import open_netcdf

_SHORTEST_PM = 5.0  # true displacements below it have no angle worth the name
_ELLIPSES = {0.68: 2.279, 0.95: 5.991}  # chi squared of two components


@dataclass(frozen=True)
class Row:
    """One experiment.

    Attributes
    ----------
    experiment : str
    cells, told : int
        Cells away from walls and defects, and those with a displacement.
    rms_pm, sigma_pm : float
        Error of a component, and what is told of it [pm].
    bias_pm : tuple of float
        Mean error to the right and up [pm].
    angle_deg : float
        Median error of the angle of displacements of 5 pm or more [degrees].
    share : float
        Length over the true one, by least squares.
    within_68, within_95 : float
        Share of the cells inside their ellipse.
    """

    experiment: str
    cells: int
    told: int
    rms_pm: float
    sigma_pm: float
    bias_pm: tuple[float, float]
    angle_deg: float
    share: float
    within_68: float
    within_95: float

    def __str__(self) -> str:
        right, up = self.bias_pm
        return (
            f"{self.experiment:20s} {self.told:4d} of {self.cells:4d}  rms {self.rms_pm:5.2f} pm  "
            f"bias {right:5.2f} {up:5.2f}  told {self.sigma_pm:5.2f}  angle {self.angle_deg:4.1f}  "
            f"length {self.share:5.3f}  "
            f"in 68 % {self.within_68:4.0%}  in 95 % {self.within_95:4.0%}"
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
        map_nc = results / "maps" / name / "map.nc"
        found, truth = read_scored(map_nc, results / "scans" / f"{name}.truth.nc")
        with open_netcdf(path, "displacements") as opened:
            data = opened.load()
        own = truth_of_cells(found, truth)
        away = own["wall_distance"] > AWAY_CELLS * float(truth.attrs["cell_nm"])
        away &= ~own["defect"]
        told = away & (data["reason"].values == 0)
        if not told.any():
            continue
        true = at_cells(found, truth)[told]
        shift = np.stack([data["ux"].values, data["uy"].values], axis=1)[told]
        x, y = (data[f"sigma_{axis}"].values[told] for axis in "xy")
        mixed = data["correlation"].values[told]
        yield scored(name, int(away.sum()), true, shift, x, y, mixed)


def scored(
    name: str,
    cells: int,
    true: np.ndarray,
    shift: np.ndarray,
    sigma_x: np.ndarray,
    sigma_y: np.ndarray,
    correlation: np.ndarray,
) -> Row:
    """Compare displacements (cell, 2) and their errors with the truth [pm]."""
    error = shift - true
    x, y = error[:, 0] / sigma_x, error[:, 1] / sigma_y
    square = (x**2 - 2 * correlation * x * y + y**2) / (1 - correlation**2)
    turned = np.arctan2(shift[:, 1], shift[:, 0]) - np.arctan2(true[:, 1], true[:, 0])
    apart = np.abs((np.degrees(turned) + 180) % 360 - 180)[np.hypot(*true.T) > _SHORTEST_PM]
    inside = {share: float((square < most).mean()) for share, most in _ELLIPSES.items()}
    right, up = error.mean(0).tolist()
    return Row(
        name,
        cells,
        len(true),
        float(np.sqrt((error**2).mean())),
        float(np.sqrt((sigma_x**2 + sigma_y**2).mean() / 2)),
        (right, up),
        float(np.median(apart)) if len(apart) else float("nan"),
        float((shift * true).sum() / (true**2).sum()),
        inside[0.68],
        inside[0.95],
    )


if __name__ == "__main__":
    run(__doc__ or "", rows)
