# SPDX-License-Identifier: GPL-3.0-or-later
"""The grids that engines need for patterns of equal error.

``python -m benchmarks.equal_error`` prints the error of patterns of moving and of resting atoms
with exact phases and with abTEM's own projection (relative L1 against exact phases on a converged
grid), for polar and cubic KNN. Scattering matrices give what abTEM's multislice gives for the same
potential, so both projections are measured with them.

Moving atoms stand anywhere between the pixels. On average over such places abTEM's projection adds
a variance of d^2/6 for a pixel d, of which its divisor takes d^2/(12 pi^2) back
(`benchmarks.projection` measures it). That smearing is its error for moving atoms; atoms at rest
may, by chance, lie on the pixels of one grid and between those of another.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import torch

from benchmarks.common import RIGHT, from_matrices, l1, microscope, parser, perovskite, say

ACCURACY = 0.01
CELLS, CONVERGED, POSITIONS = 4, 96, 24
GRIDS = {
    "exact": (32, 36, 38, 40, 42, 44, 48, 56, 64),
    "abtem": (32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 128),
}
SHOWN = (32, 40, 48, 64, 80, 112)  # in the table


@cache
def patterns(
    projection: str,
    pixels_per_cell: int,
    thicknesses_nm: tuple[float, ...],
    thermal_scale: float = 1.0,
    amplitude: float = 1.0,
    threads: int = 1,
) -> np.ndarray:
    """Patterns of KNN at random positions, shape (thickness, position, ky, kx)."""
    crystal = perovskite("KNN", "O", RIGHT, 1, max(thicknesses_nm), amplitude=amplitude)
    if projection == "abtem" and thermal_scale:
        gained = (crystal.lattice_constant / pixels_per_cell) ** 2 * (1 / 6 - 1 / (12 * np.pi**2))
        rms = {
            symbol: float(np.sqrt(u**2 + gained)) for symbol, u in crystal.rms_displacement.items()
        }
        crystal, projection = replace(crystal, rms_displacement=rms), "exact"
    settings = microscope(
        pixels_per_cell, projection=projection, detector={"pixels": 32, "mrad_per_pixel": 3.0}
    )
    positions = np.random.default_rng(0).random((POSITIONS, 2)) * crystal.cell[0]
    return from_matrices(
        crystal, settings, CELLS, thicknesses_nm, positions, thermal_scale, threads=threads
    )


@cache
def least_grid(
    projection: str, thicknesses_nm: tuple[float, ...], threads: int = 1
) -> tuple[int, float]:
    """Fewest pixels per cell with at most 1 % error for moving atoms at all thicknesses."""
    reference = patterns("exact", CONVERGED, thicknesses_nm, threads=threads)
    for pixels in GRIDS[projection]:
        found = patterns(projection, pixels, thicknesses_nm, threads=threads)
        error = float(l1(found, reference).max())
        say(f"  {projection}, {pixels} pixels per cell: {100 * error:.2f} % at most")
        if error <= ACCURACY:
            return pixels, error
    raise SystemExit(f"No grid of {projection} has an error of {ACCURACY:g} or less.")


def main() -> None:
    """Print the errors of both projections."""
    given = parser(__doc__).parse_args()
    torch.set_num_threads(given.threads)
    nm = (5.0,) if given.reduced else (10.0, 20.0, 40.0)
    print("crystal  atoms    projection  px   error [%] at " + ", ".join(f"{t:g}" for t in nm))
    for amplitude in (1.0, 0.0):
        for scale in (1.0, 0.0):
            for projection in GRIDS:
                case = (nm, scale, amplitude, given.threads)
                for pixels in SHOWN[: 4 if projection == "exact" else None]:
                    found = l1(
                        patterns(projection, pixels, *case), patterns("exact", CONVERGED, *case)
                    )
                    print(
                        f"{'polar' if amplitude else 'cubic':8} "
                        f"{'moving' if scale else 'at rest':8} {projection:10} {pixels:3}   "
                        + "  ".join(f"{100 * error:6.2f}" for error in found),
                        flush=True,
                    )
    for scale in (1.0, 0.0):
        polar, cubic = (
            patterns("exact", CONVERGED, nm, scale, amplitude, given.threads)
            for amplitude in (1.0, 0.0)
        )
        print(
            f"polar against cubic, {'moving' if scale else 'at rest'}: "
            + "  ".join(f"{100 * error:6.2f}" for error in l1(polar, cubic))
        )


if __name__ == "__main__":
    main()
