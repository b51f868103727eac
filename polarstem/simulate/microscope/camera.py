# SPDX-License-Identifier: GPL-3.0-or-later
"""A pixelated detector as it is: geometry, blur, faulty pixels, background and counting."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numba
import numpy as np
import scipy.special
import torch
from numpy.typing import NDArray

from polarstem.config.physics import Detector
from polarstem.errors import PolarstemError
from polarstem.simulate.microscope.noise import count_electrons
from polarstem.simulate.parallel import in_parts

_ROUNDING = 1e-3  # of the beam: single precision over hundreds of slices


@dataclass(frozen=True)
class Patterns:
    """Diffraction patterns of one specimen.

    Attributes
    ----------
    intensity : ndarray, shape (thickness, position, ky, kx), float32
        Fraction of the incident beam in each detector pixel.
    total : ndarray, shape (thickness, position), float32
        Fraction of the incident beam in the whole simulated range of angles.
    """

    intensity: NDArray[np.float32]
    total: NDArray[np.float32]

    def rows(self, rows: slice) -> Patterns:
        """Those of a range of positions."""
        return Patterns(self.intensity[:, rows], self.total[:, rows])


def check_beam(total: NDArray[np.floating], detected: NDArray[np.floating] | None = None) -> None:
    """Stop where intensity appears from nowhere: it can only leave the simulated angles.

    Parameters
    ----------
    total : ndarray
        Fraction of the incident beam within the simulated angles, of each pattern.
    detected : ndarray, optional
        Fraction that an ideal detector sees of each, without noise or background.

    Raises
    ------
    PolarstemError
        If a total is above 1 or no number, or a detector sees more than its total.
    """
    if not np.isfinite(total).all() or total.max() > 1 + _ROUNDING:
        raise PolarstemError(
            f"A pattern holds {total.max():.4f} of the incident beam; the simulation went wrong "
            "(grid too coarse for the potential?). Raise simulate.pixels_per_cell."
        )
    if detected is not None and (detected > total + _ROUNDING).any():
        raise PolarstemError(
            "A detector image holds more than the simulated pattern it was binned from; please "
            "report this with the configuration."
        )


def pixel_angles(pixels: int, mrad_per_pixel: float) -> NDArray[np.float64]:
    """Angles of the pixel centres, symmetric about the optic axis, shape (pixels,) [mrad]."""
    centred_index = np.arange(pixels, dtype=np.float64) - (pixels - 1) / 2
    return centred_index * mrad_per_pixel


class Footprint(NamedTuple):
    """Where the samples of a pattern fall on a detector.

    Attributes
    ----------
    places : ndarray, shape (sample, 2)
        Column (right) and row (down) [pixels]; pixel i reaches from i to i + 1.
    widths : ndarray, shape (2,)
        A sample stands for a box along the detector's rows and columns, as wide as has the second
        moments of the parallelogram between the samples [pixels].
    """

    places: NDArray[np.float64]
    widths: NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """Settings of the detector.

    Attributes
    ----------
    pixels : int
        Along each side; the optic axis meets the middle, but for `shift_pixels`.
    mrad_per_pixel : float
        Angle that a pixel covers [mrad].
    rotation_deg : float
        By which the pattern is turned counter-clockwise on the detector [degrees].
    ellipticity : float
        Long over short axis of the image of a circle, minus 1; its area is kept.
    ellipticity_deg : float
        Direction of the long axis, counter-clockwise from +x [degrees].
    shift_pixels : tuple of float
        Shift of the pattern to the right and down [pixels], as by imperfect descan.
    psf_pixels : float
        Standard deviation s of the Gaussian distance between where an electron hits the detector
        and where it is counted [pixels]: a modulation transfer of ``exp(-2 (pi s f)^2)`` at f
        cycles per pixel, beside that of the pixel. Electrons counted beyond the edge are lost.
    background : float
        Electrons spread evenly over the detector, as a fraction of the beam.
    saturation : float, optional
        Largest count of a pixel; needs a dose.
    gain : ndarray, shape (ky, kx), optional
        Factor of each pixel on what it has counted.
    dead : ndarray of bool, shape (ky, kx), optional
        Pixels that read zero.
    """

    pixels: int
    mrad_per_pixel: float
    rotation_deg: float = 0.0
    ellipticity: float = 0.0
    ellipticity_deg: float = 0.0
    shift_pixels: tuple[float, float] = (0.0, 0.0)
    psf_pixels: float = 0.0
    background: float = 0.0
    saturation: float | None = None
    gain: NDArray[np.float32] | None = None
    dead: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        shape = (self.pixels, self.pixels)
        for name in ("gain", "dead"):
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise PolarstemError(
                    f"The camera's {name} map has shape {array.shape}, but the detector has "
                    f"{shape[0]} x {shape[1]} pixels; give one value for each pixel."
                )
        for name in ("mrad_per_pixel", "saturation"):
            if (value := getattr(self, name)) is not None and not value > 0:
                raise PolarstemError(f"The camera's {name} is {value:g}, but must be positive.")
        for name in ("ellipticity", "psf_pixels", "background"):
            if not (value := getattr(self, name)) >= 0:
                raise PolarstemError(f"The camera's {name} is {value:g}, but must not be negative.")

    @classmethod
    def of(cls, detector: Detector | Camera) -> Camera:
        """Make it from the config's section; a camera is taken as it is."""
        if isinstance(detector, Camera):
            return detector
        return cls(detector.pixels, detector.mrad_per_pixel)

    @cached_property
    def matrix(self) -> NDArray[np.float64]:
        """Place on the detector (x right, y up) per angle, shape (2, 2) [pixels/mrad]."""
        turn = _rotation(self.rotation_deg)
        axes = _rotation(self.ellipticity_deg)
        ratio = np.sqrt(1 + self.ellipticity)
        return axes @ np.diag([ratio, 1 / ratio]) @ axes.T @ turn / self.mrad_per_pixel

    @cached_property
    def corners_mrad(self) -> NDArray[np.float64]:
        """Angles x and y (up) that meet the corners of the detector, shape (4, 2) [mrad]."""
        half = self.pixels / 2
        corners = np.array([(-half, -half), (-half, half), (half, -half), (half, half)])
        corners -= np.array(self.shift_pixels) * (1, -1)
        return np.linalg.solve(self.matrix, corners.T).T

    @cached_property
    def edges_mrad(self) -> NDArray[np.float64]:
        """Angles between the optic axis and the lines through the edges, shape (4,) [mrad]."""
        # corners in an order that goes around the detector
        x, y = self.corners_mrad[[0, 1, 3, 2]].T
        to_x, to_y = np.roll(x, -1) - x, np.roll(y, -1) - y
        return np.abs(x * to_y - y * to_x) / np.hypot(to_x, to_y)

    def footprint(
        self,
        samples: NDArray[np.float64],
        steps: NDArray[np.float64],
        turn: NDArray[np.int64] | None = None,
        centre: NDArray[np.float64] | None = None,
    ) -> Footprint:
        """Where samples of a pattern fall.

        Parameters
        ----------
        samples : ndarray, shape (sample, 2)
            Angles x (right) and y (up) [mrad].
        steps : ndarray, shape (2, 2)
            Rows: x and y from a sample to its two neighbours [mrad].
        turn : ndarray, shape (2, 2), optional
            Turns the samples first.
        centre : ndarray, shape (2,), optional
            x and y of the optic axis, among the turned samples [mrad].

        Returns
        -------
        Footprint
        """
        matrix = self.matrix if turn is None else self.matrix @ turn
        middle = self.pixels / 2 + np.array(self.shift_pixels)
        if centre is not None:
            middle = middle - self.matrix @ centre * (1, -1)
        places = samples @ (matrix.T * (1, -1)) + middle
        widths = np.sqrt(np.square(steps @ matrix.T).sum(0))
        return Footprint(places, widths)

    def project(self, intensity: torch.Tensor, footprint: Footprint) -> torch.Tensor:
        """Gather samples of patterns in the pixels.

        Parameters
        ----------
        intensity : Tensor, shape (sample, pattern), float32
            On any device.
        footprint : Footprint
            Where they fall.

        Returns
        -------
        Tensor, shape (pattern, ky, kx), float32
            Every electron that meets the detector is in one pixel.
        """
        count = intensity.shape[1]
        image = torch.zeros((self.pixels**2, count), device=intensity.device)
        if intensity.device.type == "cpu":
            samples, array = intensity.contiguous().numpy(), image.numpy()
            in_parts(
                lambda start, stop: _spread(samples, *footprint, self.pixels, array, start, stop),
                count,
            )
        else:
            _spread_on_device(intensity, *footprint, self.pixels, image)
        return image.T.reshape(count, self.pixels, self.pixels)

    def expose(self, images: torch.Tensor, dose: float | None, seed: int = 0) -> torch.Tensor:
        """Blur, add the background, count and misread.

        Parameters
        ----------
        images : Tensor, shape (..., ky, kx), float32
            Fractions of the beam; overwritten.
        dose : float, optional
            Electrons per pattern; without it nothing is counted and nothing saturates.
        seed : int
            Seed of the counting statistics.

        Returns
        -------
        Tensor, of the same shape
            Fractions of the beam, or counts times the gain.

        Raises
        ------
        PolarstemError
            If the camera saturates and no dose is given.
        """
        if self.saturation is not None and dose is None:
            raise PolarstemError(
                f"The camera saturates at {self.saturation:g} counts, but patterns without a dose "
                "have no counts; give a dose."
            )
        if self.psf_pixels > 0:
            blur = torch.from_numpy(_blur(self.pixels, self.psf_pixels)).to(images.device)
            images = blur @ images @ blur.T
        if self.background > 0:
            images += self.background / self.pixels**2
        if dose is not None:
            images = count_electrons(images.mul_(dose).contiguous(), seed)
        if self.saturation is not None:
            images.clamp_(max=self.saturation)
        if self.gain is not None:
            images *= torch.from_numpy(self.gain).to(images)
        if self.dead is not None:
            images.masked_fill_(torch.from_numpy(self.dead).to(images.device), 0)
        return images


