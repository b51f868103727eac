# SPDX-License-Identifier: GPL-3.0-or-later
"""How well the anomaly scores of a map find the defects of a scene whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from polarstem.evaluate.map_scores.beside_truth import AWAY_CELLS, read_scored, truth_of_cells
from polarstem.evaluate.map_scores.over_scans import of_one_scan
from polarstem.evaluate.summary.entries import Entry, entry

FloatArray = NDArray[np.float64]


def score_defects(map_nc: Path | str, truth_nc: Path | str) -> dict[str, Entry]:
    """Compare a map's anomaly scores with the truth of its scene, unit cell by unit cell.

    A cell is defective if any of its positions lies in a defect's core.

    Parameters
    ----------
    map_nc : path
        ``map.nc`` of `polarstem.maps`.
    truth_nc : path
        Truth on the positions of the scan, see `polarstem.simulate.multislice.scene_scan`.

    Returns
    -------
    dict of str to entry
        Without intervals: the cells of one scan are no independent samples. With a defect:
        ``defect_auroc``, ``defect_average_precision``, ``defects_flagged``. Of the cells without
        one ``sound_flagged`` of those farther than one cell from walls and defects,
        ``wall_flagged`` of those within one cell of a wall, and ``defect_border_flagged`` of the
        other ones within one cell of a defect. Where part of a scene without defects is disturbed,
        ``control_flagged``, of the cells in that part.

    Raises
    ------
    PolarstemError
        If a file is unreadable, or the two do not belong together.
    """
    found, truth = read_scored(map_nc, truth_nc)
    defective, control = (
        _touched(found, truth[name].values if name in truth else np.zeros(found["cell"].shape))
        for name in ("defect", "control")
    )
    score, flagged = found["cell_anomaly"].values, found["cell_flagged"].values.astype(bool)
    known = np.isfinite(score)
    scores: dict[str, Entry] = {}
    if (defective & known).any() and (~defective & known).any():
        scores |= _ranked(score[known], defective[known])
        meaning = "Fraction of the unit cells with a defect that are flagged"
        scores["defects_flagged"] = _share(flagged[known & defective], meaning)
    cell_nm = float(truth.attrs["cell_nm"])
    wall = truth_of_cells(found, truth)["wall_distance"] <= AWAY_CELLS * cell_nm
    border = _near_defects(found, truth, AWAY_CELLS * cell_nm)
    for name, which, meaning in (
        ("sound_flagged", ~wall & ~border & ~defective, "farther than one from walls and defects"),
        ("wall_flagged", wall & ~defective, "within one cell of a wall, outside defects,"),
        ("defect_border_flagged", border & ~wall & ~defective, "beside a defect"),
        ("control_flagged", control, "disturbed without a defect"),
    ):
        if (which & known).any():
            meaning = f"Fraction of the unit cells {meaning} that are flagged"
            scores[name] = _share(flagged[which & known], meaning)
    return scores


def _touched(found: xr.Dataset, where: NDArray[Any]) -> NDArray[np.bool_]:
    """Which cells (cell,) of a map have a position where `where` (y, x) is true."""
    cell = found["cell"].values
    result = np.zeros(found.sizes["cell"], bool)
    result[np.unique(cell[where.astype(bool) & (cell >= 0)])] = True
    return result


def _ranked(score: FloatArray, defective: NDArray[np.bool_]) -> dict[str, Entry]:
    """Area under the ROC curve, and average precision."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    area = float(roc_auc_score(defective, score))
    text = "Probability that a unit cell with a defect has a higher anomaly score than one without"
    precision = float(average_precision_score(defective, score))
    meaning = "Average precision of the anomaly score for unit cells with a defect"
    return {
        "defect_auroc": entry(area, "1", text, n=len(score)),
        "defect_average_precision": entry(precision, "1", meaning, n=len(score)),
    }


def _near_defects(found: xr.Dataset, truth: xr.Dataset, reach_nm: float) -> NDArray[np.bool_]:
    """Which cells have their middle within a distance of a position in a defect's core."""
    y, x = np.nonzero(truth["defect"].values)
    if not len(y):
        return np.zeros(found.sizes["cell"], bool)
    tree = cKDTree(np.stack([truth["y"].values[y], truth["x"].values[x]], axis=1))
    centres = np.stack([found["cell_centre_y"].values, found["cell_centre_x"].values], axis=1)
    return np.asarray(tree.query(centres)[0] <= reach_nm)


def _share(true: NDArray[np.bool_], meaning: str) -> Entry:
    return of_one_scan(int(true.sum()), len(true), meaning)
