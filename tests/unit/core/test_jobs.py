# SPDX-License-Identifier: GPL-3.0-or-later
"""What the jobs are told about models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from abtem.core.energy import energy2wavelength

from polarstem.config import check, jobs
from polarstem.config.check import ConfigError
from polarstem.models import create

TINY = Path(__file__).parents[2] / "configs" / "plain.yaml"


def with_model(changes: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    """The tiny configuration with a model `vectors`, and other keys changed."""
    data = yaml.safe_load(TINY.read_text(encoding="utf-8"))
    data["models"]["vectors"] = {"family": "deflection", **options}
    for section, values in (changes or {}).items():
        data[section] |= values
    return data


def test_networks_are_told_their_training_and_others_are_not() -> None:
    config = check(with_model())
    assert jobs.model_settings(config, "tiny_cnn")["training"]["max_epochs"] == 3
    assert jobs.model_settings(config, "tiny_resnet")["training"]["batch_size"] == 128
    for name in ("tiny_pca_knn", "vectors"):
        assert "training" not in jobs.model_settings(config, name)


@pytest.mark.parametrize(("zone_axis", "stretch"), [([0, 0, 1], 1.0), ([1, 1, 0], 2**0.5)])
def test_reflections_are_those_of_the_crystal(zone_axis: list[int], stretch: float) -> None:
    """By abTEM's wavelength and the volume of tetragonal KNN, in pixels of 3 mrad."""
    data = with_model({"structures": {"zone_axis": zone_axis}}, signal="friedel", pairs=[[1, 0]])
    for specimens in data["specimens"].values():
        specimens.pop("classes", None)  # the other zone has others
    config = check(data)
    edge = (3.970**2 * 4.020) ** (1 / 3)
    one = 1e3 * energy2wavelength(200e3) / edge / 3.0
    options = jobs.model_settings(config, "vectors")
    assert sorted(options["spacing_pixels"]) == pytest.approx([one / stretch, one], rel=1e-4)
    create("deflection", options, ["A", "B"], [0.0, 180.0])
    given = check(with_model(signal="friedel", pairs=[[1, 0]], spacing_pixels=[2, 3]))
    assert jobs.model_settings(given, "vectors")["spacing_pixels"] == [2.0, 3.0]


def test_models_know_what_patterns_they_were_trained_for() -> None:
    data = yaml.safe_load(TINY.with_name("tiny.yaml").read_text(encoding="utf-8"))
    config = check(data)
    (stream,) = config.streams()
    told = jobs.trained_for(config, stream)
    given = data["specimens"][data["train"]["sources"][stream]["specimens"][0]]["thicknesses_nm"]
    ends = given["between"] if isinstance(given, dict) else [min(given), max(given)]
    assert told["thickness_nm"] == ends
    assert told["energy_kv"] == config.simulate.energy_kv
    assert told["conditions"] == config.streams()[stream].conditions.model_dump(mode="json")
    # the pseudo-cubic edge of the O phase, whose cell holds two formula units
    edge = (3.944 * 5.645 * 5.678 / 2) ** (1 / 3)
    assert told["cell_angstrom"] == pytest.approx([edge, edge], rel=1e-3)
    ideal = next(source for source in config.used_sources() if source != stream)
    assert jobs.trained_for(config, ideal)["conditions"] is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"signal": "friedle"}, "models.vectors.signal: 'friedle' is not one of"),
        ({"annulus": [0.6, 0.5]}, "models.vectors.annulus: its inner radius 0.6 is not smaller"),
        ({"signal": "friedel", "pairs": [[0, 0]]}, "models.vectors.pairs: [0, 0] is the direct"),
        ({"signal": "friedel", "pairs": [[8, 0]]}, "models.vectors.pairs: [8, 0] lies outside"),
        ({"preprocessing": {}}, "models.vectors.preprocessing: unknown key"),
    ],
)
def test_impossible_vectors_are_told(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        check(with_model(**options))
    assert words in str(raised.value)
    assert len(raised.value.problems) == 1
