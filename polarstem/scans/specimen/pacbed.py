# SPDX-License-Identifier: GPL-3.0-or-later
"""Thickness, tilt and orientation of a specimen from its position-averaged pattern.

The mean of a scan's patterns does not depend on aberrations or source size (J. M. LeBeau et al.,
Ultramicroscopy 110, 118 (2010)). It is compared with the library at every thickness. What else may
differ a little is fitted with it, see `polarstem.scans.specimen.pacbed_model`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from polarstem.errors import PolarstemError
from polarstem.scans.sourced import Sourced
from polarstem.scans.specimen.lattice_free import round_columns, squares_left
from polarstem.scans.specimen.lattice_seen import judge
from polarstem.scans.specimen.pacbed_fit import Elsewhere, PacbedFit
from polarstem.scans.specimen.pacbed_model import FREE, PRIORS, TILT, TURN, PatternModel
from polarstem.scans.specimen.pacbed_search import OrientationSearch, Oriented
from polarstem.scans.specimen.pacbed_solve import compare, counting, weighted
from polarstem.scans.specimen.pattern_image import PatternImage
from polarstem.scans.specimen.thickness_profile import (
    QUANTILE,
    Known,
    Profile,
    checked,
    ends_of,
    penalty,
    profile,
)
from polarstem.simulate.microscope.camera import pixel_angles
from polarstem.simulate.pattern_library import Library

ALIKE = 20.0
"""Deviations of neighbouring pixels are alike: so many count as one."""
_SURE = 10.0  # chi squared by which an orientation is better than another, beyond doubt
_HOW = "mean pattern against the library"


class PacbedFitter:
    """Compares mean patterns with one library, of their crystal and optics."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.model = PatternModel(library)
        along = pixel_angles(library.pixels, library.mrad_per_pixel)
        self.angles = np.stack(np.meshgrid(along, -along), axis=-1)  # x right, y up
        self._search = OrientationSearch(self.model, self.angles)

    def prepare(self) -> None:
        """Make ahead of the first fit what all of them need of the library."""
        self.model.prepare()
        self._search.prepare()

    def fit(
        self,
        pattern: NDArray[np.floating | np.integer],
        *,
        mrad_per_pixel: float | None = None,
        centre: tuple[float, float] | None = None,
        rotation_deg: float | None = None,
        near_deg: tuple[float, float] | None = None,
        thickness_nm: Known | None = None,
        electrons: float | None = None,
        seen: NDArray[np.bool_] | None = None,
        threads: int = 1,
    ) -> PacbedFit:
        """Find thickness, tilt and orientation of a mean pattern.

        Parameters
        ----------
        pattern : ndarray, shape (ky, kx)
            Mean pattern on the upright detector, proportional to electrons.
        mrad_per_pixel : float, optional
            Its pixels [mrad]; by default those of the model.
        centre : tuple of float, optional
            Row and column of the optic axis [pixels; 0 is the middle of the first]; by default the
            middle of the pattern.
        rotation_deg : float, optional
            Angle of the crystal's x axis on the detector, counter-clockwise [degrees], where it is
            known; 0 for a pattern in the crystal's frame. Otherwise it is searched for.
        near_deg : tuple of float, optional
            About that angle, and how far from it the axis may lie, modulo the period of the crystal
            [degrees]. `PacbedFit.elsewhere` tells whether another angle fits better.
        thickness_nm : float or tuple of float, optional
            Thickness known from elsewhere [nm]: one number counts as known to 10 %, in a range all
            are as likely. `PacbedFit.measured_thickness` does not depend on it.
        electrons : float, optional
            That the mean pattern was counted from; by default so many that counting does not
            matter.
        seen : ndarray of bool, shape (ky, kx), optional
            Pixels that count; all by default.
        threads : int

        Raises
        ------
        PolarstemError
            If there is no pattern, the detector does not hold its central disc, or a thickness or
            an angle is none.
        """
        known = checked(thickness_nm)
        if near_deg is not None and (rotation_deg is not None or not near_deg[1] > 0):
            raise PolarstemError(
                f"An orientation near {near_deg} degrees; give an angle and a positive distance, "
                "and no exact angle beside it."
            )
        image = self.image(pattern, mrad_per_pixel, centre, seen)
        other = None
        if rotation_deg is not None:
            angle = float(rotation_deg)
            values, inside = image.sample(self.angles, angle)
            best = Oriented(compare(self.model, values[None], inside[None])[0], angle)
        else:
            best, other = self._search.best(image, near_deg, threads)
        return self._report(best, other, rotation_deg is not None, near_deg, known, electrons)

    def image(
        self,
        pattern: NDArray[np.floating | np.integer],
        mrad_per_pixel: float | None,
        centre: tuple[float, float] | None,
        seen: NDArray[np.bool_] | None = None,
    ) -> PatternImage:
        """A pattern that can be read on the model's grid; see `fit`."""
        size = mrad_per_pixel or self.library.mrad_per_pixel
        image = PatternImage.of(pattern, size, centre, seen)
        image.check(self.angles, self.library.semiangle_mrad)
        return image.smoothed(self.library.mrad_per_pixel)

    @cached_property
    def _round(self) -> NDArray[np.float64]:
        library = self.library
        return round_columns(library.pixels, library.mrad_per_pixel, library.semiangle_mrad)

    def _report(
        self,
        oriented: Oriented,
        other: Oriented | None,
        exact: bool,
        near_deg: tuple[float, float] | None,
        known: Known | None,
        electrons: float | None,
    ) -> PacbedFit:
        found, angle = oriented.found, oriented.angle_deg
        planes, period = self.library.thickness_nm, self._search.period
        inside = np.isfinite(found.measured)
        values, weights = weighted(np.nan_to_num(found.measured), inside)
        noise = counting(found.measured, weights, electrons)
        seen = judge(
            float(found.squares.min()),
            squares_left(self._round, np.nan_to_num(found.measured), weights),
            float(values @ values),
            noise * found.count,
        )
        scale = noise + ALIKE * max(found.variance - noise, 0.1 * found.variance)
        gain = -np.inf if other is None else (oriented.squares - other.squares) / scale
        if other is not None and near_deg is None and gain > -_SURE and seen.measurable:
            sentence = (
                f"The crystal may lie at {angle:.0f} or {other.angle_deg:.0f} degrees on the "
                "detector: both explain the mean pattern, so that neither is known, nor thickness "
                "and tilt."
            )
            seen = replace(seen, is_crystal=None, measurable=False, sentence=sentence)
        chi_squared = found.squares / scale
        alone, both = profile(planes, chi_squared), profile(planes, chi_squared, known)
        best = int((chi_squared + penalty(known, planes)).argmin())
        covariance = np.linalg.inv(found.normal[best]) * scale
        error = float(np.sqrt(np.trace(covariance[TILT, TILT]) / 2))
        x, y = (float(part) for part in found.tilt[best])
        length = float(np.hypot(x, y))
        right = seen.measurable
        warnings = [] if seen.is_crystal else [seen.sentence]
        if right:
            warnings += self._limits(alone, length + 2 * error)
        interval = both.interval
        if right and known is not None and both.least - alone.least > QUANTILE:
            low, high = ends_of(known)
            interval = min(alone.interval[0], low), max(alone.interval[1], high)
            warnings.append(
                f"The thickness is given as {low:.3g} to {high:.3g} nm, the mean pattern is that "
                f"of {alone.value:.3g} nm ({alone.interval[0]:.3g} to {alone.interval[1]:.3g} nm)."
            )
        elsewhere = None
        if other is not None:
            elsewhere = Elsewhere(
                other.angle_deg,
                other.residual,
                oriented.residual - other.residual,
                gain > QUANTILE,
            )
            if elsewhere.clearly and right:
                warnings.append(
                    f"The mean pattern fits better with the crystal at {other.angle_deg:.1f} "
                    f"degrees than at {angle:.1f}, near which it was looked for."
                )
        turned = float(np.sqrt(covariance[TURN, TURN]) * PRIORS[TURN - FREE])
        reach = min(2 * turned if right else period, period / 2)
        told = "given" if exact else _HOW
        shape = (self.library.pixels, self.library.pixels)
        noted = _HOW if known is None else f"{_HOW}, and what was known"
        return PacbedFit(
            thickness=Sourced(both.value, "nm", "estimated", noted, interval) if right else None,
            measured_thickness=(
                Sourced(alone.value, "nm", "estimated", _HOW, alone.interval) if right else None
            ),
            tilt=Sourced(
                (x, y),
                "mrad",
                "estimated",
                f"{_HOW}; beam tilt in the crystal's frame, interval of its length",
                (max(0.0, length - 2 * error), length + 2 * error),
            )
            if right
            else None,
            tilt_error=error,
            rotation=Sourced(
                angle,
                "degrees",
                "estimated",
                f"{told}; of the crystal's x axis on the detector, modulo {period:g}",
                None if exact else (angle - reach, angle + reach),
            ),
            period_deg=period,
            thickness_nm=planes,
            residual=np.sqrt(found.squares / found.power),
            misfit=seen.misfit,
            is_crystal=seen.is_crystal,
            about_crystal=seen.sentence,
            diffuse=float(found.halo[best].sum()),
            elsewhere=elsewhere,
            deviations=found.solution[best, FREE:] / found.solution[best, 0],
            variance=found.variance,
            measured=found.measured.reshape(shape),
            simulated=found.simulated[best].reshape(shape),
            warnings=tuple(warnings),
        )

    def _limits(self, alone: Profile, tilt: float) -> list[str]:
        """Warnings that the library ends where the specimen may lie."""
        planes, found = self.library.thickness_nm, []
        low, high = alone.interval
        if low <= planes[0] or high >= planes[-1]:
            found.append(
                f"The thickness may lie outside the library ({planes[0]:.1f}-{planes[-1]:.1f} nm)."
            )
        largest = float(np.abs(self.library.tilts).max())
        if tilt > largest:
            found.append(f"The tilt may be larger than the library's {largest:g} mrad.")
        return found
