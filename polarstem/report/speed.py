# SPDX-License-Identifier: GPL-3.0-or-later
"""The speed comparisons of ``make bench``, in words for the page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polarstem.errors import PolarstemError

# from how many seconds on a unit is used, and how many it has
_UNITS = ((7200.0, 3600.0, "h"), (120.0, 60.0, "min"), (0.9995, 1.0, "s"), (0.0, 1e-3, "ms"))


def speed_rows(bench_json: Path | str) -> list[dict[str, str]]:
    """Read the rows of ``results/bench.json``.

    Parameters
    ----------
    bench_json : path
        List of rows with ``work``, ``ours_s``, ``theirs_s`` (None where there is no other side),
        ``ratio``, ``target``, ``met``, ``quotient``, ``note`` and ``machine``.

    Returns
    -------
    list of dict of str to str
        Texts for the page.

    Raises
    ------
    PolarstemError
        If the file holds something else.
    """
    try:
        rows = json.loads(Path(bench_json).read_text(encoding="utf-8"))
        return [_in_words(row) for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise PolarstemError(
            f"{bench_json} does not hold the rows that `make bench` writes; delete it or run "
            "`make bench` again."
        ) from error


def _in_words(row: Mapping[str, Any]) -> dict[str, str]:
    theirs = row["theirs_s"]
    return {
        "work": row["work"].replace(" x ", " × "),
        "ours": duration(row["ours_s"]),
        "theirs": "–" if theirs is None else duration(theirs),
        "ratio": f"{row['ratio']:,.0f}" if row["ratio"] >= 100 else f"{row['ratio']:.3g}",
        "quotient": row["quotient"],
        "target": row["target"].replace(">=", "≥").replace("<=", "≤") or "–",
        "met": {True: "yes", False: "no", None: "–"}[row["met"]],
        "note": row["note"].replace(" x ", " × "),
        "machine": row["machine"],
    }


def duration(seconds: float) -> str:
    """A time to three digits in a unit that keeps it short."""
    size, unit = next((size, unit) for start, size, unit in _UNITS if seconds >= start)
    return f"{seconds / size:.3g}\u00a0{unit}"
