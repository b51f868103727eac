# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change makes out of date, and what it leaves alone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from runs import TINY, planned

pytestmark = pytest.mark.slow

REPORT = {"draw_figures", "write_report"}
EVALUATE = {"answer_claims", "compare_with_limit", "compute_metrics", "summarise_results"}
MAP = {"map_scan", "summarise_maps", "draw_maps", "draw_reality"}
EVALUATE |= {"write_reference_model"} | MAP | REPORT
PREDICT = {"predict_patterns"} | EVALUATE
ANOMALY = {"map_defect_free", "calibrate_anomaly"}
TRAIN = {"train_model"} | ANOMALY | PREDICT
DATA = {"assemble_dataset", "check_leakage"} | TRAIN
SCENES = {"simulate_scene", "compute_library"}
SIMULATE = {"simulate_patterns"} | SCENES | DATA
MEASURE = {"measure_patterns", "measure_dataset"} | SCENES | DATA
LIMIT = {"compute_information", "measure_accuracy"} | MEASURE
MATRICES = {"compute_scattering_matrix", "compute_thermal_matrices"} | LIMIT
STRUCTURES = {"build_structure", "build_scene", "tabulate_specimens"} | MATRICES | SIMULATE

STAGES = {
    "polarstem/structures/build.py": STRUCTURES,
    "resources/crystals.yaml": STRUCTURES,
    "polarstem/simulate/microscope/probe_positions.py": MEASURE | SIMULATE,
    # no model learns from these: streams and training sets are measured on matrices
    "polarstem/simulate/multislice/abtem_run.py": SIMULATE - {"train_model"},
    "polarstem/simulate/potential/projection.py": MATRICES | SIMULATE,
    "polarstem/simulate/scattering_matrix/propagate.py": MATRICES,
    "polarstem/simulate/scattering_matrix/measure.py": LIMIT,
    "polarstem/data/assemble.py": DATA - ANOMALY,  # the model that maps learns from a stream
    "polarstem/models/heads.py": TRAIN,
    "polarstem/evaluate/scores/write_predictions.py": PREDICT,
    "polarstem/evaluate/scores/metrics.py": EVALUATE,
    "polarstem/report/figures/style.py": REPORT | MAP | {"summarise_results"},
    "workflow/scripts/train_model.py": TRAIN,
}
SOURCES = ("Snakefile", "workflow/**/*.smk", "workflow/scripts/*.py", "polarstem/**/*.py")


