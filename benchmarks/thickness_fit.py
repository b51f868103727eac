# SPDX-License-Identifier: GPL-3.0-or-later
"""Thickness of a measured specimen from its position-averaged pattern."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter
from scipy.optimize import least_squares

from polarstem.errors import PolarstemError
from polarstem.simulate.microscope.camera import pixel_angles

# The first search: sizes as fractions of the bright area's, rotations in steps [degrees]
_SIZES = np.linspace(0.8, 1.15, 10)
_ROTATION_STEP = 4.0
_BRIGHT = 0.4  # of the largest intensity: inside the central disc
_WORSE = 1.1  # times the least residual: thicknesses that fit so well are not excluded


@dataclass(frozen=True)
class Geometry:
    """Where a pattern lies in an image.

    Attributes
    ----------
    centre : tuple of float
        Row and column of the optic axis [pixels; 0 is the middle of the first].
    pixels_per_mrad : float
        Size of the pattern [pixels/mrad].
    rotation_deg : float
        By which the pattern is turned counter-clockwise in the image [degrees].
    """

    centre: tuple[float, float]
    pixels_per_mrad: float
    rotation_deg: float


@dataclass(frozen=True)
class ThicknessFit:
    """A measured pattern compared with a library.

    Attributes
    ----------
    thickness_nm : float
        Vertex of the parabola through the three least squared residuals [nm].
    interval_nm : tuple of float
        Thicknesses around it whose residual is at most a tenth above the least [nm]. Model errors,
        not counting statistics, limit such fits, so this is no confidence interval.
    geometry : Geometry
        Of the best fit.
    residual : ndarray, shape (thickness,)
        Root of the sum of squared deviations over that of the measured pattern from its mean, each
        library pattern with its own best geometry, brightness and background.
    measured, simulated : ndarray, shape (ky, kx)
        The measured pattern on the library's grid, and the best library pattern with its
        brightness and background.
    """

    thickness_nm: float
    interval_nm: tuple[float, float]
    geometry: Geometry
    residual: NDArray[np.float64]
    measured: NDArray[np.float64]
    simulated: NDArray[np.float64]


class PatternLibrary:
    """Simulated patterns that an image is compared with.

    Parameters
    ----------
    patterns : ndarray, shape (thickness, ky, kx)
        Square patterns, ky pointing down, optic axis in the middle.
    thickness_nm : ndarray, shape (thickness,)
        At least three, ascending [nm].
    mrad_per_pixel : float
        Size of their pixels [mrad].
    semiangle_mrad : float
        Convergence semi-angle [mrad].
    fold : int
        Rotation symmetry of the patterns about their middle: 4 for a cubic crystal along [001].

    Raises
    ------
    PolarstemError
        If there are fewer than three thicknesses.
    """

    def __init__(
        self,
        patterns: NDArray[np.float32],
        thickness_nm: NDArray[np.float64],
        mrad_per_pixel: float,
        semiangle_mrad: float,
        fold: int = 1,
    ) -> None:
        if len(thickness_nm) < 3:
            raise PolarstemError(
                f"A thickness is looked for among {len(thickness_nm)} simulated ones; give at "
                "least three."
            )
        self.patterns = np.asarray(patterns, dtype=np.float64)
        self.thickness_nm = np.asarray(thickness_nm, dtype=np.float64)
        self.mrad_per_pixel = mrad_per_pixel
        self.semiangle_mrad = semiangle_mrad
        self._turn = 360 / fold
        angles = pixel_angles(self.patterns.shape[-1], mrad_per_pixel)
        self._angles = np.stack(np.meshgrid(angles, angles), axis=-1)  # x right, y down
        self._inside = np.hypot(*np.moveaxis(self._angles, -1, 0)) < angles.max()
        self._units = _standardize(self.patterns[:, self._inside])

    def fit(self, image: NDArray[np.floating | np.integer]) -> ThicknessFit:
        """Find thickness, centre, size and rotation of a measured pattern.

        Parameters
        ----------
        image : ndarray, shape (rows, columns)
            Position-averaged pattern whose brightest part is the central disc; intensities must be
            proportional to electrons, up to a constant.

        Raises
        ------
        PolarstemError
            If there is no pattern in the image.
        """
        smooth, start = self._prepare(np.asarray(image, dtype=np.float64))
        geometry = self._search(smooth, start)
        distances, geometries = zip(
            *(self._refine(smooth, unit, geometry) for unit in self._units), strict=True
        )
        # vectors of unit length: distance^2 = 2 - 2 cosine, and the residual is the sine
        residual = np.sqrt(1 - (1 - np.square(distances) / 2) ** 2)
        best = int(residual.argmin())
        geometry = replace(
            geometries[best], rotation_deg=geometries[best].rotation_deg % self._turn
        )
        measured = _sample(smooth, self._angles, geometry)
        inside, pattern = measured[self._inside], self.patterns[best]
        slope, offset = np.polyfit(pattern[self._inside], inside, 1)
        return ThicknessFit(
            thickness_nm=_vertex(self.thickness_nm, residual**2),
            interval_nm=_below(self.thickness_nm, residual, _WORSE * float(residual.min())),
            geometry=geometry,
            residual=residual,
            measured=measured,
            simulated=slope * pattern + offset,
        )

    def _prepare(self, image: NDArray[np.float64]) -> tuple[NDArray[np.float64], Geometry]:
        """Spline coefficients of the image at the library's resolution, and a first guess."""
        if image.ndim != 2 or not np.isfinite(image).all() or np.ptp(image) == 0:
            raise PolarstemError(
                f"No pattern to find the thickness of: an image of shape {image.shape} with "
                "missing values or of one brightness; give one two-dimensional mean pattern."
            )
        bright = np.argwhere(image - image.min() > _BRIGHT * np.ptp(image))
        row, column = bright.mean(axis=0).tolist()
        size = float(np.sqrt(len(bright) / np.pi)) / self.semiangle_mrad
        # a library pixel is a box of width w, a Gaussian of the same moment has w / sqrt(12)
        blur = self.mrad_per_pixel * size / np.sqrt(12)
        return spline_filter(gaussian_filter(image, blur)), Geometry((row, column), size, 0.0)

    def _search(self, smooth: NDArray[np.float64], start: Geometry) -> Geometry:
        angles = self._angles[self._inside]
        guesses = [
            Geometry(start.centre, start.pixels_per_mrad * size, float(rotation))
            for size in _SIZES.tolist()
            for rotation in np.arange(0, self._turn, _ROTATION_STEP)
        ]
        cosines = [
            (self._units @ _standardize(_sample(smooth, angles, guess))).max() for guess in guesses
        ]
        return guesses[int(np.argmax(cosines))]

    def _refine(
        self, smooth: NDArray[np.float64], unit: NDArray[np.float64], start: Geometry
    ) -> tuple[float, Geometry]:
        """Least distance of the unit vectors of image and pattern, and the geometry."""
        angles = self._angles[self._inside]

        def moved(steps: NDArray[np.float64]) -> Geometry:
            # one pixel, one per cent, half a degree
            row, column = np.array(start.centre) + steps[:2]
            scale = start.pixels_per_mrad * (1 + steps[2] / 100)
            return Geometry((row, column), float(scale), float(start.rotation_deg + steps[3] / 2))

        found = least_squares(
            lambda steps: _standardize(_sample(smooth, angles, moved(steps))) - unit,
            np.zeros(4),
            method="lm",
            ftol=1e-5,
        )
        return float(np.sqrt(2 * found.cost)), moved(found.x)


