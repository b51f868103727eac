# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations of crystals with octahedral tilts that scattering matrices describe."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from polarstem.config import Config, check, jobs, plan
from polarstem.config.check import ConfigError
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.potential.frozen_phonons import thermal_columns
from polarstem.simulate.potential.repeating_unit import repeating_unit
from polarstem.structures.build import build_specimen
from polarstem.structures.recipes import make_recipe
from polarstem.structures.symmetry import IDENTITY

ROOT = Path(__file__).resolve().parents[3]
TINY = yaml.safe_load((ROOT / "tests" / "configs" / "tiny.yaml").read_text(encoding="utf-8"))


def config_with(tilt: float, cells: tuple[int, int] = (4, 4), **structures: Any) -> Config:
    data: dict[str, Any] = copy.deepcopy(TINY)
    data["structures"] |= {"cells": list(cells), **structures}
    data["specimens"]["tiny"]["structures"] = {"octahedral_tilt_deg": tilt}
    thermal = data["specimens"]["tiny_thermal"]["structures"]
    thermal |= {"octahedral_tilt_deg": tilt, "cells": list(cells)}
    return check(data)


def test_a_matrix_holds_the_cells_that_repeat() -> None:
    config = config_with(5.0)
    assert plan.engine_of(config, "tiny")[0] == "scattering_matrix"
    specimens = plan.specimens_of(config, "tiny")
    for specimen in specimens:
        crystal, turn = plan.crystal_of(config, specimen)
        # a turn about an A column would exchange the octahedra
        assert (crystal.variant, turn) == (specimen.variant, IDENTITY)
        settings = jobs.matrix_settings(config, crystal)
        assert settings["structure"]["cells"] == [2, 2]
        assert settings["structure"]["octahedral_tilt_deg"] == 5.0
        unit = Crystal.build(settings["structure"])
        field = build_specimen(make_recipe(**jobs.structure_settings(config, specimen)))
        repeated = repeating_unit(Crystal.of(field))
        assert repeated.repeats[:2] == unit.repeats[:2] == (2, 2)
        assert (
            repeated.atoms.get_chemical_symbols()
            == unit.atoms[: len(repeated.atoms)].get_chemical_symbols()
        )
        np.testing.assert_allclose(
            repeated.atoms.positions, unit.atoms.positions[: len(repeated.atoms)]
        )
    measured = jobs.measured_settings(config, "thin")
    assert measured["unit_cells"] == [2, 2]
    straight = config_with(0.0)
    assert plan.repeating_cells(straight.structures_of("tiny")) == (1, 1)
    assert len(plan.all_crystals(straight)) < len(plan.all_crystals(config))
    crystals = [plan.crystal_of(c, plan.specimens_of(c, "tiny")[0])[0] for c in (straight, config)]
    sizes = [jobs.matrix_mb(c, one) for c, one in zip((straight, config), crystals, strict=True)]
    assert sizes[1] > 2 * sizes[0]


def test_thermal_columns_hold_them_too() -> None:
    config = config_with(5.0)
    specimen = plan.specimens_of(config, "tiny_thermal")[0]
    crystal, _ = plan.crystal_of(config, specimen)
    settings = jobs.matrix_settings(config, crystal)
    still, moving = next(thermal_columns(settings["structure"], 1, 1e-9)), None
    straight = next(thermal_columns(settings["structure"] | {"octahedral_tilt_deg": 0.0}, 1, 1e-9))
    assert still.repeats[:2] == (2, 2)
    moving = np.linalg.norm(still.atoms.positions - straight.atoms.positions, axis=1)
    edge = still.lattice_constant
    expected = edge / 2 * np.tan(np.radians(5.0))
    oxygen = still.atoms.symbols == "O"
    assert moving[~oxygen].max() < 1e-6
    # two of three oxygens turn about the beam, the third stands on the axis
    np.testing.assert_allclose(np.sort(moving[oxygen])[len(moving) // 5 :], expected, atol=1e-6)


def test_fields_of_an_odd_number_are_told_and_automatic_ones_are_even() -> None:
    with pytest.raises(ConfigError, match=r"odd number of cells along x, 3, breaks the octahedral"):
        config_with(5.0, cells=(3, 4))
    with pytest.raises(
        ConfigError, match=r"octahedral_tilt_deg: 11\.0: should be less than or equal"
    ):
        config_with(11.0)
    data: dict[str, Any] = copy.deepcopy(TINY)
    data["structures"]["cells"] = "auto"
    sizes = []
    for tilt in (0.0, 5.0):
        data["specimens"]["tiny"]["structures"] = {"octahedral_tilt_deg": tilt}
        sizes.append(check(data).structures_of("tiny").cells)
    assert sizes[1] == tuple(n + n % 2 for n in sizes[0])