def test_touching_and_moving_rerun_nothing_and_an_edit_its_stage(copy_of_tiny: Path) -> None:
    """One test, because the finished run is copied once for it."""
    now = time.time()
    for pattern in SOURCES:
        for path in copy_of_tiny.glob(pattern):
            os.utime(path, (now, now))
    assert planned(copy_of_tiny) == {}, "moved and touched"

    for name, expected in STAGES.items():
        path = copy_of_tiny / name
        text = path.read_text(encoding="utf-8")
        path.write_text(text + "\n# edited\n", encoding="utf-8")
        jobs = planned(copy_of_tiny)
        path.write_text(text, encoding="utf-8")
        assert set(jobs) == expected, name
    assert planned(copy_of_tiny) == {}, "all edits taken back"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            [("confidence: 0.95", "confidence: 0.9")],
            dict.fromkeys(EVALUATE | {"resolve_config"}, 1),
            id="confidence",
        ),
        pytest.param(
            [("max_epochs: 3", "max_epochs: 4")],
            dict.fromkeys(EVALUATE | {"resolve_config", "train_model", "predict_patterns"}, 1),
            id="training of one model",
        ),
        pytest.param(
            [
                (
                    "  warm:",
                    "  noisy: {specimens: tiny, thicknesses_nm: [5], dose_electrons: 1e5}\n  warm:",
                ),
                ("domains: [thin,", "domains: [noisy, thin,"),
            ],
            dict.fromkeys(EVALUATE | {"resolve_config", "assemble_dataset", "check_leakage"}, 1)
            | {"predict_patterns": 7},
            id="one more data domain",
        ),
        pytest.param(
            [
                (
                    "  warm:",
                    "  noisy: {specimens: tiny, thicknesses_nm: [5], dose_electrons: 1e5}\n  warm:",
                ),
                ("domains: [thin,", "domains: [noisy, thin,"),
                ("max_epochs: 3", "max_epochs: 4"),
            ],
            dict.fromkeys(EVALUATE | {"resolve_config", "assemble_dataset", "check_leakage"}, 1)
            | {"train_model": 1, "predict_patterns": 7},
            id="one more data domain and, at the same time, training of one model",
        ),
        pytest.param(
            [("validation: 1, test: 1", "validation: 1, test: 2")],
            dict.fromkeys(EVALUATE | {"resolve_config", "check_leakage", "tabulate_specimens"}, 1)
            | {"build_structure": 4, "compute_scattering_matrix": 1, "measure_patterns": 4}
            | {"compute_information": 1, "measure_dataset": 3}
            | {"assemble_dataset": 2, "train_model": 5, "predict_patterns": 7},
            id="one more test specimen of each class, of one more amplitude",
        ),
        pytest.param(
            [("amplitude_spread: 0.2", "amplitude_spread: 0.3")],
            dict.fromkeys(EVALUATE | {"resolve_config", "check_leakage", "tabulate_specimens"}, 1)
            | {"build_structure": 16, "compute_scattering_matrix": 3, "measure_patterns": 12}
            | {"compute_thermal_matrices": 2, "compute_information": 1, "measure_dataset": 3}
            | {"simulate_patterns": 4, "assemble_dataset": 4}
            | {"train_model": 7, "predict_patterns": 7}
            | dict.fromkeys(ANOMALY, 1),
            id="amplitudes of the crystals",
        ),
        pytest.param(
            [("pixels: 32, mrad_per_pixel: 3.0", "pixels: 32, mrad_per_pixel: 2.0")],
            dict.fromkeys(EVALUATE | {"resolve_config", "check_leakage"}, 1)
            | {"compute_scattering_matrix": 3, "measure_patterns": 12, "simulate_patterns": 5}
            | {"compute_thermal_matrices": 3, "compute_information": 1, "measure_dataset": 3}
            | {"measure_accuracy": 1, "assemble_dataset": 5}
            | {"train_model": 7, "predict_patterns": 7}
            | dict.fromkeys(ANOMALY | {"compute_library"}, 1),
            id="detector",
        ),
        pytest.param(
            [("offset: random}", "offset: centre}")],
            dict.fromkeys(EVALUATE | {"resolve_config", "check_leakage"}, 1)
            | {"measure_patterns": 12, "simulate_patterns": 5, "measure_dataset": 3}
            | {"assemble_dataset": 5, "train_model": 5, "predict_patterns": 7},
            id="probe positions",
        ),
    ],
)
def test_a_changed_key_reruns_what_depends_on_it(
    tiny: object,
    other_config: Callable[..., str],
    changes: list[tuple[str, str]],
    expected: dict[str, int],
) -> None:
    config = other_config(*changes)
    assert planned(tiny.folder, config=config) == expected


def test_order_of_keys_does_not_matter(tiny: object, tmp_path: Path) -> None:
    import yaml

    config = yaml.safe_load((tiny.folder / TINY).read_text(encoding="utf-8"))

    def turned(value: object) -> object:
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(value)}
        return value

    path = tmp_path / "turned.yaml"
    # the order of runs, specimens and models is part of the results; that of settings is not
    config["simulate"] = turned(config["simulate"])
    config["structures"] = turned(config["structures"])
    config["evaluate"] = turned(config["evaluate"])
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    assert planned(tiny.folder, config=str(path)) == {}
