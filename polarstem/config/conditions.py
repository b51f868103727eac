# SPDX-License-Identifier: GPL-3.0-or-later
"""Config sections for what varies between microscopes, specimens and days."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from polarstem.config.physics import Positive, Section

LISTED, MAPPED, NAMED = "as a list", "as a mapping", "as a file"


def list_or_section(value: Any) -> str:
    """Tell which form of a key a value has, so that its errors are told for that form alone."""
    return MAPPED if isinstance(value, (Mapping, Section)) else LISTED


def pair(value: Any) -> Any:
    """One number stands for two equal ones."""
    return (value, value) if isinstance(value, (int, float)) else value


def ascending(value: tuple[float, float]) -> tuple[float, float]:
    """Refuse ends in the wrong order."""
    if value[0] > value[1]:
        raise ValueError("must ascend: [lowest, highest]")
    return value


def _not_negative(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] < 0:
        raise ValueError("must not be negative")
    return value


def _positive(value: tuple[float, float] | None) -> tuple[float, float] | None:
    if value is not None and value[0] <= 0:
        raise ValueError("must be positive")
    return value


def _more_than_nothing(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] <= -1:
        raise ValueError("must be more than -1: a pixel covers some angle")
    return value


def _less_than_all(value: tuple[float, float]) -> tuple[float, float]:
    if value[1] >= 1:
        raise ValueError("must be less than 1: some pixels must read")
    return value


_Pair = Annotated[tuple[float, float], BeforeValidator(pair), AfterValidator(ascending)]
Range = Annotated[_Pair, AfterValidator(_not_negative)]
SignedRange = _Pair
_NONE = (0.0, 0.0)


class Conditions(Section):
    """Ranges [lowest, highest] that conditions are drawn from; one number is a fixed value."""

    tilt_mrad: Range = Field(
        _NONE,
        description="size of the beam tilt [mrad]; its direction is random, and it is even "
        "over the area of the ring",
    )
    defocus_angstrom: SignedRange = Field(_NONE, description="defocus, -C10 [Å]")
    astigmatism_angstrom: Range = Field(
        _NONE, description="two-fold astigmatism C12 [Å]; its direction is random"
    )
    coma_angstrom: Range = Field(_NONE, description="coma C21 [Å]; its direction is random")
    trefoil_angstrom: Range = Field(
        _NONE, description="three-fold astigmatism C23 [Å]; its direction is random"
    )
    spherical_angstrom: SignedRange = Field(_NONE, description="spherical aberration C30 [Å]")
    source_fwhm_angstrom: Range = Field(
        _NONE, description="full width at half maximum of the Gaussian source in the specimen [Å]"
    )
    defocus_spread_angstrom: Range = Field(
        _NONE, description="standard deviation of the spread of the defocus [Å]"
    )
    camera_length_error: Annotated[SignedRange, AfterValidator(_more_than_nothing)] = Field(
        _NONE, description="fraction by which a detector pixel covers more than its nominal angle"
    )
    rotation_deg: SignedRange = Field(
        _NONE, description="turn of the pattern on the detector, counter-clockwise [degrees]"
    )
    ellipticity: Range = Field(
        _NONE,
        description="long over short axis of the image of a circle, minus 1; its direction "
        "is random",
    )
    shift_pixels: Range = Field(
        _NONE, description="shift of the pattern on the detector [pixels]; its direction is random"
    )
    psf_pixels: Range = Field(
        _NONE, description="standard deviation of the detector's point spread [pixels]"
    )
    background: Range = Field(
        _NONE, description="electrons spread evenly over the detector, as a fraction of the beam"
    )
    gain_spread: Range = Field(_NONE, description="standard deviation of the pixels' gains about 1")
    dead_fraction: Annotated[Range, AfterValidator(_less_than_all)] = Field(
        _NONE, description="fraction of the pixels that read zero"
    )
    dose_electrons: Annotated[
        tuple[float, float] | None, BeforeValidator(pair), AfterValidator(_positive)
    ] = Field(
        None,
        description="electrons per pattern, drawn evenly on a logarithmic scale (Poisson "
        "noise); null for no noise",
    )


class Drawn(Section):
    """Thicknesses drawn at random, anew for each specimen."""

    between: Annotated[tuple[Positive, Positive], AfterValidator(ascending)] = Field(
        description="lowest and highest thickness [nm]"
    )
    count: Annotated[int, Field(ge=1)] = Field(
        1, description="thicknesses of each specimen, one in each of as many equal parts"
    )


# The rungs of a ladder: factor, and the conditions of one severity.
RUNGS: dict[str, str] = {
    "tilt": "tilt_mrad",
    "defocus": "defocus_angstrom",
    "astigmatism": "astigmatism_angstrom",
    "coma": "coma_angstrom",
    "spherical": "spherical_angstrom",
    "source_size": "source_fwhm_angstrom",
    "defocus_spread": "defocus_spread_angstrom",
    "camera_length": "camera_length_error",
    "rotation": "rotation_deg",
    "ellipticity": "ellipticity",
    "shift": "shift_pixels",
    "psf": "psf_pixels",
    "background": "background",
    "gain": "gain_spread",
    "dead_pixels": "dead_fraction",
    "dose": "dose_electrons",
}


class Ladder(Section):
    """Severities of one factor at a time; each becomes a data domain, `<factor>_<severity>`."""

    base: str = Field(
        description="the data domain without any of them; its test specimens are "
        "measured anew on their scattering matrices"
    )
    tilt: tuple[Positive, ...] = Field((), description="sizes of the beam tilt [mrad]")
    defocus: tuple[float, ...] = Field((), description="defocus [Å]")
    astigmatism: tuple[Positive, ...] = Field((), description="two-fold astigmatism C12 [Å]")
    coma: tuple[Positive, ...] = Field((), description="coma C21 [Å]")
    spherical: tuple[float, ...] = Field((), description="spherical aberration C30 [Å]")
    source_size: tuple[Positive, ...] = Field((), description="FWHM of the source [Å]")
    defocus_spread: tuple[Positive, ...] = Field((), description="spread of the defocus [Å]")
    camera_length: tuple[float, ...] = Field((), description="error of the camera length")
    rotation: tuple[float, ...] = Field((), description="turn of the detector [degrees]")
    ellipticity: tuple[Positive, ...] = Field((), description="ellipticity of the pattern")
    shift: tuple[Positive, ...] = Field((), description="shift of the pattern [pixels]")
    psf: tuple[Positive, ...] = Field((), description="point spread of the detector [pixels]")
    background: tuple[Positive, ...] = Field((), description="background, fraction of the beam")
    gain: tuple[Positive, ...] = Field((), description="spread of the pixels' gains")
    dead_pixels: tuple[Positive, ...] = Field((), description="fraction of dead pixels")
    dose: tuple[Positive, ...] = Field((), description="electrons per pattern")

    def rungs(self) -> dict[str, tuple[str, float, dict[str, float]]]:
        """Factor, severity and conditions of every rung, by the name of its data domain."""
        found = {}
        for factor, condition in RUNGS.items():
            for severity in getattr(self, factor):
                # a name of letters, digits and underscores
                text = f"{severity:g}".replace("-", "m").replace(".", "p").replace("+", "")
                found[f"{factor}_{text}"] = (factor, severity, {condition: severity})
        return found
