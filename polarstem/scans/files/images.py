# SPDX-License-Identifier: GPL-3.0-or-later
"""Images: a folder with one per probe position, or all in one TIFF file."""

from __future__ import annotations

import itertools
import re
import weakref
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError, reason_of
from polarstem.scans.files.declared import believe
from polarstem.scans.files.shapes import folded, shaped
from polarstem.scans.files.stored import ArrayFrames, Frames, Stored
from polarstem.scans.files.troubles import unreadable

_TIFF = (".tif", ".tiff")
_KINDS = (*_TIFF, ".png")
_ROW = r"(?:row|r|y)[_\-=]?(\d+)"
_COLUMN = r"(?:column|col|c|x)[_\-=]?(\d+)"
_PLACE = re.compile(
    rf"(?:{_ROW}[^0-9A-Za-z]*{_COLUMN}|(?<![A-Za-z])x[_\-=]?(\d+)[^0-9A-Za-z]*y[_\-=]?(\d+))$",
    re.IGNORECASE,
)


class ImageFrames:
    """Patterns in files of their own, row by row; see `Frames`."""

    chunk = (1, 1)

    def __init__(self, files: list[Path], scan_shape: tuple[int, int]) -> None:
        self.files, self.scan_shape = files, scan_shape
        first = grey(files[0])
        self.frame_shape: tuple[int, int] = first.shape
        self.dtype: np.dtype[Any] = first.dtype

    def take(self, rows: slice, columns: slice, wanted: NDArray[np.bool_]) -> NDArray[Any]:
        found = np.empty((int(wanted.sum()), *self.frame_shape), dtype=self.dtype)
        for i, (row, column) in enumerate(np.argwhere(wanted)):
            file = self.files[(rows.start + row) * self.scan_shape[1] + columns.start + column]
            image = grey(file)
            if image.shape != self.frame_shape or image.dtype != self.dtype:
                raise PolarstemError(
                    f"{file} is an image of {image.shape} {image.dtype}, but the first of the "
                    f"folder one of {self.frame_shape} {self.dtype}; all must be alike."
                )
            found[i] = image
        return found


class PageFrames:
    """Patterns in the pages of a TIFF file, row by row; see `Frames`."""

    chunk = (1, 1)

    def __init__(self, file: Any, series: Any, scan_shape: tuple[int, int]) -> None:
        self.pages, self.scan_shape = series.pages, scan_shape
        weakref.finalize(self, file.close)  # pages are read from it as they are asked for
        self.frame_shape: tuple[int, int] = tuple(series.shape[-2:])
        self.dtype: np.dtype[Any] = series.dtype
        self._alone = Lock()  # the file has one place at which it is read

    def take(self, rows: slice, columns: slice, wanted: NDArray[np.bool_]) -> NDArray[Any]:
        found = np.empty((int(wanted.sum()), *self.frame_shape), dtype=self.dtype)
        for i, (row, column) in enumerate(np.argwhere(wanted)):
            number = (rows.start + row) * self.scan_shape[1] + columns.start + column
            with self._alone:
                found[i] = self.pages[int(number)].asarray()
        return found


def read_images(path: Path, sheet: Sheet) -> Stored:
    """Open a folder of TIFF or PNG images.

    Their names end in a number that counts along the rows, or in row and column:
    ``scan_00017.tif``, ``x003_y000.png``, ``row0_col3.tif``.

    Raises
    ------
    PolarstemError
        If the names tell no order, the sheet gives no scan shape where they tell none, or not
        as many images as that asks for are there.
    """
    # names with a dot in front are what other systems keep beside files
    files = [f for f in path.iterdir() if f.suffix.lower() in _KINDS and f.name[0] != "."]
    kinds = sorted({f.suffix.lower() for f in files})
    if not files:
        raise PolarstemError(f"{path} holds no TIFF or PNG images.")
    if len(kinds) > 1 and not set(kinds) <= set(_TIFF):
        raise PolarstemError(
            f"The folder {path} holds images of several kinds ({', '.join(kinds)}), and which are "
            "the patterns is not clear; keep one kind in it."
        )
    if placed := _placed(files):
        return _by_place(path, sheet, placed)
    numbers = {f: re.search(r"\d+$", f.stem) for f in files}
    nameless = sorted(f.name for f, number in numbers.items() if number is None)
    if nameless:
        raise PolarstemError(
            f"The folder {path} should hold images whose names end in their number, or in row and "
            f"column such as y003_x017, but there are others (such as {nameless[0]})."
        )
    order: dict[int, Path] = {}
    for file in sorted(files):
        number = int((numbers[file] or [0])[0])
        if number in order:
            raise PolarstemError(
                f"The folder {path} holds two images of number {number}, {order[number].name} and "
                f"{file.name}; keep those of one scan in it."
            )
        order[number] = file
    if sheet.scan_shape is not None:
        rows, columns = sheet.scan_shape[0], sheet.scan_shape[1] + sheet.flyback_frames
        first = min(order)
        missing = [n for n in range(first, first + rows * columns) if n not in order]
        if missing and len(files) <= rows * columns:
            raise PolarstemError(
                f"The folder {path} holds {len(files)} images, but scan_shape asks for {rows} x "
                f"{columns} = {rows * columns}, and number {missing[0]} is missing; correct it, "
                "or complete the folder."
            )
    shape = folded(len(files), path, sheet, "images")
    frames = ImageFrames([order[n] for n in sorted(order)], shape)
    return Stored(path, "images", frames, shape_stated=False)


