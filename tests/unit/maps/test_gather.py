# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder that maps are made with: whole, or told what is not."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

from polarstem.data.patterns import PatternSet
from polarstem.errors import PolarstemError
from polarstem.maps.anomaly import FILE, AnomalyReference
from polarstem.maps.gather import gather_mapping_model
from polarstem.models import FitJob, create, load_model
from tests.unit.models.synthetic_patterns import DIRECTIONS, NAMES, lopsided_patterns


@pytest.fixture
def parts(small_library, tmp_path, tmp_path_factory):
    """Model, library and anomaly reference, as the workflow's rules leave them."""
    patterns, label = lopsided_patterns(80, 0)
    given = PatternSet.from_arrays(patterns, label, NAMES, DIRECTIONS)
    model = create("pca_knn", {"components": 5}, NAMES, DIRECTIONS)
    model.fit(given, given, FitJob(tmp_path / "work", seed=0)).save(tmp_path / "model")
    (library,) = tmp_path_factory.getbasetemp().glob("small_library[0-9]*/library.nc")
    shutil.copy(library, tmp_path / "library.nc")
    fields = AnomalyReference.__dataclass_fields__
    np.savez(tmp_path / FILE, **{name: np.arange(5000.0) for name in fields})
    return tmp_path / "model", [tmp_path / "library.nc", tmp_path / FILE]


def test_all_lies_in_one_folder(parts, tmp_path):
    model, beside = parts
    gather_mapping_model(model, beside, tmp_path / "out")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        *(p.name for p in model.iterdir()),
        "library.nc",
        FILE,
    }
    assert load_model(tmp_path / "out").class_names == list(NAMES)
    for path in beside:
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("which", ["library.nc", FILE, "model/arrays.npz"])
def test_damage_is_named_where_it_is(parts, tmp_path, which):
    model, beside = parts
    path = tmp_path / which
    os.truncate(path, path.stat().st_size * 2 // 3)
    with pytest.raises(PolarstemError, match=str(path)):
        gather_mapping_model(model, beside, tmp_path / "out")
    assert not (tmp_path / "out").exists()
