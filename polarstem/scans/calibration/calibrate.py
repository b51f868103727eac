# SPDX-License-Identifier: GPL-3.0-or-later
"""What the patterns themselves tell of detector and beam, from a sample of a scan."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError
from polarstem.scans.calibration.centre import Plane
from polarstem.scans.calibration.disc import Disc, fit_edge, mended
from polarstem.scans.calibration.resample import Resampler, centre_of_mass
from polarstem.scans.calibration.rotation import Rotation, scan_rotation
from polarstem.scans.calibration.steps import Findings, Step
from polarstem.scans.scan import Scan
from polarstem.scans.sourced import Sourced

_TILES = 5  # down and across the scan
_TILE = 6  # positions along each side of a tile: neighbours, for the curl; about a cell
_SAMPLE_BYTES = 64e6
_ROUNDS = 6  # at most, to find the centre of a tile
_STILL = 0.01  # pixels that it may still move
_COVERED = 0.98  # of the model's grid
_COARSE, _REACH = 32, 2.0  # pixels and semi-angles of the grid for deflections
_BEYOND = 1.1  # semi-angles where the dark field begins


@dataclass(frozen=True, eq=False)
class Calibration:
    """Detector and beam of a scan.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns of the scan and of the patterns.
    plane : Plane
        Centres of the patterns.
    settings : dict of str to Sourced
        ``mrad_per_pixel``, ``semiangle_mrad``, ``centre``, ``ellipticity`` and
        ``ellipticity_deg``; ``disc_radius_pixels`` and ``detector_rotation_deg`` if known.
    bad : ndarray of bool, shape (ky, kx)
        Pixels that are left out.
    tiles : ndarray, shape (tile, ky, kx)
        Mean patterns of parts of the scan.
    tile_centres : ndarray, shape (tile, 2)
        Centres by the plane [pixels].
    steps : tuple of Step
    warnings : tuple of str
    """

    shape: tuple[int, ...]
    plane: Plane
    settings: dict[str, Sourced]
    bad: NDArray[np.bool_]
    tiles: NDArray[np.float64]
    tile_centres: NDArray[np.float64]
    steps: tuple[Step, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def mrad_per_pixel(self) -> float:
        """Angle per detector pixel [mrad]."""
        return float(self.settings["mrad_per_pixel"].value)

    @property
    def detector_rotation(self) -> Sourced | None:
        """By which the scan's x axis appears turned counter-clockwise on the detector."""
        return self.settings.get("detector_rotation_deg")

    def centres(self, index: ArrayLike) -> NDArray[np.float64]:
        """Centres of patterns, shape (n, 2) [pixels].

        Parameters
        ----------
        index : array_like of int, shape (n,)
            Positions, counted along the rows of the upright scan.
        """
        return self.plane.at(*np.divmod(np.asarray(index), self.shape[1]))

    def resampler(self, turned_deg: float, pixels: int, mrad_per_pixel: float) -> Resampler:
        """A resampler to a model's grid.

        Parameters
        ----------
        turned_deg : float
            By which what shall lie along the grid's x axis appears turned counter-clockwise on
            the detector [degrees]: detector rotation plus crystal rotation.
        pixels : int
            Of the grid, along each side.
        mrad_per_pixel : float
            Of the grid [mrad].

        Returns
        -------
        Resampler
            To be called with patterns and their `centres`.
        """
        return Resampler(
            (self.shape[2], self.shape[3]),
            self.mrad_per_pixel,
            pixels,
            mrad_per_pixel,
            turned_deg,
            float(self.settings["ellipticity"].value),
            float(self.settings["ellipticity_deg"].value),
            self.bad if self.bad.any() else None,
        )

    def unseen(self, turned_deg: float, pixels: int, mrad_per_pixel: float) -> list[str]:
        """Warnings where a grid reaches to angles that the detector does not cover.

        Parameters
        ----------
        turned_deg, pixels, mrad_per_pixel
            As for `resampler`.
        """
        middle = self.tile_centres.mean(0)
        share = 1 - self.resampler(turned_deg, pixels, mrad_per_pixel).covered(middle).mean()
        if share <= 1 - _COVERED:
            return []
        return [
            f"{share:.0%} of the angles that the model looks at lie beyond the detector, or on bad "
            "pixels; they are filled from the nearest that do not."
        ]

    def mean_pattern(
        self, turned_deg: float, pixels: int, mrad_per_pixel: float
    ) -> NDArray[np.float64]:
        """Mean pattern of the sample on a grid (see `resampler`), shape (pixels, pixels)."""
        resampler = self.resampler(turned_deg, pixels, mrad_per_pixel)
        mean: NDArray[np.float64] = resampler(self.tiles, self.tile_centres).mean(0, np.float64)
        return mean


