# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of a scan that lie beside where they should: drift that is not uniform, and jitter.

A row sees the lattice moved by its own displacement, which shows in all Fourier coefficients at
once. It is fitted row by row, from the left half and from the right one: what both say alike is
displacement, what they say differently is noise, or a wall between domains. What is believed of
the estimates follows from these two as functions of how fast the displacement varies from row to
row (N. Wiener, Extrapolation, Interpolation, and Smoothing of Stationary Time Series (1949)), and
from how well each row can tell.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct, idct
from scipy.ndimage import gaussian_filter

from polarstem.scans.specimen.lattice_waves import FIRST, coefficients, row_phases

_INDICES = np.array([(0, 1), (0, 2), *((h, k) for h in (1, 2) for k in range(-2, 3))])
_AXES = np.array([(h, k) for h in range(-3, 4) for k in range(-3, 4) if (h == 0) != (k == 0)])
_ALONG = 1.5  # cycles along a row, below which a wave is constant there
_ROUNDS, _COARSE = 12, 5
_STILL = 1e-3  # of a cell: rows have come to rest
_RIDGE = 1e-2  # of the waves' norm
_ROWS = 0.7  # of a cell, over which slow displacements are averaged
_FARTHEST = 0.2  # of a cell that a row is moved by in a round
_SURE = 3.0  # standard errors that a displacement common to both parts exceeds
_FEWEST_ROWS = 8
_SLOW = 1  # the first cosine is a constant, which the lattice takes up


