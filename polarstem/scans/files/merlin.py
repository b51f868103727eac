# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw frames of Merlin detectors (.mib), and the shape of the scan from what stands beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError
from polarstem.scans.files.shapes import folded
from polarstem.scans.files.stored import Stored
from polarstem.scans.files.troubles import unreadable
from polarstem.scans.files.vendors import signals, stored_of

_TIMES = 20_000  # frames whose times are looked at


def mib_frames(path: Path) -> tuple[NDArray[Any], NDArray[np.bytes_]]:
    """Whole frames (n, ky, kx), mapped, rows as stored, and their headers.

    Raises
    ------
    PolarstemError
        If it is no .mib file, or ends within a frame.
    """
    try:
        from rsciio.quantumdetector import load_mib_data

        frames, headers = load_mib_data(str(path), lazy=True, return_headers=True)
        rest = path.stat().st_size % frames.strides[0]
    except Exception as error:
        raise unreadable(path, "mib", error) from error
    if rest:
        raise PolarstemError(
            f"{path} ends within a pattern, after {len(frames)} whole ones; it is truncated, copy "
            "it again."
        )
    return frames, headers


def read_mib(path: Path, sheet: Sheet) -> Stored:
    """Open a .mib file; the scan's shape is the sheet's, the header's, or that of the times.

    Raises
    ------
    PolarstemError
        If the file is broken, or shape and number of frames do not go together.
    """
    headers = mib_frames(path)[1]
    try:
        depth = int(headers[0].decode().strip("\0, ").split(",")[-1])
    except ValueError as error:
        raise unreadable(path, "mib", error) from error
    shape, flyback, stated = _shape(path, sheet, headers)
    (signal,) = signals("mib", path, navigation_shape=shape[::-1])
    whole = sheet.model_copy(update={"scan_shape": shape, "flyback_frames": 0})
    stored = stored_of("mib", path, whole, signal)
    note = f"{shape[1]} frames in each row, {flyback} more than the header's columns"
    return replace(
        stored,
        maximum=2**depth - 1,
        shape_stated=stated,
        flyback_frames=flyback,
        note=note if flyback else "",
    )


def _shape(
    path: Path, sheet: Sheet, headers: NDArray[np.bytes_]
) -> tuple[tuple[int, int], int, bool]:
    """Rows and columns as stored, the flyback frames among them, whether the file says so."""
    count, header = len(headers), _header(path)
    if sheet.scan_shape is not None:
        return folded(count, path, sheet), 0, False
    rows, columns = _number(header, "ScanY"), _number(header, "ScanX")
    expected = max(_number(header, "Frames in Acquisition (Number)"), rows * columns)
    if expected > count:
        raise PolarstemError(
            f"{path} holds {count} patterns, but its header tells of {expected}; it is truncated, "
            "or give `scan_shape` in the scan sheet."
        )
    if rows and columns:
        skipped = count // rows - columns
        if count % rows or skipped > columns:
            raise PolarstemError(
                f"{path} holds {count} patterns, which are no {rows} rows as its header tells of; "
                "give `scan_shape` in the scan sheet."
            )
        return (rows, columns + skipped), skipped, True
    wide = _number(header, "Frames per Trigger (Number)")
    if wide > 1 and count % wide == 0:
        return (count // wide, wide), 0, True
    wide = _pause(headers)
    if count == 1 or (wide and count % wide == 0):
        return (count // max(wide, 1), max(wide, 1)), 0, False
    return folded(count, path, sheet), 0, False


def _header(path: Path) -> dict[str, str]:
    """The lines of the .hdr file beside it; none where there is none."""
    beside = path.with_suffix(".hdr")
    if not beside.is_file():
        return {}
    lines = beside.read_text(encoding="utf-8", errors="replace").splitlines()
    pairs = (line.split("\t", 1) for line in lines if "\t" in line)
    return {key.strip().rstrip(":"): value.strip() for key, value in pairs}


def _number(header: dict[str, str], key: str) -> int:
    """A positive number of the header; 0 if it has none."""
    text = header.get(key, "")
    return int(text) if text.isdecimal() else 0


def _pause(headers: NDArray[np.bytes_]) -> int:
    """Frames in a row by the pauses between rows; 0 where there are none, or uneven ones."""
    from rsciio.quantumdetector import parse_timestamps

    if len(headers) < 4:
        return 0
    try:
        texts = parse_timestamps(headers, max_index=_TIMES)
        times = np.array([text.rstrip("Z") for text in texts], dtype="datetime64[ns]")
    except (ValueError, IndexError, UnicodeDecodeError):
        return 0
    steps = np.diff(times).astype(np.float64)
    # longer than half of the way from the usual to the longest
    long = np.flatnonzero(steps > (np.median(steps) + steps.max()) / 2) + 1
    if not len(long) or (np.diff(np.r_[0, long]) != long[0]).any():
        return 0
    complete = len(times) - long[-1] <= long[0]
    return int(long[0]) if complete else 0
