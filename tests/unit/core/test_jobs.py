# SPDX-License-Identifier: GPL-3.0-or-later
"""What the jobs are told about models."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from abtem.core.energy import energy2wavelength
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from polarstem.config import angles, check, jobs, map_jobs
from polarstem.config.check import ConfigError
from polarstem.models import create
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.microscope.drawn_conditions import draw

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
    assert told["slices"] == "planes"
    data["simulate"]["slices"] = "atoms"
    library = map_jobs.recommended_library(check(data))
    assert library is not None
    assert library["simulate"]["slices"] == "atoms"
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


def measured_under(conditions: dict[str, Any], simulate: dict[str, Any] | None = None) -> Any:
    """The tiny configuration with its thin data domain measured anew; its detector is +-48 mrad."""
    data = yaml.safe_load(TINY.read_text(encoding="utf-8"))
    data["domains"]["anew"] = {
        "specimens": "tiny",
        "thicknesses_nm": [5],
        "conditions": conditions,
    }
    data["evaluate"]["domains"].append("anew")
    # a grid that holds whatever is drawn
    data["simulate"] |= {"pixels_per_cell": 128, **(simulate or {})}
    return check(data)


@pytest.mark.parametrize(
    ("conditions", "reach"),
    [
        ({"rotation_deg": [0, 90]}, 48 * 2**0.5),
        ({"rotation_deg": [-50, -40]}, 48 * 2**0.5),
        ({"rotation_deg": [100, 180]}, 48 * 2**0.5),
        ({"rotation_deg": [0, 30]}, 48 * (0.75**0.5 + 0.5)),
        ({"rotation_deg": [-90, -70]}, 48 * math.cos(math.radians(25)) * 2**0.5),
        ({"rotation_deg": 90}, 48),
        ({"camera_length_error": [-0.2, 0.1]}, 52.8),
        ({"camera_length_error": [-0.2, -0.1]}, 48),
        ({"shift_pixels": [0, 2]}, 54),
    ],
)
def test_detector_is_reserved_at_its_widest(conditions: dict[str, Any], reach: float) -> None:
    """Its corner is farthest out where the detector stands on it, not at the largest angle."""
    found = measured_under(conditions).reserve_mrad("tiny")
    assert found == pytest.approx((0, reach))


def test_drawn_tilts_are_reserved_beside_the_set_one() -> None:
    tilted = measured_under({"tilt_mrad": [0, 3]}, {"tilt_mrad": [3, -4]})
    margin, _ = tilted.reserve_mrad("tiny")
    assert margin == pytest.approx(1e3 * math.tan(8e-3))


def ranges(lowest: float, highest: float) -> st.SearchStrategy[list[float]]:
    return st.lists(st.floats(lowest, highest), min_size=2, max_size=2).map(sorted)


@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    drawn_from=st.fixed_dictionaries(
        {
            "tilt_mrad": ranges(0, 8),
            "rotation_deg": ranges(-400, 400),
            "ellipticity": ranges(0, 0.3),
            "shift_pixels": ranges(0, 4),
            "camera_length_error": ranges(-0.3, 0.1),
        }
    ),
    tilt=st.tuples(st.floats(-4, 4), st.floats(-4, 4)),
    seed=st.integers(0, 2**32),
)
def test_matrices_hold_whatever_is_drawn(
    drawn_from: dict[str, list[float]], tilt: tuple[float, float], seed: int
) -> None:
    """As `VirtualMicroscope` and `Optics.check` measure it; and not much more is reserved."""
    config = measured_under(drawn_from, {"tilt_mrad": list(tilt)})
    margin, reach = config.reserve_mrad("tiny")
    conditions = config.domains["anew"].conditions
    assert conditions is not None
    simulate, random = config.simulate_of("tiny"), np.random.default_rng(seed)
    for _ in range(30):
        drawn = draw(conditions, simulate, random)
        assert np.abs(drawn.camera.corners_mrad).max() <= reach + 1e-9
        assert np.hypot(*drawn.optics.centre_mrad) <= margin + 1e-9
        edge = angles.edge_of(simulate.detector, conditions)
        assert drawn.camera.edges_mrad.max() <= edge + 1e-9
    assert angles.edge_of(simulate.detector, conditions) <= reach + 1e-9
    # the corner itself, in the worst direction of everything
    low, high = drawn_from["rotation_deg"]
    camera = dict(pixels=32, mrad_per_pixel=3 * (1 + drawn_from["camera_length_error"][1]))
    worst = max(
        np.abs(
            Camera(
                **camera,
                rotation_deg=turn,
                ellipticity=drawn_from["ellipticity"][1],
                ellipticity_deg=axis,
                shift_pixels=(
                    drawn_from["shift_pixels"][1] * math.cos(math.radians(towards)),
                    drawn_from["shift_pixels"][1] * math.sin(math.radians(towards)),
                ),
            ).corners_mrad
        ).max()
        for turn in (low, high, *(45 * n for n in range(-9, 10) if low < 45 * n < high))
        for axis in range(0, 180, 15)
        for towards in range(0, 360, 45)
    )
    assert worst <= reach + 1e-9
    assert reach <= max(48, 1.05 * worst)
