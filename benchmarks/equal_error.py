# SPDX-License-Identifier: GPL-3.0-or-later
"""The grids that engines need for patterns of equal error.

``python -m benchmarks.equal_error`` prints the error of patterns of moving and of resting atoms
with exact phases and with abTEM's own projection (relative L1 against exact phases on a converged
grid, the largest over the thicknesses, for the polar and for the cubic crystal). Scattering
matrices give what abTEM's multislice gives for the same potential, so both projections are measured
with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import torch

from benchmarks.common import RIGHT, from_matrices, l1, microscope, parser, perovskite, say

ACCURACY = 0.01
CELLS, CONVERGED, POSITIONS = 4, 112, 24
GRIDS = {
    "exact": (32, 36, 40, 44, 48, 56, 64, 80),
    "abtem": (32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 128, 144, 160),
}


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
    settings = microscope(
        pixels_per_cell, projection=projection, detector={"pixels": 32, "mrad_per_pixel": 3.0}
    )
    positions = np.random.default_rng(0).random((POSITIONS, 2)) * crystal.cell[0]
    return from_matrices(
        crystal, settings, CELLS, thicknesses_nm, positions, thermal_scale, threads=threads
    )


def errors(
    projection: str,
    thicknesses_nm: tuple[float, ...],
    thermal_scale: float = 1.0,
    amplitude: float = 1.0,
    threads: int = 1,
) -> Iterator[tuple[int, np.ndarray]]:
    """Pixels per cell and the error at each thickness, coarse grids first."""
    case = (thicknesses_nm, thermal_scale, amplitude, threads)
    reference = patterns("exact", CONVERGED, *case)
    for pixels in GRIDS[projection]:
        yield pixels, l1(patterns(projection, pixels, *case), reference)


@cache
def least_grid(
    projection: str, thicknesses_nm: tuple[float, ...], threads: int = 1
) -> tuple[int, float]:
    """Fewest pixels per cell with at most 1 % error for moving atoms at all thicknesses."""
    for pixels, found in errors(projection, thicknesses_nm, threads=threads):
        error = float(found.max())
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
                for pixels, found in errors(projection, nm, scale, amplitude, given.threads):
                    print(
                        f"{'polar' if amplitude else 'cubic':8} "
                        f"{'moving' if scale else 'at rest':8} {projection:10} {pixels:3}   "
                        + "  ".join(f"{100 * error:6.2f}" for error in found),
                        flush=True,
                    )
        if amplitude:
            for scale in (1.0, 0.0):
                polar = patterns("exact", CONVERGED, nm, scale, 1.0, given.threads)
                cubic = patterns("exact", CONVERGED, nm, scale, 0.0, given.threads)
                print(
                    f"polar against cubic, {'moving' if scale else 'at rest'}: "
                    + "  ".join(f"{100 * error:6.2f}" for error in l1(polar, cubic))
                )


if __name__ == "__main__":
    main()
