# SPDX-License-Identifier: GPL-3.0-or-later
"""Plane waves that a crystal's own turns and mirrors map onto one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarstem.simulate.wave.plane_waves import WaveGrid, turned
from polarstem.structures.symmetry import IDENTITY, Turn, inverse, turns_of

_SAME = 1e-5  # of the largest value: single precision and its sums


def own_turns(potentials: NDArray[np.float32], size: tuple[float, float]) -> list[Turn]:
    """Turns and mirrors about the origin that leave every slice of the unit as it is.

    Parameters
    ----------
    potentials : ndarray, shape (slices, y, x)
        Projected potentials of the repeating unit, or anything else that is local.
    size : tuple of float
        Of the unit along y and x [Å].

    Returns
    -------
    list of Turn
        The identity first.
    """
    square = potentials.shape[1] == potentials.shape[2] and abs(size[0] - size[1]) < 1e-6 * size[0]
    limit = _SAME * np.abs(potentials).max()
    return [
        turn
        for turn in turns_of((0, 0, 1))
        if (square or turn[0][1] == 0)
        and np.abs(_moved(potentials, turn) - potentials).max() < limit
    ]


def _moved(potentials: NDArray[np.float32], turn: Turn) -> NDArray[np.float32]:
    """The slices, each point r holding what was at the turned point."""
    _, ny, nx = potentials.shape
    places = np.stack(np.meshgrid(np.arange(ny), np.arange(nx), indexing="ij"), axis=-1)
    y, x = np.moveaxis(turned(places, turn), -1, 0)
    return potentials[:, y % ny, x % nx]


@dataclass(frozen=True)
class Copy:
    """How one group of waves follows from another.

    Attributes
    ----------
    source, target : int
        Numbers of the groups.
    members : ndarray, shape (member,)
        Which wave of the source each wave of the target is, the filling left out.
    beams : tuple of ndarray, shape (Gy, Gx)
        Where the exit waves of the target stand among those of the source, along y and x.
    """

    source: int
    target: int
    members: NDArray[np.int64]
    beams: tuple[NDArray[np.int64], NDArray[np.int64]]


def copies(grid: WaveGrid, turns: list[Turn]) -> list[Copy]:
    """Groups that need no propagation.

    A turn that maps the crystal onto itself maps the exit wave of m onto that of the turned m.
    A group is left to itself where the turned reduced wave vector lies on the other side of the
    zone: its range of lattice vectors would be another.

    Parameters
    ----------
    grid : WaveGrid
        The plane waves.
    turns : list of Turn
        From `own_turns`.
    """
    groups = grid.groups
    numbers = {tuple(r): number for number, r in enumerate(groups.reduced.tolist())}
    along = [np.arange(-most, most + 1) for most in grid.beams]
    exits = np.stack(np.meshgrid(*along, indexing="ij"), axis=-1)
    taken: set[int] = set()
    found = []
    for source, reduced in enumerate(groups.reduced):
        if source in taken:
            continue
        for turn in turns:
            target = numbers.get(tuple(turned(reduced, turn).tolist()))
            if turn == IDENTITY or target is None or target <= source or target in taken:
                continue
            back = inverse(turn)
            waves = grid.indices[groups.rows[source][groups.used[source]]].tolist()
            order = {tuple(m): member for member, m in enumerate(waves)}
            wanted = grid.indices[groups.rows[target][groups.used[target]]]
            members = np.array([order[tuple(m)] for m in turned(wanted, back).tolist()])
            y, x = np.moveaxis(turned(exits, back) + grid.beams, -1, 0)
            found.append(Copy(source, target, members, (y, x)))
            taken.add(target)
    return found


@dataclass(frozen=True)
class Mirror:
    """How some waves of a group follow from others of the same group.

    Attributes
    ----------
    members : ndarray, shape (propagated,)
        The waves to propagate.
    source : ndarray, shape (member,)
        Which of these each wave of the group is or follows from.
    reflected : ndarray of bool, shape (member,)
        Whether it follows from it.
    places : tuple of ndarray, shape (y, x)
        Where the reciprocal grid of a reflected exit wave stands in that of its source.
    """

    members: NDArray[np.int64]
    source: NDArray[np.int64]
    reflected: NDArray[np.bool_]
    places: tuple[NDArray[np.int64], NDArray[np.int64]]


def mirror_of(
    grid: WaveGrid, group: int, turns: list[Turn], shape: tuple[int, int]
) -> Mirror | None:
    """Find a mirror or half turn that exchanges the waves of one group.

    Parameters
    ----------
    grid : WaveGrid
        The plane waves.
    group : int
        Number of the group.
    turns : list of Turn
        From `own_turns`.
    shape : tuple of int
        Grid of the exit waves along y and x.

    Returns
    -------
    Mirror or None
        None where every wave stays or leaves the group.
    """
    groups = grid.groups
    units = np.array(grid.units)
    reduced = groups.reduced[group]
    waves = grid.indices[groups.rows[group][groups.used[group]]]
    order = {tuple(m): member for member, m in enumerate(waves.tolist())}
    for turn in turns:
        if turn == IDENTITY or inverse(turn) != turn:
            continue
        if np.any((turned(reduced, turn) - reduced) % units):
            continue
        images = np.array([order[tuple(m)] for m in turned(waves, turn).tolist()])
        reflected = images < np.arange(len(waves))
        if not reflected.any():
            continue
        members = np.flatnonzero(~reflected)
        source = np.searchsorted(members, np.where(reflected, images, np.arange(len(waves))))
        along = (np.fft.fftfreq(n, 1 / n).astype(int) for n in shape)
        beams = np.stack(np.meshgrid(*along, indexing="ij"), axis=-1)
        there = (turned(beams * units + reduced, turn) - reduced) // units % shape
        return Mirror(members, source, reflected, (there[..., 0], there[..., 1]))
    return None
