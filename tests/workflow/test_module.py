# SPDX-License-Identifier: GPL-3.0-or-later
"""The workflow within another one, and its parts by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from runs import ROOT, TINY, planned, snakemake

from polarstem.config import load, plan

pytestmark = pytest.mark.slow

PARENT = """
import yaml

with open("theirs.yaml") as file:
    THEIRS = yaml.safe_load(file)


module polarstem:
    snakefile: "{snakefile}"
    config: THEIRS
    prefix: "polar"


use rule * from polarstem as polar_*


rule all:
    default_target: True
    input:
        rules.polar_all.input,
"""


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """Folder of a workflow that has this one as a module; its config is still to be written."""
    text = PARENT.format(snakefile=ROOT / "Snakefile")
    (tmp_path / "Snakefile").write_text(text, encoding="utf-8")
    return tmp_path


def test_it_runs_within_another_workflow(parent: Path) -> None:
    config = (ROOT / TINY).read_text(encoding="utf-8")
    (parent / "theirs.yaml").write_text(config, encoding="utf-8")
    alone = planned(parent, "-s", str(ROOT / "Snakefile"), config=str(ROOT / TINY))
    within = planned(parent, config="theirs.yaml")
    assert within == {f"polar_{rule}": count for rule, count in alone.items()}
    table = Path("polar", "results", "structures", "specimens.csv")
    snakemake(parent, str(table), "--cores", "1", config="theirs.yaml")
    specimens = plan.all_specimens(load(ROOT / TINY))
    assert len((parent / table).read_text(encoding="utf-8").splitlines()) == 1 + len(specimens)
    assert planned(parent, str(table), config="theirs.yaml") == {}
    assert not (parent / "results").exists(), "it left its folder"


def test_a_part_of_a_config_changes_the_standard_benchmark_there_too(parent: Path) -> None:
    part = {"train": {"seeds": [0, 1]}}
    (parent / "theirs.yaml").write_text(yaml.safe_dump(part), encoding="utf-8")
    runs = load(parent / "theirs.yaml").runs()
    assert len(runs) == 2 * len(load(ROOT / "config.yaml").runs())
    jobs = planned(parent, "polar_train", config="theirs.yaml")
    assert jobs["polar_train_model"] == len(runs)


@pytest.mark.parametrize(
    ("target", "last", "not_yet"),
    [
        ("simulate", {"compute_scattering_matrix", "simulate_patterns"}, "measure_dataset"),
        ("datasets", {"measure_dataset", "assemble_dataset", "check_leakage"}, "train_model"),
        ("train", {"train_model"}, "predict_patterns"),
        ("evaluate", {"compute_metrics", "answer_claims"}, "map_scan"),
        ("maps", {"map_scan", "draw_maps"}, "write_report"),
    ],
)
def test_parts_have_names(target: str, last: set[str], not_yet: str, tmp_path: Path) -> None:
    jobs = planned(tmp_path, target, "-s", str(ROOT / "Snakefile"), config=str(ROOT / TINY))
    assert last <= set(jobs)
    assert not_yet not in jobs
