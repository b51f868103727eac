# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns in a row, or with exchanged axes, made a scan of rows and columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError


def exchanged(data: Any) -> Any:
    """A view of an array (ky, kx, ...) of NumPy or dask as (..., ky, kx)."""
    return data.transpose(*range(2, data.ndim), 0, 1)


def folded(count: int, path: Path, sheet: Sheet, what: str = "patterns") -> tuple[int, int]:
    """Rows and columns of a scan whose patterns are stored in a row, with those to be skipped.

    Parameters
    ----------
    count : int
        Number of patterns.
    path : path
        Where they are, for the message.
    sheet : Sheet
        Its `scan_shape` and `flyback_frames`.
    what : str
        What they are, for the message.

    Raises
    ------
    PolarstemError
        If the sheet gives no shape, or one that asks for more patterns or fewer.
    """
    if sheet.scan_shape is None:
        if count == 1:
            return 1, 1
        raise PolarstemError(
            f"{path} holds {count} {what} in a row and does not say how they were scanned; give "
            "`scan_shape: [rows, columns]` in the scan sheet."
        )
    rows, columns = sheet.scan_shape
    wide = columns + sheet.flyback_frames
    if rows * wide == count:
        return rows, wide
    plus = f" and {sheet.flyback_frames} flyback frames in each row" if sheet.flyback_frames else ""
    advice = "correct it, or copy the file again if it is cut short"
    over = count // rows - columns
    if count % rows == 0 and 0 < over <= max(2, columns // 10) and over != sheet.flyback_frames:
        advice = (
            f"with {over} more in each row it would fit: are they recorded while the probe flies "
            f"back, say `flyback_frames: {over}`, else correct it"
        )
    raise PolarstemError(
        f"{path} holds {count} {what}, but scan_shape asks for {rows} x {columns}{plus} = "
        f"{rows * wide}; {advice}."
    )


def shaped(data: Any, path: Path, sheet: Sheet) -> tuple[Any, tuple[int, int]]:
    """Patterns, and the shape of the scan that the sheet or the file gives them.

    Parameters
    ----------
    data : array, shape (rows, columns, ky, kx), (positions, ky, kx) or (ky, kx)
        As stored; axes are put in this order where the sheet says that they are exchanged.
    path : path
        Where it is, for the message.
    sheet : Sheet
        Its `scan_shape`, `flyback_frames` and `exchange_axes`.

    Returns
    -------
    data : array
        Of three or four dimensions.
    scan_shape : tuple of int
        Rows and columns, with flyback frames.
    """
    if sheet.exchange_axes:
        data = exchanged(data)
    if data.ndim == 2:
        data = data[None]
    if sheet.scan_shape is None and data.ndim == 4:
        return data, data.shape[:2]
    count = int(np.prod(data.shape[:-2]))
    shape = folded(count, path, sheet)
    if data.ndim == 4 and data.shape[:2] != shape:
        data = data.reshape(count, *data.shape[2:])
    return data, shape
