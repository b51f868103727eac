# SPDX-License-Identifier: GPL-3.0-or-later
"""From a detector's pixels to the grid that a model was trained on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any, TypeAlias

import numba
import numpy as np
from numpy.typing import NDArray

from polarstem.errors import PolarstemError
from polarstem.scans.calibration.shares import Grids, Table, make_table, seen_share
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.parallel import in_parts

CENTRE_STEP = 0.02
"""Centres are rounded to this [model pixels]: an error of at most half of it along each axis."""
_KEPT_BYTES = 96e6  # of tables: at 256 x 256 pixels the centres of a row of a scan, more or less
_STRAIGHT = 0.01  # farthest that a pixel may lie off its row or column to be summed by them

_Groups: TypeAlias = list[tuple[Table, NDArray[np.int64]]]


@dataclass(frozen=True, eq=False)
class Resampler:
    """Turns, shifts and sums patterns on a model's grid; threads may share it.

    A detector pixel is spread evenly over a box, as wide as has the second moments of its image
    on the model's grid, as `Camera.footprint` of `polarstem.simulate.microscope.camera` does:
    every count that falls into the grid is in one of its pixels. Bad pixels, and what lies beyond
    the detector, are left out; a model's pixel that they cover in part is scaled up to its full
    area, and one of which less than half is seen takes the value of the nearest other.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the detector.
    mrad_per_pixel : float
        Angle that a pixel of the detector covers [mrad].
    pixels : int
        Of the model, along each side; the optic axis meets the middle.
    model_mrad_per_pixel : float
        Angle that a pixel of the model covers [mrad].
    turned_deg : float
        By which the pattern appears turned counter-clockwise on the detector [degrees]; undone.
    ellipticity, ellipticity_deg : float
        Of the image of a circle, as of a `Camera`; undone.
    bad : ndarray of bool, shape (ky, kx), optional
        Pixels to leave out.
    """

    shape: tuple[int, int]
    mrad_per_pixel: float
    pixels: int
    model_mrad_per_pixel: float
    turned_deg: float = 0.0
    ellipticity: float = 0.0
    ellipticity_deg: float = 0.0
    bad: NDArray[np.bool_] | None = None
    _tables: OrderedDict[tuple[int, int], Table] = field(
        default_factory=OrderedDict, init=False, repr=False
    )
    _alone: Lock = field(default_factory=Lock, init=False, repr=False)

    def __call__(self, patterns: NDArray[Any], centres: NDArray[np.float64]) -> NDArray[np.float32]:
        """Resample patterns.

        Parameters
        ----------
        patterns : ndarray, shape (n, ky, kx)
            Of any real type.
        centres : ndarray, shape (n, 2)
            Row and column where the optic axis meets the detector; the middle of the first pixel
            is (0, 0) [pixels].

        Returns
        -------
        ndarray, shape (n, pixels, pixels), float32
            In the units of `patterns`.

        Raises
        ------
        PolarstemError
            If the patterns have another shape than the detector.
        """
        if patterns.shape[1:] != self.shape:
            raise PolarstemError(
                f"The patterns have {patterns.shape[1]} x {patterns.shape[2]} pixels, but the "
                f"calibration is of {self.shape[0]} x {self.shape[1]}; calibrate the scan that "
                "they come from."
            )
        # each type is compiled: the common ones are read as they are
        kept = patterns.dtype in (np.uint8, np.uint16) and patterns.dtype.isnative
        patterns = np.ascontiguousarray(patterns, None if kept else np.float32)
        keys = np.rint(centres / self._step).astype(np.int64)
        images = np.empty((len(patterns), self.pixels, self.pixels), np.float32)
        places, members = np.unique(keys, axis=0, return_inverse=True)
        for groups in self._groups(places, members.ravel()):
            self._resample(patterns, keys, groups, images)
        return images

    def _groups(self, places: NDArray[np.int64], members: NDArray[np.int64]) -> Iterator[_Groups]:
        """Tables of centres and the patterns that have them, as many as may be kept at once."""
        groups: _Groups = []
        size = 0
        for number, (row, column) in enumerate(places):
            if groups and size > _KEPT_BYTES / 2:
                yield groups
                groups, size = [], 0
            table = self._table((int(row), int(column)))
            size += table.nbytes
            groups.append((table, np.flatnonzero(members == number)))
        if groups:
            yield groups

    def _resample(
        self,
        patterns: NDArray[Any],
        keys: NDArray[np.int64],
        groups: _Groups,
        images: NDArray[np.float32],
    ) -> None:
        """Resample the patterns of some centres."""

        def work(first: int, last: int) -> None:
            buffer = np.empty((self.pixels + 2) * self.shape[1] + patterns[0].size, np.float32)
            for table, indices in groups:
                part = indices[np.searchsorted(indices, first) : np.searchsorted(indices, last)]
                if len(part) == 0:
                    continue
                if self._straight:
                    row, column = keys[part[0]] * self._step
                    _sum_lines(
                        patterns, part, *self._lines(0, row), *self._lines(1, column), buffer,
                        images,
                    )  # fmt: skip
                if len(table.targets):
                    _gather(patterns, part, *table, buffer, images)

        in_parts(work, len(patterns))

    @cached_property
    def matrix(self) -> NDArray[np.float64]:
        """Column and row on the model's grid per column and row on the detector, shape (2, 2)."""
        camera = Camera(
            max(self.shape), self.mrad_per_pixel, self.turned_deg, self.ellipticity,
            self.ellipticity_deg,
        )  # fmt: skip
        down = np.diag([1.0, -1.0])
        return down @ np.linalg.inv(camera.matrix) @ down / self.model_mrad_per_pixel

    @cached_property
    def _widths(self) -> NDArray[np.float64]:
        """Of a detector pixel's box along the model's columns and rows, shape (2,)."""
        widths: NDArray[np.float64] = np.sqrt(np.square(self.matrix).sum(1))
        return widths

    @cached_property
    def _step(self) -> float:
        """To which a centre is rounded [detector pixels]."""
        return CENTRE_STEP / float(self._widths.max())

    @cached_property
    def _straight(self) -> bool:
        """Whether the model's axes are the detector's, so that whole rows can be summed."""
        off = np.abs(self.matrix[[0, 1], [1, 0]]) * self.pixels / 2 / self._widths[[1, 0]]
        return bool(off.max() < _STRAIGHT and (np.diag(self.matrix) > 0).all())

    def _lines(self, axis: int, centre: float) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Which of the model's lines a detector's line begins in, and the shares of the next ones.

        Returns
        -------
        first : ndarray of int32, shape (line,)
            The model's first line.
        shares : ndarray of float32, shape (line, reach)
            In it and the following ones; zero beyond the grid.
        """
        width = self._widths[1 - axis]
        low = self.pixels / 2 + (np.arange(self.shape[axis]) - centre) * width - width / 2
        first = np.floor(low).astype(np.int32)
        lines = first[:, None] + np.arange(int(np.ceil(width)) + 1)
        overlap = np.minimum(lines + 1, (low + width)[:, None]) - np.maximum(lines, low[:, None])
        overlap[(lines < 0) | (lines >= self.pixels)] = 0
        return first, (np.clip(overlap, 0, None) / width).astype(np.float32)

    def covered(self, centre: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of each model pixel that good pixels of the detector see.

        Parameters
        ----------
        centre : ndarray, shape (2,)
            Row and column [pixels].

        Returns
        -------
        ndarray, shape (pixels, pixels)
        """
        return seen_share(self._grids(centre))

    def _grids(self, centre: NDArray[np.float64]) -> Grids:
        good = np.ones(self.shape, bool) if self.bad is None else ~self.bad
        return Grids(good, self.matrix, self._widths, np.asarray(centre, float), self.pixels)

    def _table(self, key: tuple[int, int]) -> Table:
        """Entries for a rounded centre; the latest are kept, for all threads."""
        with self._alone:
            if (table := self._tables.get(key)) is not None:
                self._tables.move_to_end(key)
                return table
            while sum(kept.nbytes for kept in self._tables.values()) > _KEPT_BYTES:
                self._tables.popitem(last=False)
            grids = self._grids(np.array(key) * self._step)
            table = self._tables[key] = make_table(grids, only_partly_seen=self._straight)
            return table


