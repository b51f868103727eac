# SPDX-License-Identifier: GPL-3.0-or-later
"""How patterns are turned, or mirrored, against the scan: from where in the cell they lie.

The crystal's own symmetry hides from a mean pattern by which of its equivalent axes it is turned,
and the deflection of the beam tells a rotation modulo 180 degrees only in all but thin crystals.
But beside a column of atoms a pattern differs from what it is on the other side: with the lattice
known, simulated patterns over the cell fit at one of the crystal's turns alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarstem.simulate.pattern_library import Library, turned_images
from polarstem.structures.symmetry import Turn, turns_of

_CLEAR = 0.05  # by which the best correlation exceeds the next
_LEAST = 0.15  # correlation that is a fit at all
_MOST = 600  # positions that are compared


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
        Whether the best turn stands out.
    turns_deg, mirrors : ndarray, shape (turn,)
        The turns compared.
    correlation : ndarray, shape (turn,)
        With the simulated patterns.
    sentence : str
        What was found.
    """

    turned_deg: float
    mirrored: bool
    clear: bool
    turns_deg: NDArray[np.float64]
    mirrors: NDArray[np.bool_]
    correlation: NDArray[np.float64]
    sentence: str


def handedness(
    patterns: NDArray[np.floating],
    cell_y: NDArray[np.floating],
    cell_x: NDArray[np.floating],
    library: Library,
    thickness_nm: float,
) -> Handedness:
    """Compare patterns with simulated ones at the same place of the cell, turned in all ways.

    What varies over the cell is compared, of the square roots of the intensities, whose noise is
    even. The mean over the classes is simulated: its symmetry is the lattice's.

    Parameters
    ----------
    patterns : ndarray, shape (n, ky, kx)
        Resampled into the crystal's frame, in any unit.
    cell_y, cell_x : ndarray, shape (n,)
        Place in the cell from the A column along the crystal's axes, y down [fractions].
    library : Library
    thickness_nm : float
        About that of the specimen [nm]; 10 nm off do no harm.

    Returns
    -------
    Handedness
    """
    known = np.flatnonzero(
        np.isfinite(cell_y) & np.isfinite(cell_x) & (patterns.sum((1, 2), dtype=np.float64) > 0)
    )
    known = known[:: max(1, -(-len(known) // _MOST))]
    simulated = library.templates(thickness_nm).mean(0)
    shape = simulated.shape[:2]
    rows, columns = (
        np.rint(place[known] * size).astype(int) % size
        for place, size in zip((cell_y, cell_x), shape, strict=True)
    )
    measured = _varying(patterns[known])
    turns = turns_of(library.zone_axis)
    correlation = np.array(
        [_correlation(measured, _varying(_at(simulated, t, rows, columns))) for t in turns]
    )
    angles = np.array([np.rad2deg(np.arctan2(-t[0][1], t[1][1])) for t in turns]) % 360
    mirrors = np.array([t[0][0] * t[1][1] - t[0][1] * t[1][0] < 0 for t in turns])
    order = np.argsort(correlation)
    best, next_best = order[-1], order[-2]
    margin = float(correlation[best] - correlation[next_best])
    clear = margin > _CLEAR and float(correlation[best]) > _LEAST
    told = f"{angles[best]:.0f} degrees" + (" after a mirror" if mirrors[best] else "")
    sentence = (
        f"Simulated patterns fit best at a further turn of {told} (correlation "
        f"{correlation[best]:.2f}, next {correlation[next_best]:.2f})"
        + ("." if clear else ": too little to tell.")
    )
    return Handedness(
        float(angles[best]), bool(mirrors[best]), clear, angles, mirrors, correlation, sentence
    )


def _at(
    simulated: NDArray[np.float32], turn: Turn, rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Simulated patterns (n, ky, kx) at places of the cell, each turned."""
    return turned_images(simulated[rows, columns], turn)


def _varying(patterns: NDArray[np.floating]) -> NDArray[np.float64]:
    """Square roots of shares of the intensity, less their mean over the patterns, (n, pixel)."""
    flat = patterns.reshape(len(patterns), -1).astype(np.float64)
    roots = np.sqrt(np.clip(flat, 0, None) / flat.sum(1, keepdims=True))
    return roots - roots.mean(0)


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    norm = np.sqrt(np.square(first).sum() * np.square(second).sum())
    return float((first * second).sum() / norm) if norm > 0 else 0.0