def _placed(files: list[Path]) -> dict[tuple[int, int], Path]:
    """Images by row and column, where all names tell these."""
    found: dict[tuple[int, int], Path] = {}
    for file in sorted(files):
        match = _PLACE.search(file.stem)
        if match is None:
            return {}
        row, column, x, y = match.groups()
        place = (int(row), int(column)) if row is not None else (int(y), int(x))
        if place in found:
            raise PolarstemError(
                f"Two images of {file.parent} are of row {place[0]} and column {place[1]}: "
                f"{found[place].name} and {file.name}; keep those of one scan in it."
            )
        found[place] = file
    return found


def _by_place(path: Path, sheet: Sheet, placed: dict[tuple[int, int], Path]) -> Stored:
    rows, columns = (sorted({place[axis] for place in placed}) for axis in (0, 1))
    spans = [range(each[0], each[-1] + 1) for each in (rows, columns)]
    grid = [(r, c) for r, c in itertools.product(*spans)]
    missing = [place for place in grid if place not in placed]
    if missing:
        row, column = missing[0]
        raise PolarstemError(
            f"The folder {path} holds images of rows {rows[0]} to {rows[-1]} and columns "
            f"{columns[0]} to {columns[-1]}, of which {len(missing)} are missing, the first that "
            f"of row {row} and column {column}; complete the folder."
        )
    shape = len(spans[0]), len(spans[1])
    told = sheet.scan_shape
    if told is not None and (told[0], told[1] + sheet.flyback_frames) != shape:
        raise PolarstemError(
            f"The names of the images in {path} tell of {shape[0]} x {shape[1]} positions, which "
            f"scan_shape of the scan sheet ({told[0]} x {told[1]}) contradicts; leave it out."
        )
    return Stored(path, "images", ImageFrames([placed[place] for place in grid], shape))


def read_stack(path: Path, sheet: Sheet) -> Stored:
    """Open a TIFF file with a pattern on each page; mapped where it is not compressed.

    Raises
    ------
    PolarstemError
        If it cannot be read, is of colours, or does not fit the sheet.
    """
    import tifffile

    file = None
    try:
        file = tifffile.TiffFile(path)
        series = max(file.series, key=lambda each: each.size)
        believe(path, series.nbytes)
        return _stack(path, sheet, file, series)
    except PolarstemError:
        if file is not None:
            file.close()
        raise
    except Exception as error:  # whatever the decoder stumbles over
        if file is not None:
            file.close()
        raise unreadable(path, "tiff", error) from error


def _stack(path: Path, sheet: Sheet, file: Any, series: Any) -> Stored:
    if "S" in series.axes:
        raise PolarstemError(
            f"{path} holds colour images, whose colours are no intensities; export the counts."
        )
    shape = tuple(int(n) for n in series.shape)
    while len(shape) > 4 and 1 in shape[:-2]:
        shape = tuple(np.delete(shape, shape.index(1)))
    if not 2 <= len(shape) <= 4:
        raise PolarstemError(
            f"{path} holds images over {len(shape) - 2} axes ({series.axes}, {shape}), which is no "
            "single scan; save one of them by itself."
        )
    offset, kind = series.dataoffset, series.dtype.newbyteorder(file.byteorder)
    single = tuple(series.keyframe.shape) == shape[-2:]
    if offset is not None:
        file.close()
        if path.stat().st_size < offset + series.size * kind.itemsize:
            raise PolarstemError(f"{path} is truncated; copy it again.")
        data, found = shaped(np.memmap(path, kind, "r", offset, shape), path, sheet)
        frames: Frames = ArrayFrames(data, found)
    elif sheet.exchange_axes or not single:
        whole = series.asarray().reshape(shape)
        file.close()
        frames = ArrayFrames(*shaped(whole, path, sheet))
    else:
        placed = len(shape) == 4 and sheet.scan_shape is None
        count = int(np.prod(shape[:-2]))
        found = (shape[0], shape[1]) if placed else folded(count, path, sheet)
        frames = PageFrames(file, series, found)
    stated = len(shape) == 4 and frames.scan_shape == shape[:2]
    return Stored(path, "tiff", frames, shape_stated=stated)


def grey(file: Path) -> NDArray[Any]:
    """One grey image, as it is stored.

    Raises
    ------
    PolarstemError
        If it cannot be read, or is not one grey image.
    """
    try:
        if file.suffix.lower() in _TIFF:
            import tifffile

            with tifffile.TiffFile(file) as opened_tiff:
                believe(file, sum(series.nbytes for series in opened_tiff.series))
                image: NDArray[Any] = opened_tiff.asarray()
        else:
            from PIL import Image

            with Image.open(file) as opened:
                believe(file, 4 * opened.width * opened.height)
                if opened.mode in ("P", "PA", "CMYK"):
                    opened = opened.convert("RGB")  # type: ignore[assignment]
                image = np.asarray(opened)
        if not image.size:
            raise ValueError("no image in it")
    except Exception as error:  # whatever the decoder stumbles over
        raise PolarstemError(
            f"The image {file} cannot be read ({reason_of(error)}); it is truncated or no "
            "image, copy it again."
        ) from error
    if image.ndim == 3 and image.shape[-1] in (2, 3, 4):
        colours = image[..., : 1 if image.shape[-1] == 2 else 3]
        if (colours == colours[..., :1]).all():  # grey written as colours; alpha says nothing
            image = np.ascontiguousarray(colours[..., 0])
    if image.ndim != 2:
        raise PolarstemError(
            f"{file} holds an array of shape {image.shape} where one grey image was expected."
        )
    return image
