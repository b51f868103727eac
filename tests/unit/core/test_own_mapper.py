# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that makes a mapper: what it says, refuses, writes and goes on with."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from polarstem import cli, own_mapper
from polarstem.config.mapper_recipe import Request, mapper_settings
from polarstem.errors import PolarstemError
from polarstem.own_mapper import CONFIG, make_mapper, request_for

BATIO3 = Request("BaTiO3", "T", 300, 21, effort="look")
COMMAND = (
    *("model", "--material", "BaTiO3", "--phase", "T", "--energy-kv", "300"),
    *("--semiangle-mrad", "21"),
)
# in place of the workflow: two steps, of which the second fails unless it is allowed
WORKFLOW = """
from pathlib import Path

rule first:
    output: "results/first"
    run:
        with open("steps", "a") as steps: steps.write("first ")
        Path(output[0]).touch()

rule second:
    input: "results/first"
    output: directory("results/reference_model")
    run:
        with open("steps", "a") as steps: steps.write("second ")
        if not Path("allowed").exists(): raise ValueError("not yet")
        Path(output[0]).mkdir()
        crystal = config["structures"]["material"]
        (Path(output[0]) / "MODEL_CARD.md").write_text(crystal)
"""


@pytest.fixture
def workflow(tmp_path: Path) -> Path:
    path = tmp_path / "Snakefile"
    path.write_text(WORKFLOW, encoding="utf-8")
    return path


def test_a_dry_run_says_everything_and_writes_nothing(tmp_path, capsys, monkeypatch):
    told = {"threads": 0}

    def limit(request: Request, threads: int) -> str:
        told["threads"] = threads
        return f"limit of {request.material}"

    monkeypatch.setattr(own_mapper, "limit_told", limit)
    monkeypatch.setattr(own_mapper.subprocess, "Popen", None)
    folder = tmp_path / "new"
    assert cli.main([*COMMAND, "--out", str(folder), "--cores", "2", "--dry-run"]) == 0
    first, takes, learns, tested, limited, *text = capsys.readouterr().out.splitlines()
    assert first == (
        "A mapper for BaTiO3, phase T, beam along [0, 0, 1], 300 kV, 21 mrad, effort default, in "
        f"{folder / 'model'}."
    )
    assert "min on 2 cores" in takes
    assert "GB of disk" in takes
    assert "328,000 patterns" in learns
    assert "12 crystals of an emulated experiment" in tested
    assert limited == "limit of BaTiO3"
    assert told["threads"] == 2
    assert yaml.safe_load("\n".join(text)) == mapper_settings(Request("BaTiO3", "T", 300, 21))
    assert list(tmp_path.iterdir()) == []


def test_on_a_cluster_the_longest_job_counts(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(own_mapper, "limit_told", lambda request, threads: "")
    command = [*COMMAND, "--out", str(tmp_path), "--dry-run", "--", "--profile", "slurm"]
    assert cli.main(command) == 0
    assert "the longest job takes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"material": None},
            r"needs --material \(the crystal's name in resources/crystals.yaml\);",
        ),
        (
            {"energy_kv": None, "semiangle_mrad": None},
            r"needs --energy-kv \(accelerating voltage \[kV\]\), --semiangle-mrad ",
        ),
        (
            {"sheet": "scan.yaml"},
            "The scan sheet scan.yaml belongs to a scan; name that with --for",
        ),
    ],
)
def test_what_is_missing_is_asked_for(changes: dict[str, Any], told: str):
    usual = {"material": "BaTiO3", "phase": "T", "energy_kv": 300.0, "semiangle_mrad": 21.0}
    with pytest.raises(PolarstemError, match=told) as error:
        request_for(**(usual | changes))
    assert "\n" not in str(error.value)


def test_an_interrupted_mapper_goes_on_and_keeps_what_is_done(tmp_path, workflow, capfd):
    folder = tmp_path / "made"
    options = ["--cores", "1", "--quiet"]
    with pytest.raises(PolarstemError, match=r"exit code 1.*the same command goes on from there"):
        make_mapper(BATIO3, folder, options, workflow)
    assert yaml.safe_load((folder / CONFIG).read_text()) == mapper_settings(BATIO3)
    assert not (folder / "model").exists()
    written = (folder / CONFIG).stat().st_mtime_ns
    (folder / "allowed").touch()
    time.sleep(0.01)
    made = make_mapper(BATIO3, folder, options, workflow)
    assert made == folder / "model"
    assert [path.name for path in made.iterdir()] == ["MODEL_CARD.md"]  # nothing of Snakemake's
    assert (made / "MODEL_CARD.md").read_text() == "BaTiO3"
    assert (folder / "steps").read_text() == "first second second "
    assert (folder / CONFIG).stat().st_mtime_ns == written
    # again: nothing is left to do
    make_mapper(BATIO3, folder, options, workflow)
    assert (folder / "steps").read_text() == "first second second "
    with pytest.raises(PolarstemError, match=r"simulate.energy_kv is 300 there, 200 is asked for"):
        make_mapper(Request("BaTiO3", "T", 200, 21, effort="look"), folder, options, workflow)
    assert (folder / CONFIG).stat().st_mtime_ns == written


def test_a_folder_of_something_else_is_left_alone(tmp_path, workflow, monkeypatch):
    monkeypatch.setattr(own_mapper.subprocess, "Popen", None)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").touch()
    with pytest.raises(PolarstemError, match=r"holds other files and no mapper.yaml; name a new"):
        make_mapper(BATIO3, tmp_path / "other", (), workflow)
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["thesis.tex"]
    with pytest.raises(PolarstemError, match="is a file; name a folder to make with --out"):
        make_mapper(BATIO3, workflow, (), workflow)
    with pytest.raises(PolarstemError, match=r"There is no workflow .*; run the command from a"):
        make_mapper(BATIO3, tmp_path / "new", (), tmp_path / "nowhere")
    assert not (tmp_path / "new").exists()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / CONFIG).write_text("a: [", encoding="utf-8")
    with pytest.raises(PolarstemError, match=r"mapper.yaml cannot be read"):
        make_mapper(BATIO3, tmp_path / "broken", (), workflow)
