# SPDX-License-Identifier: GPL-3.0-or-later
"""Chunks of HDF5 that are unpacked without the library give what it gives."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from polarstem.scans.files.chunks import Chunks
from polarstem.scans.files.stored import DatasetFrames

COUNTS = np.random.default_rng(0).integers(0, 60_000, (5, 7, 6, 8))
PACKED = [{}, {"shuffle": True}, {"compression": "gzip"}, {"compression": "gzip", "shuffle": True}]


def written(path, **options) -> h5py.Dataset:
    """The patterns in a file that is read anew."""
    options = {"data": COUNTS.astype(np.uint16), "chunks": (2, 3, 6, 8), **options}
    with h5py.File(path, "w") as file:
        file.create_dataset("frames", **options)
    return h5py.File(path)["frames"]


def take(data: h5py.Dataset, wanted: np.ndarray) -> np.ndarray:
    return DatasetFrames(data, (5, 7)).take(slice(0, 5), slice(0, 7), wanted)


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("kind", ["u1", "<u2", ">u2", "<i4", "<f4", "<f8"])
def test_patterns_are_those_of_the_library(tmp_path, kind, packed):
    data = written(tmp_path / "a.h5", data=COUNTS.astype(kind), **packed)
    assert Chunks.unpackable(data)
    places = np.array([(4, 6), (0, 0), (3, 2), (3, 3)])
    found = Chunks(data).take(places)
    assert found.dtype == kind
    assert np.array_equal(found, COUNTS.astype(kind)[tuple(places.T)])


@pytest.mark.parametrize("packed", PACKED)
def test_a_list_of_patterns(tmp_path, packed):
    flat = COUNTS.reshape(35, 6, 8).astype(np.uint16)
    data = written(tmp_path / "a.h5", data=flat, chunks=(4, 6, 8), **packed)
    wanted = np.zeros((5, 7), bool)
    wanted[1, 2:], wanted[3, 6] = True, True
    assert np.array_equal(take(data, wanted), COUNTS[wanted])
    assert np.array_equal(Chunks(data).take(np.array([[9], [34]])), flat[[9, 34]])


@pytest.mark.parametrize(
    "options", [{"fletcher32": True}, {"chunks": (2, 3, 3, 8)}, {"chunks": None}]
)
def test_what_only_the_library_can_unpack_is_left_to_it(tmp_path, options):
    data = written(tmp_path / "a.h5", **options)
    assert not Chunks.unpackable(data)
    wanted = np.zeros((5, 7), bool)
    wanted[2, 3] = True
    assert np.array_equal(take(data, wanted), COUNTS[wanted])
    assert np.array_equal(take(data, ~wanted), COUNTS[~wanted])


def test_chunks_that_were_never_written_are_empty(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("frames", COUNTS.shape, "u2", chunks=(2, 3, 6, 8))
        data[:2, :3] = COUNTS[:2, :3]
    found = take(h5py.File(path)["frames"], np.ones((5, 7), bool)).reshape(COUNTS.shape)
    assert np.array_equal(found[:2, :3], COUNTS[:2, :3])
    assert not found[2:].any()


def test_a_damaged_chunk_is_no_pattern(tmp_path):
    path = tmp_path / "a.h5"
    data = written(path, compression="gzip")
    place, size = data.id.get_chunk_info(0)[2:]
    data.file.close()
    with path.open("r+b") as file:
        file.seek(place + size // 2)
        file.write(bytes(16))
    data = h5py.File(path)["frames"]
    with pytest.raises(OSError, match="filter"):
        take(data, np.ones((5, 7), bool))
    with pytest.raises(OSError, match=r"chunk at \[0, 0\]"):
        Chunks(data).take(np.array([(0, 0)]))
