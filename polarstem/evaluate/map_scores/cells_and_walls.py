# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores of a map whose truth is known: a virtual experiment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from polarstem.evaluate.map_scores.beside_truth import (
    AWAY_CELLS,
    agrees,
    read_scored,
    truth_of_cells,
)
from polarstem.evaluate.map_scores.delivered_walls import delivered_wall_scores
from polarstem.evaluate.map_scores.known_walls import known_wall_scores
from polarstem.evaluate.map_scores.over_scans import of_one_scan
from polarstem.evaluate.summary.entries import Entry, entry


def score_map(map_nc: Path | str, truth_nc: Path | str) -> dict[str, Entry]:
    """Compare a map with the truth of its scene.

    Parameters
    ----------
    map_nc : path
        ``map.nc`` of `polarstem.maps`.
    truth_nc : path
        Truth on the positions of the scan, see `polarstem.simulate.multislice.scene_scan`.

    Returns
    -------
    dict of str to entry
        Only what the scene has, without intervals: the cells of one scan are no independent
        samples; ``n`` counts them. Of the cells farther than one from any wall and outside defects:
        ``cell_accuracy``, ``cell_accuracy_answered``, ``cells_answered``; ``confidently_wrong``,
        those that have an answer and a wrong one, of all of them, answered or not, and
        ``confidently_wrong_cells``, how many these are. Of the probe positions there:
        ``position_accuracy``, ``positions_answered``, ``positions_confidently_wrong``.
        Where the scene has no polarization, ``unpolar_abstained``;
        an answer there is a wrong one. Of walls what the delivered labels say of them
        (`delivered_wall_scores`) and what is found if the directions beside them are known
        (`known_wall_scores`).

    Raises
    ------
    PolarstemError
        If a file is unreadable, or the two do not belong together.
    """
    found, truth = read_scored(map_nc, truth_nc)
    cell_nm = float(truth.attrs["cell_nm"])
    own = truth_of_cells(found, truth)
    far = (own["wall_distance"] > AWAY_CELLS * cell_nm) & ~own["defect"]
    polar = own["class_index"] >= 0
    right = agrees(found, found["cell_class_index"].values, own["direction"]) & polar
    answered = found["cell_answered"].values.astype(bool)
    scores = _cell_scores(found, far, polar, right, answered)
    unpolar = ~polar & ~own["defect"]
    if unpolar.any():
        meaning = "Fraction of unit cells without polarization that have no answer"
        count = int((~answered)[unpolar].sum())
        scores["unpolar_abstained"] = of_one_scan(count, int(unpolar.sum()), meaning)
    scores |= _position_scores(found, truth, cell_nm)
    scores |= delivered_wall_scores(found, truth, cell_nm)
    return scores | known_wall_scores(found, truth, cell_nm)


def _cell_scores(
    found: xr.Dataset,
    far: NDArray[np.bool_],
    polar: NDArray[np.bool_],
    right: NDArray[np.bool_],
    answered: NDArray[np.bool_],
) -> dict[str, Entry]:
    """What the cells say that are far from walls and defects."""
    what = "unit cells farther than one cell from any wall and outside defects"
    scores: dict[str, Entry] = {}
    clean = far & polar
    for name, mask, where in (
        ("cell_accuracy", clean, f"of {what}"),
        ("cell_accuracy_answered", clean & answered, f"of answered {what}"),
    ):
        if mask.any():
            meaning = f"Fraction {where} with the true direction"
            scores[name] = of_one_scan(int(right[mask].sum()), int(mask.sum()), meaning)
    if clean.any():
        meaning = f"Fraction of {what} that have an answer{_why_not(found, clean & ~answered)}"
        count = int(answered[clean].sum())
        scores["cells_answered"] = of_one_scan(count, int(clean.sum()), meaning)
    if far.any():
        wrong, n = int((far & answered & ~right).sum()), int(far.sum())
        meaning = f"Fraction of {what} that have an answer and a wrong one"
        scores["confidently_wrong"] = of_one_scan(wrong, n, meaning)
        meaning = f"Number of {what} that have an answer and a wrong one"
        scores["confidently_wrong_cells"] = entry(wrong, "1", meaning, n=n)
    return scores


def _why_not(found: xr.Dataset, without: NDArray[np.bool_]) -> str:
    """Why cells have no answer, the most frequent reason first, where the map tells."""
    if "cell_withheld" not in found or not without.any():
        return ""
    codes = found["cell_withheld"]
    values = np.atleast_1d(codes.attrs.get("flag_values", [])).tolist()
    words = dict(zip(values, str(codes.attrs.get("flag_meanings", "")).split(), strict=False))
    reasons, counts = np.unique(codes.values[without], return_counts=True)
    told = [
        f"{words.get(reason, f'reason {reason}').replace('_', ' ')} {count}"
        for reason, count in sorted(zip(reasons.tolist(), counts.tolist(), strict=True),
                                    key=lambda pair: -pair[1])
    ]  # fmt: skip
    return f"; the others have none because of: {', '.join(told)}"


def _position_scores(found: xr.Dataset, truth: xr.Dataset, cell_nm: float) -> dict[str, Entry]:
    """What probe positions away from walls and defects say."""
    far = (truth["wall_distance"].values > AWAY_CELLS * cell_nm) & ~truth["defect"].values
    far &= np.isfinite(found["confidence"].values)
    polar = truth["class_index"].values >= 0
    right = agrees(found, found["class_index"].values, truth["direction"].values) & polar
    answered = found["answered"].values.astype(bool)
    what = "probe positions away from walls and defects"
    scores = {}
    for name, judged, counted, how in (
        ("position_accuracy", far & polar, right, "with the true direction"),
        ("positions_answered", far & polar, answered, "that have an answer"),
        (
            "positions_confidently_wrong",
            far,
            answered & ~right,
            "that have an answer and a wrong one",
        ),
    ):
        if judged.any():
            value = float(counted[judged].mean())
            text = f"Fraction of {what} {how}"
            scores[name] = entry(value, "fraction", text, n=int(judged.sum()))
    return scores
