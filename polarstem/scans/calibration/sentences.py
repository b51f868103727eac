# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings of a calibration in words: a step for the summary, and what a user should be warned of.

Every function takes a finding and gives the step and the warnings.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from polarstem.scans.calibration.counts import Linearity
from polarstem.scans.calibration.findings import (
    Centring,
    Dose,
    Ellipse,
    Pixels,
    Scale,
    Turn,
    Vacuum,
)
from polarstem.scans.calibration.rotation import Rotation
from polarstem.scans.calibration.steps import Status, Step
from polarstem.scans.sourced import Sourced

_AGREE = 0.03  # of the disc's radius
_SATURATED = 1e-4  # of the lit values
_FAR = 0.1  # radii between a centre that is given and the disc's
_BENT = 0.3  # pixels that centres may lie from the surface fitted
_AGREE_DEG = 5.0
_MOSTLY = 0.98  # of the positions

Told: TypeAlias = tuple[Step, list[str]]


def pixels(found: Pixels) -> Told:
    """Bad pixels and saturation."""
    named, more = int(found.named.sum()), int((found.bad & ~found.named).sum())
    told = "others are not looked for" if found.off else f"{more} more stand out"
    warnings = []
    if found.saturated_share > _SATURATED:
        warnings.append(
            f"{found.saturated_share:.2%} of the lit values are as high as the detector can count "
            f"({found.saturated_at:g}): it is saturated there, and shares of intensity are wrong."
        )
    values = {"named": named, "found": more, "saturated_share": found.saturated_share}
    diagrams = {"bad_pixels": found.bad, "total": found.total}
    sentence = f"{named} bad pixels are named, {told}."
    return Step("pixels", "off" if found.off else "done", sentence, values, diagrams), warnings


def scale_of_counts(found: Linearity | None, off: bool) -> Told:
    """Whether intensities are linear."""
    if found is None:
        told = "is not looked at" if off else "is given by `gamma`"
        status: Status = "off" if off else "given"
        return Step("linearity", status, f"How stored values go with counts {told}."), []
    warnings = []
    if found.linear is False:
        gamma = found.gamma if isinstance(found.gamma, str) else f"{found.gamma:.2g}"
        warnings.append(
            f"{found.sentence} Shares of intensity are wrong, and so are answers: map the counts, "
            f"or name the scale in the scan sheet; it looks like `gamma: {gamma}`."
        )
    status = "impossible" if found.linear is None else "done"
    values = {} if np.isnan(found.exponent) else {"exponent": found.exponent}
    return Step("linearity", status, found.sentence, values), warnings


def dose(found: Dose) -> Told:
    """Electrons of a pattern."""
    if found.electrons is None:
        told = "How many electrons a pattern has cannot be told: its intensities are not linear."
        return Step("dose", "impossible", told), []
    count = found.electrons.value
    values = {"electrons": float(count)}
    area = ""
    if found.per_square_angstrom is not None:
        area = f", {found.per_square_angstrom:.3g} for each square angstrom"
        values["per_square_angstrom"] = found.per_square_angstrom
    sentence = f"A pattern has {count:.3g} electrons on average{area} ({found.electrons.note})."
    return Step("dose", "done", sentence, values), []


def centring(found: Centring) -> Told:
    """Where the optic axis meets the detector."""
    row, column = found.centre.value
    if found.status != "done":
        warnings, values = [], {}
        if found.from_disc is not None and found.disc_centre is not None:
            values["from_disc_radii"] = found.from_disc
            if found.from_disc > _FAR:
                warnings.append(
                    f"The centre that is taken, {row:.1f}, {column:.1f} ({found.centre.origin}), "
                    f"is {found.from_disc:.2f} radii from that of the bright-field disc, "
                    f"{found.disc_centre[0]:.1f}, {found.disc_centre[1]:.1f}: check `centre`."
                )
        return Step("centring", found.status, found.centre.note, values), warnings
    plane = found.plane
    form = "along a curved surface" if plane.bends.any() else "along a plane"
    sentence = (
        f"The optic axis meets the detector at row {row:.2f}, column {column:.2f} (middle of the "
        f"scan, standard error {found.error:.2f} pixels) and moves by {found.moved:.2f} pixels "
        f"over the scan, {form}; the residual of its parts is {found.residual:.2f} pixels."
    )
    warnings = []
    if found.residual > _BENT:
        warnings.append(
            f"Centres of parts of the scan lie {found.residual:.2f} pixels from the smooth surface "
            "that was fitted: descan, or the specimen at the edge of the disc, moves patterns by "
            "more than is undone."
        )
    values = {
        "error_pixels": found.error, "moved_pixels": found.moved,
        "residual_pixels": found.residual,
    }  # fmt: skip
    diagrams = {
        "places": found.places, "centres": found.found, "residuals": plane.residuals,
        "slopes": plane.slopes, "bends": plane.bends,
    }  # fmt: skip
    return Step("centring", "done", sentence, values, diagrams), warnings


