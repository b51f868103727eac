# SPDX-License-Identifier: GPL-3.0-or-later
"""Exact phases against shares by a B-spline, for the potential of one period of KNN.

A B-spline of odd degree n shares an atom among (n + 1)^2 pixels; its transform, sinc^(n + 1) along
each axis, is divided out. What is left is aliasing, which grows with the frequency. Errors are root
mean squares within the band of the multislice, a third of the sampling frequency, over those of the
potential. One thread each, CPU time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from statistics import median

import ase
import numba
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline

from benchmarks.common import knn, parser, timed
from polarstem.simulate.potential.projection import (
    Element,
    exact_projection,
    scattering_factor,
)

PIXELS = 40
DEGREES = (3, 5, 7)
RUNS = 7


def spline_projection(
    degree: int,
    atoms: ase.Atoms,
    factors: Mapping[str, NDArray[np.float32]],
    gpts: tuple[int, int],
    sampling: tuple[float, float],
) -> NDArray[np.float32]:
    """As `exact_projection`, of atoms that are shared among pixels by a B-spline."""
    half = gpts[1] // 2 + 1
    total = np.zeros((gpts[0], half), np.complex64)
    symbols = np.array(atoms.get_chemical_symbols())
    x, y = (np.sinc(np.fft.fftfreq(n)) ** (degree + 1) for n in gpts)
    divisor = np.outer(x, y[:half]).astype(np.float32)
    for symbol in sorted(set(symbols.tolist())):
        places = atoms.positions[symbols == symbol, :2] / sampling
        first = np.floor(places).astype(np.int64) - (degree - 1) // 2
        weights = _weights(places - first, degree)
        shares = np.zeros(gpts, np.float32)
        _share(shares, first, weights)
        total += factors[symbol][:, :half] / divisor * np.fft.rfft2(shares)
    potential = np.fft.irfft2(total, s=gpts) / np.prod(sampling)
    return potential.astype(np.float32)


def _weights(inside: NDArray[np.float64], degree: int) -> NDArray[np.float64]:
    """Of the pixels around each atom, shape (atom, axis, pixel)."""
    spline = BSpline.basis_element(np.arange(degree + 2) - (degree + 1) / 2, extrapolate=False)
    found: NDArray[np.float64] = np.nan_to_num(spline(np.arange(degree + 1) - inside[..., None]))
    return found


@numba.njit(cache=True)
def _share(
    shares: NDArray[np.float32], first: NDArray[np.int64], weights: NDArray[np.float64]
) -> None:
    nx, ny = shares.shape
    for atom in range(len(first)):
        for i in range(weights.shape[2]):
            for j in range(weights.shape[2]):
                x, y = (first[atom, 0] + i) % nx, (first[atom, 1] + j) % ny
                shares[x, y] += weights[atom, 0, i] * weights[atom, 1, j]


def potentials(cells: int) -> dict[str, partial[NDArray[np.float32]]]:
    """Ways to make the potential of one slice of each kind, shape (slice, x, y)."""
    crystal = knn(cells, 0.4, a_site="random")
    gpts = crystal.grid_points(PIXELS)
    sampling = (crystal.cell[0] * cells / gpts[0], crystal.cell[1] * cells / gpts[1])
    heights = crystal.atoms.positions[:, 2]
    middle = crystal.cell[2] / 2
    atoms = crystal.atoms.copy()
    rng = np.random.default_rng(0)
    atoms.positions[:, :2] += rng.normal(scale=0.08, size=(len(atoms), 2))
    slices = [atoms[heights < middle], atoms[heights >= middle]]

    factors = {
        symbol: scattering_factor(Element({symbol: 1.0}, {}), gpts, sampling)
        for symbol in set(atoms.get_chemical_symbols())
    }

    def make(project: Callable[..., NDArray[np.float32]]) -> NDArray[np.float32]:
        return np.stack([project(part, factors, gpts, sampling) for part in slices])

    ways = {"exact phases": partial(make, exact_projection)}
    for degree in DEGREES:
        ways[f"B-spline of degree {degree}"] = partial(make, partial(spline_projection, degree))
    return ways


def in_band(potential: NDArray[np.float32]) -> NDArray[np.complex128]:
    """Fourier components up to a third of the sampling frequency, without the mean."""
    x, y = (np.fft.fftfreq(n) for n in potential.shape[1:])
    k = np.hypot(x[:, None], y)
    return np.fft.fft2(potential.astype(np.float64))[:, (k > 0) & (k <= 1 / 3)]


def main() -> None:
    """Print times and errors."""
    given = parser(__doc__).parse_args()
    print(f"{'':22} cells   ms for a period   error in the band")
    for cells in (2,) if given.reduced else (6, 20):
        ways = potentials(cells)
        exact = in_band(ways["exact phases"]())
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(RUNS):
            for name, work in ways.items():
                seconds[name].append(timed(work, time.process_time)[0])
        for name, work in ways.items():
            difference = in_band(work()) - exact
            error = np.sqrt((abs(difference) ** 2).sum() / (abs(exact) ** 2).sum())
            print(f"{name:22} {cells:5}   {1e3 * median(seconds[name]):15.1f}   {error:17.1e}")


if __name__ == "__main__":
    main()
