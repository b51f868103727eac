# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether stored values are proportional to electrons, how many these are, and saturation.

Counted electrons have a variance that is proportional to their mean. If a stored value goes with
the power gamma of the count, its variance goes with the power 2 - 1 / gamma of its mean: 1 for
counts and what is proportional to them, 0 for square roots; of a logarithm it falls exponentially.
Where few electrons were counted, the values themselves tell: between those of k and k + 1
electrons there is nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

_SATURATED_RATIO = 2.0  # times as often as any of the next three values
_SATURATED_LEAST = 20  # values
_FEWEST_LEVELS, _MOST_LEVELS = 5, 12  # values that are compared with a law
_FINE = 8.0, 3  # levels in the first gap from which on three values are enough
_MANY_VALUES = 4096  # different ones: no levels
_BINS = 12
_FEWEST_IN_BIN = 200
_RANGE = 4.0  # of the means that a variance is compared over
_LINEAR = 0.25  # from 1, of the power of the variance
_LINEAR_ENDS = 0.5  # the same, of the darker and of the brighter half
_SPARSE = 1.5  # electrons in the brightest pixels, below which any scale looks linear
_BENT = 0.5  # below it no linear detector is
_QUANTISED = 0.5  # variance in squared levels, below which rounding may make it
_SEEN_GAP = 1.5  # levels between the values of one electron and the next
_LARGEST_LEVEL = 1 << 20  # of whole numbers that are counted one by one


@dataclass(frozen=True)
class Linearity:
    """Whether intensities are linear.

    Attributes
    ----------
    linear : bool or None
        None where nothing tells.
    gamma : float, "log" or None
        Where they are not: stored values go with this power of the counts, or log(1 + counts).
    unit : float or None
        Of one electron in the stored values, where they are linear and the noise tells.
    exponent : float
        Power of the mean with which the variance goes; nan where it is not known.
    sentence : str
        What was found.
    """

    linear: bool | None
    gamma: float | Literal["log"] | None
    unit: float | None
    exponent: float
    sentence: str


def linearity(pairs: NDArray[Any], bad: NDArray[np.bool_] | None = None) -> Linearity:
    """Tell from the noise, and from the values themselves, whether intensities are linear.

    Parameters
    ----------
    pairs : ndarray, shape (n, 2, ky, kx)
        Patterns of neighbouring positions: in their difference the pattern almost cancels.
    bad : ndarray of bool, shape (ky, kx), optional
        Pixels to leave out.

    Returns
    -------
    Linearity
    """
    good = np.ones(pairs.shape[-2:], bool) if bad is None else ~bad
    law, level = _law_of_levels(pairs[..., good])
    noise = _noise(pairs, good)
    exponent, unit = noise.exponent, noise.unit
    told = "" if np.isnan(exponent) else f"variance goes with the power {exponent:.1f} of the mean"
    if law is not None and law != 1.0:
        name = "log" if law == "log" else f"{law:.2g}"
        how = "the logarithm" if law == "log" else f"the power {name}"
        return Linearity(
            False, law, None, exponent,
            f"Intensities are not linear: the values that occur go with {how} of the counts.",
        )  # fmt: skip
    if law == 1.0:
        return Linearity(
            True, None, level, exponent,
            "Intensities are linear: the values that occur are multiples of one.",
        )  # fmt: skip
    if noise.hidden:
        return Linearity(
            None,
            None,
            None,
            exponent,
            f"Whether intensities are linear cannot be told: {noise.hidden}.",
        )
    if abs(exponent - 1) <= _LINEAR and np.abs(np.array(noise.ends) - 1).max() <= _LINEAR_ENDS:
        return Linearity(True, None, unit, exponent, f"Intensities are linear: their {told}.")
    # with more bits, or where it begins to rise, it may be the noise of a readout
    if max(exponent, noise.ends[1]) < _BENT and pairs.dtype.itemsize == 1:
        log = noise.falling
        gamma: float | Literal["log"] = "log" if log else float(1 / (2 - exponent))
        how = "a logarithm" if log else f"a power (gamma) of about {gamma:.2g}"
        return Linearity(
            False, gamma, None, exponent,
            f"Intensities are not linear: their {told}, as that of {how} of the counts.",
        )  # fmt: skip
    return Linearity(
        None, None, None, exponent,
        f"Whether intensities are linear cannot be told: their {told}, which is that of counts for "
        "1.",
    )  # fmt: skip


