# SPDX-License-Identifier: GPL-3.0-or-later
"""The ladder of reality: maps of scenes that depart from ideal crystals in one thing at a time.

What the maps should reach is said here, once. A bound is met or missed where the interval over
scans lies on one side of it; otherwise, as where there are too few cells or none, the scans cannot
tell. One scan may miss a bound but cannot meet it. No number stands alone: whoever answers less is
right more often, so right answers and wrong ones stand beside the fraction that is answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polarstem.evaluate.map_scores.over_scans import exact_interval, of_scans
from polarstem.evaluate.summary.entries import Entry, entry

PREFIX = "maps.reality."
SPARSE = "_sparse"
"""How the names of factors end that are scanned with few positions and electrons."""
MET, MISSED, CANNOT_TELL = "met", "missed", "cannot tell"


@dataclass(frozen=True)
class Bound:
    """What a fraction should reach.

    Attributes
    ----------
    limit : float
        The bound.
    least : bool
        Whether the fraction must be at least that, or at most.
    """

    limit: float
    least: bool

    def verdict(self, found: Entry, confidence: float) -> str:
        """Whether a fraction meets the bound.

        Parameters
        ----------
        found : entry
            Of `polarstem.evaluate.map_scores.over_scans.of_scans`.
        confidence : float
            Level of the interval of a single scan's cells, each taken for a sample of its own: that
            is the narrowest there is, so what even it rules out is missed in this scan.

        Returns
        -------
        str
            "met", "missed" or "cannot tell".
        """
        if found["value"] is None:
            return CANNOT_TELL
        low, high = found["low"], found["high"]
        if low is not None and (low >= self.limit if self.least else high <= self.limit):
            return MET
        if low is None:
            count = round(found["value"] * found["n"])
            low, high = exact_interval(count, found["n"], confidence)
        beyond = high < self.limit if self.least else low > self.limit
        return MISSED if beyond else CANNOT_TELL


DENSE_BOUNDS = {
    "confidently_wrong": Bound(0.01, least=False),
    "right_of_answered": Bound(0.99, least=True),
    "answered": Bound(0.90, least=True),
    "sound_flagged": Bound(0.05, least=False),
}
"""At 36 positions per unit cell and 5e4 electrons per pattern."""
SPARSE_BOUNDS = DENSE_BOUNDS | {
    "right_of_answered": Bound(0.97, least=True),
    "answered": Bound(0.70, least=True),
}
"""At 9 positions per unit cell and 1e4 electrons per pattern."""
# score of the ladder: (score of a map, what it is of the cells away from walls and defects)
_SHARES = {
    "confidently_wrong": (
        "confidently_wrong",
        "unit cells that have an answer and a wrong one, of all",
    ),
    "right_of_answered": ("cell_accuracy_answered", "answered unit cells with the true direction"),
    "answered": ("cells_answered", "unit cells that have an answer"),
    "sound_flagged": ("sound_flagged", "sound unit cells that are flagged as anomalous"),
    "wall_flagged": ("wall_flagged", "sound unit cells within one of a wall that are flagged"),
}
_ERRORS = {
    "thickness_error_nm": ("nm", "error of the estimated thickness"),
    "thickness_map_error_nm": ("nm", "median error of the thickness from place to place"),
    "tilt_error_mrad": ("mrad", "error of the estimated tilt of the beam"),
    "positions_per_cell": ("1", "probe positions per unit cell"),
    "dose_electrons": ("1", "electrons per pattern"),
}


def bounds_of(factor: str) -> dict[str, Bound]:
    """What the maps of a factor should reach, by score."""
    return SPARSE_BOUNDS if factor.endswith(SPARSE) else DENSE_BOUNDS


def pooled(entries: Sequence[Entry], meaning: str, confidence: float) -> Entry:
    """One fraction of those of several scans; their `n` are the cells they are fractions of."""
    known = [each for each in entries if each["value"] is not None]
    counts = [round(each["value"] * each["n"]) for each in known]
    return of_scans(counts, [each["n"] for each in known], meaning, confidence)


def reality_entries(
    found: Mapping[str, Entry], factors: Mapping[str, str], confidence: float
) -> dict[str, Entry]:
    """The ladder's numbers, of the maps of all experiments of a factor together.

    Parameters
    ----------
    found : mapping of str to entry
        ``maps.<experiment>.<score>`` of `polarstem.evaluate.map_scores.over_experiments`.
    factors : mapping of str to str
        The factor of each experiment that belongs to the ladder.
    confidence : float
        Level of the intervals over scans.

    Returns
    -------
    dict of str to entry
        ``maps.reality.<factor>.<score>``. Fractions are of all cells of the experiments and are
        always there, with the value null where there is nothing to count; ``scans`` says of how
        many scans, and of one alone there is no interval. What has a bound tells it: ``bound``,
        ``at_least`` and ``verdict``. Of several experiments the largest error
        stands, and the fewest positions and electrons; these are there where they are known.
    """
    ladder: dict[str, Entry] = {}
    for factor in dict.fromkeys(factors.values()):
        names = [name for name, own in factors.items() if own == factor]
        bounds = bounds_of(factor)
        words = f"in scenes that are not ideal by {factor.replace('_', ' ')} ({', '.join(names)})"
        for score, (own, what) in _SHARES.items():
            key, bound = f"{PREFIX}{factor}.{score}", bounds.get(score)
            parts = _of(found, names, own)
            if not parts and bound is None:
                continue
            ladder[key] = pooled(parts, f"Fraction of {what}, {words}", confidence)
            if bound is not None:
                ladder[key] |= {
                    "bound": bound.limit,
                    "at_least": bound.least,
                    "verdict": bound.verdict(ladder[key], confidence),
                }
        for score, (unit, what) in _ERRORS.items():
            values = [part["value"] for part in _of(found, names, score)]
            if known := [value for value in values if value is not None]:
                largest = score.endswith(("_nm", "_mrad"))
                meaning = f"{'Largest' if largest else 'Fewest'} {what}, {words}"
                value = max(known) if largest else min(known)
                ladder[f"{PREFIX}{factor}.{score}"] = entry(value, unit, meaning, n=len(known))
    return ladder


def over_all(
    found: Mapping[str, Entry], experiments: Sequence[str], confidence: float
) -> dict[str, Entry]:
    """Wrong answers of all virtual experiments together, beside how many cells have an answer.

    Parameters
    ----------
    found : mapping of str to entry
        ``maps.<experiment>.<score>``.
    experiments : sequence of str
        Those whose truth is known.
    confidence : float
        Level of the intervals.

    Returns
    -------
    dict of str to entry
        ``maps.confidently_wrong`` and ``maps.cells_answered``, of cells, with intervals over scans;
        ``maps.scans_confidently_wrong``, of the scans, which are what was sampled, those with any
        such cell. None where no cell was judged.
    """
    entries: dict[str, Entry] = {}
    for score, what in (
        ("confidently_wrong", "that have an answer and a wrong one, of all that were judged"),
        ("cells_answered", "that have an answer"),
    ):
        judged = [name for name in experiments if _of(found, [name], score)]
        if judged:
            meaning = (
                f"Fraction of unit cells away from walls and defects {what}, over the virtual "
                f"experiments {', '.join(judged)}"
            )
            entries[f"maps.{score}"] = pooled(_of(found, judged, score), meaning, confidence)
    if wrong := [each["value"] > 0 for each in _of(found, experiments, "confidently_wrong")]:
        low, high = exact_interval(sum(wrong), len(wrong), confidence)
        meaning = (
            "Fraction of the virtual experiments in which any unit cell away from walls and "
            "defects has an answer and a wrong one"
        )
        value = sum(wrong) / len(wrong)
        entries["maps.scans_confidently_wrong"] = entry(
            value, "fraction", meaning, low=low, high=high, n=len(wrong)
        )
    return entries


def _of(found: Mapping[str, Entry], names: Sequence[str], score: str) -> list[Entry]:
    keys = (f"maps.{name}.{score}" for name in names)
    return [found[key] for key in keys if key in found]
