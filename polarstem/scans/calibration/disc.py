# SPDX-License-Identifier: GPL-3.0-or-later
"""The bright-field disc: centre, radius and ellipticity from its edge."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from polarstem.errors import PolarstemError

_RAYS = 180
_ENOUGH = 0.05  # weight of good pixels around one that is mended
_LEAST_REACH = 3.0  # of the rays to both sides of the edge [pixels]
_NEAR = 2.0  # farthest from the edge that counts in any case [pixels]
_ROUNDS, _STILL = 12, 0.01  # to find a centre: at most, and pixels that it may still move
_ALIKE = 0.2  # of the radius, of a patch and the disc
_HARMONICS = 5  # centre (2), radius, ellipse (2)
_FEWEST = 0.25  # of the rays
_STRUCTURE = 0.12  # of the blur: how far the specimen moves the edge, measured
_SOFTNESS = 0.6  # of the blur: how far outside the steepest fall a soft aperture may end
_FWHM = 2.355  # standard deviations of a Gaussian
_SHARP = 0.25  # variance of a sharp edge, by pixels and interpolation [pixels^2]


@dataclass(frozen=True)
class Disc:
    """An ellipse fitted to the edge of the bright-field disc.

    Attributes
    ----------
    centre : ndarray, shape (2,)
        Row and column; the middle of the first pixel is (0, 0) [pixels].
    radius : float
        Of the circle of the same area [pixels].
    ellipticity, ellipticity_deg : float
        Long over short axis, minus 1, and direction of the long one, counter-clockwise from +x
        [degrees]; as those of `polarstem.simulate.microscope.camera.Camera`.
    centre_error, radius_error, ellipticity_error : float
        Standard errors from the scatter of the edge about the ellipse [pixels, pixels, 1].
    seen : float
        Share of the edge that lies on the detector.
    blur : float
        Standard deviation of the fall of the intensity at the edge, if it is Gaussian [pixels].
    edge : ndarray, shape (ray, 2)
        Rows and columns where rays from the centre meet the edge [pixels].
    """

    centre: NDArray[np.float64]
    radius: float
    ellipticity: float
    ellipticity_deg: float
    centre_error: float
    radius_error: float
    ellipticity_error: float
    seen: float
    edge: NDArray[np.float64]
    blur: float = 0.0

    @property
    def radius_interval(self) -> tuple[float, float]:
        """Within which the radius is believed to lie (95 %) [pixels].

        The steepest fall is where a sharp aperture ends; a soft one ends outside of it, by up to
        a share of the blur. Between the two a blurred edge does not tell.
        """
        apart = 1.96 * float(np.hypot(self.radius_error, _STRUCTURE * self.blur))
        soft = _SOFTNESS * float(np.sqrt(max(self.blur**2 - _SHARP, 0.0)))
        return self.radius - apart, self.radius + apart + soft

    @property
    def centre_doubt(self) -> float:
        """Standard error of the centre, with what the specimen does to the edge [pixels]."""
        return float(np.hypot(self.centre_error, _STRUCTURE * self.blur))

    @property
    def ellipticity_doubt(self) -> float:
        """Standard error of the ellipticity, with what the specimen does to the edge."""
        return float(np.hypot(self.ellipticity_error, _STRUCTURE * self.blur / self.radius))


def find_disc(image: NDArray[np.floating], bad: NDArray[np.bool_] | None = None) -> Disc:
    """Find the bright-field disc in a mean pattern.

    Parameters
    ----------
    image : ndarray, shape (ky, kx)
    bad : ndarray of bool, shape (ky, kx), optional
        Pixels that say nothing.

    Returns
    -------
    Disc

    Raises
    ------
    PolarstemError
        If there is none, or its edge is too blurred or too much of it lies beyond the detector.
    """
    if bad is not None:
        image = mended(image, bad)
    centre, radius = _roughly(image)
    disc = Disc(centre, radius, 0, 0, 0, 0, 0, 1, np.empty((0, 2)))
    for reach in (0.3, 0.2, 0.12, 0.12, 0.12):
        disc = fit_edge(image, disc, max(reach * disc.radius, _LEAST_REACH), bad=bad)
    return disc


def find_centre(
    image: NDArray[np.floating], disc: Disc, bad: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Centre of a disc of known shape in another pattern.

    Parameters
    ----------
    image : ndarray, shape (ky, kx)
        Without bad pixels (see `mended`).
    disc : Disc
        As in the mean of many patterns.
    bad : ndarray of bool, shape (ky, kx)
        Pixels that were mended.

    Returns
    -------
    ndarray, shape (2,)
        Row and column [pixels]; nan if there is no such disc.
    """
    reach = max(0.1 * disc.radius, _LEAST_REACH)
    try:
        # the edge is followed by less than the reach: far off, the patch is the better guess
        centre, radius = _roughly(image)
        apart = float(np.linalg.norm(centre - disc.centre))
        if reach / 3 < apart < disc.radius and abs(radius / disc.radius - 1) < _ALIKE:
            disc = replace(disc, centre=centre)
        step = np.zeros(2)
        for _ in range(_ROUNDS):
            before = disc.centre
            disc = fit_edge(image, disc, reach, shape_too=False, bad=bad)
            if np.abs(disc.centre - before).max() < _STILL:
                break
            if step @ (disc.centre - before) < 0:  # to and fro
                disc = replace(disc, centre=(disc.centre + before) / 2)
            step = disc.centre - before
    except PolarstemError:
        return np.full(2, np.nan)
    return disc.centre


