# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of numbered TIFF images, one per probe position."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError
from polarstem.scans.files.stored import Stored


class TiffFrames:
    """Patterns in files of their own, row by row; see `Frames`."""

    chunk = (1, 1)

    def __init__(self, files: list[Path], scan_shape: tuple[int, int]) -> None:
        self.files, self.scan_shape = files, scan_shape
        first = _image(files[0])
        if first.ndim != 2:
            raise PolarstemError(
                f"{files[0]} holds an array of shape {first.shape} where one grey image was "
                "expected."
            )
        self.frame_shape: tuple[int, int] = first.shape
        self.dtype: np.dtype[Any] = first.dtype

    def take(self, rows: slice, columns: slice, wanted: NDArray[np.bool_]) -> NDArray[Any]:
        found = np.empty((int(wanted.sum()), *self.frame_shape), dtype=self.dtype)
        for i, (row, column) in enumerate(np.argwhere(wanted)):
            file = self.files[(rows.start + row) * self.scan_shape[1] + columns.start + column]
            image = _image(file)
            if image.shape != self.frame_shape or image.dtype != self.dtype:
                raise PolarstemError(
                    f"{file} is an image of {image.shape} {image.dtype}, but the first of the "
                    f"folder one of {self.frame_shape} {self.dtype}; all must be alike."
                )
            found[i] = image
        return found


def read_tiffs(path: Path, sheet: Sheet) -> Stored:
    """Open a folder of TIFF images, whose names end in a number that counts along the rows.

    Raises
    ------
    PolarstemError
        If the sheet gives no scan shape, or not as many images as it asks for are there.
    """
    files = [f for f in path.iterdir() if f.suffix.lower() in (".tif", ".tiff")]
    numbers = {f: re.search(r"\d+$", f.stem) for f in files}
    nameless = sorted(f.name for f, number in numbers.items() if number is None)
    if not files or nameless:
        found = f"such as {nameless[0]}" if nameless else "none"
        raise PolarstemError(
            f"The folder {path} should hold TIFF images whose names end in their number, but "
            f"there are others ({found})."
            if nameless
            else f"{path} holds no TIFF images."
        )
    if sheet.scan_shape is None:
        raise PolarstemError(
            f"The folder {path} holds {len(files)} images and does not say how they were scanned; "
            "give `scan_shape: [rows, columns]` in the scan sheet."
        )
    order = {int(number[0]): f for f, number in numbers.items() if number is not None}
    rows, columns = sheet.scan_shape
    first = min(order)
    missing = [n for n in range(first, first + rows * columns) if n not in order]
    if missing or len(files) != rows * columns:
        what = f"number {missing[0]} is missing" if missing else "some are left over"
        raise PolarstemError(
            f"The folder {path} holds {len(files)} images, but scan_shape asks for {rows} x "
            f"{columns} = {rows * columns}, and {what}; correct it, or complete the folder."
        )
    return Stored(path, "images", TiffFrames([order[n] for n in sorted(order)], (rows, columns)))


def _image(file: Path) -> NDArray[Any]:
    import tifffile

    try:
        image: NDArray[Any] = tifffile.imread(file)
        if not image.size:
            raise ValueError("no image in it")
    except Exception as error:  # whatever the decoder stumbles over
        raise PolarstemError(
            f"The image {file} cannot be read ({error}); it is truncated or no TIFF, copy it again."
        ) from error
    return image
