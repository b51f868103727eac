# SPDX-License-Identifier: GPL-3.0-or-later
"""What the steps of a calibration find, as plain numbers; `sentences` tells it in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError
from polarstem.scans.calibration.centre import Plane, fit_plane, fixed
from polarstem.scans.calibration.counts import Linearity, clipped, linearity
from polarstem.scans.calibration.disc import Disc, find_disc
from polarstem.scans.calibration.pixels import bad_pixels
from polarstem.scans.calibration.rotation import Rotation
from polarstem.scans.calibration.steps import Status
from polarstem.scans.scan import Scan
from polarstem.scans.sourced import Sourced

_SEEN = 0.95  # of the edge of the disc: less, and the beam is beyond the detector
_SIGNIFICANT = 3.0  # standard errors of an ellipticity
_ONE = 0.8, 1.25  # variance over mean of whole numbers that are electrons counted


@dataclass(frozen=True)
class Pixels:
    """Bad pixels and saturation.

    Attributes
    ----------
    off : bool
        Whether bad pixels were not looked for.
    named, bad : ndarray of bool, shape (ky, kx)
        Pixels that the sheet names, and all that are left out.
    total : ndarray, shape (ky, kx)
        Sum of the sample.
    saturated_share, saturated_at
        Share of the lit values that saturate, and their value (None if there are none).
    """

    off: bool
    named: NDArray[np.bool_]
    bad: NDArray[np.bool_]
    total: NDArray[np.floating]
    saturated_share: float = 0.0
    saturated_at: float | None = None


@dataclass(frozen=True)
class Centring:
    """Where the optic axis meets the detector.

    Attributes
    ----------
    status : Status
    plane : Plane
        Over the scan.
    centre : Sourced
        In the middle of it [pixels].
    places, found : ndarray, shape (part, 2)
        Rows and columns of the scan, and of the disc's centre there.
    error, moved, residual : float
        Standard error of the centre, how far it moves over the scan, and how far the parts' lie
        from the surface fitted [pixels]; nan where they were not fitted.
    from_disc : float or None
        Distance of a centre that was given from the disc's [radii].
    disc_centre : tuple of float or None
        Of the mean pattern [pixels].
    """

    status: Status
    plane: Plane
    centre: Sourced
    places: NDArray[np.float64]
    found: NDArray[np.float64]
    error: float = np.nan
    moved: float = np.nan
    residual: float = np.nan
    from_disc: float | None = None
    disc_centre: tuple[float, float] | None = None


@dataclass(frozen=True)
class Scale:
    """Angle per pixel.

    Attributes
    ----------
    status : Status
    mrad_per_pixel, semiangle : Sourced
        As they are taken [mrad].
    disc : Disc or None
        In the mean pattern.
    by_disc : float or None
        Angle per pixel by semi-angle and disc [mrad].
    """

    status: Status
    mrad_per_pixel: Sourced
    semiangle: Sourced
    disc: Disc | None = None
    by_disc: float | None = None


@dataclass(frozen=True)
class Ellipse:
    """Ellipticity of the disc.

    Attributes
    ----------
    status : Status
    disc : Disc or None
    significant : bool
        Whether it is undone.
    """

    status: Status
    disc: Disc | None
    significant: bool


@dataclass(frozen=True)
class Turn:
    """Scan-to-detector rotation.

    Attributes
    ----------
    status : Status
    rotation : Rotation or None
        By least curl; None if the step is off.
    given : Sourced or None
        By the sheet or the file [degrees].
    """

    status: Status
    rotation: Rotation | None
    given: Sourced | None


@dataclass(frozen=True)
class Dose:
    """Electrons of a pattern.

    Attributes
    ----------
    electrons : Sourced or None
        Of a pattern, on average; None where intensities are not linear.
    per_square_angstrom : float or None
        The same over the area of a position, where the step is known [1/Å²].
    """

    electrons: Sourced | None
    per_square_angstrom: float | None


@dataclass(frozen=True)
class Vacuum:
    """Positions of the sample without specimen.

    Attributes
    ----------
    status : Status
    share : float
        Of the positions looked at.
    count : int
        Of these.
    """

    status: Status
    share: float
    count: int


def look_at_pixels(scan: Scan, sheet: Sheet, total: NDArray[np.floating]) -> Pixels:
    """Find bad pixels in the sum of patterns."""
    named, off = scan.bad_pixels, "pixels" in sheet.off
    if off:
        return Pixels(off, named, named, total)
    return Pixels(off, named, named | bad_pixels(total, scan.dtype.kind in "ui"), total)


def look_at_counts(scan: Scan, sheet: Sheet, bad: NDArray[np.bool_], pairs: NDArray[Any]) -> tuple[
    float, float | None, Linearity | None
]:  # fmt: skip
    """Saturation of patterns, and whether they are linear; None if that is off or given."""
    share, at = clipped(pairs[..., ~bad], scan.maximum)
    known = "linearity" in sheet.off or sheet.gamma is not None
    return share, at, None if known else linearity(pairs, bad)


def look_for_disc(
    scan: Scan, sheet: Sheet, mean: NDArray[np.floating], bad: NDArray[np.bool_]
) -> Disc | None:
    """The bright-field disc; None if no step asks for it, or it is not there but known.

    Raises
    ------
    PolarstemError
        If it lies partly beyond the detector, or is not there and nothing is known.
    """
    if {"centring", "disc", "ellipticity"} <= set(sheet.off):
        return None
    try:
        disc = find_disc(mean, bad)
    except PolarstemError:
        if scan.mrad_per_pixel is not None:
            return None
        raise
    if disc.seen < _SEEN:
        raise PolarstemError(
            f"{1 - disc.seen:.0%} of the edge of the bright-field disc lies beyond the "
            f"detector of {scan.path}; all of it is needed: choose a `region` of the scan "
            "where it is there, or record the scan again."
        )
    return disc


def look_at_centres(
    scan: Scan,
    sheet: Sheet,
    disc: Disc | None,
    places: NDArray[np.float64],
    found: NDArray[np.float64],
) -> Centring:
    """Fit the optic axis over the scan, or take it as given.

    Parameters
    ----------
    scan, sheet
        What is calibrated.
    disc : Disc, optional
        In the mean pattern.
    places, found : ndarray, shape (part, 2)
        Rows and columns of the scan, and of the disc there (nan where it was not found); none if
        the disc was not looked for.

    Raises
    ------
    PolarstemError
        If the sheet's centre lies beyond the detector.
    """
    rows, columns = scan.shape[:2]
    good = np.isfinite(found).all(1)
    if good.any():
        plane = fit_plane(places[good], found[good])
        middle = plane.at((rows - 1) / 2, (columns - 1) / 2)
        corners = plane.at(
            *np.indices((3, 3)).reshape(2, -1) * [[(rows - 1) / 2], [(columns - 1) / 2]]
        )
        # what the specimen does to the edge is common to all parts
        error = float(np.hypot(plane.error, disc.centre_doubt if disc else 0))
        note = f"edge of the disc in {good.sum()} parts of the scan"
        centre = Sourced((float(middle[0]), float(middle[1])), "pixels", "estimated", note)
        moved = float(np.ptp(corners, axis=0).max())
        return Centring(
            "done", plane, centre, places[good], found[good], error, moved, plane.spread
        )
    taken, status = _given_centre(scan, sheet)
    where = np.array(taken.value)
    apart = None if disc is None else float(np.linalg.norm(disc.centre - where)) / disc.radius
    seen = None if disc is None else (float(disc.centre[0]), float(disc.centre[1]))
    nothing = np.empty((0, 2))
    return Centring(
        status, fixed(where), taken, nothing, nothing, from_disc=apart, disc_centre=seen
    )


def _given_centre(scan: Scan, sheet: Sheet) -> tuple[Sourced, Status]:
    centre, pixels = sheet.centre, scan.shape[2:]
    if centre is None:
        middle = ((pixels[0] - 1) / 2, (pixels[1] - 1) / 2)
        note = "The middle of the detector is taken for the centre."
        status: Status = "off" if "centring" in sheet.off else "impossible"
        return Sourced(middle, "pixels", "assumed", note), status
    if not (0 <= centre[0] <= pixels[0] - 1 and 0 <= centre[1] <= pixels[1] - 1):
        raise PolarstemError(
            f"The centre {list(centre)} of the scan sheet lies beyond the detector of "
            f"{scan.path}, which has {pixels[0]} rows and {pixels[1]} columns."
        )
    return Sourced(centre, "pixels", "sheet", "One centre for all positions."), "given"


def look_at_scale(scan: Scan, sheet: Sheet, disc: Disc | None, fallback: Sourced | None) -> Scale:
    """Angle per pixel, as given or from the disc.

    Parameters
    ----------
    scan, sheet
        What is calibrated.
    disc : Disc, optional
        In the mean pattern.
    fallback : Sourced, optional
        Semi-angle for a scan that does not say [mrad].

    Raises
    ------
    PolarstemError
        If there is neither, or no semi-angle.
    """
    given = scan.mrad_per_pixel
    semiangle = scan.semiangle_mrad or fallback
    if disc is None or "disc" in sheet.off:
        if given is None:
            raise PolarstemError(
                f"The angle per detector pixel of {scan.path} is not known and the disc "
                "is not looked at; give `mrad_per_pixel`, `disc_radius_pixels`, or "
                "`camera_length_mm` and `pixel_um` in the scan sheet."
            )
        if semiangle is None:
            raise _no_semiangle(scan)
        return Scale("off" if "disc" in sheet.off else "impossible", given, semiangle)
    ends = np.array(disc.radius_interval)
    if semiangle is None:
        if given is None:
            raise _no_semiangle(scan)
        low, high = (ends * given.value).tolist()
        value = float(disc.radius * given.value)
        note = "radius of the disc"
        semiangle = Sourced(value, "mrad", "estimated", note, (low, high))
        return Scale("given", given, semiangle, disc)
    measured = float(semiangle.value / disc.radius)
    if given is not None:
        return Scale("given", given, semiangle, disc, measured)
    high, low = (semiangle.value / ends).tolist()
    note = "semi-angle over the radius of the disc"
    found = Sourced(measured, "mrad", "estimated", note, (low, high))
    return Scale("done", found, semiangle, disc, measured)


def _no_semiangle(scan: Scan) -> PolarstemError:
    return PolarstemError(
        f"The semi-angle of {scan.path} is not known; give `semiangle_mrad` in the scan sheet."
    )


def look_at_ellipse(sheet: Sheet, disc: Disc | None) -> Ellipse:
    """Ellipticity of the disc; none if it is not significant."""
    if "ellipticity" in sheet.off:
        return Ellipse("off", None, False)
    if disc is None:
        return Ellipse("impossible", None, False)
    return Ellipse("done", disc, disc.ellipticity > _SIGNIFICANT * disc.ellipticity_doubt)


def look_at_turn(scan: Scan, rotation: Rotation | None) -> Turn:
    """Rotation of the detector: as given, or by least curl."""
    given = scan.settings.get("detector_rotation_deg")
    status: Status = "off"
    if rotation is not None:
        status = "done" if rotation.angle is not None else "impossible"
        status = status if given is None else "given"
    return Turn(status, rotation, given)


def look_at_dose(scan: Scan, counts: float, found: Linearity | None) -> Dose:
    """Electrons of a pattern.

    Parameters
    ----------
    scan : Scan
        Its step tells the area.
    counts : float
        Sum of a pattern, on average.
    found : Linearity or None
        None if it was not looked for.
    """
    if found is not None and found.linear is False:
        return Dose(None, None)
    unit, note = 1.0, "if a count is an electron"
    if found is not None and found.unit is not None:
        unit, note = found.unit, f"{found.unit:.3g} of the stored values for one, by their noise"
        if scan.dtype.kind in "ui" and _ONE[0] < found.unit < _ONE[1]:
            unit, note = 1.0, "counted one by one, as their noise shows"
    electrons = Sourced(counts / unit, "electrons", "estimated", note)
    area = None
    if scan.step_nm is not None:
        area = float(np.prod(scan.step_nm.value)) * 100
    return Dose(electrons, None if area is None else electrons.value / area)
