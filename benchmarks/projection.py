# SPDX-License-Identifier: GPL-3.0-or-later
"""abTEM's infinite projection smears atoms: a minimal script, with abTEM, ASE and numpy alone.

``python benchmarks/projection.py`` prints the structure factor of one atom as it is projected, over
the scattering factor it was made of. The modulus should be 1 wherever the atom stands. abTEM shares
each atom bilinearly among the four pixels around it (``superpose_deltas``) and divides by
``abtem.integrals.sinc``, which is sin(k)/k with k = frequency * sampling. Two things are wrong:

- pi is missing: the transform of a pixel is sin(pi k)/(pi k). At 2/3 of the Nyquist frequency the
  divisor is 0.981, where a pixel has 0.827.
- bilinear shares are triangles, not pixels: on average over positions they multiply by the square
  of that, one for each axis, and no divisor can mend what depends on the position.

So atoms gain a variance of d^2/6 (pixel d), as if they moved more: a Debye-Waller factor that
nobody asked for. Exact phases, exp(-2 pi i k x) on the grid's own frequencies, have neither error.
"""

from __future__ import annotations

from typing import Any

import abtem
import numpy as np
from abtem.parametrizations import LobatoParametrization
from ase import Atoms

LENGTH, POINTS = 4.0, 32  # of the cell [Å], pixels along it: 0.125 Å each
PIXEL = LENGTH / POINTS
OFFSETS = (0.0, 0.25, 0.5)  # of the atom from a pixel along x [pixels]
NYQUISTS = (0.25, 0.5, 2 / 3, 0.8125)  # frequencies as fractions of the Nyquist frequency
RMS = {"Nb": 0.075, "O": 0.091, "K": 0.104}  # one-dimensional displacements asked for [Å]
SITES, COPIES = 40, 2000  # random sites in the cell, and displaced atoms at each


def structure_factors(places: np.ndarray, symbol: str) -> np.ndarray:
    """F(kx, 0) of atoms at places x, y [Å] as abTEM projects them, over f(kx), for kx >= 0."""
    atoms = Atoms(
        [symbol] * len(places),
        positions=np.column_stack([places, np.full(len(places), 0.5)]),
        cell=(LENGTH, LENGTH, 1.0),
        pbc=True,
    )
    potential: Any = abtem.Potential(
        atoms, gpts=POINTS, slice_thickness=1.0, projection="infinite", parametrization="lobato"
    ).build(lazy=False)
    transform = np.fft.fft2(potential.array[0])[: POINTS // 2, 0] * PIXEL**2
    factor: Any = LobatoParametrization().projected_scattering_factor(symbol)
    return np.asarray(transform / factor(frequencies() ** 2))


def frequencies() -> np.ndarray:
    """kx below the Nyquist frequency [1/Å]."""
    return np.arange(POINTS // 2) / LENGTH


def divisors() -> dict[str, np.ndarray]:
    """Factors that turn what abTEM gives into what other divisors would, by name."""
    k = frequencies() * PIXEL
    given = np.sinc(k / np.pi)  # numpy's sinc has the pi
    return {
        "as it is": np.ones(len(k)),
        "with pi": given / np.sinc(k),
        "squared, with pi": given / np.sinc(k) ** 2,
    }


def exact(places: np.ndarray) -> np.ndarray:
    """Sum of phases of atoms at places x, y [Å], for kx >= 0: what F / f should be."""
    return np.asarray(np.exp(-2j * np.pi * np.outer(frequencies(), places[:, 0])).sum(axis=1))


def moduli() -> dict[str, np.ndarray]:
    """|F| / f of one atom of Nb for each divisor and of exact phases, shape (offset, kx)."""
    places = [np.array([[(8 + offset) * PIXEL, 1.0]]) for offset in OFFSETS]
    given = np.abs([structure_factors(place, "Nb") for place in places])
    found = {name: given * factor for name, factor in divisors().items()}
    found["exact phases"] = np.abs([exact(place) for place in places])
    return found


def effective_b(symbol: str, rms: float, seed: int = 0) -> tuple[float, float]:
    """B = 8 pi^2 u^2 of moving atoms at random sites [Å^2]: as projected, and of exact phases.

    From the mean potential of their configurations, whose structure factor is that of the atom
    times exp(-B k^2 / 4), fitted up to two thirds of the Nyquist frequency.
    """
    rng = np.random.default_rng(seed)
    given = np.zeros(POINTS // 2, complex)
    wanted = np.zeros(POINTS // 2, complex)
    for site in rng.random((SITES, 2)) * LENGTH:
        places = site + rng.normal(scale=rms, size=(COPIES, 2))
        origin = exact(site[None]).conj() / SITES / COPIES
        given += structure_factors(places, symbol) * origin
        wanted += exact(places) * origin
    used = (frequencies() > 0) & (frequencies() <= 2 / 3 / (2 * PIXEL))
    squared = frequencies()[used] ** 2

    def fitted(factors: np.ndarray) -> float:
        damping = -4 * np.log(np.abs(factors[used]))
        return float((damping @ squared) / (squared @ squared))

    return fitted(given), fitted(wanted)


def main() -> None:
    """Print both tables."""
    print(f"abTEM {abtem.__version__}: |F|/f of one atom of Nb, {PIXEL:g} Å per pixel; ideal 1")
    print(f"{'divisor':17} {'offset [pixel]':15}" + "".join(f"{y:10.2f}" for y in NYQUISTS))
    orders = [round(y * POINTS / 2) for y in NYQUISTS]
    for name, table in moduli().items():
        for offset, values in zip(OFFSETS, table, strict=True):
            row = "".join(f"{value:10.3f}" for value in values[orders])
            print(f"{name:17} {offset:<15g}{row}")
    print("frequencies as fractions of the Nyquist frequency\n")
    print("B of moving atoms [Å^2]   asked for   abTEM   exact phases   gained")
    for symbol, rms in RMS.items():
        given, wanted = effective_b(symbol, rms)
        print(
            f"{symbol:25} {8 * (np.pi * rms) ** 2:9.3f}   {given:5.3f}   {wanted:12.3f}   "
            f"{given - wanted:6.3f}"
        )
    print(f"a variance of d^2/6 is a B of {8 * np.pi**2 * PIXEL**2 / 6:.3f} Å^2")


if __name__ == "__main__":
    main()
