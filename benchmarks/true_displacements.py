# SPDX-License-Identifier: GPL-3.0-or-later
"""What the programs that score displacements share: what is true, and their command line."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """How good displacements are.

    Attributes
    ----------
    rms_pm : float
        Root-mean-square error of a component.
    scatter_pm : float
        The same about the mean of each domain: what no better calibration takes away.
    right : float
        Share of cells whose nearest class is the true one.
    """

    rms_pm: float
    scatter_pm: float
    right: float


def at_cells(found: xr.Dataset, truth: xr.Dataset) -> FloatArray:
    """True displacement at the position nearest to the middle of each cell, (cell, 2) [pm]."""
    points = {
        axis: xr.DataArray(found[f"cell_centre_{axis}"].values, dims="cell") for axis in ("y", "x")
    }
    near = truth[["displacement_x", "displacement_y"]].sel(points, method="nearest")
    values: FloatArray = np.stack([near[f"displacement_{axis}"].values for axis in "xy"], axis=1)
    return values.astype(float)


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
