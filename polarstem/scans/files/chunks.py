# SPDX-License-Identifier: GPL-3.0-or-later
"""Chunks of HDF5 that are unpacked here: the library does it slowly, and one after the other."""

from __future__ import annotations

import sys
import zlib
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

_DEFLATE, _SHUFFLE = 1, 2  # numbers of the filters
_KNOWN: tuple[list[int], ...] = ([], [_SHUFFLE], [_DEFLATE], [_SHUFFLE, _DEFLATE])


class Chunks:
    """Patterns of a dataset whose chunks hold whole ones, packed by what can be undone here.

    Parameters
    ----------
    data : h5py.Dataset
        For which `unpackable` holds.
    """

    def __init__(self, data: Any) -> None:
        self._id, self._dtype, self._frame_shape = data.id, data.dtype, data.shape[-2:]
        self._size = np.array(data.chunks[: 2 if data.ndim > 3 else 1])
        self._rest = [0] * (data.ndim - len(self._size))
        self._bytes = int(np.prod(data.chunks)) * data.dtype.itemsize
        filters = _filters(data)
        self._deflated, self._shuffled = _DEFLATE in filters, _SHUFFLE in filters

    @staticmethod
    def unpackable(data: Any) -> bool:
        """Whether the chunks of a dataset can be unpacked here."""
        if not data.chunks or data.dtype.kind not in "uif" or sys.byteorder != "little":
            return False
        whole = data.chunks[-2:] == data.shape[-2:] and set(data.shape[2:-2]) <= {1}
        return whole and _filters(data) in _KNOWN

    def take(self, places: NDArray[np.int64]) -> NDArray[Any]:
        """Patterns (n, ky, kx) at places (n, 2) of the scan, or (n, 1) of a list of patterns.

        Raises
        ------
        OSError
            If a chunk is missing or damaged.
        """
        found = np.empty((len(places), *self._frame_shape), self._dtype)
        chunks, member = np.unique(places // self._size, axis=0, return_inverse=True)
        inside = places % self._size
        number = inside[:, 0] if len(self._size) == 1 else inside @ [self._size[1], 1]
        for each, chunk in enumerate(chunks):
            here = np.flatnonzero(member.ravel() == each)
            self._unpack(self._read((chunk * self._size).tolist()), number[here], found, here)
        return found

    def _read(self, first: list[int]) -> NDArray[np.uint8]:
        """Bytes of the chunk that begins at a place, inflated."""
        try:
            left_out, packed = self._id.read_direct_chunk((*first, *self._rest))
            if self._deflated:
                packed = zlib.decompress(packed)
        except (RuntimeError, ValueError, zlib.error) as error:
            raise OSError(f"chunk at {first}: {error}") from error
        if left_out or len(packed) != self._bytes:
            raise OSError(f"chunk at {first}: packed in another way")
        return np.frombuffer(packed, np.uint8)

    def _unpack(
        self,
        values: NDArray[np.uint8],
        number: NDArray[np.int64],
        found: NDArray[Any],
        where: NDArray[np.int64],
    ) -> None:
        """Put patterns of a chunk, by their number in it, where they belong."""
        size = self._dtype.itemsize
        if self._shuffled and size > 1:
            planes = values.reshape(size, -1, found[0].size)
            _join(planes, number, found.view(f"u{size}").reshape(len(found), -1), where)
            return
        patterns = values.view(self._dtype).reshape(-1, *self._frame_shape)
        for target, place in zip(where, number, strict=True):
            found[target] = patterns[place]


@numba.njit(nogil=True, cache=True)
def _join(
    planes: NDArray[np.uint8],
    number: NDArray[np.int64],
    found: NDArray[np.unsignedinteger],
    where: NDArray[np.int64],
) -> None:
    """Join the bytes of values, whose lowest ones stand before all of the next ones."""
    for each in range(len(where)):
        pattern = found[where[each]]
        high = planes[-1, number[each]]
        for pixel in range(len(pattern)):
            pattern[pixel] = high[pixel]
        for byte in range(len(planes) - 2, -1, -1):
            low = planes[byte, number[each]]
            for pixel in range(len(pattern)):
                pattern[pixel] = (pattern[pixel] << 8) | low[pixel]


def _filters(data: Any) -> list[int]:
    """Numbers of the filters that pack a dataset, in the order of their use."""
    made = data.id.get_create_plist()
    return [made.get_filter(i)[0] for i in range(made.get_nfilters())]
