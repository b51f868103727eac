# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole file in the wrong place is told: one of other settings, or of another model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from polarstem.config.physics import Simulate
from polarstem.errors import PolarstemError
from polarstem.maps.setup import _check_library
from polarstem.simulate.scattering_matrix.matrix import ScatteringMatrix
from polarstem.simulate.scattering_matrix.thermal_matrices import ThermalMatrices

ASKED = Simulate(energy_kv=300.0, pixels_per_cell=24, slices="atoms")


def saved(kind: str, matrix: ScatteringMatrix, path: Path, simulate: Simulate) -> None:
    settings = {"simulate": simulate.model_dump(mode="json")}
    if kind == "matrix":
        replace(matrix, settings=settings).save(path)
    else:
        ThermalMatrices.write(path, [matrix], settings)


@pytest.mark.parametrize("kind", ["matrix", "thermal"])
@pytest.mark.parametrize(
    ("name", "value"), [("energy_kv", 200.0), ("pixels_per_cell", 26), ("slices", "planes")]
)
def test_a_matrix_of_other_settings(column_matrix, tmp_path, kind, name, value):
    read = ScatteringMatrix.load if kind == "matrix" else ThermalMatrices.open
    matrix, path = column_matrix((1, 1, 0)), tmp_path / "a.nc"
    other = ASKED.model_copy(update={name: value})
    assert getattr(other, name) != getattr(ASKED, name)
    saved(kind, matrix, path, other)
    told = rf"{path} belongs to other settings: it was computed for simulate\.{name} {value}"
    with pytest.raises(PolarstemError, match=told):
        read(path, ASKED)
    read(path)
    read(path, other)
    # another camera may look at it, and who sets nothing takes anything
    read(path, other.model_copy(update={"semiangle_mrad": 5.0}))
    read(path, Simulate())


def test_the_library_of_another_model(small_library):
    trained = {
        "pixels": small_library.pixels,
        "mrad_per_pixel": small_library.mrad_per_pixel,
        "semiangle_mrad": small_library.semiangle_mrad,
    }
    model = SimpleNamespace(class_names=list(small_library.class_names))
    setup = SimpleNamespace(library=small_library, trained=trained, model=model)
    _check_library(setup, Path("model"))
    for name, value in trained.items():
        setup.trained = trained | {name: value + 1}
        with pytest.raises(PolarstemError, match=r"model/library\.nc is the library of another"):
            _check_library(setup, Path("model"))
    setup.trained, model.class_names = trained, model.class_names[:4]
    _check_library(setup, Path("model"))  # of some of its classes
    model.class_names = [*model.class_names, "RX"]
    with pytest.raises(PolarstemError, match="its classes"):
        _check_library(setup, Path("model"))
