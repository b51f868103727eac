# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores that leave out crystals and seeds, paired between models and data domains."""

from __future__ import annotations

import numpy as np
import pytest

from polarstem.evaluate.claims.evidence import Evidence, combine
from tests.unit.evaluate import synthetic_ladder as ladder
from tests.unit.evaluate import synthetic_results as synthetic
from tests.unit.evaluate.test_table_crystals import COPIES, write


@pytest.fixture
def two_trainings(tmp_path):
    """Two models of two and three seeds on eight crystals, the second ten patterns worse."""
    crystals = np.array([2, 3, 4, 5, 6, 7, 8, 9])
    levels = {"first": (0, 2), "second": (9, 10, 11)}
    paths = [
        write(tmp_path / model / "s" / f"{seed}.nc", crystals + level, seed)
        for model, of_seeds in levels.items()
        for seed, level in enumerate(of_seeds)
    ]
    return Evidence(paths)


def test_seeds_are_those_of_each_training(two_trainings):
    a, b = (two_trainings.score(model, "s", ["a"], "accuracy") for model in ("first", "second"))
    assert a.n == b.n == 8
    assert a.value - b.value == pytest.approx(9 / 36)
    difference = combine(np.subtract, a, b)
    # crystals are the same for both and drop out; what is left are the seeds
    seeds = (np.std([0, 2], ddof=1) / 36 / 2**0.5, np.std([9, 10, 11], ddof=1) / 36 / 3**0.5)
    error, freedom = difference.error()
    assert error == pytest.approx(np.hypot(*seeds))
    assert 1 <= freedom <= 3
    crystals = np.arange(8).std(ddof=1) / 36 / 8**0.5
    assert a.error()[0] == pytest.approx(np.hypot(seeds[0], crystals))


def test_turned_copies_are_left_out_together(tmp_path):
    path = write(tmp_path / "m" / "s" / "0.nc", [2] * 8 + [6] * 8)
    sample = Evidence([path], crystals=COPIES).score("m", "s", ["a"])
    assert sample.n == 2
    assert sorted(sample.draws[1:]) == pytest.approx([1 - 6 / 36, 1 - 2 / 36])
    assert Evidence([path]).score("m", "s", ["a"]).n == 16


def test_data_domains_of_the_same_specimens_leave_them_out_together(tmp_path):
    config = ladder.make_config()
    evidence = Evidence(ladder.write_predictions(tmp_path, config))

    def errors(parts, weights):
        """Wrong patterns of both, whose crystals differ alike."""
        shares = [
            np.average(part.predicted != part.class_index, weights=w[part.specimen])
            for part, w in zip(parts, weights, strict=True)
        ]
        return float(shares[0] - shares[1])

    same = evidence.statistic("cnn", "thin", ["static30", "static50"], errors)
    assert same.value < -0.1
    assert same.error()[0] < 0.002
    other = evidence.statistic("cnn", "thin", ["static30", "emulated"], errors)
    assert other.error()[0] > 0.003
    # the same as a difference of scores
    a, b = (evidence.score("cnn", "thin", [d], "accuracy") for d in ("emulated", "static30"))
    assert combine(np.subtract, a, b).interval(0.9) == pytest.approx(other.interval(0.9))


def test_the_same_crystals_under_other_names_are_paired(tmp_path):
    """Such as specimens with a defect, and those that they are paired with."""
    config = ladder.make_config()
    config["specimens"]["emulated"]["per_class"]["test"] = 6
    paths = ladder.write_predictions(tmp_path, config)
    domains = ("static30", "emulated")
    sets = (config["domains"][domain]["specimens"] for domain in domains)
    names = [synthetic.specimen_names(config, name, "test") for name in sets]
    same = {
        domain: {name: name.split("-", 1)[1] for name in of_set}
        for domain, of_set in zip(domains, names, strict=True)
    }
    for crystals, least, most in ((None, 0.003, 0.02), (same, 0.0, 0.001)):
        evidence = Evidence(paths, crystals=crystals)
        a, b = (evidence.score("cnn", "thin", [domain]) for domain in domains)
        assert least <= combine(np.subtract, a, b).error()[0] < most
