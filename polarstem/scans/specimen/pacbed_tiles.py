# SPDX-License-Identifier: GPL-3.0-or-later
"""Thickness and tilt over a scan: mean patterns of its tiles, fitted from the fit of the whole.

A tile shares with its scan the centre, camera length, blur, orientation and diffuse scattering but
for a little, so that these are held near what the whole has. What the library leaves unexplained of
the whole it leaves of each tile; beyond that there is counting noise, and an interval holds both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from polarstem.errors import PolarstemError
from polarstem.scans.ahead import ahead
from polarstem.scans.specimen.diffuse_halos import HALO_MRAD
from polarstem.scans.specimen.pacbed import ALIKE, PacbedFitter
from polarstem.scans.specimen.pacbed_fit import PacbedFit
from polarstem.scans.specimen.pacbed_model import TILT
from polarstem.scans.specimen.pacbed_solve import Expected, Found, compare, counting, weighted
from polarstem.scans.specimen.thickness_profile import profile

_Read: TypeAlias = tuple[NDArray[np.float64], NDArray[np.bool_]]
_ROUNDS = 3
_SIGMA = 3.0  # by which squares may be more than expected
_AT_ONCE = 8  # tiles that are compared together
_AGAIN = 2  # windows that are moved to where the thickness lies
# Shares of the widths of `PRIORS` by which a tile may differ from its scan: shift, size, blur,
# polarization (a tile may be one domain), turn, halos
_SPREAD = np.array([0.5, 0.5, 0.1, 0.3, 1.0, 1.0, 0.3, *[0.1] * len(HALO_MRAD)])


@dataclass(frozen=True)
class TileFits:
    """Thickness and tilt of tiles; not a number where a tile could not be fitted.

    Attributes
    ----------
    thickness_nm : ndarray, shape (tile,)
        [nm]
    interval_nm : ndarray, shape (tile, 2)
        95 % [nm].
    tilt_mrad : ndarray, shape (tile, 2)
        Beam tilt in the crystal's frame, x right, y up [mrad].
    tilt_error_mrad : ndarray, shape (tile,)
        Standard deviation of each component [mrad].
    residual : ndarray, shape (tile,)
        Root of the weighted squared deviations over those from nothing, noise and all.
    misfit : ndarray, shape (tile,)
        Root of the mean squared deviation over what noise and the scan's own deviation let expect:
        about 1; far beyond it the tile is something else.
    clipped : ndarray of bool, shape (tile,)
        Whether the interval ends where the library, or the window about the scan's thickness, does.
    """

    thickness_nm: NDArray[np.float64]
    interval_nm: NDArray[np.float64]
    tilt_mrad: NDArray[np.float64]
    tilt_error_mrad: NDArray[np.float64]
    residual: NDArray[np.float64]
    misfit: NDArray[np.float64]
    clipped: NDArray[np.bool_]


def fit_tiles(
    fitter: PacbedFitter,
    means: NDArray[np.floating | np.integer],
    start: PacbedFit,
    *,
    rotation_deg: float = 0.0,
    mrad_per_pixel: float | None = None,
    centre: tuple[float, float] | None = None,
    electrons: NDArray[np.floating] | float | None = None,
    within_nm: float = 5.0,
    seen: NDArray[np.bool_] | None = None,
    threads: int = 1,
) -> TileFits:
    """Fit thickness and tilt of each tile of a scan.

    Parameters
    ----------
    fitter : PacbedFitter
        Of the library.
    means : ndarray, shape (tile, ky, kx)
        Mean patterns, proportional to electrons; a tile of missing values is passed over.
    start : PacbedFit
        Of the whole scan with the same geometry, so that its deviations are those of the tiles.
    rotation_deg : float
        Angle of the crystal's x axis on the detector [degrees]; 0 for patterns in its frame.
    mrad_per_pixel, centre : float, tuple of float, optional
        As for `PacbedFitter.fit`.
    electrons : float or ndarray, shape (tile,), optional
        That each mean was counted from. By default noise is what a tile deviates by more than its
        scan.
    within_nm : float
        Half of the window of thicknesses that are compared at once [nm]; it moves to where a tile's
        thickness is.
    seen : ndarray of bool, shape (ky, kx), optional
        Pixels that were measured; the others are left out.
    threads : int
        In which tiles are fitted, a few at a time.

    Raises
    ------
    PolarstemError
        If the scan's fit has no thickness, or the patterns no common shape.
    """
    if start.measured_thickness is None or start.tilt is None:
        raise PolarstemError(
            f"Tiles have no thickness where their scan has none. {start.about_crystal}"
        )
    if np.ndim(means) != 3:
        raise PolarstemError(
            f"Mean patterns of tiles are an array (tile, ky, kx), not one of shape "
            f"{np.shape(means)}."
        )
    counts = np.broadcast_to(np.nan if electrons is None else electrons, (len(means),))
    expected = Expected(start.deviations, _SPREAD)
    planes, start_tilt = fitter.library.thickness_nm, start.tilt.value
    half = max(2, int(np.ceil(within_nm / np.diff(planes).mean())))
    first = int(np.abs(planes - start.measured_thickness.value).argmin())
    usable = [tile for tile, mean in enumerate(means) if np.isfinite(mean).all() and np.ptp(mean)]

    def at(read: _Read, middle: int, tilt: NDArray[np.float64]) -> list[Found]:
        window = slice(max(0, middle - half), middle + half + 1)
        tilts = np.tile(tilt, (len(read[0]), 1))
        return compare(
            fitter.model, *read, planes=window, tilt=tilts, rounds=_ROUNDS, expected=expected
        )

    def fit(tiles: list[int]) -> list[tuple[int, NDArray[np.float64], Found]]:
        images = [fitter.image(means[tile], mrad_per_pixel, centre, seen) for tile in tiles]
        read = [image.sample(fitter.angles, rotation_deg) for image in images]
        values, inside = (np.array(each) for each in zip(*read, strict=True))
        made = []
        for n, found in enumerate(at((values, inside), first, np.array(start_tilt))):
            for _ in range(_AGAIN):
                best = int(found.squares.argmin())
                place = best + found.planes.start
                if place in (0, len(planes) - 1) or 0 < best < len(found.squares) - 1:
                    break
                alone = values[n : n + 1], inside[n : n + 1]
                [found] = at(alone, place, found.tilt[best])
            made.append((tiles[n], values[n], found))
        return made

    made = _empty(len(means))
    parts = [usable[n : n + _AT_ONCE] for n in range(0, len(usable), _AT_ONCE)]
    for part in ahead([partial(fit, tiles) for tiles in parts], threads):
        for tile, values, found in part:
            dose = None if np.isnan(counts[tile]) else float(counts[tile])
            _write(made, tile, found, planes[found.planes], values, start.variance, dose)
    return made


def _empty(count: int) -> TileFits:
    missing = np.full(count, np.nan)
    pair = np.full((count, 2), np.nan)
    none = np.zeros(count, dtype=bool)
    return TileFits(
        missing, pair, pair.copy(), missing.copy(), missing.copy(), missing.copy(), none
    )


def _write(
    made: TileFits,
    tile: int,
    found: Found,
    planes: NDArray[np.float64],
    values: NDArray[np.float64],
    scan: float,
    electrons: float | None,
) -> None:
    """Put one tile's thickness, tilt and their errors where they belong."""
    best = int(found.squares.argmin())
    weights = weighted(values, np.isfinite(found.measured))[1]
    noise = max(0.0, found.variance - scan)
    if electrons is not None:
        noise = counting(values, weights, electrons)
    # a tile that deviates by more than that, and than the scatter of so many squares, is told from
    # its library by what neighbouring pixels share
    chance = _SIGMA * np.sqrt(2 / found.count) * (scan + noise)
    model = scan + max(0.0, found.variance - scan - noise - chance)
    scale = noise + ALIKE * model
    found_at = profile(planes, found.squares / scale)
    made.thickness_nm[tile] = found_at.value
    made.interval_nm[tile] = found_at.interval
    made.tilt_mrad[tile] = found.tilt[best]
    covariance = np.linalg.inv(found.normal[best]) * scale
    made.tilt_error_mrad[tile] = np.sqrt(np.trace(covariance[TILT, TILT]) / 2)
    made.residual[tile] = np.sqrt(found.squares[best] / found.power)
    made.misfit[tile] = np.sqrt(found.variance / (scan + noise))
    low, high = found_at.interval
    made.clipped[tile] = low <= planes[0] or high >= planes[-1]
