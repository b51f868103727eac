# SPDX-License-Identifier: GPL-3.0-or-later
"""One step of a calibration, as summaries and figures show it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from numpy.typing import NDArray

Status: TypeAlias = Literal["done", "off", "impossible", "given"]


@dataclass(frozen=True)
class Step:
    """One step, for the summary and the figures.

    Attributes
    ----------
    name : str
        As in the sheet's ``off``.
    status : {"done", "off", "impossible", "given"}
    sentence : str
        What was found, in plain words.
    values : dict of str to number
        The figures of the sentence.
    diagnostics : dict of str to ndarray
        What a diagram of the step shows.
    """

    name: str
    status: Status
    sentence: str
    values: dict[str, float] = field(default_factory=dict)
    diagnostics: dict[str, NDArray[Any]] = field(default_factory=dict)
