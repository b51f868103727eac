# SPDX-License-Identifier: GPL-3.0-or-later
"""The scan sheet: what a detector file lacks or gets wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from polarstem.config.conditions import LISTED, NAMED, ascending
from polarstem.config.physics import NUMBER, WORD, Count, Positive, Section, _zone_axis
from polarstem.config.quantities import pair_of, quantity, shape_of

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
    "zspy",
    "py4dstem",
    "prz",
    "tiff",
    "images",
    "raw",
]
Step: TypeAlias = Literal[
    "pixels",
    "centring",
    "disc",
    "ellipticity",
    "rotation",
    "lattice",
    "thickness",
    "tilt",
    "handedness",
    "vacuum",
    "linearity",
    "drift",
    "anomaly",
]


def _rectangle(value: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    if value[0] >= value[1] or value[2] >= value[3]:
        raise ValueError("must be [first row, row after the last, first column, column after it]")
    return value


def _counts_or_numbers(value: str) -> str:
    import numpy as np

    try:
        known = np.dtype(value).kind in ("u", "i", "f")
    except TypeError:
        known = False
    if not known:
        raise ValueError("is no type of numbers; write one such as uint16, float32 or >u2")
    return value


def _form(value: Any) -> str:
    return LISTED if isinstance(value, Sequence) and not isinstance(value, str) else NAMED


def _in(unit: str) -> BeforeValidator:
    return BeforeValidator(quantity(unit), json_schema_input_type=float | str)


def _power_or_word(value: Any) -> str:
    return WORD if isinstance(value, str) and value.isalpha() else NUMBER


Index = Annotated[int, Field(ge=0)]
Degrees = Annotated[float, Field(ge=-360, le=360)]
_Pixels = Annotated[
    Annotated[tuple[tuple[Index, Index], ...], Tag(LISTED)] | Annotated[str, Tag(NAMED)],
    Discriminator(_form),
]


_SHAPE = BeforeValidator(shape_of, json_schema_input_type=tuple[int, int] | str)
_NM_PAIR = BeforeValidator(
    pair_of("nm"), json_schema_input_type=float | str | tuple[float | str, float | str] | None
)
_Gamma = Annotated[
    Annotated[Annotated[float, Field(ge=0.05, le=5), _in("")], Tag(NUMBER)]
    | Annotated[Literal["log"], Tag(WORD)],
    Discriminator(_power_or_word),
]


class Raw(Section):
    """How a file of bare numbers is laid out; `scan_shape` belongs to it."""

    dtype: Annotated[str, AfterValidator(_counts_or_numbers)] = Field(
        description="type of the numbers as NumPy names it: `uint16`, `float32`, or `>u2` where "
        "the high byte comes first"
    )
    frame_shape: Annotated[tuple[Count, Count], _SHAPE] = Field(
        description="detector pixels as stored [rows, columns]"
    )
    header_bytes: Index = Field(0, description="bytes before the first pattern")
    gap_bytes: Index = Field(0, description="bytes between a pattern and the next")


class Sheet(Section):
    """What is known of a scan beside its file; every key is optional, numbers may have units."""

    reader: Reader = Field(
        "auto",
        description="how to read the file; needed where neither its name nor its content tells",
    )
    dataset: str | None = Field(
        None, description="path of the patterns inside an HDF5 or netCDF file that holds several"
    )
    select: Index | None = Field(
        None,
        description="which one of a file that holds several scans, such as depths or times "
        "[0 is the first]",
    )
    raw: Raw | None = Field(None, description="layout of a file of bare numbers")
    scan_shape: Annotated[tuple[Count, Count], _SHAPE] | None = Field(
        None, description="probe positions as stored [rows, columns], without `flyback_frames`"
    )
    flyback_frames: Index = Field(
        0, description="patterns at the start of each stored row that belong to no position"
    )
    exchange_axes: bool = Field(
        False, description="the file's first two axes are the detector's, its last two the scan's"
    )
    step_nm: Annotated[tuple[Positive, Positive] | None, _NM_PAIR] = Field(
        None, description="distance of probe positions [nm]: one number, or [down, right]"
    )
    energy_kv: Annotated[float, Field(ge=20, le=1500), _in("kV")] | None = Field(
        None, description="accelerating voltage [kV]"
    )
    semiangle_mrad: Annotated[float, Field(gt=0, le=100), _in("mrad")] | None = Field(
        None, description="convergence semi-angle [mrad]"
    )
    mrad_per_pixel: Annotated[Positive, Field(ge=1e-4), _in("mrad")] | None = Field(
        None, description="angle per detector pixel [mrad]"
    )
    disc_radius_pixels: Annotated[Positive, Field(ge=0.5), _in("pixel")] | None = Field(
        None, description="radius of the bright-field disc [detector pixels]"
    )
    camera_length_mm: Annotated[Positive, _in("mm")] | None = Field(
        None, description="camera length [mm]"
    )
    pixel_um: Annotated[Positive, _in("um")] | None = Field(
        None, description="size of a detector pixel [µm]"
    )
    centre: tuple[Annotated[float, _in("pixel")], Annotated[float, _in("pixel")]] | None = Field(
        None,
        description="where the undeflected beam falls on the upright detector [row, column; 0 is "
        "the centre of the first pixel]",
    )
    detector_rotation_deg: Annotated[Degrees, _in("deg")] | None = Field(
        None,
        description="angle by which the scan's x axis appears turned counter-clockwise on the "
        "upright detector [degrees]",
    )
    crystal_rotation_deg: Annotated[Degrees, _in("deg")] | None = Field(
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
        _NM_PAIR,
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
    dark: str | None = Field(
        None,
        description="image, .npy or detector file of the detector without beam, stored as the "
        "scan's patterns are, in counts per pattern; it is subtracted",
    )
    gain: str | None = Field(
        None,
        description="the same of the evenly lit detector, without its `dark`; patterns are divided "
        "by it, as a factor whose mean is 1",
    )
    gamma: _Gamma | None = Field(
        None,
        description="how stored values v go with counts c: v in proportion to c^gamma [1: linear], "
        "or `log`: v = log(1 + c); null if unknown, when they are taken as linear",
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
