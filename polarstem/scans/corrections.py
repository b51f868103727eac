# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a detector stored to intensities: everything that is done to patterns, in one place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError
from polarstem.scans.files.references import read_mask, read_reference
from polarstem.scans.sourced import Sourced

_BRIGHTEST = 30.0  # log(1 + counts) of 1e13 electrons: no pixel sees more


@dataclass(frozen=True)
class Corrections:
    """What is done to patterns as they are read.

    In this order: values that are no counts are refused or read as 0; the stored scale (a power
    or a logarithm of the counts) is undone; the dark reference is subtracted, and what falls
    below 0 is 0; the rest is divided by the gain.

    Attributes
    ----------
    path : Path
        The scan's file, for messages.
    columns : int
        Columns of the upright scan, for messages.
    bad_pixels : ndarray of bool, shape (ky, kx)
        Pixels that say nothing: those that the sheet names, and those that the references
        cannot correct. They are not changed here, but what they hold is no error.
    dark, gain : ndarray of float32, shape (ky, kx), or None
        Upright; the gain has a mean of 1 over the pixels that are not bad.
    gamma : float, "log" or None
        How stored values go with counts, see the sheet; None for linear.
    invalid : {"refuse", "zero"}
        What becomes of values that are no counts.
    """

    path: Path
    columns: int
    bad_pixels: NDArray[np.bool_]
    dark: NDArray[np.float32] | None = None
    gain: NDArray[np.float32] | None = None
    gamma: float | Literal["log"] | None = None
    invalid: Literal["refuse", "zero"] = "refuse"

    @property
    def change(self) -> bool:
        """Whether patterns become others, in float32; else they stay as they are."""
        return any(each is not None for each in (self.dark, self.gain, self.gamma))

    def apply(self, index: NDArray[np.int64], patterns: NDArray[Any]) -> NDArray[Any]:
        """Intensities of patterns.

        Parameters
        ----------
        index : ndarray of int, shape (n,)
            Their positions in the scan, for messages.
        patterns : ndarray, shape (n, ky, kx)
            Upright, as stored.

        Returns
        -------
        ndarray, shape (n, ky, kx)
            The same array where nothing is to be changed, else float32.

        Raises
        ------
        PolarstemError
            If a value is no count, or too large for the scale that was named.
        """
        patterns = self._valid(index, patterns)
        if not self.change:
            return patterns
        found = self._linear(patterns)
        if self.dark is not None:
            np.maximum(found - self.dark, 0, out=found)
        if self.gain is not None:
            found /= self.gain
        return found

    def largest(self, stored: int) -> float | None:
        """The least intensity that the largest count of the detector stands for."""
        if not self.change:
            return stored
        pattern = np.full((1, *self.bad_pixels.shape), stored, dtype=np.float64)
        try:
            found = self.apply(np.zeros(1, np.int64), pattern)[0]
        except PolarstemError:  # a scale on which it cannot be reached
            return None
        return float(found[~self.bad_pixels].min(initial=np.inf))

    def describe(self) -> dict[str, Sourced]:
        """What was done, under the names of the sheet, for provenance."""
        found: dict[str, Sourced] = {}
        if self.gamma is not None:
            note = "log(1 + counts) was undone" if self.gamma == "log" else "the power was undone"
            found["gamma"] = Sourced(self.gamma, "", "sheet", note)
        if self.dark is not None:
            mean = float(self.dark[~self.bad_pixels].mean())
            found["dark_mean"] = Sourced(mean, "counts", "sheet", "subtracted; what is below is 0")
        if self.gain is not None:
            spread = float(self.gain[~self.bad_pixels].std())
            found["gain_spread"] = Sourced(spread, "", "sheet", "patterns were divided by the gain")
        return found

    def _linear(self, patterns: NDArray[Any]) -> NDArray[np.float32]:
        gamma = self.gamma
        if gamma is None:
            return patterns.astype(np.float32)
        if patterns.dtype in (np.uint8, np.uint16):  # few values: each is computed once
            top = int(patterns.max(initial=0))
            return self._undone(np.arange(top + 1, dtype=np.float64))[patterns]
        return self._undone(patterns.astype(np.float64))

    def _undone(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """Counts of stored values."""
        top = float(values.max(initial=0))
        if self.gamma == "log":
            if top > _BRIGHTEST:
                raise PolarstemError(
                    f"gamma: log of the scan sheet means log(1 + counts), but {self.path} holds "
                    f"{top:g}, which no count has; its scale is lost, so export the counts "
                    "themselves."
                )
            return np.expm1(values).astype(np.float32)
        power = 1 / float(self.gamma or 1)
        if top > 0 and power * np.log10(top) > 30:
            raise PolarstemError(
                f"gamma: {self.gamma:g} of the scan sheet makes {top:g}, which {self.path} holds, "
                f"1e{power * np.log10(top):.0f} counts; correct it."
            )
        return np.power(values, power).astype(np.float32)

    def _valid(self, index: NDArray[np.int64], patterns: NDArray[Any]) -> NDArray[Any]:
        """Patterns of counts only: no NaN, no infinity, nothing negative."""
        if patterns.dtype.kind == "u":
            return patterns
        if patterns.min() >= 0 and np.isfinite(patterns.max()):  # a NaN makes both NaN
            return patterns
        wrong = ~(np.isfinite(patterns) & (patterns >= 0))
        if self.invalid == "zero" or not (wrong & ~self.bad_pixels).any():
            return np.where(wrong, patterns.dtype.type(0), patterns)
        n, row, column = np.argwhere(wrong & ~self.bad_pixels)[0]
        y, x = divmod(int(index[n]), self.columns)
        raise PolarstemError(
            f"The pattern at scan row {y}, column {x} of {self.path} holds "
            f"{patterns[n, row, column]} at detector row {row}, column {column}, where counts "
            "were expected; name the pixel in `bad_pixels`, or set `invalid: zero` in the scan "
            "sheet to read such values as 0."
        )


def upright(patterns: NDArray[Any], sheet: Sheet) -> NDArray[Any]:
    """Stored patterns (..., ky, kx) as a person sees them, a view."""
    if sheet.detector_transpose:
        patterns = patterns.swapaxes(-1, -2)
    down, right = sheet.detector_flip_y, sheet.detector_flip_x
    return patterns[..., :: -1 if down else 1, :: -1 if right else 1]


def corrections_of(sheet: Sheet, path: Path, shape: tuple[int, int, int, int]) -> Corrections:
    """The corrections that a sheet asks for.

    Parameters
    ----------
    sheet : Sheet
        The sheet.
    path : path
        The scan's file.
    shape : tuple of int
        Of the upright scan: rows, columns, ky, kx.

    Raises
    ------
    PolarstemError
        If a reference cannot be read, or does not fit the detector.
    """
    pixels = shape[2:]
    found = Corrections(
        path,
        shape[1],
        _named_pixels(sheet, path, pixels),
        gamma=None if sheet.gamma == 1 else sheet.gamma,
        invalid=sheet.invalid,
    )
    stored = (pixels[1], pixels[0]) if sheet.detector_transpose else pixels
    if sheet.dark is not None:
        dark = upright(read_reference(sheet.dark, stored, "dark"), sheet)
        broken = ~np.isfinite(dark)
        found = replace(
            found,
            dark=np.where(broken, 0, dark).astype(np.float32),
            bad_pixels=found.bad_pixels | broken,
        )
    if sheet.gain is not None:
        gain = upright(read_reference(sheet.gain, stored, "gain"), sheet)
        found = _with_gain(found, gain, sheet.gain)
    return found


def _with_gain(found: Corrections, gain: NDArray[np.float64], name: str) -> Corrections:
    dead = ~np.isfinite(gain) | (gain <= 0)
    bad = found.bad_pixels | dead
    if bad.all():
        raise PolarstemError(
            f"The gain reference {name} is nowhere above 0; record the evenly lit detector."
        )
    gain = np.where(dead, 1, gain / gain[~bad].mean())
    return replace(found, gain=np.ascontiguousarray(gain, dtype=np.float32), bad_pixels=bad)


def _named_pixels(sheet: Sheet, path: Path, shape: tuple[int, int]) -> NDArray[np.bool_]:
    named = sheet.bad_pixels
    if isinstance(named, str):
        return read_mask(named, shape, "bad_pixels", "detector pixel")
    bad = np.zeros(shape, dtype=bool)
    for pixel in named or ():
        if pixel[0] >= shape[0] or pixel[1] >= shape[1]:
            raise PolarstemError(
                f"bad_pixels names {list(pixel)}, but the patterns of {path} have "
                f"{shape[0]} rows and {shape[1]} columns."
            )
        bad[pixel] = True
    return bad
