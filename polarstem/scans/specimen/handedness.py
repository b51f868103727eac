# SPDX-License-Identifier: GPL-3.0-or-later
"""How patterns are turned, or mirrored, against the scan: from where in the cell they lie.

The crystal's own symmetry hides from a mean pattern by which of its equivalent axes it is turned,
and the deflection of the beam tells a rotation modulo 180 degrees only in all but thin crystals.
But beside a column of atoms a pattern differs from what it is on the other side: with the lattice
known, simulated patterns over the cell fit at one of the crystal's turns alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from polarstem.simulate.pattern_library import Library, turned_images
from polarstem.structures.symmetry import turns_of

_CLEAR = 0.05  # by which the best correlation exceeds the next
_SURE = 4.0  # standard errors of this margin that it exceeds
_LEAST = 0.15  # correlation that is a fit at all
_MOST = 6000  # positions that are compared
_BANDS = 12  # of the scan, one of which is left out at a time


@dataclass(frozen=True)
class Handedness:
    """How well simulated patterns fit at each turn of the detector.

    Attributes
    ----------
    turned_deg : float
        By which the patterns appear turned counter-clockwise against the scan, beyond what was
        assumed [degrees]; after a mirror at the y axis if they are mirrored.
    mirrored : bool
        Whether they appear mirrored.
    clear : bool
        Whether the best turn stands out, by its margin and by the margin's error.
    turns_deg, mirrors : ndarray, shape (turn,)
        The turns compared.
    correlation : ndarray, shape (turn,)
        With the simulated patterns.
    sentence : str
        What was found.
    turn : ndarray, shape (2, 2)
        Matrix of the best turn, which maps vectors (x, y up) in the simulated patterns to those in
        the measured ones.
    margin, margin_error : float
        By how much the best correlation exceeds the next, and its standard error.
    """

    turned_deg: float
    mirrored: bool
    clear: bool
    turns_deg: NDArray[np.float64]
    mirrors: NDArray[np.bool_]
    correlation: NDArray[np.float64]
    sentence: str
    turn: NDArray[np.float64] = field(default_factory=lambda: np.eye(2))
    margin: float = 0.0
    margin_error: float = float("inf")


def handedness(
    patterns: NDArray[np.floating],
    cell_y: NDArray[np.floating],
    cell_x: NDArray[np.floating],
    library: Library,
    thickness_nm: float,
    vacuum: NDArray[np.bool_] | None = None,
) -> Handedness:
    """Compare patterns with simulated ones at the same place of the cell, turned in all ways.

    What varies over the cell is compared, of the square roots of the mean intensities at each
    place, whose noise is even. The mean over the classes is simulated: its symmetry is the
    lattice's. Positions are drawn at random, as a regular choice of them may meet the same few
    places of every cell. How far the margin may be believed follows from leaving out one band of
    the scan at a time (the jackknife).

    Parameters
    ----------
    patterns : ndarray, shape (n, ky, kx)
        Resampled into the crystal's frame, in any unit; in the order of the scan.
    cell_y, cell_x : ndarray, shape (n,)
        Place in the cell from the A column along the crystal's axes, y down [fractions].
    library : Library
    thickness_nm : float
        About that of the specimen [nm]; 10 nm off do no harm.
    vacuum : ndarray of bool, shape (n,), optional
        Positions without a crystal, which are left out.

    Returns
    -------
    Handedness
    """
    usable = np.isfinite(cell_y) & np.isfinite(cell_x)
    if vacuum is not None:
        usable &= ~vacuum
    chosen = np.flatnonzero(usable)
    if len(chosen) > _MOST:
        chosen = np.sort(np.random.default_rng(0).choice(chosen, _MOST, replace=False))
    simulated = library.templates(thickness_nm).mean(0)
    shape = simulated.shape[:2]
    rows, columns = (
        np.rint(place[chosen] * size).astype(int) % size
        for place, size in zip((cell_y, cell_x), shape, strict=True)
    )
    sums = _sums(patterns, chosen, rows * shape[1] + columns, shape)
    turns = turns_of(library.zone_axis)
    places = shape[0] * shape[1]
    turned = [_roots(turned_images(simulated, turn).reshape(places, -1)) for turn in turns]
    total = sums.sum(axis=0)
    correlation = _correlations(total, turned)
    order = np.argsort(correlation)
    best, next_best = int(order[-1]), int(order[-2])
    margin = float(correlation[best] - correlation[next_best])
    left_out = np.array([_correlations(total - band, turned) for band in sums])
    margins = left_out[:, best] - left_out[:, next_best]
    error = float(np.sqrt((len(sums) - 1) * np.square(margins - margins.mean()).mean()))
    clear = margin > max(_CLEAR, _SURE * error) and float(correlation[best]) > _LEAST
    angles = np.array([np.rad2deg(np.arctan2(-t[0][1], t[1][1])) for t in turns]) % 360
    mirrors = np.array([t[0][0] * t[1][1] - t[0][1] * t[1][0] < 0 for t in turns])
    told = f"{angles[best]:.0f} degrees" + (" after a mirror" if mirrors[best] else "")
    sentence = (
        f"Simulated patterns fit best at a further turn of {told} (correlation "
        f"{correlation[best]:.2f}, by {margin:.2f} ± {error:.2f} better than the next)"
        + ("." if clear else ": too little to tell.")
    )
    return Handedness(
        turned_deg=float(angles[best]),
        mirrored=bool(mirrors[best]),
        clear=clear,
        turns_deg=angles,
        mirrors=mirrors,
        correlation=correlation,
        sentence=sentence,
        turn=np.array(turns[best], float),
        margin=margin,
        margin_error=error,
    )


def _sums(
    patterns: NDArray[np.floating],
    chosen: NDArray[np.int64],
    places: NDArray[np.int64],
    shape: tuple[int, ...],
) -> NDArray[np.float64]:
    """Sums of the patterns at each place of the cell in each band, (band, place, pixel)."""
    pixels, count = int(np.prod(patterns.shape[1:])), int(np.prod(shape))
    sums = np.zeros((_BANDS, count, pixels))
    for band, members in enumerate(np.array_split(np.arange(len(chosen)), _BANDS)):
        if len(members):
            inside = (places[members] == np.arange(count)[:, None]).astype(np.float32)
            sums[band] = inside @ patterns[chosen[members]].reshape(-1, pixels).astype(np.float32)
    return sums


def _correlations(
    measured: NDArray[np.float64], turned: list[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Correlation of sums at places (place, pixel) with square roots of turned patterns."""
    weight = measured.sum(axis=1)
    met = weight > 0
    if not met.any():
        return np.zeros(len(turned))
    weight = weight[met, None] / weight.sum()
    here = _varying(_roots(measured[met]), weight)
    found = []
    for roots in turned:
        there = _varying(roots[met], weight)
        norm = np.sqrt((weight * here**2).sum() * (weight * there**2).sum())
        found.append(float((weight * here * there).sum() / norm) if norm > 0 else 0.0)
    return np.array(found)


def _roots(flat: NDArray[np.floating]) -> NDArray[np.float64]:
    """Square roots of shares of the intensity (place, pixel)."""
    values = np.clip(flat.astype(np.float64), 0, None)
    roots: NDArray[np.float64] = np.sqrt(
        values / np.maximum(values.sum(axis=1, keepdims=True), 1e-12)
    )
    return roots


def _varying(roots: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Less the mean over the places."""
    rest: NDArray[np.float64] = roots - (weight * roots).sum(axis=0)
    return rest
