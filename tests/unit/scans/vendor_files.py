# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of vendors whose formats no library writes, byte by byte."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import h5py
import numpy as np

_SHORT, _LONG, _DOUBLE, _ARRAY = 4, 3, 7, 20  # types of Digital Micrograph's tags


def _tag(name: str, value: Any) -> bytes:
    """A tag of a .dm3 file: headers are big-endian, values little-endian."""
    group = isinstance(value, dict)
    head = struct.pack(">BH", 20 if group else 21, len(name)) + name.encode()
    if group:
        return head + _tags(value)
    if isinstance(value, int):
        about, data = (_LONG,), struct.pack("<i", value)
    elif isinstance(value, float):
        about, data = (_DOUBLE,), struct.pack("<d", value)
    elif isinstance(value, str):
        about, data = (_ARRAY, _SHORT, len(value)), value.encode("utf-16-le")
    else:
        about, data = (_ARRAY, _SHORT, value.size), value.astype("<u2").tobytes()
    return head + b"%%%%" + struct.pack(f">{len(about) + 1}i", len(about), *about) + data


def _tags(tree: dict[str, Any]) -> bytes:
    # nameless tags are told apart by their place; here by a number
    inside = b"".join(_tag("" if name[0] == "#" else name, value) for name, value in tree.items())
    return struct.pack(">BBi", 1, 0, len(tree)) + inside


def dm3(path: Path, stored: np.ndarray, scales: tuple[float, ...], units: tuple[str, ...]) -> None:
    """Write 4-dimensional 16-bit counts as Digital Micrograph does, fastest axis first."""
    calibrations = {
        f"#{i}": {"Origin": 0.0, "Scale": scale, "Units": unit}
        for i, (scale, unit) in enumerate(zip(scales[::-1], units[::-1], strict=True))
    }
    unsigned_16_bit = 10
    image = {
        "ImageData": {
            "Calibrations": {
                "Brightness": {"Origin": 0.0, "Scale": 1.0, "Units": ""},
                "Dimension": calibrations,
            },
            "Data": stored,
            "DataType": unsigned_16_bit,
            "Dimensions": {f"#{i}": n for i, n in enumerate(stored.shape[::-1])},
        },
        "ImageTags": {"Microscope Info": {"Voltage": 300000.0}},
        "Name": "scan",
    }
    body = _tags({"ImageList": {"#0": image}})
    path.write_bytes(struct.pack(">3i", 3, len(body), 1) + body)


def app5(path: Path, patterns: np.ndarray) -> None:
    """Write a scan of Topspin: a group per pattern, its place in XML beside it."""
    guid = "a0dba950-15bf-4a74-a81c-9cea8560c2c8"
    axis = "<A><Offset>0</Offset><Scale>1.5</Scale><Unit><N>angle</N><U>mrad</U></Unit></A>"
    with h5py.File(path, "w") as file:
        file["Metadata"] = np.bytes_("<Session><Id>scan</Id></Session>")
        for i, (y, x) in enumerate(np.ndindex(patterns.shape[:2])):
            place = f"<X>{x * 2e-10}</X><Y>{y * 1e-10}</Y>"
            file[f"{guid}/{i}/Metadata"] = np.bytes_(
                f"<P><K>{axis}{axis}</K><S><V><Name/><At>{place}</At></V></S></P>"
            )
            file[f"{guid}/{i}/Data"] = patterns[y, x]
