# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of the table: what was compared, and whether it reaches its target."""

from __future__ import annotations

import json
import operator
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Literal

from polarstem.files import atomic_path
from polarstem.provenance import git_commit

Quotient = Literal["theirs / ours", "ours / theirs", "patterns/s"]


@dataclass(frozen=True)
class Options:
    """How much is computed, on how many threads, how often, and by which clock."""

    reduced: bool = False
    threads: int = 2
    runs: int = 3
    cpu_time: bool = False


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    work : str
        What is done.
    ours_s, theirs_s : float
        Median time [s]; None where there is no other side.
    ratio : float
        The quotient that `quotient` names.
    target : str
        As ">= 20"; empty where the figure is only reported.
    n_runs : int
        Runs of each side.
    quotient : str
        "theirs / ours", "ours / theirs" or "patterns/s".
    met : bool
        Whether the ratio reaches its target; None without one.
    disagreement : float
        Largest relative L1 distance of a pattern; None where nothing is compared.
    note : str
        How their time was extrapolated, and what it leaves out.
    machine, commit : str
        Where it was measured, and which state of the code.
    """

    work: str
    ours_s: float
    theirs_s: float | None
    ratio: float
    target: str
    n_runs: int
    quotient: Quotient
    met: bool | None
    disagreement: float | None
    note: str
    machine: str
    commit: str


def compare(
    work: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    options: Options,
    *,
    target: str,
    factor: float = 1.0,
    quotient: Quotient = "theirs / ours",
    disagreement: float | None = None,
    note: str = "",
) -> Row:
    """Make a row from the times of all runs; their time is extrapolated by a factor."""
    a, b = median(ours), median(theirs) * factor
    ratio = b / a if quotient == "theirs / ours" else a / b
    return _row(work, a, b, ratio, target, len(ours), options, quotient, disagreement, note)


def throughput(
    work: str, seconds: Sequence[float], patterns: int, options: Options, *, target: str = ""
) -> Row:
    """Make a row of patterns per second from the times of all runs."""
    a = median(seconds)
    count = len(seconds)
    return _row(work, a, None, patterns / a, target, count, options, "patterns/s", None, "")


def _row(
    work: str,
    ours: float,
    theirs: float | None,
    ratio: float,
    target: str,
    n_runs: int,
    options: Options,
    quotient: Quotient,
    disagreement: float | None,
    note: str,
) -> Row:
    ratio = rounded(ratio)
    return Row(
        work=work,
        ours_s=rounded(ours),
        theirs_s=None if theirs is None else rounded(theirs),
        ratio=ratio,
        target=target,
        n_runs=n_runs,
        quotient=quotient,
        met=reaches(ratio, target),
        disagreement=None if disagreement is None else rounded(disagreement),
        note=note,
        machine=f"{processor()}, {options.threads} threads"
        + (", CPU time of all threads" if options.cpu_time else ""),
        commit=git_commit(),
    )


def reaches(ratio: float, target: str) -> bool | None:
    """Whether a ratio keeps to a target such as "<= 1.8"; None without one."""
    if not target:
        return None
    sign, limit = target.split()
    return bool({">=": operator.ge, "<=": operator.le}[sign](ratio, float(limit)))


def rounded(value: float) -> float:
    """Four digits: more would be noise."""
    return float(f"{value:.4g}")


def processor() -> str:
    """Name of the processor, as far as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def table(rows: Sequence[Row]) -> str:
    """The rows as text."""
    lines = [("ours [s]", "theirs [s]", "ratio", "target", "met", "work")]
    for row in rows:
        theirs = "-" if row.theirs_s is None else f"{row.theirs_s:g}"
        quotient = "" if row.quotient == "theirs / ours" else f" ({row.quotient})"
        met = {True: "yes", False: "no", None: "-"}[row.met]
        numbers = (f"{row.ours_s:g}", theirs, f"{row.ratio:g}", row.target or "-", met)
        lines.append((*numbers, row.work + quotient))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Write the rows as JSON."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