def scale(found: Scale) -> Told:
    """Angle per pixel."""
    taken, semiangle, disc = found.mrad_per_pixel, found.semiangle, found.disc
    if disc is None:
        sentence = f"{taken.value:.4g} mrad per pixel, not compared with the disc."
        return Step("disc", found.status, sentence), []
    low, high = disc.radius_interval
    values = {
        "radius_pixels": disc.radius, "radius_low_pixels": low, "radius_high_pixels": high,
        "blur_pixels": disc.blur,
    }  # fmt: skip
    diagrams = {"edge": disc.edge, "centre": disc.centre}
    radius = f"{disc.radius:.2f} pixels ({low:.2f} to {high:.2f})"
    if found.by_disc is None:
        sentence = (
            f"{taken.value:.4g} mrad per pixel; by the disc's radius of {radius} the semi-angle is "
            f"{semiangle.value:.3g} mrad."
        )
        return Step("disc", found.status, sentence, values, diagrams), []
    if found.status == "done":
        sentence = f"The disc has a radius of {radius}: {taken.value:.4g} mrad per pixel."
        return Step("disc", "done", sentence, values, diagrams), []
    apart = found.by_disc / taken.value - 1
    # only where the interval of the radius does not reach it
    least = min(abs(semiangle.value / end / taken.value - 1) for end in (low, high))
    inside = low <= semiangle.value / taken.value <= high
    warnings = []
    if not inside and least > _AGREE / 3 and abs(apart) > _AGREE:
        warnings.append(
            f"The {taken.origin} gives {taken.value:.4g} mrad per pixel, the disc's radius of "
            f"{disc.radius:.1f} pixels and {semiangle.value:g} mrad ({semiangle.origin}) "
            f"{found.by_disc:.4g}; the {taken.origin} is believed: check `mrad_per_pixel` and "
            "`semiangle_mrad`."
        )
    sentence = (
        f"{taken.value:.4g} mrad per pixel; by the disc's radius of {radius} it would be "
        f"{found.by_disc:.4g} ({apart:+.1%})."
    )
    return Step("disc", "given", sentence, values | {"disagreement": apart}, diagrams), warnings


def ellipse(found: Ellipse) -> Told:
    """Ellipticity of the disc."""
    disc = found.disc
    if disc is None:
        return Step("ellipticity", found.status, "The patterns are taken as round."), []
    sentence = (
        f"The disc is {disc.ellipticity:.1%} longer at {disc.ellipticity_deg:.0f} degrees than "
        f"across (standard error {disc.ellipticity_doubt:.1%})"
    )
    sentence += ", which is undone." if found.significant else ": it is taken as round."
    values = {"ellipticity": disc.ellipticity, "error": disc.ellipticity_doubt}
    return Step("ellipticity", found.status, sentence, values), []


def turn(found: Turn) -> Told:
    """Scan-to-detector rotation."""
    rotation, given = found.rotation, found.given
    if rotation is None:
        told = "not known" if given is None else "not compared with the deflections"
        return Step("rotation", "off", f"The rotation of the detector is {told}."), []
    warnings = []
    if given is not None:
        warnings += _compared(given, rotation)
    elif rotation.angle is None:
        warnings.append(f"{rotation.sentence} Give `detector_rotation_deg` in the scan sheet.")
    elif not rotation.settled:
        warnings.append(
            f"The deflections tell the rotation of the detector, {rotation.angle.value:.1f}"
            " degrees, modulo 180 degrees only: unless the templates settle it, all "
            "directions may be reversed; give `detector_rotation_deg` in the scan sheet."
        )
    if rotation.transposed:
        warnings.append(
            "Transposed patterns would have less curl: check `detector_transpose` and the "
            "flips of the scan sheet."
        )
    values = {"error_deg": rotation.error_deg, "contrast": rotation.contrast}
    diagrams = {
        "angles_deg": rotation.angles_deg,
        "curl": rotation.curl,
        "curl_transposed": rotation.curl_transposed,
    }
    return Step("rotation", found.status, rotation.sentence, values, diagrams), warnings


def _compared(given: Sourced, rotation: Rotation) -> list[str]:
    if rotation.angle is None:
        return []
    apart = (given.value - rotation.angle.value + 90) % 180 - 90
    if abs(apart) <= max(_AGREE_DEG, 3 * rotation.error_deg):
        return []
    return [
        f"The {given.origin} says that the detector is turned by {given.value:g} degrees, "
        f"but the curl of the deflections is least at {rotation.angle.value:.1f} degrees "
        f"(modulo 180, standard error {rotation.error_deg:.1f}); the {given.origin} is "
        "believed."
    ]


def vacuum(found: Vacuum) -> Told:
    """Positions without specimen."""
    if found.status == "off":
        return Step("vacuum", "off", "Vacuum is not looked for."), []
    if found.status == "impossible":
        told = "Vacuum cannot be told: the detector does not reach beyond the disc."
        return Step("vacuum", "impossible", told), []
    sentence = f"{found.share:.0%} of {found.count} positions looked at are vacuum"
    warnings = []
    if found.share > _MOSTLY:
        warnings.append(
            "Next to nothing is scattered beyond the disc anywhere: the scan shows vacuum, no "
            "crystal. If that is wrong, add `vacuum` to the list `off` of the scan sheet."
        )
    elif found.share > 0:
        sentence += ", and left out of the mean pattern"
    return Step("vacuum", "done", sentence + ".", {"share": found.share}), warnings
