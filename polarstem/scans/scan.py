# SPDX-License-Identifier: GPL-3.0-or-later
"""A scan set upright: positions and patterns in the order in which a person sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError, reason_of
from polarstem.scans.corrections import corrections_of, upright
from polarstem.scans.files.references import read_mask
from polarstem.scans.files.shapes import shaped
from polarstem.scans.files.stored import ArrayFrames, SkippedFrames, Stored, tiles
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
    corrections : Corrections
        What is done to patterns as they are read; by it they are intensities, linear in the
        electrons.
    bad_pixels : ndarray of bool, shape (ky, kx)
        Pixels that the sheet names, and those that references of the detector show dead.
    maximum : float or None
        Largest intensity that a pixel can store; None for floating-point files.
    origin : tuple of int
        Row and column of the first position within the whole upright scan: where the region
        starts.
    shape_stated : bool
        Whether the file itself states how many rows and columns were scanned, rather than the
        sheet or a guess.

    Raises
    ------
    PolarstemError
        If region, mask, flyback frames, references or bad pixels of the sheet do not fit the
        file.
    """

    def __init__(self, stored: Stored, sheet: Sheet | None = None) -> None:
        self.sheet = sheet = sheet or Sheet()
        self.path, self.reader = stored.path, stored.reader
        stored = _without_flyback(stored, sheet)
        self._frames = frames = stored.frames
        if frames.dtype.kind not in "uif":
            raise PolarstemError(
                f"{self.path} holds values of type {frames.dtype}, which are no counts; give the "
                "`dataset` of the patterns in the scan sheet."
            )
        whole = frames.scan_shape[:: -1 if sheet.scan_transpose else 1]
        region = sheet.region or (0, whole[0], 0, whole[1])
        if region[1] > whole[0] or region[3] > whole[1]:
            raise PolarstemError(
                f"The region {list(region)} of the scan sheet reaches beyond the scan in "
                f"{self.path}, which has {whole[0]} rows and {whole[1]} columns."
            )
        part = np.s_[region[0] : region[1], region[2] : region[3]]
        rows, columns = region[1] - region[0], region[3] - region[2]
        high, wide = frames.frame_shape
        pixels = (wide, high) if sheet.detector_transpose else (high, wide)
        self.shape = (rows, columns, *pixels)
        self.settings = known_settings(stored, sheet)
        numbers = np.full(whole, -1, dtype=np.int64)
        numbers[part] = np.arange(rows * columns).reshape(rows, columns)
        self._numbers = self._as_stored(numbers)
        left_out = np.zeros(whole, dtype=bool)
        if sheet.mask is not None:
            left_out = read_mask(sheet.mask, whole, "mask", "position")
        self.included = ~left_out[part]
        if not self.included.any():
            raise PolarstemError(f"The mask {sheet.mask} leaves no position of {self.path}.")
        self.origin, self.shape_stated = (region[0], region[2]), stored.shape_stated
        self.corrections = corrections_of(sheet, self.path, self.shape)
        self.settings |= self.corrections.describe()
        self.bad_pixels = self.corrections.bad_pixels
        self._native = native = frames.dtype.newbyteorder("=")
        self.dtype = np.dtype(np.float32) if self.corrections.change else native
        self.maximum: float | None = None
        if native.kind != "f":
            largest = stored.maximum or int(np.iinfo(native).max)
            self.maximum = self.corrections.largest(largest)

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
        lit, total = False, 0
        for read in self.pieces(memory_mb, keep):
            index, patterns = read()
            lit, total = lit or bool(patterns.any()), total + len(index)
            yield index, patterns
        if not lit:
            self.refuse_dark(total)

    def refuse_dark(self, count: int) -> None:
        """Refuse a scan that was dark throughout as many patterns, if they are many."""
        if count >= min(_ENOUGH, self.shape[0] * self.shape[1]):
            raise PolarstemError(
                f"All {count} patterns read of {self.path} are zero throughout; the detector was "
                "off, or `dataset` or `scan_shape` of the scan sheet are wrong."
            )

    def pieces(
        self, memory_mb: float = 64, keep: NDArray[np.bool_] | None = None
    ) -> Iterator[Callable[[], Block]]:
        """What reads one of the `blocks` each when it is called, in any thread."""
        keep = self.included if keep is None else keep
        wanted = np.zeros(self._numbers.shape, dtype=bool)
        inside = self._numbers >= 0
        wanted[inside] = keep.ravel()[self._numbers[inside]]
        if not wanted.any():
            return
        memory = memory_mb * 1e6 * min(1, self._native.itemsize / self.dtype.itemsize)
        for rows, columns in tiles(self._frames, wanted, memory):
            part = wanted[rows, columns]
            if part.any():
                yield partial(self._piece, rows, columns, part)

    def _piece(self, rows: slice, columns: slice, part: NDArray[np.bool_]) -> Block:
        """Patterns of a rectangle of the stored scan, where they are wanted."""
        index = self._numbers[rows, columns][part]
        try:
            raw = self._frames.take(rows, columns, part)
        except PolarstemError:
            raise
        except Exception as error:  # decoders fail in as many ways as a file can be broken
            raise PolarstemError(
                f"The patterns at stored scan rows {rows.start} to {rows.stop - 1} of "
                f"{self.path} cannot be read ({reason_of(error)}); the file is damaged, copy it "
                "again."
            ) from error
        seen = np.ascontiguousarray(upright(raw, self.sheet), dtype=self._native)
        return index, self.corrections.apply(index, seen)

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


class ArrayScan(Scan):
    """A scan in memory.

    Parameters
    ----------
    patterns : array_like, shape (ny, nx, ky, kx), or (positions, ky, kx) with a `scan_shape`
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
        path, sheet, given = Path("memory"), sheet or Sheet(), np.asarray(patterns)
        data, shape = shaped(given, path, sheet)
        stated = given.ndim == 4 and data.ndim == 4
        frames = ArrayFrames(data, shape)
        super().__init__(Stored(path, "memory", frames, told, maximum, shape_stated=stated), sheet)


def _without_flyback(stored: Stored, sheet: Sheet) -> Stored:
    """The file without the patterns that are recorded while the probe flies back."""
    told = "flyback_frames" in sheet.model_fields_set
    skip = sheet.flyback_frames if told else stored.flyback_frames
    if skip >= stored.frames.scan_shape[1]:
        raise PolarstemError(
            f"flyback_frames: {skip} of the scan sheet leaves nothing of the "
            f"{stored.frames.scan_shape[1]} patterns in a row of {stored.path}; correct it."
        )
    if skip == 0:
        return stored
    return replace(stored, frames=SkippedFrames(stored.frames, skip), flyback_frames=skip)
