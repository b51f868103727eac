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

# stages by what they hang on
REPORT = {"draw_figures", "write_report"}
SCORES = {"compare_with_limit", "compute_metrics", "write_reference_model"}
SUMMARY = {"summarise_results"} | REPORT
EVALUATE = {"answer_claims"} | SCORES | SUMMARY
MAPS = {"summarise_maps", "draw_maps", "draw_reality"} | SUMMARY
MAP = {"map_scan"} | MAPS
PREDICT = {"predict_patterns"} | EVALUATE
ANOMALY = {"map_defect_free", "calibrate_anomaly", "gather_mapping_model", "write_reference_model"}
ANOMALY |= MAP
TRAIN = {"train_model"} | ANOMALY | PREDICT
DATA = {"check_leakage", "train_model"} | PREDICT
SCENES = {"simulate_scene"} | ANOMALY
LIBRARY = {"compute_library"} | ANOMALY
LIMIT = {"compute_information", "compute_vector_bound"} | EVALUATE
MEASURE = {"measure_dataset"} | DATA
MATRICES = {"compute_scattering_matrix", "compute_thermal_matrices", "measure_accuracy"}
MATRICES |= MEASURE | LIMIT | LIBRARY
SIMULATE = {"simulate_patterns", "assemble_dataset"} | DATA - {"train_model"}
STRUCTURES = {"build_structures"} | MATRICES | SIMULATE | SCENES

STAGES = {
    "polarstem/structures/build.py": STRUCTURES,
    "resources/crystals.yaml": STRUCTURES,
    "polarstem/simulate/microscope/probe_positions.py": MEASURE | SIMULATE,
    # no model learns from these: streams and training sets are measured on matrices
    "polarstem/simulate/multislice/abtem_run.py": SIMULATE | SCENES,
    "polarstem/simulate/potential/projection.py": MATRICES | SIMULATE | SCENES,
    "polarstem/simulate/scattering_matrix/propagate.py": MATRICES,
    "polarstem/simulate/scattering_matrix/measure.py": MATRICES - {"compute_scattering_matrix"},
    "polarstem/data/assemble.py": {"assemble_dataset"} | DATA - {"train_model"},
    "polarstem/models/heads.py": TRAIN,
    "polarstem/evaluate/scores/write_predictions.py": PREDICT,
    "polarstem/evaluate/scores/metrics.py": LIMIT
    | {"measure_accuracy", "summarise_maps", "draw_reality"},
    "polarstem/report/figures/style.py": REPORT | MAP,
    "workflow/scripts/train_model.py": TRAIN,
}
OTHERS = EVALUATE - {"write_reference_model"}  # not the model that maps
FAMILIES = {
    "cnn": dict.fromkeys({"train_model", "predict_patterns"} | OTHERS, 1),
    "pca_knn": {"train_model": 3, "predict_patterns": 3} | dict.fromkeys(OTHERS, 1),
    "equivariant": dict.fromkeys(TRAIN, 1),
}
SOURCES = ("Snakefile", "workflow/**/*.smk", "workflow/scripts/*.py", "polarstem/**/*.py")


def test_touching_and_moving_rerun_nothing_and_an_edit_its_stage(copy_of_tiny: Path) -> None:
    """One test, because the finished run is copied once for it."""
    now = time.time()
    for pattern in SOURCES:
        for path in copy_of_tiny.glob(pattern):
            os.utime(path, (now, now))
    assert planned(copy_of_tiny) == {}, "moved and touched"

    def planned_with(name: str, addition: str) -> dict[str, int]:
        path = copy_of_tiny / name
        text = path.read_text(encoding="utf-8")
        path.write_text(text + addition, encoding="utf-8")
        jobs = planned(copy_of_tiny)
        path.write_text(text, encoding="utf-8")
        return jobs

    for name, expected in STAGES.items():
        addition = "\n# edited\n" if name.endswith(".yaml") else "\nEDITED = True\n"
        assert set(planned_with(name, addition)) == expected, name
    for family, counts in FAMILIES.items():
        path = f"polarstem/models/family/{family}.py"
        assert planned_with(path, "\nEDITED = True\n") == counts, family
    assert planned_with("polarstem/structures/build.py", "\n# a comment\n") == {}
    assert planned(copy_of_tiny) == {}, "all edits taken back"


CONFIG = {"resolve_config"} | EVALUATE  # whatever changes in it is told in the summary


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            [("confidence: 0.95", "confidence: 0.9")],
            dict.fromkeys(CONFIG | {"summarise_maps", "draw_reality"}, 1),
            id="confidence",
        ),
        pytest.param(
            [("max_epochs: 3", "max_epochs: 4")],
            dict.fromkeys(CONFIG | {"train_model", "predict_patterns"}, 1),
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
            dict.fromkeys(CONFIG | {"measure_dataset", "check_leakage"}, 1)
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
            dict.fromkeys(CONFIG | {"measure_dataset", "check_leakage"}, 1)
            | {"train_model": 1, "predict_patterns": 7},
            id="one more data domain and, at the same time, training of one model",
        ),
        pytest.param(
            [("validation: 1, test: 1", "validation: 1, test: 2")],
            dict.fromkeys(CONFIG | {"check_leakage", "build_structures"}, 1)
            # a crystal for each, and two that stand for all in the limit, in place of one
            | {"compute_scattering_matrix": 6, "compute_information": 1, "measure_dataset": 5}
            | {"train_model": 5, "predict_patterns": 7},
            id="one more test specimen of each class",
        ),
        pytest.param(
            [("amplitude_spread: 0.2", "amplitude_spread: 0.3")],
            dict.fromkeys(CONFIG | ANOMALY | {"check_leakage", "build_structures"}, 1)
            # the limit's crystal lies in the middle
            | {"compute_scattering_matrix": 6, "measure_dataset": 5}
            | {"compute_thermal_matrices": 2, "simulate_patterns": 4, "assemble_dataset": 2}
            | {"train_model": 7, "predict_patterns": 7},
            id="amplitudes of the crystals",
        ),
        pytest.param(
            [("pixels: 32, mrad_per_pixel: 3.0", "pixels: 32, mrad_per_pixel: 2.0")],
            dict.fromkeys(CONFIG | {"check_leakage"}, 1)
            | {"compute_scattering_matrix": 7, "compute_information": 1, "measure_dataset": 5}
            | {"compute_thermal_matrices": 3, "simulate_patterns": 5, "assemble_dataset": 3}
            | {"train_model": 7, "predict_patterns": 7}
            | dict.fromkeys(LIBRARY | {"compute_vector_bound", "measure_accuracy"}, 1),
            id="detector",
        ),
        pytest.param(
            [("offset: random}", "offset: centre}")],
            dict.fromkeys(CONFIG | {"check_leakage"}, 1)
            | {"measure_dataset": 5, "simulate_patterns": 5, "assemble_dataset": 3}
            | {"train_model": 5, "predict_patterns": 7},
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
