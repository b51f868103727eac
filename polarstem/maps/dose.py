# SPDX-License-Identifier: GPL-3.0-or-later
"""Electrons of a pattern, held against what the model was trained for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarstem.maps.setup import Setup
from polarstem.maps.withheld import Doubt, Reason
from polarstem.scans.sourced import Sourced

_EDGE = 0.9  # of the lowest trained dose: what the field of view loses


@dataclass(frozen=True)
class Dose:
    """Electrons of a scan.

    Attributes
    ----------
    electrons : Sourced
        Of the median pattern.
    doubts : list of Doubt
        Why its answers cannot be believed.
    """

    electrons: Sourced
    doubts: list[Doubt]


def dose_of(
    setup: Setup,
    total: NDArray[np.floating],
    crystal: NDArray[np.bool_],
    known: Sourced | None,
    unit: float | None = None,
) -> Dose:
    """Hold the dose against the trained one.

    Parameters
    ----------
    setup : Setup
        Scan and model.
    total : ndarray, shape (n,)
        Counts of each pattern.
    crystal : ndarray of bool, shape (n,)
        Positions that are used.
    known : Sourced or None
        Electrons per pattern by the calibration; else a count is taken for an electron.
    unit : float, optional
        Counts of one electron.
    """
    used = total[crystal] if crystal.any() else total[total > 0]
    electrons = float(np.median(used)) / (unit or 1.0) if used.size else 0.0
    told = known or Sourced(
        electrons, "electrons", "estimated", "median pattern, if a count is an electron"
    )
    span = (setup.trained.get("conditions") or {}).get("dose_electrons")
    if span is None or electrons >= _EDGE * min(span):
        return Dose(told, [])
    sentence = (
        f"A pattern holds {electrons:.3g} electrons, fewer than the {min(span):g} that the model "
        "was trained for: no answer is given. Bin neighbouring positions, or train a model for "
        "this dose."
    )
    return Dose(told, [Doubt(Reason.DOSE, sentence)])