def calibrate(
    scan: Scan, sheet: Sheet, semiangle_mrad: Sourced | None = None, threads: int = 1
) -> Calibration:
    """Calibrate a scan from a sample of its patterns.

    The sample is of tiles of neighbouring positions, spread over the scan.

    Parameters
    ----------
    scan : Scan
    sheet : Sheet
        Its ``off`` names steps to leave out.
    semiangle_mrad : Sourced, optional
        For a scan that does not say its own [mrad].
    threads : int
        Tiles looked at at once.

    Returns
    -------
    Calibration

    Raises
    ------
    PolarstemError
        If the beam lies beyond the detector, or there is neither a disc nor a calibration.
    """
    findings = Findings(scan, sheet)
    tiles = list(_tiles(scan))
    sizes = np.array([tile.size for tile in tiles])
    patterns = scan.read(np.concatenate([tile.ravel() for tile in tiles]))
    parts = np.split(patterns, np.cumsum(sizes)[:-1])
    places = np.array([[index.mean() for index in np.divmod(t, scan.shape[1])] for t in tiles])
    found = np.empty((0, 2))
    with ThreadPoolExecutor(threads) as pool:
        means = np.stack(list(pool.map(_mean, parts)))
        total = np.tensordot(sizes, means, 1)
        bad = findings.pixels(total, np.stack([part[0] for part in parts]))
        mean = mended(total / sizes.sum(), bad)
        disc = findings.disc(mean)
        if disc is not None and sheet.centre is None and not findings.off("centring"):
            edges = pool.map(lambda tile: _edge(tile, bad, disc), means)
            found = np.array(list(edges))
    plane = findings.centring(disc, places, found)
    findings.scale(disc, semiangle_mrad, mean)
    findings.ellipse(disc)
    calibration = Calibration(scan.shape, plane, findings.settings, bad, means, plane.at(*places.T))
    off = findings.off("rotation")
    findings.rotation(None if off else _least_curl(scan, calibration, tiles, patterns))
    return replace(calibration, steps=tuple(findings.steps), warnings=tuple(findings.warnings))


def _tiles(scan: Scan) -> Iterator[NDArray[np.int64]]:
    """Positions of the tiles, each of shape (rows, columns); masked tiles are passed over."""
    rows, columns, *pixels = scan.shape
    most = _SAMPLE_BYTES / (np.prod(pixels) * scan.dtype.itemsize) / _TILES**2
    side = int(np.clip(np.sqrt(most), 1, _TILE))
    sizes = [min(side, length) for length in (rows, columns)]
    starts = [
        np.linspace(0, length - size, min(_TILES, length // size)).astype(int)
        for length, size in zip((rows, columns), sizes, strict=True)
    ]
    included, some = scan.included.ravel(), False
    for row in starts[0]:
        for column in starts[1]:
            tile = np.add.outer((row + np.arange(sizes[0])) * columns, column + np.arange(sizes[1]))
            if included[tile].all():
                some = True
                yield tile
    if not some:  # what is not masked is scattered
        for position in np.flatnonzero(included)[:: max(1, int(included.sum()) // _TILES**2)]:
            yield np.array([[position]])


def _mean(patterns: NDArray[Any]) -> NDArray[np.float64]:
    wide = np.uint64 if patterns.dtype.kind == "u" else np.float64
    mean: NDArray[np.float64] = patterns.sum(0, dtype=wide) / len(patterns)
    return mean


def _edge(mean: NDArray[np.float64], bad: NDArray[np.bool_], disc: Disc) -> NDArray[np.float64]:
    """Centre of the disc in a tile; nan if it is not there."""
    image, reach = mended(mean, bad), max(0.1 * disc.radius, 3.0)
    try:
        for _ in range(_ROUNDS):
            before, disc = disc.centre, fit_edge(image, disc, reach, shape_too=False)
            if np.abs(disc.centre - before).max() < _STILL:
                break
    except PolarstemError:  # the other tiles tell
        return np.full(2, np.nan)
    return disc.centre


def _least_curl(
    scan: Scan,
    calibration: Calibration,
    tiles: list[NDArray[np.int64]],
    patterns: NDArray[Any],
) -> Rotation:
    semiangle = float(calibration.settings["semiangle_mrad"].value)
    resampler = calibration.resampler(0.0, _COARSE, 2 * _REACH * semiangle / _COARSE)
    images = resampler(patterns, calibration.centres(np.concatenate([t.ravel() for t in tiles])))
    shape = (len(tiles), *tiles[0].shape)
    deflection = centre_of_mass(images, resampler.model_mrad_per_pixel).reshape(*shape, 2)
    angle = np.arange(resampler.pixels) - (resampler.pixels - 1) / 2
    apart = np.hypot(angle, angle[:, None]) * resampler.model_mrad_per_pixel
    beyond = apart > _BEYOND * semiangle
    step = scan.step_nm.value if scan.step_nm is not None else (1.0, 1.0)
    thickness = scan.settings.get("thickness_nm")
    highest = max(thickness.value) if thickness is not None else None
    return scan_rotation(deflection, step, images[:, beyond].sum(1).reshape(shape), highest)
