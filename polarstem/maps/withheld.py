# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a position or a unit cell has no answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Reason(IntEnum):
    """Why there is no answer; the first that holds is told."""

    ANSWERED = 0
    NOT_MEASURED = 1
    VACUUM = 2
    NOT_LINEAR = 3
    NOT_THIS_CRYSTAL = 4
    TURN_UNKNOWN = 5
    DOSE = 6
    THICKNESS = 7
    MODELS_DISAGREE = 8
    AMBIGUOUS = 9


MEANINGS = {
    Reason.ANSWERED: "has an answer",
    Reason.NOT_MEASURED: "nothing was measured",
    Reason.VACUUM: "vacuum",
    Reason.NOT_LINEAR: "intensities are no counts",
    Reason.NOT_THIS_CRYSTAL: "the patterns are not those of the crystal",
    Reason.TURN_UNKNOWN: "how the patterns are turned against the scan is unknown",
    Reason.DOSE: "fewer electrons than the model was trained for",
    Reason.THICKNESS: "thicker or thinner than the model was trained for",
    Reason.MODELS_DISAGREE: "the models disagree",
    Reason.AMBIGUOUS: "several classes are possible",
}
"""What each reason means, in a few words."""


@dataclass(frozen=True)
class Doubt:
    """Something that takes all answers of a scan away.

    Attributes
    ----------
    reason : Reason
    sentence : str
        Why, and what to do.
    """

    reason: Reason
    sentence: str


def reasons(
    measured: NDArray[np.bool_],
    vacuum: NDArray[np.bool_],
    alone: NDArray[np.bool_],
    agreed: NDArray[np.bool_],
    doubts: Sequence[Doubt],
) -> NDArray[np.int8]:
    """The reason at each of n places.

    Parameters
    ----------
    measured, vacuum : ndarray of bool, shape (n,)
        Whether something was measured there, and whether that was vacuum.
    alone : ndarray of bool, shape (n,)
        Whether the conformal set holds one class.
    agreed : ndarray of bool, shape (n,)
        Whether all models give that class.
    doubts : sequence of Doubt
        What holds for the whole scan.

    Returns
    -------
    ndarray of int8, shape (n,)
        Values of `Reason`.
    """
    found = np.full(len(measured), Reason.ANSWERED, np.int8)
    found[~alone] = Reason.AMBIGUOUS
    found[~agreed] = Reason.MODELS_DISAGREE
    if doubts:
        found[:] = min(doubt.reason for doubt in doubts)
    found[vacuum] = Reason.VACUUM
    found[~measured] = Reason.NOT_MEASURED
    return found


def counted(found: NDArray[np.int8]) -> dict[str, int]:
    """How many places each reason holds for, by its meaning; answered ones left out."""
    numbers = np.bincount(found, minlength=len(Reason))
    return {
        MEANINGS[reason]: int(numbers[reason])
        for reason in Reason
        if reason is not Reason.ANSWERED and numbers[reason]
    }
