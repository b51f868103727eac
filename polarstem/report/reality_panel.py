# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's section on the ladder of reality: its rows, and which bounds were met."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from polarstem.evaluate.map_scores.reality_ladder import (
    CANNOT_TELL,
    DENSE_BOUNDS,
    MET,
    MISSED,
    PREFIX,
    SPARSE,
    SPARSE_BOUNDS,
    bounds_of,
)

Entry = Mapping[str, Any]

# in the order in which the rows stand; all of them together stand last
FACTORS = {
    "disorder": "local disorder",
    "amorphous": "amorphous layers",
    "octahedral": "octahedral tilts",
    "wedge": "wedge",
    "drift": "drift and row jitter",
    "tilt": "crystal tilt",
    "thin": "thin specimen",
    "thick": "thick specimen",
    "half": "half the displacements",
    "all": "all at once",
}
SCORES = {
    "confidently_wrong": "confidently wrong",
    "right_of_answered": "right among answered",
    "answered": "answered",
    "sound_flagged": "sound cells flagged",
    "thickness_error_nm": "thickness off by",
    "tilt_error_mrad": "tilt off by",
}
"""Numbers of the ladder that the report shows, in its order, and what it calls them."""


@dataclass(frozen=True)
class RealityRow:
    """One factor of the ladder.

    Attributes
    ----------
    factor : str
        Its name, without the suffix of sparse scans.
    label : str
        What departs from an ideal crystal, in words.
    dense, sparse : dict of str to entry
        Numbers by their name in `SCORES`; empty where no such scan was mapped.
    """

    factor: str
    label: str
    dense: dict[str, Entry] = field(default_factory=dict)
    sparse: dict[str, Entry] = field(default_factory=dict)


def reality_rows(summary: Mapping[str, Entry]) -> list[RealityRow]:
    """Collect the ladder from ``summary.json``, easiest to read first and all together last."""
    found: dict[str, RealityRow] = {}
    for key, entry in summary.items():
        name, _, score = key.removeprefix(PREFIX).rpartition(".")
        if not key.startswith(PREFIX) or not name:
            continue
        factor = name.removesuffix(SPARSE)
        label = FACTORS.get(factor, factor.replace("_", " "))
        row = found.setdefault(factor, RealityRow(factor, label))
        (row.sparse if name.endswith(SPARSE) else row.dense)[score] = entry
    order = [*(f for f in found if f not in FACTORS), *FACTORS]
    return [found[factor] for factor in order if factor in found]


def reality_panel(summary: Mapping[str, Entry]) -> dict[str, Any] | None:
    """Collect the section of the report.

    Returns
    -------
    dict or None
        ``rows``; ``scores``, what the numbers are called; ``factors``, names as the summary has
        them; ``bounds`` of dense and of sparse scans; ``verdicts`` of those there are. None
        without experiments that belong to the ladder.
    """
    rows = reality_rows(summary)
    if not rows:
        return None
    there = [s for s in (False, True) if any((r.sparse if s else r.dense) for r in rows)]
    factors = [row.factor for row in rows if row.dense]
    factors += [row.factor + SPARSE for row in rows if row.sparse]
    return {
        "rows": rows,
        "scores": SCORES,
        "factors": factors,
        "bounds": (DENSE_BOUNDS, SPARSE_BOUNDS),
        "verdicts": [verdicts(rows, sparse) for sparse in there],
    }


def scanned(rows: list[RealityRow], sparse: bool) -> str:
    """How the scans of one density were made, as far as all of them were made alike."""
    parts = []
    for name, words in (
        ("positions_per_cell", "positions per cell"),
        ("dose_electrons", "electrons each"),
    ):
        entries = [(row.sparse if sparse else row.dense).get(name) for row in rows]
        values = {f"{entry['value']:,.0f}" for entry in entries if entry}
        if len(values) == 1:
            parts.append(f"{values.pop()} {words}")
    return ", ".join(parts) or ("few positions" if sparse else "many positions")


def verdicts(rows: list[RealityRow], sparse: bool) -> dict[str, Any]:
    """Which factors met all their bounds, what others missed, and what cannot be told.

    Returns
    -------
    dict
        ``scanned``; ``met``, labels of the factors that met all; for each of the others its label
        and a part of a sentence: ``missed``, of those that missed any, says by how much, and
        ``cannot_tell``, of the rest, what their scans leave open.
    """
    told: dict[str, list[Any]] = {"met": [], "missed": [], "cannot_tell": []}
    for row in rows:
        numbers = row.sparse if sparse else row.dense
        if not numbers:
            continue
        of = {score: numbers[score] for score in bounds_of(row.factor + SPARSE * sparse)}
        parts = {
            verdict: [
                f"{SCORES[score]} {_shown(entry)}"
                for score, entry in of.items()
                if entry["verdict"] == verdict
            ]
            for verdict in (MISSED, CANNOT_TELL)
        }
        if parts[MISSED]:
            told["missed"].append((row.label, ", ".join(parts[MISSED])))
        elif parts[CANNOT_TELL]:
            told["cannot_tell"].append((row.label, ", ".join(parts[CANNOT_TELL])))
        else:
            assert all(entry["verdict"] == MET for entry in of.values())
            told["met"].append(row.label)
    return {"scanned": scanned(rows, sparse), **told}


def _shown(entry: Entry) -> str:
    """A fraction beside its bound, and of how many it is."""
    bound = f"{100 * entry['bound']:g}\u00a0%"
    if entry["value"] is None:
        return f"has nothing to count (bound {bound})"
    value = f"{100 * entry['value']:.1f}\u00a0%"
    if entry["verdict"] == MISSED:
        return f"{value} {'<' if entry['at_least'] else '>'} {bound}"
    scans = f"{entry['scans']} scan{'s' if entry['scans'] > 1 else ''}"
    return f"{value} of {entry['n']} cells in {scans} (bound {bound})"
