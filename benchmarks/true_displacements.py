# SPDX-License-Identifier: GPL-3.0-or-later
"""What the programs that score displacements share: what is true, and their command line."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from polarstem.structures.crystals import load_material
from polarstem.structures.polar_mode import displacements
from polarstem.structures.templates import polarization
from polarstem.structures.variants import Phase, phase_variants

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


def at_cells(found: xr.Dataset, truth: xr.Dataset, name: str) -> FloatArray:
    """What is true at the position nearest to the middle of each cell, shape (cell,)."""
    points = {
        axis: xr.DataArray(found[f"cell_centre_{axis}"].values, dims="cell") for axis in ("y", "x")
    }
    values: FloatArray = truth[name].sel(points, method="nearest").values.astype(float)
    return values


def pm_per_polarization(material: str, phase: Phase) -> float:
    """Displacement of B against its oxygens over the polarization of a phase [pm cm^2/µC]."""
    loaded = load_material(material)
    moved = displacements(loaded, phase, phase_variants(phase)[0])
    polar = polarization(loaded, moved, loaded.cell_volume(phase))
    return 100 * float(np.linalg.norm(moved[1] - moved[2:].mean(0)) / np.linalg.norm(polar))


def run(doc: str, rows: Callable[[Path, float], Sequence[Any]]) -> None:
    """Run a program from the command line: print rows, and write them if asked to.

    Parameters
    ----------
    doc : str
        Of the program; its first line is the help.
    rows : callable
        Gives rows, which are dataclasses, for a finished run's folder and its
        `pm_per_polarization`.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("results", type=Path, help="folder of a finished run")
    parser.add_argument("--material", default="KNN", help="of its crystals (default: KNN)")
    parser.add_argument("--phase", default="O", help="of its crystals (default: O)")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    given = parser.parse_args()
    found = rows(given.results, pm_per_polarization(given.material, given.phase))
    for row in found:
        print(row)
    if given.output:
        text = json.dumps([asdict(row) for row in found], indent=1)
        given.output.write_text(text + "\n", encoding="utf-8")
