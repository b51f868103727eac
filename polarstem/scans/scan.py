# SPDX-License-Identifier: GPL-3.0-or-later
"""A scan set upright: positions and patterns in the order in which a person sees them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError
from polarstem.scans.files.stored import ArrayFrames, Stored, tiles
from polarstem.scans.settings import known_settings
from polarstem.scans.sourced import Sourced

Block = tuple[NDArray[np.int64], NDArray[Any]]
_ENOUGH = 64  # empty patterns that make a dead detector rather than a dark corner


class Scan:
    """Patterns of a rectangular scan, read from their file as they are asked for.

    Rows run down and columns to the right, of the scan and of the patterns, after the
    transposes and flips of the sheet and within its region.

    Parameters
    ----------
    stored : Stored
        The file.
    sheet : Sheet, optional
        What the file lacks or gets wrong.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns of the scan (of the region), and of the patterns.
    dtype : numpy.dtype
        Of the patterns, in native byte order.
    settings : dict of str to Sourced
        All that the file or the sheet says, under the names of the sheet.
    included : ndarray of bool, shape (ny, nx)
        Positions that no mask leaves out.
    bad_pixels : ndarray of bool, shape (ky, kx)
        Pixels that the sheet names.
    maximum : int or None
        Largest count that a pixel can store; None for floating-point patterns.

    Raises
    ------
    PolarstemError
        If region, mask or bad pixels of the sheet do not fit the file.
    """

    def __init__(self, stored: Stored, sheet: Sheet | None = None) -> None:
        self.sheet = sheet = sheet or Sheet()
        self.path, self.reader = stored.path, stored.reader
        self._frames = frames = stored.frames
        if frames.dtype.kind not in "uif":
            raise PolarstemError(
                f"{self.path} holds values of type {frames.dtype}, which are no counts; give the "
                "`dataset` of the patterns in the scan sheet."
            )
        self.dtype = frames.dtype.newbyteorder("=")
        whole = frames.scan_shape[:: -1 if sheet.scan_transpose else 1]
        region = sheet.region or (0, whole[0], 0, whole[1])
        if region[1] > whole[0] or region[3] > whole[1]:
            raise PolarstemError(
                f"The region {list(region)} of the scan sheet reaches beyond the scan in "
                f"{self.path}, which has {whole[0]} rows and {whole[1]} columns."
            )
        part = np.s_[region[0] : region[1], region[2] : region[3]]
        rows, columns = region[1] - region[0], region[3] - region[2]
        pixels = frames.frame_shape[:: -1 if sheet.detector_transpose else 1]
        self.shape = (rows, columns, *pixels)
        self.settings = known_settings(stored, sheet)
        numbers = np.full(whole, -1, dtype=np.int64)
        numbers[part] = np.arange(rows * columns).reshape(rows, columns)
        self._numbers = self._as_stored(numbers)
        left_out = np.zeros(whole, dtype=bool)
        if sheet.mask is not None:
            left_out = _image(sheet.mask, whole, "mask", "position")
        self.included = ~left_out[part]
        if not self.included.any():
            raise PolarstemError(f"The mask {sheet.mask} leaves no position of {self.path}.")
        self.bad_pixels = self._named_pixels()
        self.maximum: int | None = None
        if self.dtype.kind != "f":
            self.maximum = stored.maximum or int(np.iinfo(self.dtype).max)

    def _named_pixels(self) -> NDArray[np.bool_]:
        named, shape = self.sheet.bad_pixels, self.shape[2:]
        if isinstance(named, str):
            return _image(named, shape, "bad_pixels", "detector pixel")
        bad = np.zeros(shape, dtype=bool)
        for pixel in named or ():
            if pixel[0] >= shape[0] or pixel[1] >= shape[1]:
                raise PolarstemError(
                    f"bad_pixels names {list(pixel)}, but the patterns of {self.path} have "
                    f"{shape[0]} rows and {shape[1]} columns."
                )
            bad[pixel] = True
        return bad

    @property
    def step_nm(self) -> Sourced | None:
        """Distance of positions, down and right [nm]."""
        return self.settings.get("step_nm")

    @property
    def energy_kv(self) -> Sourced | None:
        """Accelerating voltage [kV]."""
        return self.settings.get("energy_kv")

    @property
    def semiangle_mrad(self) -> Sourced | None:
        """Convergence semi-angle [mrad]."""
        return self.settings.get("semiangle_mrad")

    @property
    def mrad_per_pixel(self) -> Sourced | None:
        """Angle per detector pixel [mrad]."""
        return self.settings.get("mrad_per_pixel")

    def blocks(
        self, memory_mb: float = 64, keep: NDArray[np.bool_] | None = None
    ) -> Iterator[Block]:
        """Read the scan once, in the order in which it is stored.

        Parameters
        ----------
        memory_mb : float
            Size of the patterns read at once [MB]; a file's own chunks may exceed it.
        keep : ndarray of bool, shape (ny, nx), optional
            Positions to read; those not masked if left out.

        Yields
        ------
        index : ndarray of int, shape (n,)
            Positions, counted along the rows of the upright scan.
        patterns : ndarray, shape (n, ky, kx)
            Upright, contiguous, in native byte order; perhaps read-only.

        Raises
        ------
        PolarstemError
            If a pattern cannot be read or holds no counts, or all of many are empty.
        """
        keep = self.included if keep is None else keep
        wanted = np.zeros(self._numbers.shape, dtype=bool)
        inside = self._numbers >= 0
        wanted[inside] = keep.ravel()[self._numbers[inside]]
        if not wanted.any():
            return
        lit, total = False, int(wanted.sum())
        for rows, columns in tiles(self._frames, wanted, memory_mb * 1e6):
            part = wanted[rows, columns]
            if not part.any():
                continue
            index = self._numbers[rows, columns][part]
            try:
                raw = self._frames.take(rows, columns, part)
            except (OSError, ValueError, RuntimeError) as error:
                raise PolarstemError(
                    f"The patterns at stored scan rows {rows.start} to {rows.stop - 1} of "
                    f"{self.path} cannot be read ({error}); the file is damaged, copy it again."
                ) from error
            patterns = np.ascontiguousarray(self._upright(raw), dtype=self.dtype)
            patterns = self._valid(index, patterns)
            lit = lit or bool(patterns.any())
            yield index, patterns
        if not lit and total >= min(_ENOUGH, self.shape[0] * self.shape[1]):
            raise PolarstemError(
                f"All {total} patterns read of {self.path} are zero throughout; the detector was "
                "off, or `dataset` or `scan_shape` of the scan sheet are wrong."
            )

    def read(self, index: ArrayLike) -> NDArray[Any]:
        """Patterns (n, ky, kx) at positions counted along the rows of the upright scan."""
        asked = np.asarray(index, dtype=np.int64).ravel()
        unique, order = np.unique(asked, return_inverse=True)
        keep = np.zeros(self.shape[:2], dtype=bool)
        keep.ravel()[unique] = True
        found = np.empty((len(unique), *self.shape[2:]), dtype=self.dtype)
        for where, patterns in self.blocks(keep=keep):
            found[np.searchsorted(unique, where)] = patterns
        return (
            found if len(unique) == len(asked) and (order[1:] > order[:-1]).all() else found[order]
        )

    def sample(self, n: int) -> NDArray[np.int64]:
        """Up to `n` positions spread evenly, each at random in its part of the scan.

        A regular grid could meet every cell of a crystal at the same place.
        """
        ny, nx = self.shape[:2]
        rows = int(np.clip(np.sqrt(n * ny / nx), max(1, n / nx), ny))
        columns = min(nx, max(1, n // rows))
        random = np.random.default_rng(0).random((2, rows, columns))
        row = ((np.arange(rows)[:, None] + random[0]) * ny / rows).astype(np.int64)
        column = ((np.arange(columns) + random[1]) * nx / columns).astype(np.int64)
        index = np.unique(row * nx + column)
        return index[self.included.ravel()[index]]

    def _as_stored(self, grid: NDArray[Any]) -> NDArray[Any]:
        """A grid over the upright scan, in the order of the file."""
        sheet = self.sheet
        grid = grid[:: -1 if sheet.scan_flip_y else 1, :: -1 if sheet.scan_flip_x else 1]
        return grid.T if sheet.scan_transpose else grid

    def _upright(self, patterns: NDArray[Any]) -> NDArray[Any]:
        sheet = self.sheet
        if sheet.detector_transpose:
            patterns = patterns.swapaxes(-1, -2)
        down, right = sheet.detector_flip_y, sheet.detector_flip_x
        return patterns[..., :: -1 if down else 1, :: -1 if right else 1]

    def _valid(self, index: NDArray[np.int64], patterns: NDArray[Any]) -> NDArray[Any]:
        """Patterns of counts only: no NaN, no infinity, nothing negative."""
        if self.dtype.kind == "u":
            return patterns
        if patterns.min() >= 0 and np.isfinite(patterns.max()):  # a NaN makes both NaN
            return patterns
        wrong = ~(np.isfinite(patterns) & (patterns >= 0))
        if self.sheet.invalid == "zero" or not (wrong & ~self.bad_pixels).any():
            return np.where(wrong, patterns.dtype.type(0), patterns)
        n, row, column = np.argwhere(wrong & ~self.bad_pixels)[0]
        y, x = divmod(int(index[n]), self.shape[1])
        raise PolarstemError(
            f"The pattern at scan row {y}, column {x} of {self.path} holds "
            f"{patterns[n, row, column]} at detector row {row}, column {column}, where counts "
            "were expected; name the pixel in `bad_pixels`, or set `invalid: zero` in the scan "
            "sheet to read such values as 0."
        )


class ArrayScan(Scan):
    """A scan in memory.

    Parameters
    ----------
    patterns : array_like, shape (ny, nx, ky, kx)
        Of counts.
    sheet : Sheet, optional
        As for a file.
    **facts : number or tuple
        What a file would say: ``step_nm`` (y, x), ``mrad_per_pixel``, ``energy_kv``,
        ``semiangle_mrad``, and ``maximum``.
    """

    def __init__(self, patterns: ArrayLike, sheet: Sheet | None = None, **facts: Any) -> None:
        units = {"step_nm": "nm", "energy_kv": "kV", "camera_length_mm": "mm"}
        maximum = facts.pop("maximum", None)
        told = {k: Sourced(v, units.get(k, "mrad"), "file") for k, v in facts.items()}
        frames = ArrayFrames(np.asarray(patterns))
        super().__init__(Stored(Path("memory"), "memory", frames, told, maximum), sheet)


def _image(path: str, shape: tuple[int, ...], key: str, what: str) -> NDArray[np.bool_]:
    """Where a grey or colour image is not 0."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            values = np.asarray(image) != 0
    except (OSError, UnidentifiedImageError) as error:
        raise PolarstemError(f"The {key} image {path} cannot be read: {error}") from error
    if values.ndim == 3:
        values = np.any(values, axis=-1)
    if values.shape != tuple(shape):
        raise PolarstemError(
            f"The {key} image {path} has {values.shape[0]} x {values.shape[1]} pixels, but needs "
            f"one per {what}: {shape[0]} x {shape[1]}."
        )
    return values
