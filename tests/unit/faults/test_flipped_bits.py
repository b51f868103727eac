# SPDX-License-Identifier: GPL-3.0-or-later
"""A bit that flips in a file is told by the file's name, whichever kind of file it is."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

from polarstem.data.assemble import assemble_dataset
from polarstem.data.patterns import PatternSet
from polarstem.errors import PolarstemError
from polarstem.evaluate.scores import predictions, write_predictions
from polarstem.files import open_netcdf
from polarstem.maps.outputs import write_netcdf
from polarstem.simulate.jobs.specimen_patterns import Specimen
from polarstem.simulate.microscope.camera import Patterns
from polarstem.simulate.pattern_library import Library
from polarstem.simulate.scattering_matrix.matrix import ScatteringMatrix
from polarstem.simulate.scattering_matrix.thermal_matrices import ThermalMatrices
from polarstem.structures.build import build_specimen
from tests.unit.maps.synthetic_map import DIRECTIONS, NAMES, make_map
from tests.unit.tetragonal import tetragonal_recipe

FLIPS = 20
MAIN = ("real", "imaginary", "intensity", "probability", "pacbed", "template", "pattern")
KINDS = ("matrix", "thermal", "simulation", "dataset", "predictions", "library", "map")


def _dataset(path: Path) -> None:
    with PatternSet.open([path]) as patterns:
        patterns.read(slice(None))


def _thermal(path: Path) -> None:
    matrices = ThermalMatrices.open(path)
    for index in range(len(matrices.nominal_nm)):
        matrices.plane(index)


def everything(path: Path) -> xr.Dataset:
    with open_netcdf(path, "whole") as data:
        return data.load()


READERS: dict[str, Callable[[Path], Any]] = {
    "matrix": ScatteringMatrix.load,
    "thermal": _thermal,
    "simulation": everything,
    "dataset": _dataset,
    "predictions": lambda path: list(predictions.read_predictions(path)),
    "library": Library.open,
    "map": everything,
}


@pytest.fixture(scope="module")
def files(small_library, column_matrix, library_recipe, tmp_path_factory) -> dict[str, Path]:
    """One of each kind, by the functions of the workflow's jobs."""
    folder = tmp_path_factory.mktemp("files")
    made = {kind: folder / f"{kind}.nc" for kind in KINDS}
    (library,) = tmp_path_factory.getbasetemp().glob("small_library[0-9]*/library.nc")
    shutil.copy(library, made["library"])
    matrix = column_matrix((1, 1, 0))
    matrix.save(made["matrix"])
    ThermalMatrices.write(made["thermal"], [matrix, matrix], library_recipe)
    _write_simulation(made["simulation"])
    settings = {"thicknesses_nm": None, "dose_electrons": 1e5}
    directions = list(DIRECTIONS)
    simulations = [made["simulation"]]
    assemble_dataset("thin", settings, simulations, NAMES, directions, made["dataset"], seed=1)
    model = SimpleNamespace(
        family="f",
        options={},
        info={},
        class_names=list(NAMES),
        class_directions=np.array(DIRECTIONS),
        predict_proba=lambda x: np.random.default_rng(0).dirichlet(np.ones(8), len(x)),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("polarstem.models.load_model", lambda *_, **__: model)
        write_predictions.predict_patterns(folder, [made["dataset"]], made["predictions"])
    write_netcdf(make_map(cells=3)[0], made["map"])
    return made


def _write_simulation(path: Path) -> None:
    recipe = tetragonal_recipe(split="test", thickness_nm=2.0)
    simulate = {"scan": {"positions": [4, 4]}, "detector": {"pixels": 16, "mrad_per_pixel": 6.0}}
    settings = {"simulate": simulate, "thicknesses_nm": [1.0, 2.0], "seed": 1}
    random = np.random.default_rng(0)

    def patterns_of(rows: slice) -> Patterns:
        shape = (2, rows.stop - rows.start)
        patterns = random.random((*shape, 16, 16), np.float32) / 300
        return Patterns(patterns, np.full(shape, 0.99, np.float32))

    Specimen.read(build_specimen(recipe), settings).write(path, "none", patterns_of)


def stored(path: Path) -> list[tuple[str, int, int]]:
    """Variable, offset and size [bytes] of each piece of the file's arrays."""
    found = []
    with h5py.File(path) as file:
        for name, data in file.items():
            if h5py.check_string_dtype(data.dtype):
                continue
            if data.chunks:
                chunks = (data.id.get_chunk_info(i) for i in range(data.id.get_num_chunks()))
                found += [(name, each.byte_offset, each.size) for each in chunks]
            elif data.id.get_offset() is not None:
                found.append((name, data.id.get_offset(), data.id.get_storage_size()))
    return found


@pytest.fixture(params=KINDS)
def copy(request, files, tmp_path) -> tuple[str, Path]:
    """A file in a folder of the same name, to be changed at will."""
    path = tmp_path / files[request.param].parent.name / files[request.param].name
    path.parent.mkdir()
    shutil.copy(files[request.param], path)
    return request.param, path


def flip(path: Path, offset: int, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 1 << bit]))


def places(path: Path) -> Iterator[tuple[str, int, int]]:
    """Each array once, and random places of all."""
    random = np.random.default_rng(0)
    pieces = stored(path)
    first = {name: (name, offset, size) for name, offset, size in pieces}
    sizes = np.array([size for *_, size in pieces], float)
    chosen = random.choice(len(pieces), FLIPS, p=sizes / sizes.sum())
    for name, offset, size in [*first.values(), *(pieces[i] for i in chosen)]:
        yield name, offset + int(random.integers(size)), int(random.integers(8))


def test_flipped_bits_are_told(copy):
    kind, path = copy
    READERS[kind](path)
    whole = everything(path)
    told = []
    for name, offset, bit in places(path):
        flip(path, offset, bit)
        try:
            READERS[kind](path)
            # zeros stay zeros, wherever deflate copies them from; and not all is read
            assert everything(path).identical(whole), f"bit {bit} at {offset}, in {name}"
        except PolarstemError as error:
            told.append(str(error))
        else:
            assert name not in MAIN, f"bit {bit} at {offset}, in {name}"
        flip(path, offset, bit)
    assert all(re.fullmatch(rf".*{path} is damaged: .*checksums; .*\.", t) for t in told)
    assert len(told) > FLIPS / 2
    READERS[kind](path)


def test_truncated_files_are_told(copy):
    kind, path = copy
    whole = path.stat().st_size
    for size in (0, 100, whole // 2, whole - 1):
        os.truncate(path, size)
        with pytest.raises(PolarstemError, match=rf"{path} \({size} bytes\) is truncated"):
            READERS[kind](path)
