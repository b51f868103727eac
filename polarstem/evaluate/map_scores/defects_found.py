# SPDX-License-Identifier: GPL-3.0-or-later
"""How well the anomaly scores of a map find the defects of a scene whose truth is known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from polarstem.evaluate.map_scores.beside_truth import AWAY_CELLS, read_scored, truth_of_cells
from polarstem.evaluate.map_scores.over_scans import of_one_scan
from polarstem.evaluate.summary.entries import Entry, entry
from polarstem.maps.anomaly import roots, upper_quartiles
from polarstem.models.network import NetworkModel

if TYPE_CHECKING:
    from polarstem.models.base import Model

_COORDINATES = 32  # of the embeddings, for their covariance

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
        touched(found, truth[name].values if name in truth else np.zeros(found["cell"].shape))
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


def compare_scores(
    found: xr.Dataset, truth: xr.Dataset, others: Mapping[str, NDArray[Any]]
) -> dict[str, tuple[float, float]]:
    """AUROC and average precision of the map's anomaly score and of others.

    Parameters
    ----------
    found, truth : Dataset
        Map and truth.
    others : mapping of str to ndarray, shape (y, x)
        Scores of positions, as `plain_scores` gives them; of a cell, the upper quartile counts.

    Returns
    -------
    dict of str to (float, float)
        The map's own stands under ``anomaly``. Both numbers are NaN without a defect.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score  # which takes seconds

    defective = touched(found, truth["defect"].values)
    cell = found["cell"].values
    scores = {name: upper_quartiles(np.asarray(each, float), cell) for name, each in others.items()}
    table = {}
    for name, score in {"anomaly": found["cell_anomaly"].values, **scores}.items():
        known = np.isfinite(score)
        labels = defective[known]
        if labels.any() and not labels.all():
            values = score[known]
            table[name] = (
                float(roc_auc_score(labels, values)),
                float(average_precision_score(labels, values)),
            )
        else:
            table[name] = (np.nan, np.nan)
    return table


def plain_scores(
    model: Model, patterns: NDArray[Any], templates: NDArray[np.float32] | None = None
) -> dict[str, FloatArray]:
    """Scores that look at each pattern by itself, to compare the anomaly score with.

    Parameters
    ----------
    model : Model
        The trained model.
    patterns : ndarray, shape (n, ky, kx)
        On the model's grid, measured ones only.
    templates : ndarray, shape (template, ky, kx), optional
        Of perfect crystals at the scan's thickness, in the frame of the patterns.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        ``uncertainty``: one minus the largest class probability (D. Hendrycks and K. Gimpel, ICLR
        2017). ``energy``: minus the log of the classes' added exponentials (W. Liu et al., NeurIPS
        33, 21464 (2020)), of networks. ``mahalanobis``: distance of the embedding from the scan's
        mean (K. Lee et al., NeurIPS 31, 7167 (2018)). ``reconstruction``: squared distance to the
        best-matching template, both as roots.
    """
    from sklearn.covariance import LedoitWolf

    embedding = model.embed(patterns).astype(float)
    scores = {"uncertainty": 1.0 - model.predict_proba(patterns).max(axis=1).astype(float)}
    if isinstance(model, NetworkModel):
        scores["energy"] = _energy(model, embedding)
    centred = embedding - embedding.mean(axis=0)
    axes = np.linalg.eigh(centred.T @ centred)[1][:, -_COORDINATES:]
    scores["mahalanobis"] = LedoitWolf().fit(centred @ axes).mahalanobis(centred @ axes)
    if templates is not None:
        pixels = int(np.prod(patterns.shape[1:]))
        overlap = roots(patterns).reshape(-1, pixels) @ roots(templates).reshape(-1, pixels).T
        scores["reconstruction"] = 2.0 - 2.0 * overlap.max(axis=1).astype(float)
    return scores


def _energy(model: NetworkModel, embedding: FloatArray) -> FloatArray:
    import torch

    assert model.network is not None
    with torch.inference_mode():
        logits = model.network.head.logits(torch.from_numpy(embedding).float().to(model.device))
    return -logits.double().logsumexp(dim=1).cpu().numpy()


def touched(found: xr.Dataset, where: NDArray[Any]) -> NDArray[np.bool_]:
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