def _roughly(image: NDArray[np.floating]) -> tuple[NDArray[np.float64], float]:
    """Centre and radius of the largest bright patch [pixels]."""
    smooth = scipy.ndimage.gaussian_filter(image, 1.0)
    level = float(smooth.mean())
    for _ in range(50):  # between the means of what is above and of what is below
        bright = smooth > level
        if not bright.any() or bright.all():
            raise PolarstemError(
                "The mean pattern is flat: there is no bright-field disc in it; check `scan_shape` "
                "and `dataset` of the scan sheet, or give `centre` and `disc_radius_pixels`."
            )
        previous, level = level, float(smooth[bright].mean() + smooth[~bright].mean()) / 2
        if abs(level - previous) < 1e-3 * level:
            break
    labels, count = scipy.ndimage.label(smooth > level)
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    patch = scipy.ndimage.binary_fill_holes(labels == 1 + areas.argmax())
    return np.argwhere(patch).mean(0), float(np.sqrt(patch.sum() / np.pi))


def fit_edge(
    image: NDArray[np.floating],
    disc: Disc,
    reach: float,
    shape_too: bool = True,
    bad: NDArray[np.bool_] | None = None,
) -> Disc:
    """Move an ellipse to where the intensity falls most steeply.

    Along each ray from the centre the intensity is compared with the mean over the rays: the
    shift of the edge, but not its height nor the level below it, moves the ellipse. What the
    specimen writes inside the disc therefore counts little. (A soft aperture, whose amplitude
    falls evenly over a width, has its steepest intensity a sixth of that inside the half.)

    Parameters
    ----------
    image : ndarray, shape (ky, kx)
        Without bad pixels (see `mended`).
    disc : Disc
        Where to begin.
    reach : float
        How far from it the edge may be [pixels].
    shape_too : bool
        Whether radius and ellipticity are fitted; otherwise the centre alone.
    bad : ndarray of bool, shape (ky, kx), optional
        Pixels that were mended: rays that meet the edge there are left out.

    Returns
    -------
    Disc

    Raises
    ------
    PolarstemError
        If there is no edge there.
    """
    angle = np.arange(_RAYS) * 2 * np.pi / _RAYS
    terms = np.stack(
        [np.cos(angle), np.sin(angle), np.ones(_RAYS), np.cos(2 * angle), np.sin(2 * angle)], 1
    )
    bent = disc.radius * disc.ellipticity / (2 * np.sqrt(1 + disc.ellipticity))
    turned = 2 * np.deg2rad(disc.ellipticity_deg)
    axes_mean = np.hypot(disc.radius, bent)  # half the sum of the axes
    before = np.array([0, 0, axes_mean, bent * np.cos(turned), bent * np.sin(turned)])
    radii = terms @ before
    steps = np.linspace(-reach, reach, 2 * int(np.ceil(2 * reach)) + 1)
    along = radii[:, None] + steps
    places = np.stack(
        [
            disc.centre[0] - along * np.sin(angle)[:, None],
            disc.centre[1] + along * np.cos(angle)[:, None],
        ]
    )
    limits = np.array(image.shape)[:, None, None] - 1
    whole = ((places >= 0) & (places <= limits)).all((0, 2))
    seen = float(whole.mean())
    if seen < _FEWEST:
        raise PolarstemError(
            "Less than a quarter of the edge of the bright-field disc lies on the detector; "
            "the beam must be on it: centre the pattern, or check `detector_transpose` and "
            "`region` of the scan sheet."
        )
    if bad is not None and bad.any():
        close = np.abs(steps) <= max(reach / 2, _LEAST_REACH)
        hit = scipy.ndimage.map_coordinates(
            bad.astype(np.float32), places[:, :, close], order=1, mode="nearest"
        )
        whole &= ~(hit > 0).any(1)
        if whole.mean() < _FEWEST:
            raise PolarstemError(
                "Three quarters of the edge of the bright-field disc lie on bad pixels, or beyond "
                "the detector; give `centre` and `disc_radius_pixels` in the scan sheet, and "
                "`off: [centring, disc]`."
            )
    profiles = scipy.ndimage.map_coordinates(image, places[:, whole], order=1)
    mean = profiles.mean(0)
    slope = np.gradient(mean, steps)
    fall = np.clip(-slope, 0, None)
    if not fall.any():
        raise PolarstemError(
            "The mean pattern has no edge of a bright-field disc; give `centre` and "
            "`disc_radius_pixels` in the scan sheet, and `off: [centring, disc]`."
        )
    steep = fall > fall.max() / 2
    peak = int(fall.argmax())
    first = peak - int(np.argmin(np.r_[steep[peak::-1], False]))
    last = peak + int(np.argmin(np.r_[steep[peak:], False]))
    edge = np.average(steps[first + 1 : last], weights=fall[first + 1 : last])
    blur = _width(steps, fall / fall[peak], peak) / _FWHM
    # profile = a + b mean + c slope: the edge of this ray is at -c / b from that of the mean;
    # weighted by how steeply that falls, for inside and outside the specimen has its say
    near = np.abs(steps - edge) <= max((last - first) * (steps[1] - steps[0]), _NEAR)
    weight = (fall[near] / fall.max())[:, None] ** 2
    basis = np.stack([np.ones(near.sum()), mean[near], slope[near]], 1)
    fitted = (profiles[:, near] * weight.T) @ np.linalg.pinv(basis * weight).T
    height = np.clip(fitted[:, 1], 0.1, None)
    # a blurred circle falls most steeply inside of itself, for its edge is bent
    bend = blur**2 / (2 * max(disc.radius, 1.0))
    shift = edge + bend + np.clip(-fitted[:, 2] / height, -reach, reach)
    wanted = _HARMONICS if shape_too else 2
    if not shape_too:
        shift = shift - np.median(shift)
    used = terms[whole, :wanted]
    solution, errors = _robust(used, shift, height)
    after = before.copy()
    after[:wanted] += solution
    centre = disc.centre + after[:2][::-1] * (-1, 1)
    bent = float(np.hypot(*after[3:]))
    long, short = after[2] + bent, after[2] - bent
    if short <= 1 or not np.isfinite(centre).all():
        raise PolarstemError(
            "The mean pattern has no edge of a bright-field disc; give `centre` and "
            "`disc_radius_pixels` in the scan sheet, and `off: [centring, disc]`."
        )
    rays = radii[whole] + shift
    line = np.stack([-np.sin(angle[whole]), np.cos(angle[whole])], 1)
    return Disc(
        centre=centre,
        radius=float(np.sqrt(long * short)),
        ellipticity=float(long / short - 1),
        ellipticity_deg=float(np.rad2deg(np.arctan2(after[4], after[3])) / 2 % 180),
        centre_error=float(np.hypot(*errors[:2]) / np.sqrt(2)),
        radius_error=float(errors[2]) if shape_too else disc.radius_error,
        ellipticity_error=(
            float(np.hypot(*errors[3:]) * np.sqrt(2) / after[2])
            if shape_too
            else disc.ellipticity_error
        ),
        seen=seen,
        edge=disc.centre + rays[:, None] * line,
        blur=blur,
    )


