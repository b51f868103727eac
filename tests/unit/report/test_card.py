# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference model: its card says what the table of scores says, and its copy is the model."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from polarstem.data.patterns import PatternSet
from polarstem.errors import PolarstemError
from polarstem.models import FitJob, create, load_model
from polarstem.provenance import provenance
from polarstem.report import card
from polarstem.report.card import CARD, card_text, write_reference_model
from tests.unit.evaluate import synthetic_ladder as ladder
from tests.unit.evaluate import synthetic_results as synthetic

CONDITIONS = {"tilt_mrad": [0.0, 4.0], "defocus_angstrom": [-80.0, 80.0], "dose_electrons": None}


def described(source: str) -> dict[str, object]:
    """What `model.json` holds."""
    return {
        "family": "equivariant",
        "options": {"channels": 96},
        "name": "best_one",
        "class_names": synthetic.NAMES,
        "class_directions_deg": synthetic.DIRECTIONS.tolist(),
        "training_patterns": 1_048_576 if source == "random" else 2048,
        "training_specimens": ["static-RM-train-0", "static-RM-train-1"],
        "training_seconds": 1500.0,
        "versions": {"polarstem": "9.8.7"},
        "provenance": {"config_hash": "a1b2c3", "git_commit": "d4e5f6"},
    }


@pytest.fixture
def config() -> dict[str, object]:
    made = ladder.make_config()
    made["train"]["sources"]["random"]["conditions"] = CONDITIONS
    made["evaluate"]["recommended"] = {"model": "equivariant", "source": "random"}
    return made


def scores_of(config: dict[str, object]) -> pd.DataFrame:
    """A table of scores in which no two numbers are equal."""
    number = count(1)
    rows = []
    for domain in config["evaluate"]["domains"]:
        control = domain in config["evaluate"]["controls"]
        for metric in ("abstained_cells",) if control else ("balanced_accuracy", "cell_accuracy"):
            low = next(number) / 100
            rows.append((domain, metric, low + 0.002, low, low + 0.005, 24))
    return pd.DataFrame(rows, columns=["domain", "metric", "value", "low", "high", "n"])


def test_card_names_classes_conditions_and_every_score(config):
    scores = scores_of(config)
    text = card_text(described("random"), scores, config, 12.34)
    for name, angle in zip(synthetic.NAMES, synthetic.DIRECTIONS, strict=True):
        assert f"{name} {angle:g}°" in text
    for words in (
        "24 mrad", "200 kV", "48 × 48 pixels of 2 mrad", "phase O", "12.3 MB", "9.8.7",
        "in 25\u00a0min.", "95 % intervals", "a1b2c3", "d4e5f6", 'load_model("best_one")',
        "1,048,576 patterns", "2 specimens: static (10 to 50 nm)",
        "- tilt 0 to 4 mrad\n", "- defocus -80 to 80 Å\n",
    ):  # fmt: skip
        assert words in text, words
    lines = text.splitlines()
    for domain, part in scores.groupby("domain"):
        shown = [f"{r.value:.3f} [{r.low:.3f}, {r.high:.3f}]" for r in part.itertuples()]
        if domain in config["evaluate"]["controls"]:
            (line,) = [x for x in lines if x.startswith(f"{domain} (")]
            assert "no polarization" in line
        else:
            (line,) = [x for x in lines if x.startswith(f"| {domain} |")]
            # two scores that the table has, two that it lacks, and the specimens
            assert line.endswith(f"| {' | '.join(shown)} | – | – | 24 |")
        assert all(words in line for words in shown)
    (tilted,) = [x for x in lines if x.startswith("| tilt_3 |")]
    assert "20 nm, specimens static, tilt 3 mrad" in tilted


def test_card_of_a_model_of_data_domains_names_them(config):
    config["evaluate"]["recommended"] = {"model": "cnn", "source": "several"}
    text = card_text(described("several"), scores_of(config), config, 1.0)
    assert "- data domain static10: 10 nm, specimens static, no noise\n" in text
    assert "- data domain static20: 20 nm" in text
    assert "scattering matrices" not in text


def test_one_specimen_has_no_interval(config):
    scores = scores_of(config)
    scores[["low", "high"]] = np.nan
    text = card_text(described("random"), scores, config, 1.0)
    assert "nan" not in text
    assert "| 0.012 | 0.022 |" in text


@pytest.fixture
def trained(config, tmp_path: Path) -> SimpleNamespace:
    """A saved model with predictions of every tested data domain."""
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(8), 10)
    patterns = rng.random((80, 12, 12), dtype=np.float32) + (labels / 8)[:, None, None]
    examples = PatternSet.from_arrays(
        patterns, labels, synthetic.NAMES, synthetic.DIRECTIONS.tolist()
    )
    model = create("pca_knn", {"components": 4}, synthetic.NAMES, synthetic.DIRECTIONS.tolist())
    model.fit(examples, examples, FitJob(tmp_path / "work", seed=0))
    known = {key: described("thin")[key] for key in ("training_patterns", "training_specimens")}
    model.info |= {"name": "pca_knn", "provenance": provenance({}), **known}
    model.save(tmp_path / "model")
    config["train"]["runs"] = [{"models": ["pca_knn"], "sources": ["thin"]}]
    config["evaluate"]["recommended"] = {"model": "pca_knn", "source": "thin"}
    (predictions,) = ladder.write_predictions(tmp_path / "predictions", config)
    return SimpleNamespace(
        folder=tmp_path, model=model, patterns=patterns, predictions=predictions, config=config
    )


def test_copy_is_the_model_and_its_card_is_scored_from_the_predictions(trained):
    output = trained.folder / "reference"
    write_reference_model(trained.folder / "model", trained.predictions, trained.config, output)
    copy = load_model(output)
    np.testing.assert_array_equal(
        copy.predict_proba(trained.patterns), trained.model.predict_proba(trained.patterns)
    )
    text = (output / CARD).read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    shown = {row.split(" | ")[0].removeprefix("| "): row.split(" | ") for row in rows}
    for domain in ("static20", "static50", "emulated"):
        given = ladder.level("pca_knn", "thin", domain, trained.config)
        # whole patterns of 36 are wrong, half a pattern more on average over four specimens
        assert float(shown[domain][2].split()[0]) == pytest.approx(given, abs=1 / 36 + 1e-3)
    assert {*shown} - {"data domain"} == {*trained.config["evaluate"]["domains"]} - {"cubic"}
    # every wrong answer is a neighbour's
    assert shown["static50"][4].startswith("0.000")


def test_too_large_a_model_is_refused_and_leaves_nothing(trained, monkeypatch):
    monkeypatch.setattr(card, "MOST_MB", 0.001)
    before = sorted(trained.folder.iterdir())
    with pytest.raises(PolarstemError, match=r"recommend a smaller one \(evaluate.recommended\)"):
        write_reference_model(
            trained.folder / "model",
            trained.predictions,
            trained.config,
            trained.folder / "reference",
        )
    assert sorted(trained.folder.iterdir()) == before