def row_shifts(
    signals: NDArray[np.float64], reciprocal: NDArray[np.float64], step: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Estimate by how much farther along y (down) and x each row lies.

    Parameters
    ----------
    signals : ndarray, shape (ny, nx, feature)
        Images without slow variations; 0 where nothing was measured.
    reciprocal : ndarray, shape (2, 2)
        Columns: the lattice's reciprocal vectors, y and x [1/nm].
    step : ndarray, shape (2,)
        Distance of positions along y and x [nm].

    Returns
    -------
    reciprocal : ndarray, shape (2, 2)
        The lattice that is left: it takes up what is a constant or a slope.
    shift : ndarray, shape (ny, 2)
        Displacements [nm]; 0 where none is significant.
    """
    ny = len(signals)
    shift = np.zeros((ny, 2))
    cell = float(np.hypot(*np.linalg.inv(reciprocal).T).min())
    stretch = max(1, round(cell / step[1]))
    seen = np.cumsum((signals != 0).any(axis=-1).sum(axis=0))
    first = seen <= seen[-1] / 2
    if ny < _FEWEST_ROWS or min(first.sum(), (~first).sum()) < stretch:
        return reciprocal, shift
    parts = (first, ~first)
    found = _wandering(signals, reciprocal, step, parts)
    hidden = _hidden(reciprocal, step, signals.shape)
    starts = [(reciprocal, shift), _settled(reciprocal, found, np.ones((ny, 2)), step, hidden)]
    ends = [
        _fitted(signals, *start, step, parts, cell, coarse, hidden)
        for start in starts
        for coarse in (0, _COARSE)
    ]
    # without any displacement, too
    ends.append((_misfit(signals, reciprocal, step, shift), reciprocal, shift))
    return min(ends, key=lambda end: end[0])[1:]


def _fitted(
    signals: NDArray[np.float64],
    reciprocal: NDArray[np.float64],
    shift: NDArray[np.float64],
    step: NDArray[np.float64],
    parts: tuple[NDArray[np.bool_], ...],
    cell: float,
    coarse: int,
    hidden: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Misfit, lattice and displacements that are found from a first guess of the latter two."""
    least = 1e-3 / cell**2
    for number in range(_ROUNDS):
        # harmonics are precise and tell rows apart along an axis, but lead astray from afar
        indices = FIRST if number < coarse else _INDICES
        normal = _normal(signals, indices @ reciprocal.T, step, shift, parts)
        solved = [_solved(*part, least) for part in normal]
        (matrix, vector), (other_matrix, other_vector) = normal
        both = _solved(matrix + other_matrix, vector + other_vector, least)
        found = [
            shift + np.clip(values, -_FARTHEST * cell, _FARTHEST * cell)
            for values, _ in (*solved, both)
        ]
        before = shift
        reciprocal, shift = _settled(reciprocal, found, both[1], step, hidden)
        if number >= coarse and np.abs(shift - before).max() < _STILL * cell:
            break
    return _misfit(signals, reciprocal, step, shift), reciprocal, shift


def _hidden(
    reciprocal: NDArray[np.float64], step: NDArray[np.float64], shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Displacements that may be another content of the cell, orthonormal (ny, n).

    Where an edge of the cell lies along the rows, all rows at one height of the cell see the same,
    and a displacement along y that repeats with the cell may be none.
    """
    ny, nx = shape[:2]
    cycles = (_AXES @ reciprocal.T) * step
    along = np.abs((cycles[:, 1] + 0.5) % 1 - 0.5) * nx < _ALONG
    places = (cycles[along, 0] + 0.5) % 1 - 0.5
    places = places[np.abs(places) * ny > _ALONG]  # slower ones are drift
    phases = 2j * np.pi * np.outer(np.arange(ny), places)
    waves = np.concatenate([np.exp(phases).real, np.exp(phases).imag], axis=1)
    if not waves.size:
        return np.zeros((ny, 0))
    u, sizes, _ = np.linalg.svd(waves, full_matrices=False)
    kept: NDArray[np.float64] = u[:, sizes > 0.1 * np.sqrt(ny)]
    return kept


def _settled(
    reciprocal: NDArray[np.float64],
    found: list[NDArray[np.float64]],
    variance: NDArray[np.float64],
    step: NDArray[np.float64],
    hidden: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What is believed of displacements (ny, 2) of two parts of the rows and of all; the lattice
    takes up a constant and a slope."""
    shift, slope = np.zeros_like(variance), np.zeros(2)
    down = np.arange(len(variance)) * step[0]
    down -= down.mean()
    for axis in (0, 1):
        first, second, both = (f[:, axis] for f in found)
        told = _believed(first, second, both, variance[:, axis], hidden, axis == 0)
        if told is not None:
            slope[axis] = (told * down).sum() / np.square(down).sum()
            shift[:, axis] = told - told.mean() - slope[axis] * down
    moved = reciprocal.copy()
    moved[0] += slope @ reciprocal
    return moved, shift


def _wandering(
    signals: NDArray[np.float64],
    reciprocal: NDArray[np.float64],
    step: NDArray[np.float64],
    parts: tuple[NDArray[np.bool_], ...],
) -> list[NDArray[np.float64]]:
    """Slow displacements, however far, from the phases of a few rows together.

    Of two parts of the rows, and of all, (ny, 2) each.
    """
    ny, nx, _ = signals.shape
    vectors = FIRST @ reciprocal.T
    rows = float(np.abs(np.linalg.inv(reciprocal))[:, 0].max() / step[0])
    down = np.exp(-2j * np.pi * row_phases(vectors, ny, step, None))
    waves = np.exp(-2j * np.pi * np.outer(vectors[:, 1], np.arange(nx) * step[1]))
    found = []
    for part in (*parts, np.ones(nx, bool)):
        local = np.einsum("vy,vx,yxf->vyf", down, waves * part, signals, optimize=True)
        local = gaussian_filter(local, (0, _ROWS * rows, 0), mode="nearest")
        # against what the whole scan sees at its strongest row
        product = (local * local[:, [int(np.abs(local).sum((0, 2)).argmax())]].conj()).sum(-1)
        phase = np.unwrap(np.angle(product), axis=1) / (2 * np.pi)
        weight = np.abs(product)
        matrix = np.einsum("vy,va,vb->yab", weight, vectors, vectors)
        right = np.einsum("vy,va,vy->ya", weight, vectors, phase)
        matrix += 1e-9 * np.trace(matrix, axis1=1, axis2=2).max() * np.eye(2)
        found.append(np.linalg.solve(matrix, right[..., None])[..., 0])
    return found


def _normal(
    signals: NDArray[np.float64],
    vectors: NDArray[np.float64],
    step: NDArray[np.float64],
    shift: NDArray[np.float64],
    parts: tuple[NDArray[np.bool_], ...],
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Normal equations of each row's displacement, (ny, 2, 2) and (ny, 2), for parts of rows."""
    ny = len(signals)
    vectors, down, waves, known = _model(signals, vectors, step, shift)
    seen = (signals != 0).any(axis=-1)
    sums = [(np.zeros((ny, 2, 2)), np.zeros((ny, 2))) for _ in parts]
    for feature in range(signals.shape[-1]):
        spectrum = down * known[:, feature]
        rest = np.where(seen, signals[..., feature] - (spectrum @ waves).real, 0.0)
        slopes = np.stack([((2j * np.pi * vectors[:, a]) * spectrum @ waves).real for a in (0, 1)])
        slopes *= seen
        variance = max(float(np.square(rest).mean()), 1e-12)
        for (matrix, vector), part in zip(sums, parts, strict=True):
            chosen = slopes[:, :, part]
            matrix += np.einsum("ayx,byx->yab", chosen, chosen) / variance
            vector += np.einsum("ayx,yx->ya", chosen, rest[:, part]) / variance
    return sums


def _model(
    signals: NDArray[np.float64],
    vectors: NDArray[np.float64],
    step: NDArray[np.float64],
    shift: NDArray[np.float64],
) -> tuple[
    NDArray[np.float64], NDArray[np.complex128], NDArray[np.complex128], NDArray[np.complex128]
]:
    """Frequencies of the waves, the waves along y (ny, wave) and x (wave, nx), their heights."""
    ny, nx, _ = signals.shape
    vectors = np.concatenate([vectors, -vectors])
    down: NDArray[np.complex128] = np.exp(2j * np.pi * row_phases(vectors, ny, step, shift)).T
    waves: NDArray[np.complex128] = np.exp(
        2j * np.pi * np.outer(vectors[:, 1], np.arange(nx) * step[1])
    )
    # least squares: where harmonics alias, waves are not orthogonal
    overlap = (down.conj().T @ down) * (waves.conj() @ waves.T) / (ny * nx)
    overlap += _RIDGE * np.eye(len(vectors))
    known = np.linalg.solve(overlap, coefficients(signals, vectors, step, shift))
    return vectors, down, waves, known.astype(np.complex128)


def _misfit(
    signals: NDArray[np.float64],
    reciprocal: NDArray[np.float64],
    step: NDArray[np.float64],
    shift: NDArray[np.float64],
) -> float:
    """Sum over the images of the logarithm of what the lattice does not explain."""
    _, down, waves, known = _model(signals, _INDICES @ reciprocal.T, step, shift)
    rest = [
        np.square(signals[..., f] - (down * known[:, f] @ waves).real).mean()
        for f in range(signals.shape[-1])
    ]
    return float(np.log(np.maximum(rest, 1e-12)).sum())


def _solved(
    matrix: NDArray[np.float64], vector: NDArray[np.float64], least: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Displacements (ny, 2) and their variances."""
    inverse = np.linalg.inv(matrix + least * np.eye(2))
    return np.einsum("yab,yb->ya", inverse, vector), np.einsum("yaa->ya", inverse)


def _believed(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    both: NDArray[np.float64],
    variance: NDArray[np.float64],
    hidden: NDArray[np.float64],
    misleads: bool,
) -> NDArray[np.float64] | None:
    """What is believed of displacements (ny,) that two parts and all of each row tell.

    None without a significant one.
    """
    n = len(both)
    # rows that cannot tell borrow from their neighbours
    bound = 9 * float(np.median(variance))
    sure = np.flatnonzero(variance < bound)
    if len(sure) < _FEWEST_ROWS:
        return None
    rows, told = np.arange(n), np.stack([first, second, both])
    slopes, starts = np.polyfit(sure, told[:, sure].T, 1)[..., None]
    lines = slopes * rows + starts
    rest = [np.interp(rows, sure, each[sure]) for each in told] - lines
    # whether there are any is judged without what may be another content of the cell
    a, b = dct(rest[:2] - rest[:2] @ hidden @ hidden.T, norm="ortho")
    signal, noise = np.zeros(n), np.square(a - b) / 4
    for low, high in _bands(n):
        common = a[low:high] * b[low:high]
        level = float(noise[low:high].mean()) if high - low > 3 else float(noise[_SLOW:].mean())
        # half the difference has the variance of the mean: without a displacement, products of
        # the parts have a mean of 0 and this deviation
        error = 2 * level / np.sqrt(high - low)
        mean = float(common.mean())
        signal[low:high] = mean if mean > _SURE * error else 0.0
    if not signal.any():
        return None
    cosines = _cosines(n)
    prior = (cosines * signal) @ cosines.T
    level = float(noise[_SLOW:].mean())
    measured = variance * level / float(np.mean(variance[sure]))
    off = both - lines[2]
    if misleads:
        off = off - hidden @ (hidden.T @ rest[2])
    found: NDArray[np.float64] = prior @ np.linalg.solve(prior + np.diag(measured), off)
    return found + lines[2]


@lru_cache(maxsize=4)
def _cosines(n: int) -> NDArray[np.float64]:
    """Orthonormal cosines as columns, (n, n)."""
    return np.asarray(idct(np.eye(n), norm="ortho", axis=0))


@lru_cache(maxsize=4)
def _bands(n: int) -> list[tuple[int, int]]:
    """Cosines with as much displacement each: slow ones alone, fast ones together."""
    edges = [_SLOW]
    while edges[-1] < n:
        edges.append(max(edges[-1] + 1, min(n, round(1.5 * edges[-1]))))
    return list(pairwise(edges))