def _width(steps: NDArray[np.float64], height: NDArray[np.float64], peak: int) -> float:
    """Full width of a peak of height 1 at half of it, in the units of the steps."""
    ends = []
    for side in (height[peak::-1], height[peak:]):
        below = np.flatnonzero(side < 0.5)
        if len(below) == 0:
            ends.append(float(len(side) - 1))
            continue
        after = int(below[0])
        ends.append(after - (0.5 - side[after]) / (side[after - 1] - side[after]))
    return float(sum(ends) * (steps[1] - steps[0]))


def _robust(
    terms: NDArray[np.float64], values: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weighted least squares (Tukey's weights), and the standard errors."""
    robust = np.ones(len(values))
    for _ in range(8):
        scale = np.sqrt(weights * robust)
        solution = np.linalg.lstsq(terms * scale[:, None], values * scale, rcond=None)[0]
        rest = values - terms @ solution
        spread = max(1.4826 * float(np.median(np.abs(rest))), 1e-6)
        robust = np.clip(1 - (rest / (4.685 * spread)) ** 2, 0, None) ** 2
    weight = weights * robust
    inverse = np.linalg.pinv(terms.T @ (terms * weight[:, None]))
    variance = float((weight * rest**2).sum() / max(robust.sum() - terms.shape[1], 1))
    errors: NDArray[np.float64] = np.sqrt(np.diag(inverse) * variance)
    return solution.astype(np.float64), errors


def mended(image: NDArray[np.floating], bad: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Replace bad pixels by the mean of the good ones around them.

    Parameters
    ----------
    image : ndarray, shape (ky, kx)
    bad : ndarray of bool, shape (ky, kx)

    Returns
    -------
    ndarray, shape (ky, kx)
    """
    if not bad.any():
        return image
    found, left, width = np.where(bad, image.dtype.type(0), image), bad, 1.0
    while left.any() and width < max(image.shape):  # wide gaps from farther away
        known = np.where(left, image.dtype.type(0), image.dtype.type(1))
        good = scipy.ndimage.gaussian_filter(known, width, truncate=3.0, output=known)
        values = scipy.ndimage.gaussian_filter(found, width, truncate=3.0)
        filled = left & (good > _ENOUGH)
        found[filled] = values[filled] / good[filled]
        left, width = left & ~filled, 2 * width
    return found
