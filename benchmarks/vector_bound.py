# SPDX-License-Identifier: GPL-3.0-or-later
"""The bound of a displacement: what each unknown costs, and how exact it is.

``python -m benchmarks.vector_bound results/vector_bound.nc`` prints of a finished run, as
docs/vector.md quotes them: the bound per unit cell at 10 000 electrons per pattern over thickness,
what each nuisance adds to it, its range over single probe positions, and how nearly each material's
templates are met. With ``--changes`` also by how much halved steps, and at the middle thickness a
field twice as wide and positions twice as dense, change the bound of the standard configuration
(some minutes of a core).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from polarstem.config import load
from polarstem.config.check import STANDARD
from polarstem.config.vector_bound import parameters_of, vector_bound_settings
from polarstem.errors import PolarstemError
from polarstem.evaluate.limit.displaced_patterns import DisplacedPatterns
from polarstem.evaluate.limit.vector_bound import (
    component_error,
    displacement_covariance,
    fisher_information,
    read_vector_bound,
)
from polarstem.structures.polar_mode import PolarMode

DOSE = 1e4  # electrons per pattern
PATTERNS = 36  # of a cell, whatever the number of positions that its mean is taken over
NUISANCES = ("thickness", "tilt", "defocus", "position", "thermal")
CHOICES = {"nothing": (), **{name: (name,) for name in NUISANCES}, "all": NUISANCES}
MATERIALS = (("KNN", "T"), ("KNN", "O"), ("KNN", "R"), ("BaTiO3", "T"), ("PbTiO3", "T"))


def per_cell(fisher: np.ndarray, nuisance: tuple[str, ...]) -> np.ndarray:
    """Bound of a component per unit cell at each thickness [pm]."""
    covariance = displacement_covariance(fisher.mean(1), parameters_of(nuisance))
    return component_error(covariance) / np.sqrt(DOSE * PATTERNS)


def tables(data: xr.Dataset) -> None:
    """Print the bounds that follow from the information on file."""
    print("thicknesses [nm]:", *data["thickness"].values)
    for amplitude in data["amplitude"].values:
        fisher = data["fisher"].sel(amplitude=amplitude).values
        fisher = fisher.reshape(len(fisher), -1, *fisher.shape[-2:])
        for name, nuisance in CHOICES.items():
            values = " ".join(f"{value:.3f}" for value in per_cell(fisher, nuisance))
            print(f"amplitude {amplitude:g}, unknown {name}: {values} pm per cell")
        one = component_error(displacement_covariance(fisher, parameters_of(NUISANCES)))
        ends = zip(one.min(1) / np.sqrt(DOSE), one.max(1) / np.sqrt(DOSE), strict=True)
        values = ", ".join(f"{low:.2f} to {high:.2f}" for low, high in ends)
        print(f"amplitude {amplitude:g}, unknown all, single patterns: {values} pm")


def information(settings: Mapping[str, Any], finer: float = 1.0) -> Mapping[float, np.ndarray]:
    """Fisher information (thickness, position, parameter, parameter) at each amplitude."""
    structure = settings["structure"]
    full = PolarMode.of(structure["material"], structure["phase"]).full_pm
    patterns, found = DisplacedPatterns(settings), {}
    for amplitude in settings["amplitudes"]:
        vector = [amplitude * full * part for part in settings["direction"]]
        expansion = patterns.expansion(vector, finer)
        patterns.forget()
        found[amplitude] = fisher_information(expansion.patterns, expansion.slopes)
    return found


def changes(settings: Mapping[str, Any]) -> None:
    """Print by how much better settings change the bound at the middle thickness."""
    nm = settings["thicknesses_nm"]
    settings = {**settings, "thicknesses_nm": [nm[len(nm) // 2]]}
    found = information(settings)
    wide = {**settings, "cells": [2 * n for n in settings["cells"]]}
    dense = {**settings, "positions": 2 * settings["positions"]}
    for name, other, finer in (
        ("steps halved", settings, 2.0),
        (f"{dense['positions']} positions along each side", dense, 1.0),
        (f"a field of {wide['cells']} cells", wide, 1.0),
    ):
        better = information(other, finer)
        for amplitude, fisher in found.items():
            ratios = [per_cell(better[amplitude], n) / per_cell(fisher, n) for n in ((), NUISANCES)]
            shown = " ".join(f"{100 * (float(ratio[0]) - 1):+.2f}" for ratio in ratios)
            print(f"{name}, amplitude {amplitude:g}: {shown} % (nothing, all unknown)", flush=True)


def main() -> None:
    """Print all that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("vector_bound_nc", help="file of a finished run")
    parser.add_argument("--changes", action="store_true", help="compute how exact it is")
    arguments = parser.parse_args()
    tables(read_vector_bound(arguments.vector_bound_nc))
    for material, phase in MATERIALS:
        mode = PolarMode.of(material, phase)
        print(f"{material} {phase}: {mode.full_pm:.2f} pm, misfit {mode.misfit_pm:.2f} pm")
    if arguments.changes:
        settings = vector_bound_settings(load(STANDARD))
        if settings is None:
            raise PolarstemError("config.yaml has no evaluate.vector_bound; give it one.")
        changes(settings)


if __name__ == "__main__":
    main()
