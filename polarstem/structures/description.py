# SPDX-License-Identifier: GPL-3.0-or-later
"""What the file of a specimen must say of it: checked when it is read, used all over."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

_Positive = Annotated[float, Field(gt=0, lt=1e9)]
_Count = Annotated[int, Field(gt=0, lt=10**6)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Length = Annotated[float, Field(ge=0, lt=1e9)]
_Vector = tuple[int, int, int]
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=250)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow")  # notes for readers, which nothing depends on


class _Amorphous(_Part):
    atoms: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]
    thickness_angstrom: tuple[_Length, _Length]


class _Wedge(_Part):
    middle: tuple[float, float]
    periods: float
    slope: tuple[float, float]
    most: _Count


class _Any(_Part):
    """Of specimens and scenes alike."""

    specimen: _Name
    zone_axis: _Vector
    cells: tuple[_Count, _Count, _Count]
    cell_lengths_angstrom: tuple[_Positive, _Positive, _Positive]
    planes: _Count
    debye_waller_rms_angstrom: dict[str, _Length]
    virtual_a_site: dict[str, _Share] = {}
    virtual_b_site: dict[str, _Share] = {}
    amorphous: _Amorphous | None = None
    wedge: _Wedge | None = None


class _Scene(_Any):
    scene: dict[str, Any]


class _Specimen(_Any):
    specimen_set: str
    split: str
    class_name: str
    class_index: int
    direction_deg: float
    variant: _Vector
    phase: str
    material: str
    metric: str
    a_site: str
    b_site: str
    a_site_share: _Share
    b_site_share: _Share
    amplitude: float
    polarization_uC_cm2: tuple[float, float, float]  # noqa: N815  # its name in the file
    seed: int
    defect: dict[str, Any] | None


def check_description(info: Any) -> None:
    """Raise a `ValueError` (of pydantic) if the description of a specimen is not whole.

    Parameters
    ----------
    info : object
        What its file says.
    """
    is_scene = isinstance(info, dict) and "scene" in info
    (_Scene if is_scene else _Specimen).model_validate(info)