def _rotation(degrees: float) -> NDArray[np.float64]:
    """Counter-clockwise rotation of columns (x, y), y up."""
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([(cosine, -sine), (sine, cosine)])


def _blur(pixels: int, sigma: float) -> NDArray[np.float32]:
    """Share of the electrons that hit pixel j and are counted in pixel i, shape (i, j).

    They hit it evenly and are displaced by a Gaussian: the second difference of its second
    integral.
    """
    x = np.arange(-pixels, pixels + 1) / sigma
    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    integral = sigma * (x * scipy.special.ndtr(x) + density)
    share = np.diff(integral, 2)
    apart = np.subtract.outer(np.arange(pixels), np.arange(pixels))
    kept: NDArray[np.float32] = share[apart + pixels - 1].astype(np.float32)
    return kept


@numba.njit(nogil=True, fastmath=True, cache=True)
def _spread(
    intensity: NDArray[np.float32],
    places: NDArray[np.float64],
    widths: NDArray[np.float64],
    pixels: int,
    image: NDArray[np.float32],
    first: int,
    last: int,
) -> None:
    """Add boxes (sample, pattern) to an image (pixel, pattern), for patterns first to last."""
    area = widths[0] * widths[1]
    for sample in range(len(places)):
        left, top = places[sample, 0] - widths[0] / 2, places[sample, 1] - widths[1] / 2
        right, bottom = left + widths[0], top + widths[1]
        for row in range(max(0, int(np.floor(top))), min(pixels, int(np.ceil(bottom)))):
            height = min(row + 1.0, bottom) - max(float(row), top)
            for column in range(max(0, int(np.floor(left))), min(pixels, int(np.ceil(right)))):
                width = min(column + 1.0, right) - max(float(column), left)
                weight = np.float32(height * width / area)
                pixel = row * pixels + column
                for pattern in range(first, last):
                    image[pixel, pattern] += weight * intensity[sample, pattern]


def _spread_on_device(
    intensity: torch.Tensor,
    places: NDArray[np.float64],
    widths: NDArray[np.float64],
    pixels: int,
    image: torch.Tensor,
) -> None:
    """As `_spread`, by torch: one pass for each pixel that a box may reach."""
    low = torch.from_numpy(places - widths / 2).to(image.device)
    high = low + torch.from_numpy(widths).to(image.device)
    reach = [int(np.ceil(width)) + 1 for width in widths]
    for down in range(reach[1]):
        for right in range(reach[0]):
            offset = torch.tensor((right, down), device=image.device)
            pixel = low.floor() + offset
            overlap = torch.minimum(pixel + 1, high) - torch.maximum(pixel, low)
            weight = overlap.clamp(min=0).prod(1) / float(widths.prod())
            inside = ((pixel >= 0) & (pixel < pixels)).all(1)
            weight = torch.where(inside, weight, 0.0).to(image.dtype)
            column, row = pixel.clamp(0, pixels - 1).to(torch.int64).unbind(1)
            image.index_add_(0, row * pixels + column, weight[:, None] * intensity)
