# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a scan before its patterns are looked at: the sheet above the file."""

from __future__ import annotations

from typing import Any

import numpy as np

from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError
from polarstem.scans.files.stored import Stored
from polarstem.scans.sourced import Origin, Sourced

_UNITS = {
    "step_nm": "nm",
    "energy_kv": "kV",
    "semiangle_mrad": "mrad",
    "mrad_per_pixel": "mrad",
    "disc_radius_pixels": "pixels",
    "camera_length_mm": "mm",
    "pixel_um": "µm",
    "centre": "pixels",
    "detector_rotation_deg": "degrees",
    "crystal_rotation_deg": "degrees",
    "thickness_nm": "nm",
}
_TURNS = (
    *("scan_transpose", "scan_flip_x", "scan_flip_y"),
    *("detector_transpose", "detector_flip_x", "detector_flip_y"),
)
_NAMED = (
    *("dataset", "select", "zone_axis", "mask", "region", "bad_pixels", "dark", "gain"),
    "exchange_axes",
)
_AXES = ("y axis of the scan", "x axis of the scan", "ky axis", "kx axis")
_AGREE = 1e-3  # relative difference below which sheet and file say the same


def known_settings(stored: Stored, sheet: Sheet) -> dict[str, Sourced]:
    """Merge what the file and the sheet say of a scan.

    Parameters
    ----------
    stored : Stored
        The file.
    sheet : Sheet
        Has the last word.

    Returns
    -------
    dict of str to Sourced
        Under the names of the sheet; absent where neither says anything. ``mrad_per_pixel``
        follows from camera length and pixel size, or from semi-angle and disc radius, where
        it is not given itself.

    Raises
    ------
    PolarstemError
        If the file says that an axis runs backwards, and the sheet nothing of flips.
    """
    _decided(stored, sheet)
    facts = dict(stored.facts)
    if sheet.scan_transpose and "step_nm" in facts:
        down, right = facts["step_nm"].value
        facts["step_nm"] = Sourced((right, down), "nm", "file", facts["step_nm"].note)
    origin: Origin = "file" if sheet.reader == "auto" else "sheet"
    found = {"reader": Sourced(stored.reader, "", origin, stored.note)}
    shape = stored.frames.scan_shape
    found["scan_shape"] = Sourced(shape, "positions", "sheet" if sheet.scan_shape else "file")
    if stored.flyback_frames:
        told: Origin = "sheet" if "flyback_frames" in sheet.model_fields_set else "file"
        found["flyback_frames"] = Sourced(stored.flyback_frames, "per row", told)
    found |= facts
    for name, unit in _UNITS.items():
        value = getattr(sheet, name)
        if value is not None:
            found[name] = Sourced(value, unit, "sheet", _contradiction(value, facts.get(name)))
    for name in _NAMED:
        value = getattr(sheet, name)
        if value is not None and value is not False:
            found[name] = Sourced(value, "", "sheet")
    for name in _TURNS:
        found[name] = Sourced(
            getattr(sheet, name), "", "sheet" if name in sheet.model_fields_set else "assumed"
        )
    if sheet.mrad_per_pixel is None:
        found |= _angle_per_pixel(found, facts)
    return found


def _decided(stored: Stored, sheet: Sheet) -> None:
    """Refuse a file with axes that run backwards, unless the sheet says what to do about them."""
    for axis in np.flatnonzero(stored.mirrored):
        part = "scan" if axis < 2 else "detector"
        along = (axis % 2) ^ getattr(sheet, f"{part}_transpose")
        key = f"{part}_flip_{'yx'[along]}"
        if key not in sheet.model_fields_set:
            raise PolarstemError(
                f"The {_AXES[axis]} in {stored.path} has a negative scale, so that it may be "
                f"stored mirrored; say in the scan sheet `{key}: true` if it runs against its "
                f"direction as seen, or `{key}: false` if it is upright all the same."
            )


def _contradiction(value: Any, fact: Sourced | None) -> str:
    if fact is None:
        return ""
    pairs = zip(_numbers(value), _numbers(fact.value), strict=False)
    if all(abs(a - b) <= _AGREE * abs(b) for a, b in pairs):
        return "as the file says"
    return f"the file says {Sourced(fact.value, fact.unit, 'file')}"


def _numbers(value: Any) -> tuple[float, ...]:
    return tuple(value) if isinstance(value, tuple) else (value,)


def _angle_per_pixel(found: dict[str, Sourced], facts: dict[str, Sourced]) -> dict[str, Sourced]:
    """The angle per pixel by the ways that are not direct; those of the sheet come first."""
    fact = facts.get("mrad_per_pixel")
    length, pixel = found.get("camera_length_mm"), found.get("pixel_um")
    radius, semiangle = found.get("disc_radius_pixels"), found.get("semiangle_mrad")
    if radius is not None and semiangle is not None:
        value, note = semiangle.value / radius.value, "semi-angle over the radius of the disc"
    elif length is not None and pixel is not None and (fact is None or pixel.origin == "sheet"):
        value, note = pixel.value / length.value, "pixel size over camera length"
    else:
        return {}
    told = _contradiction(value, fact)
    used = (semiangle, radius) if radius is not None and semiangle is not None else (length, pixel)
    origin: Origin = "sheet" if any(s and s.origin == "sheet" for s in used) else "file"
    return {"mrad_per_pixel": Sourced(value, "mrad", origin, note + (told and f"; {told}"))}
