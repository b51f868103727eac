# SPDX-License-Identifier: GPL-3.0-or-later
"""The scan sheet: what a detector file lacks or gets wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from polarstem.config.conditions import LISTED, NAMED, ascending, pair
from polarstem.config.physics import Count, Positive, Section, _zone_axis

# `auto` goes by the extension and, for HDF5, by the content
Reader: TypeAlias = Literal[
    "auto",
    "mib",
    "dm",
    "blo",
    "emd",
    "hspy",
    "empad",
    "arina",
    "mrc",
    "tvips",
    "app5",
    "hdf5",
    "npy",
    "netcdf",
    "tiffs",
]
Step: TypeAlias = Literal[
    "pixels", "centring", "disc", "ellipticity", "rotation", "lattice", "thickness", "tilt"
]


def _rectangle(value: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    if value[0] >= value[1] or value[2] >= value[3]:
        raise ValueError("must be [first row, row after the last, first column, column after it]")
    return value


def _form(value: Any) -> str:
    return LISTED if isinstance(value, Sequence) and not isinstance(value, str) else NAMED


Index = Annotated[int, Field(ge=0)]
Degrees = Annotated[float, Field(ge=-360, le=360)]
_Pixels = Annotated[
    Annotated[tuple[tuple[Index, Index], ...], Tag(LISTED)] | Annotated[str, Tag(NAMED)],
    Discriminator(_form),
]


class Sheet(Section):
    """What is known of a scan beside its file; every key is optional."""

    reader: Reader = Field(
        "auto",
        description="how to read the file; needed where neither its name nor its content tells",
    )
    dataset: str | None = Field(
        None, description="path of the patterns inside an HDF5 or netCDF file that holds several"
    )
    scan_shape: tuple[Count, Count] | None = Field(
        None, description="probe positions as stored [rows, columns]"
    )
    step_nm: Annotated[tuple[Positive, Positive] | None, BeforeValidator(pair)] = Field(
        None, description="distance of probe positions [nm]: one number, or [down, right]"
    )
    energy_kv: Annotated[float, Field(ge=20, le=1500)] | None = Field(
        None, description="accelerating voltage [kV]"
    )
    semiangle_mrad: Annotated[float, Field(gt=0, le=100)] | None = Field(
        None, description="convergence semi-angle [mrad]"
    )
    mrad_per_pixel: Positive | None = Field(None, description="angle per detector pixel [mrad]")
    disc_radius_pixels: Positive | None = Field(
        None, description="radius of the bright-field disc [detector pixels]"
    )
    camera_length_mm: Positive | None = Field(None, description="camera length [mm]")
    pixel_um: Positive | None = Field(None, description="size of a detector pixel [µm]")
    centre: tuple[float, float] | None = Field(
        None,
        description="where the undeflected beam falls on the upright detector [row, column; 0 is "
        "the centre of the first pixel]",
    )
    detector_rotation_deg: Degrees | None = Field(
        None,
        description="angle by which the scan's x axis appears turned counter-clockwise on the "
        "upright detector [degrees]",
    )
    crystal_rotation_deg: Degrees | None = Field(
        None,
        description="angle of the crystal's x axis, any of the four, counter-clockwise from the "
        "scan's x axis [degrees]",
    )
    scan_transpose: bool = Field(False, description="the file's scan rows are columns")
    scan_flip_x: bool = Field(
        False, description="the scan runs from right to left (after the transpose)"
    )
    scan_flip_y: bool = Field(
        False, description="the scan runs from bottom to top (after the transpose)"
    )
    detector_transpose: bool = Field(False, description="the file's detector rows are columns")
    detector_flip_x: bool = Field(
        False, description="the patterns are mirrored left to right (after the transpose)"
    )
    detector_flip_y: bool = Field(
        False, description="the patterns are mirrored top to bottom (after the transpose)"
    )
    zone_axis: Annotated[tuple[int, int, int], AfterValidator(_zone_axis)] | None = Field(
        None, description="pseudo-cubic direction of the beam: [0, 0, 1] or [1, 1, 0]"
    )
    thickness_nm: Annotated[
        Annotated[tuple[Positive, Positive], AfterValidator(ascending)] | None,
        BeforeValidator(pair),
    ] = Field(None, description="thickness [nm]: a number, [lowest, highest], or null if unknown")
    mask: str | None = Field(
        None,
        description="image with a pixel per position of the upright scan; those that are not 0 "
        "are left out",
    )
    region: Annotated[tuple[Index, Index, Index, Index], AfterValidator(_rectangle)] | None = Field(
        None,
        description="part of the upright scan to map [first row, row after the last, first "
        "column, column after the last]",
    )
    bad_pixels: _Pixels | None = Field(
        None,
        description="pixels of the upright detector that say nothing: a list of [row, column], or "
        "an image that is not 0 there",
    )
    invalid: Literal["refuse", "zero"] = Field(
        "refuse",
        description="patterns with NaN, infinite or negative values: refuse the file, or read "
        "such values as 0",
    )
    off: tuple[Step, ...] = Field((), description="steps of the calibration to leave out")

    @model_validator(mode="before")
    @classmethod
    def _unquoted_off(cls, data: Any) -> Any:
        """A bare `off` is the truth value false to YAML 1.1, as a key too."""
        if isinstance(data, Mapping):
            return {"off" if key is False else key: value for key, value in data.items()}
        return data