def _law_of_levels(
    values: NDArray[Any],
) -> tuple[float | Literal["log"] | None, float | None]:
    """How the values of 1, 2, 3... electrons grow: their power, or the logarithm; and the first."""
    if len(np.unique(values[:1])) > _MANY_VALUES:
        return None, None
    levels, times = _levels(values)
    if not _FINE[1] < len(levels) <= _MANY_VALUES:
        return None, None
    if levels[0] != 0:
        return None, None
    # rare ones may have neighbours that did not occur
    usual = times[1:] >= max(8, 1e-5 * values.size)
    count = int(np.argmin(np.r_[usual, False]))
    heights = levels[1 : 1 + count][:_MOST_LEVELS]
    whole = values.dtype.kind in "ui" or bool(np.all(levels == np.rint(levels)))
    if whole:  # rounded: the levels must lie apart
        apart = np.flatnonzero(np.diff(np.r_[0, heights]) < _SEEN_GAP)
        if len(apart):
            heights = heights[: apart[0]]
    fewest = _FINE[1] if len(heights) and (heights[0] >= _FINE[0] or not whole) else _FEWEST_LEVELS
    if len(heights) < fewest:
        return None, None
    number = np.arange(1, len(heights) + 1)
    rounding = 1.0 if whole else 1e-3 * heights[0]
    slope = np.polyfit(np.log(number), np.log(heights), 1)[0]
    laws: list[tuple[float | Literal["log"], NDArray[np.float64]]] = [
        (1.0, number.astype(float)), ("log", np.log1p(number)), (0.5, np.sqrt(number)),
        (float(slope), number**slope),
    ]  # fmt: skip
    for law, shape in laws:
        # floor or nearest: an offset of up to one level is rounding
        scale = np.linalg.lstsq(np.stack([shape, np.ones_like(shape)], 1), heights, rcond=None)[0]
        rest = np.abs(heights - shape * scale[0] - scale[1]).max()
        if rest <= 0.75 * rounding and abs(scale[1]) <= 1.1 * rounding:
            return law, float(scale[0])
    return None, None


