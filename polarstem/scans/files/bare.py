# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of bare numbers, laid out as the scan sheet says; and EMPAD's, described beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError
from polarstem.scans.files.shapes import exchanged
from polarstem.scans.files.stored import ArrayFrames, Stored
from polarstem.scans.files.vendors import read_plugin

_EMPAD = 4 * 130 * 128  # bytes of a frame: 128 rows of pixels, two of other things


def read_bare(path: Path, sheet: Sheet) -> Stored:
    """Open a file by the `raw` of its sheet.

    Raises
    ------
    PolarstemError
        If the file is not as large as that makes it.
    """
    layout, shape = sheet.raw, sheet.scan_shape
    if layout is None or shape is None:
        raise PolarstemError(
            f"{path} holds bare numbers; their layout and how they were scanned belong into the "
            "scan sheet, as `raw` and `scan_shape`."
        )
    kind = np.dtype(layout.dtype)
    rows, columns = shape[0], shape[1] + sheet.flyback_frames
    if sheet.exchange_axes and layout.gap_bytes:
        raise PolarstemError(
            "raw.gap_bytes of the scan sheet stands between patterns, but with exchange_axes the "
            "file has no pattern in one piece; leave one of them out."
        )
    size = int(np.prod(layout.frame_shape)) * kind.itemsize
    pitch, found = size + layout.gap_bytes, path.stat().st_size
    expected = layout.header_bytes + rows * columns * pitch
    # the last gap may be missing
    if found not in (expected, expected - layout.gap_bytes):
        held = (found - layout.header_bytes) / pitch
        raise PolarstemError(
            f"{path} has {found} bytes, but `raw` and {rows} x {columns} patterns make {expected}; "
            f"it holds {held:.6g} patterns of this layout: correct `raw` or `scan_shape`, or copy "
            "the file again if it is cut short."
        )
    if sheet.exchange_axes:
        whole = (*layout.frame_shape, rows, columns)
        data = exchanged(np.memmap(path, kind, "r", layout.header_bytes, whole))
        return Stored(path, "raw", ArrayFrames(data), shape_stated=False)
    stored = np.memmap(path, np.uint8, "r", layout.header_bytes)
    height, width = layout.frame_shape
    strides = (columns * pitch, pitch, width * kind.itemsize, kind.itemsize)
    frames: np.ndarray = np.ndarray(
        (rows, columns, height, width), kind, buffer=stored, strides=strides
    )
    return Stored(path, "raw", ArrayFrames(frames), shape_stated=False)


def read_dot_raw(path: Path, sheet: Sheet) -> Stored:
    """Open a .raw file: by the sheet, or by the .xml of an EMPAD beside it.

    Raises
    ------
    PolarstemError
        If neither is there.
    """
    if sheet.raw is not None:
        return read_bare(path, sheet)
    beside = [xml for xml in sorted(path.parent.glob("*.xml")) if _names(xml, path.name)]
    if len(beside) == 1:
        return read_plugin("empad", beside[0], sheet)
    count, rest = divmod(path.stat().st_size, _EMPAD)
    raw = "`raw: {dtype: uint16, frame_shape: [256, 256]}` (with your own values)"
    if count and not rest:
        raw = (
            f"if it is {count} frames of an EMPAD, `raw: {{dtype: float32, frame_shape: [128, "
            "128], gap_bytes: 1024}`"
        )
    raise PolarstemError(
        f"{path} holds bare numbers, and no .xml of an EMPAD beside it names it; copy that, or "
        f"give in the scan sheet `scan_shape` and {raw}."
    )


def _names(xml: Path, name: str) -> bool:
    """Whether an .xml file speaks of another by its name."""
    try:
        return name in xml.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
