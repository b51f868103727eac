# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from polarstem.errors import PolarstemError
from polarstem.maps.trained import differences, trained_for
from polarstem.models import create
from polarstem.scans.sourced import Sourced

TRAINED = {"energy_kv": 200.0, "semiangle_mrad": 24.0, "zone_axis": [0, 0, 1], "pixels": 32}
TRAINED |= {"mrad_per_pixel": 2.0, "cell_angstrom": [3.97, 3.97], "thickness_nm": [4.0, 20.0]}


def compare(energy: float = 200, semiangle: float = 24, zone: tuple[int, ...] = (0, 0, 1)):
    return differences(
        TRAINED,
        Sourced(energy, "kV", "file"),
        Sourced(semiangle, "mrad", "sheet"),
        Sourced(zone, "", "assumed"),
    )


def test_tolerances():
    assert compare(201.9, 24.7, (0, 1, 0)) == []
    assert compare(198.1, 23.3) == []
    energy, semiangle, zone = compare(300, 23.2, (1, 1, 0))
    assert "beam energy is 300 kV (file)" in energy
    assert "semi-angle is 23.2 mrad (sheet)" in semiangle
    assert "[1, 1, 0]" in zone
    assert len(compare(float("nan"))) == 1


def test_a_model_says_what_it_was_trained_for():
    model = create("deflection", {}, ["A", "B"], [0, 180])
    with pytest.raises(PolarstemError, match="trained_for"):
        trained_for(model, "there")
    model.info["trained_for"] = TRAINED
    model.pattern_shape = (24, 24)
    with pytest.raises(PolarstemError, match="there"):
        trained_for(model, "there")
    model.pattern_shape = (32, 32)
    assert trained_for(model, "there") == TRAINED


@pytest.mark.parametrize(
    "change",
    [
        {"energy_kv": "200"},
        {"pixels": [32, 32]},
        {"mrad_per_pixel": float("nan")},
        {"semiangle_mrad": -24.0},
        {"cell_angstrom": [3.97]},
        {"thickness_nm": [[4.0], []]},
        {"zone_axis": [0, 1, 2]},
        {"zone_axis": None},
    ],
)
def test_what_a_model_says_of_its_training_must_be_whole(change):
    model = create("deflection", {}, ["R", "L"], [0.0, 180.0])
    model.info["trained_for"], model.pattern_shape = TRAINED | change, (32, 32)
    with pytest.raises(PolarstemError, match="does not say what optics"):
        trained_for(model, "there")
