# SPDX-License-Identifier: GPL-3.0-or-later
"""What a mean pattern is made of: a crystal of some thickness and tilt, and all that may differ.

Beside thickness and tilt these are centre, camera length, blur, background, the odd part that a net
polarization of the scanned area gives (otherwise it would be taken for a tilt), and diffuse
scattering (`polarstem.scans.specimen.diffuse_halos`), whose shares are not negative.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from polarstem.scans.specimen.diffuse_halos import DiffuseHalos
from polarstem.simulate.microscope.camera import pixel_angles
from polarstem.simulate.pattern_library import FINER, Library

TILT = slice(2, 4)
"""Columns of the tilt x, y [mrad]; before it stand brightness and background."""
FREE = 4
"""Columns without a prior: brightness, background, tilt x and y."""
# Standard deviations of what a calibrated pattern may differ by:
# shift x, y [mrad], size, blur [mrad^2], polarization x, y, turn [degrees], shares of the halos
PRIORS = np.array([0.4, 0.4, 0.015, 3.0, 0.7, 0.7, 1.5, 0.5, 0.5])
TURN = 10
"""Column of the turn."""
HALOS = slice(11, 13)
"""Columns of diffuse scattering: what it adds less what it takes."""
_MAPS = 8  # pattern, shift x and y, size, blur, turn, two halos


class PatternModel:
    """Patterns of a library, and their derivatives by all that a measured one may differ by.

    Parameters
    ----------
    library : Library
        Of the crystal and optics.
    """

    def __init__(self, library: Library) -> None:
        self.library = library
        self.halos = DiffuseHalos(library.pixels, library.mrad_per_pixel)
        fine = pixel_angles(FINER * library.pixels, library.mrad_per_pixel / FINER)
        self._x, self._y = np.meshgrid(fine.astype(np.float32), -fine.astype(np.float32))

    @cached_property
    def nodes(self) -> NDArray[np.float32]:
        """Simulated patterns (thickness, tilt, pixel) at the library's `turned_tilts`."""
        library = self.library
        coarse = binned(library.pacbed).reshape(*library.pacbed.shape[:2], *2 * (library.pixels,))
        found = library.at_turned_tilts(coarse)
        return found.reshape(*found.shape[:2], -1)

    @cached_property
    def _odd(self) -> NDArray[np.float64]:
        """What a polarization along x and along y adds, shape (2, thickness, pixel)."""
        library = self.library
        directions = np.deg2rad(library.class_directions)
        axes = np.stack([np.cos(directions), np.sin(directions)])
        means = np.stack([library.class_means(t) for t in library.thickness_nm])
        odd = (means - means[..., ::-1, ::-1]) / 2
        parts = np.einsum("dc,pcyx->dpyx", axes, odd) * 2 / len(directions)
        return parts.reshape(*parts.shape[:2], -1)

    def prepare(self) -> None:
        """Make what `columns` are computed from, which is kept."""
        self._maps(slice(None))

    def columns(
        self, tilt: NDArray[np.float64], planes: slice = slice(None)
    ) -> NDArray[np.float64]:
        """Pattern, background, and derivatives by all that is fitted.

        Parameters
        ----------
        tilt : ndarray, shape (thickness, n, 2)
            Tilts at each thickness [mrad].
        planes : slice
            Of the library's thicknesses.

        Returns
        -------
        ndarray, shape (thickness, n, column, pixel)
        """
        library, h = self.library, 1e-2
        steps = h * np.array([(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)])[:, None, None]
        here, *beside = library.terms(tilt + steps)
        slopes = np.stack([beside[0] - beside[1], beside[2] - beside[3]], axis=2) / (2 * h)
        maps = self._maps(planes)
        count, n, terms = here.shape
        flat = here.astype(np.float32) @ maps.reshape(count, terms, -1)
        made = flat.reshape(count, n, _MAPS, -1)
        total = made[:, :, :1].sum(-1, keepdims=True)
        sloped = slopes.reshape(count, 2 * n, terms).astype(np.float32) @ maps[:, :, 0]
        odd = np.moveaxis(self._odd[:, planes], 0, 1)[:, None]
        columns = np.empty((count, n, FREE + len(PRIORS), made.shape[-1]))
        columns[:, :, 0] = (made[:, :, :1] / total)[:, :, 0]
        columns[:, :, 1] = 1 / columns.shape[-1]
        columns[:, :, TILT] = sloped.reshape(count, n, 2, -1) / total
        columns[:, :, FREE : FREE + 4] = made[:, :, 1:5] / total
        columns[:, :, FREE + 4 : TURN] = odd / total
        columns[:, :, TURN:] = made[:, :, 5:] / total
        columns[:, :, FREE:] *= PRIORS[:, None]
        return columns

    def _maps(self, planes: slice) -> NDArray[np.float32]:
        """What a column is per term of the tilt, shape (thickness, term, map, pixel).

        The pattern, its derivatives by shift, size, blur and turn, and diffuse scattering.
        """
        for plane in np.arange(len(self._known))[planes]:
            if not self._known[plane]:
                self._stored[plane] = self._mapped(self.library.coefficients[plane])
                self._known[plane] = True
        return self._stored[planes]

    @cached_property
    def _known(self) -> NDArray[np.bool_]:
        """Which thicknesses have their maps."""
        return np.zeros(len(self.library.thickness_nm), bool)

    @cached_property
    def _stored(self) -> NDArray[np.float32]:
        planes, terms = self.library.coefficients.shape[:2]
        return np.empty((planes, terms, _MAPS, self.library.pixels**2), np.float32)

    def _mapped(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of images (term, FINER * ky, FINER * kx), (term, map, pixel)."""
        pixel = self.library.mrad_per_pixel / FINER
        down, right = np.gradient(images, pixel, axis=(1, 2))
        x, y = self._x, self._y
        outward = x * right - y * down
        curved = np.gradient(right, pixel, axis=2) + np.gradient(down, pixel, axis=1)
        about = np.deg2rad(1) * (y * right + x * down)
        shapes = (images, -right, down, -outward - 2 * images, curved / 2, about)
        maps = np.empty((len(images), _MAPS, self.library.pixels**2), np.float32)
        for number, shape in enumerate(shapes):
            maps[:, number] = binned(shape)
        maps[:, len(shapes) :] = self.halos(maps[:, 0]) - maps[:, :1]
        return maps


def binned(images: NDArray[np.floating]) -> NDArray[np.floating]:
    """Images (..., ky, kx) on the model's grid, flat."""
    shifts = np.ndindex(FINER, FINER)
    summed = sum(images[..., down::FINER, right::FINER] for down, right in shifts)
    flat: NDArray[np.floating] = np.asarray(summed).reshape(*images.shape[:-2], -1)
    return flat