def _sample(
    smooth: NDArray[np.float64], angles: NDArray[np.float64], geometry: Geometry
) -> NDArray[np.float64]:
    """Intensity at angles (x right, y down) [mrad], shape (..., 2)."""
    turn = np.deg2rad(geometry.rotation_deg)
    cosine, sine = np.cos(turn), np.sin(turn)
    x, y = np.moveaxis(angles, -1, 0) * geometry.pixels_per_mrad
    places = (
        geometry.centre[0] + cosine * y - sine * x,
        geometry.centre[1] + cosine * x + sine * y,
    )
    values: NDArray[np.float64] = map_coordinates(smooth, places, prefilter=False)
    return values


def _standardize(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shift and scale vectors (last axis) to zero mean and unit length."""
    centred = values - values.mean(axis=-1, keepdims=True)
    length = np.linalg.norm(centred, axis=-1, keepdims=True)
    unit: NDArray[np.float64] = centred / np.where(length > 0, length, 1.0)
    return unit


def _vertex(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Place of the least value, by the parabola through it and its neighbours."""
    low = int(y.argmin())
    if low in (0, len(y) - 1):
        return float(x[low])
    near = slice(low - 1, low + 2)
    curvature, slope, _ = np.polyfit(x[near] - x[low], y[near], 2)
    return float(x[low] - slope / (2 * curvature))


def _below(x: NDArray[np.float64], y: NDArray[np.float64], limit: float) -> tuple[float, float]:
    """Ends of the interval around the least value in which y stays below a limit."""
    low = int(y.argmin())
    ends = []
    for step in (-1, 1):
        i = low
        while 0 <= i + step < len(y) and y[i + step] <= limit:
            i += step
        if 0 <= i + step < len(y):
            share = (limit - y[i]) / (y[i + step] - y[i])
            ends.append(float(x[i] + share * (x[i + step] - x[i])))
        else:
            ends.append(float(x[i]))
    return ends[0], ends[1]