@numba.njit(nogil=True, fastmath=True, cache=True)
def _gather(
    patterns: NDArray[Any],
    members: NDArray[np.int64],
    targets: NDArray[np.int64],
    first: NDArray[np.int32],
    last: NDArray[np.int32],
    places: NDArray[np.int32],
    weights: NDArray[np.float32],
    buffer: NDArray[np.float32],
    images: NDArray[np.float32],
) -> None:
    """Sum the entries of each target."""
    rows, columns = patterns.shape[1:]
    pixels = images.shape[1]
    # many entries read each pixel more than once: convert it once
    for member in members:
        for row in range(rows):
            for column in range(columns):
                buffer[row * columns + column] = patterns[member, row, column]
        for number in range(len(targets)):
            total = np.float32(0)
            for entry in range(first[number], last[number]):
                total += weights[entry] * buffer[places[entry]]
            images[member, targets[number] // pixels, targets[number] % pixels] = total


@numba.njit(nogil=True, fastmath=True, cache=True)
def _sum_lines(
    patterns: NDArray[Any],
    members: NDArray[np.int64],
    first_row: NDArray[np.int32],
    row_shares: NDArray[np.float32],
    first_column: NDArray[np.int32],
    column_shares: NDArray[np.float32],
    buffer: NDArray[np.float32],
    images: NDArray[np.float32],
) -> None:
    """Sum rows, then columns: the axes of both grids are parallel."""
    rows, columns = patterns.shape[1:]
    pixels = images.shape[1]
    lines = buffer[: pixels * columns].reshape(pixels, columns)
    for member in members:
        lines[:] = 0
        for row in range(rows):
            for step in range(row_shares.shape[1]):
                share = row_shares[row, step]
                if share > 0:
                    line = lines[first_row[row] + step]
                    for column in range(columns):
                        line[column] += share * np.float32(patterns[member, row, column])
        for i in range(pixels):
            image = images[member, i]
            image[:] = 0
            for column in range(columns):
                for step in range(column_shares.shape[1]):
                    if column_shares[column, step] > 0:
                        image[first_column[column] + step] += (
                            column_shares[column, step] * lines[i, column]
                        )
