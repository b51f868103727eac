# SPDX-License-Identifier: GPL-3.0-or-later
"""Which test specimens are copies of one crystal, and which are crystals of their own."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from polarstem.config import check, plan
from polarstem.config.independence import independent_crystals

ROOT = Path(__file__).resolve().parents[3]
TINY = yaml.safe_load((ROOT / "tests" / "configs" / "tiny.yaml").read_text(encoding="utf-8"))


def crystals_of(domain: str, **changes: Any) -> dict[str, str]:
    """Crystals of a data domain of the tiny configuration, its specimen set `tiny` changed."""
    data = copy.deepcopy(TINY)
    data["specimens"]["tiny"] |= changes
    only = {"per_class": {"test": 1}, "thicknesses_nm": [5]}
    data["specimens"]["fixed"] = only | {"structures": {"amplitude_spread": 0}}
    data["domains"] |= {
        "fixed": {"specimens": "fixed"},
        "fixed_tilted": {"specimens": "fixed", "conditions": {"tilt_mrad": [1, 2]}},
    }
    defect = {"structures": {"defect": {"kind": "antisite_column", "site": "A"}}}
    data["specimens"]["broken"] = only | defect | {"paired_with": "tiny"}
    data["domains"]["broken"] = {"specimens": "broken"}
    data["evaluate"]["domains"] += ["fixed", "fixed_tilted", "broken"]
    return independent_crystals(check(data))[domain]


@pytest.mark.parametrize(
    ("domain", "changes", "specimens", "crystals"),
    [
        pytest.param("thin", {}, 4, 4, id="every class has an amplitude of its own"),
        pytest.param(
            "thin",
            {"per_class": {"train": 1, "validation": 1, "test": 3}},
            12,
            12,
            id="every class and number",
        ),
        pytest.param("tilt_2", {}, 4, 4, id="of the ladder, too"),
        pytest.param(
            "thin",
            {"structures": {"amplitude_spread": 0, "composition_spread": 0.1}},
            4,
            4,
            id="every class has a composition of its own",
        ),
        pytest.param("warm", {}, 2, 2, id="atoms that move"),
        pytest.param("emulated", {}, 2, 2, id="microscopes of their own"),
        pytest.param("fixed", {}, 4, 1, id="nothing is drawn"),
        pytest.param("fixed_tilted", {}, 4, 4, id="the tilt alone is drawn"),
    ],
)
def test_specimens_that_share_all_that_is_drawn_are_one_crystal(
    domain: str, changes: dict[str, Any], specimens: int, crystals: int
) -> None:
    found = crystals_of(domain, **changes)
    assert (len(found), len(set(found.values()))) == (specimens, crystals)


def test_the_standard_benchmark_tests_16_ideal_crystals() -> None:
    config = check(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")))
    found = independent_crystals(config)
    for domain in ("t20", "t50", "tilt_1", "defect_t20"):
        assert len(found[domain]) == len(set(found[domain].values())) == 16, domain
    assert set(found["defect_t20"].values()) == set(found["t20"].values())
    for domain in ("weak_t20", "metric_t20"):
        assert len(found[domain]) == len(set(found[domain].values())) == 8, domain
    assert len(set(found["weak_t20"].values()) | set(found["t20"].values())) == 24


def test_paired_specimens_are_the_same_crystals() -> None:
    assert set(crystals_of("broken").values()) == set(crystals_of("thin").values())
    assert set(crystals_of("fixed").values()).isdisjoint(crystals_of("thin").values())


def test_an_order_of_cations_is_a_crystal() -> None:
    """Also where the amplitude is shared."""
    data = copy.deepcopy(TINY)
    data["specimens"]["tiny_phonons"]["structures"] = {"a_site": "random"}
    data["specimens"]["tiny_phonons"]["simulate"] = {"phonons": {"configurations": 0}}
    found = independent_crystals(check(data))["warm"]
    assert set(found) == set(found.values())


def test_every_test_specimen_of_every_tested_domain_has_a_crystal() -> None:
    config = check(copy.deepcopy(TINY))
    found = independent_crystals(config)
    assert list(found) == list(config.evaluate.domains)
    for domain, crystals in found.items():
        specimens = plan.specimens_of_domain(config, domain)
        assert set(crystals) == {s.name for s in specimens if s.split == "test"}
