# SPDX-License-Identifier: GPL-3.0-or-later
"""How many electrons a class takes at each thickness, before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from polarstem.config import plan
from polarstem.config.check import check, laid_over, read_standard
from polarstem.config.jobs import matrix_settings
from polarstem.config.limit import limit_settings
from polarstem.evaluate.limit.bayes_accuracy import class_information, electrons_needed
from polarstem.evaluate.limit.crystal_information import class_patterns
from polarstem.simulate.jobs.compute_scattering_matrix import compute_matrix

_SET, _DOMAIN = "ideal", "t20"  # of the standard benchmark, at all its thicknesses
_BINS = 4  # probe positions along each side of the cell
_ACCURACY = 0.05  # of the grid and the field: electrons to a tenth or so


def electrons_by_thickness(part: dict[str, Any], threads: int = 1) -> dict[float, float]:
    """Electrons per pattern that tell a class from the one most alike with 1 % of errors.

    They are needed if expected patterns, thickness and position are known exactly and counting is
    the only noise, so that no model does with fewer.

    Parameters
    ----------
    part : dict
        What a configuration changes in the standard benchmark: its crystal and microscope count.
    threads : int
        For the scattering matrices.

    Returns
    -------
    dict of float to float
        Thickness [nm] -> electrons: geometric mean over the positions in the cell and the classes.
    """
    rough = {"accuracy": _ACCURACY, "pixels_per_cell": "auto"}
    changed = {
        "simulate": rough,
        "experiments": dict.fromkeys(part["experiments"]),
        "evaluate": {
            "domains": [_DOMAIN],
            "reference_domain": _DOMAIN,
            "experiment": None,
            "controls": [],
            "recommended": None,
            "defect_free": [],
        },
    }
    config = check(laid_over(read_standard(), part, changed))
    settings = limit_settings(config) | {"bins": _BINS}
    (group, *_) = settings["groups"]
    crystals = {crystal.name: crystal for crystal in plan.all_crystals(config)}
    with TemporaryDirectory() as folder:
        paths = {
            name: Path(folder) / f"{name}.nc"
            for name in dict.fromkeys(member["crystal"] for member in group)
        }
        for name, path in paths.items():
            compute_matrix(path, matrix_settings(config, crystals[name]), threads)
        patterns = class_patterns(group, paths, settings)
    # of each class that most alike: (class, thickness, position)
    needed = electrons_needed(class_information(patterns).min(1))
    means = np.exp(np.log(needed).mean((0, 2)))
    return dict(zip(settings["thicknesses_nm"], map(float, means), strict=True))


def limit_sentence(needed: Mapping[float, float], doses: tuple[float, float]) -> str:
    """Say what the limit is, and where no pattern has the electrons for an answer.

    Parameters
    ----------
    needed : mapping of float to float
        From `electrons_by_thickness`.
    doses : tuple of float
        Electrons per pattern that a mapper is trained for, lowest and highest.
    """
    told = ", ".join(f"{float(f'{n:.2g}'):,.0f} at {nm:g} nm" for nm, n in needed.items())
    hidden = [f"{nm:g}" for nm, n in needed.items() if n > doses[1]]
    where = f"At {', '.join(hidden)} nm there is no answer with" if hidden else "It learns from"
    return (
        "Information limit: if all but the class were known, a pattern would take so many "
        f"electrons for one error in a hundred: {told}. {where} {doses[0]:,.0f} to "
        f"{doses[1]:,.0f} electrons per pattern{', which it learns from' if hidden else ''}."
    )