def _levels(values: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Values that occur, ascending, and how often."""
    whole = values.dtype.kind in "ui" or bool((values == np.rint(values)).all())
    if not whole or not values.size or values.min() < 0 or values.max() > _LARGEST_LEVEL:
        levels, times = np.unique(values, return_counts=True)
        return levels.astype(np.float64), times
    size = int(values.max()) + 1
    parts = (part.ravel().astype(np.intp) for part in values)  # small enough for the cache
    times = np.sum([np.bincount(part, minlength=size) for part in parts], axis=0)
    present = np.flatnonzero(times)
    return present.astype(np.float64), times[present]


class _Noise(NamedTuple):
    """How the variance goes with the mean.

    Attributes
    ----------
    exponent : float
        Power of the mean; nan if it is not known.
    ends : tuple of float
        The same of the darker and of the brighter half.
    unit : float or None
        Variance over mean.
    falling : bool
        Whether it falls as that of a logarithm.
    hidden : str
        Why nothing can be told; empty if it can.
    """

    exponent: float
    ends: tuple[float, float]
    unit: float | None
    falling: bool
    hidden: str


def _noise(pairs: NDArray[Any], good: NDArray[np.bool_]) -> _Noise:
    nothing = _Noise(np.nan, (np.nan, np.nan), None, False, "there is too little noise")
    whole = scipy.ndimage.binary_erosion(good, np.ones((3, 3)), border_value=0)
    if len(pairs) == 0 or not whole.any():
        return nothing
    inner = whole[1:-1, 1:-1]
    parts = [_variances(pair.astype(np.float32), inner) for pair in pairs]
    high = float(np.quantile(np.concatenate([mean for mean, _ in parts]), 0.995))
    if high <= 0:
        return nothing
    count, *sums = np.sum([_binned(*part, high) for part in parts], axis=0)
    used = (count >= _FEWEST_IN_BIN) & (sums[1] > 0)
    if used.sum() < 4:
        return nothing
    x, y = (part[used] / count[used] for part in sums)
    if x[-1] < _RANGE * x[0] or (y < 1e-12 * x**2).any():
        return nothing

    def power(part: slice) -> float:
        weights = np.sqrt(count[used][part])
        return float(np.polyfit(np.log(x[part]), np.log(y[part]), 1, w=weights)[0])

    half = len(x) // 2
    slope, ends = power(np.s_[:]), (power(np.s_[: half + 1]), power(np.s_[-half - 1 :]))
    dark = slice(0, max(2, len(x) // 3))  # where structure adds least
    unit = float(np.average((y / x)[dark], weights=count[used][dark]))
    counted = pairs.dtype.kind in "ui" and abs(slope - 1) <= _LINEAR and 0.8 < unit < 1.25
    hidden = ""
    if not counted:
        if pairs.dtype.kind in "ui" and float(np.median(y)) < _QUANTISED:
            hidden = "rounding hides the noise"
        elif x[-1] < _SPARSE * unit and abs(slope - 1) <= _LINEAR:
            hidden = "there are too few electrons"
    # of a logarithm the variance falls with the mean itself, of a power with its logarithm
    return _Noise(slope, ends, unit, slope < -0.5 or ends[1] < -1.0, hidden)


def _binned(
    mean: NDArray[np.floating], variance: NDArray[np.floating], high: float
) -> NDArray[np.float64]:
    """Number, sum of the means and of the variances of pixels in bins of their mean."""
    low = high / 300
    place = np.log(np.maximum(mean, 1e-6 * low) / low) * (_BINS / np.log(300))
    number = (place.clip(-1, _BINS) + 1).astype(np.intp)  # the first and the last lie outside
    return np.array([np.bincount(number, v, _BINS + 2)[1:-1] for v in (None, mean, variance)])


def _variances(
    pair: NDArray[np.float32], whole: NDArray[np.bool_]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Means of two patterns' inner pixels, and the variance of one of them about what is smooth."""
    apart, both = pair[0] - pair[1], pair[0] + pair[1]
    change = 4 * _middle(apart) - _around(apart)
    # weighted as the squares of the kernel are
    mean = (16 * _middle(both) + _around(both)) / 40
    return mean[whole], np.square(change)[whole] / 40


def _middle(image: NDArray[np.float32]) -> NDArray[np.float32]:
    return image[1:-1, 1:-1]


def _around(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sums of the four neighbours of inner pixels."""
    return image[:-2, 1:-1] + image[2:, 1:-1] + image[1:-1, :-2] + image[1:-1, 2:]


def clipped(patterns: NDArray[Any], maximum: float | None) -> tuple[float, float | None]:
    """Share of the lit values that are as high as the detector can count, and how high.

    A value is taken for the highest that can be counted if the detector says so, or if it occurs
    more than twice as often as any of the next three below.

    Parameters
    ----------
    patterns : ndarray, shape (..., pixel)
        Good pixels.
    maximum : float, optional
        The highest value that can be stored; unknown: it is told from the values alone.

    Returns
    -------
    share : float
        Of the values above zero.
    value : float or None
        The highest; None if nothing saturates.
    """
    lit = int(np.count_nonzero(patterns))
    if lit == 0:
        return 0.0, None
    if maximum is not None and (count := int(np.count_nonzero(patterns >= maximum))):
        return count / lit, float(maximum)
    top = float(patterns.max())
    high = patterns[patterns > 0.5 * top]
    levels, times = np.unique(high, return_counts=True)
    if len(levels) < 4 or times[-1] < _SATURATED_LEAST:
        return 0.0, None
    if times[-1] <= _SATURATED_RATIO * times[-4:-1].max():
        return 0.0, None
    return int(times[-1]) / lit, top
