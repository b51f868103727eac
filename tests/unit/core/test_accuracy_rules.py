# SPDX-License-Identifier: GPL-3.0-or-later
"""Grid and field by accuracy: the rules beside what was measured, and what a config takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from polarstem.config import check
from polarstem.config.accuracy import field_error, grid_error, least_cells, least_pixels
from polarstem.config.check import ConfigError
from polarstem.config.physics import Simulate, Structures
from polarstem.structures.crystals import load_material

ROOT = Path(__file__).parents[3]
STANDARD = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
CELL = 3.983  # of KNN, pseudo-cubic [Å]


# relative L1 at 24 mrad, atoms smeared by their motion (benchmarks/accuracy.py)
@pytest.mark.parametrize(
    ("material", "phase", "pixels", "nm", "measured"),
    [
        ("KNN", "O", 32, 20, 0.0209),
        ("KNN", "O", 36, 20, 0.0102),
        ("KNN", "O", 40, 10, 0.0035),
        ("KNN", "O", 40, 40, 0.0066),
        ("PbTiO3", "T", 40, 20, 0.0126),
        ("PbTiO3", "T", 44, 40, 0.0087),
        ("BaTiO3", "T", 40, 20, 0.0262),
        ("BaTiO3", "T", 48, 40, 0.0096),
    ],
)
def test_grid_rule_is_near_what_was_measured(material, phase, pixels, nm, measured):
    found = grid_error(load_material(material), phase, pixels / CELL, nm)
    assert measured / 1.35 < found < measured * 1.35


@pytest.mark.parametrize(
    ("kv", "mrad", "cells", "configurations", "nm", "measured"),
    [
        (200, 24, 4, 0, 40, 0.077),
        (200, 24, 6, 0, 20, 0.0179),
        (200, 24, 10, 0, 40, 0.0097),
        (80, 24, 8, 0, 10, 0.0207),
        (200, 10, 5, 0, 10, 0.058),
        (200, 35, 8, 0, 50, 0.0187),
        (200, 24, 4, 8, 40, 0.0078),
        (200, 24, 4, 16, 10, 0.0036),
    ],
)
def test_field_rule_is_near_what_was_measured(kv, mrad, cells, configurations, nm, measured):
    simulate = Simulate.model_validate(
        {
            "energy_kv": kv,
            "semiangle_mrad": mrad,
            "phonons": {"configurations": configurations},
        }
    )
    found = field_error(simulate, cells * CELL, nm)
    assert measured / 1.45 < found < measured * 1.45


def test_the_least_that_is_enough_is_taken() -> None:
    material, structures = load_material("KNN"), Structures()
    simulate = Simulate.model_validate({"accuracy": 0.01})
    pixels = least_pixels(material, structures, simulate, 50, 48)
    assert pixels == 40
    assert grid_error(material, "O", pixels / CELL, 50) <= 0.01
    assert grid_error(material, "O", (pixels - 2) / CELL, 50) > 0.01
    # 67 mrad are the band of 32 pixels: an angle decides where accuracy does not
    coarse = simulate.model_copy(update={"accuracy": 0.4})
    assert least_pixels(material, structures, coarse, 50, 66.9) == 32
    assert least_pixels(material, structures, coarse, 50, 67.6) == 34
    cells = least_cells(material, structures, simulate, 40)
    assert cells == (11, 11)
    assert field_error(simulate, 11 * CELL, 40) <= 0.01 < field_error(simulate, 10 * CELL, 40)


def test_a_narrow_probe_takes_a_field_that_samples_its_aperture() -> None:
    """However low the accuracy: eight beams over the radius of 2.5 mrad are 20 cells."""
    simulate = Simulate.model_validate({"semiangle_mrad": 2.5, "accuracy": 0.4})
    assert least_cells(load_material("KNN"), Structures(), simulate, 10) == (21, 21)


def test_along_110_the_field_is_square_in_angstrom() -> None:
    structures = Structures.model_validate({"zone_axis": [1, 1, 0]})
    x, y = least_cells(load_material("KNN"), structures, Simulate(), 20)
    assert x < y
    assert x * 2**0.5 == pytest.approx(y, abs=1.5)


def standard(**changes: Any) -> Any:
    return check({**STANDARD, **changes})


def test_the_standard_benchmark_is_sized_by_its_accuracy() -> None:
    config = check(STANDARD)
    assert config.simulate_of("ideal").pixels_per_cell == 40
    assert config.structures_of("ideal").cells == (11, 11)
    # eight configurations, each with an offset of its own
    assert config.structures_of("thermal").cells == (4, 4)
    # by hand
    assert config.structures_of("still").cells == (6, 6)


def test_one_grid_serves_the_whole_run() -> None:
    config = check(STANDARD)
    names = [name for name in config.specimens if name != "stretched"]
    grids = {config.simulate_of(name).pixels_per_cell for name in names}
    grids |= {config.simulate_of_scene(name).pixels_per_cell for name in config.experiments}
    assert grids == {40}


def test_a_wider_detector_takes_a_finer_grid() -> None:
    wide = {**STANDARD["simulate"], "detector": {"pixels": 64, "mrad_per_pixel": 3.0}}
    config = standard(simulate=wide)
    assert config.simulate_of("disorder").pixels_per_cell == 46
    # and where it is tilted over scattering matrices, a finer one still
    assert config.simulate_of("ideal").pixels_per_cell > 46


def test_ordered_cations_take_an_even_field() -> None:
    config = standard(structures={**STANDARD["structures"], "a_site": "ordered"})
    assert config.structures_of("ideal").cells == (12, 12)


@pytest.mark.parametrize("value", ["automatic", 31, 4, [40]])
def test_what_is_no_grid_is_refused_in_one_sentence(value: object) -> None:
    with pytest.raises(ConfigError) as error:
        standard(simulate={**STANDARD["simulate"], "pixels_per_cell": value})
    told = [p for p in error.value.problems if "pixels_per_cell" in p]
    assert len(told) == 1
    assert told[0].startswith("simulate.pixels_per_cell: ")


def test_no_thickness_is_too_large_for_the_rules():
    simulate = check(STANDARD).simulate_of("ideal")
    assert field_error(simulate, 8 * CELL, 2.0**63) == 1.0
