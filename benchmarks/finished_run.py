# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line of the programs that score the displacements of a finished run."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any


def run(doc: str, rows: Callable[[Path], Iterable[Any]]) -> None:
    """Run a program from the command line: print rows, and write them if asked to.

    Parameters
    ----------
    doc : str
        Of the program; its first line is the help.
    rows : callable
        Gives rows, which are dataclasses, for a finished run's folder.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("results", type=Path, help="folder of a finished run")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    given = parser.parse_args()
    found = list(rows(given.results))
    for row in found:
        print(row)
    if given.output:
        text = json.dumps([asdict(row) for row in found], indent=1)
        given.output.write_text(text + "\n", encoding="utf-8")
