# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole workflow through Snakemake's Slurm executor and the shipped profile."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import xarray
import yaml

from polarstem.config import check, plan

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).resolve().parents[2]
# What a site without accounting and without a network file system sets. With the default of 20 s
# the test would mostly wait: its jobs take seconds.
SITE = (
    "--slurm-no-account",
    "--slurm-status-command=squeue",
    "--slurm-init-seconds-before-status-checks=1",
    "--latency-wait=3",
)


@dataclass(frozen=True)
class Run:
    """A finished run of the workflow: what it printed and the Slurm jobs it left."""

    folder: Path
    status: int
    text: str
    jobs: dict[str, dict[str, str]]

    def jobs_of(self, rule: str) -> dict[str, dict[str, str]]:
        """Slurm jobs of a rule, told by where the executor puts their logs."""
        return {
            name: fields
            for name, fields in self.jobs.items()
            if f"/rule_{rule}/" in fields["StdOut"]
        }


def tres_of(fields: dict[str, str]) -> dict[str, str]:
    """What a job asked for, by name."""
    return dict(item.split("=") for item in fields["TRES"].split(","))


def memory_of(fields: dict[str, str]) -> float:
    """Memory that a job asked for [MB]; Slurm tells it in the largest unit that leaves it whole."""
    number, unit = re.fullmatch(r"([\d.]+)([MG])", tres_of(fields)["mem"]).groups()
    return float(number) * {"M": 1, "G": 1024}[unit]


def minutes_of(fields: dict[str, str]) -> int:
    """Time limit that a job asked for."""
    hours, minutes, _ = fields["TimeLimit"].split(":")
    return 60 * int(hours) + int(minutes)


def small_config() -> dict:
    """The tiny config with one data domain, one thickness and the cheapest model."""
    config = yaml.safe_load((ROOT / "tests" / "configs" / "plain.yaml").read_text())
    tiny = config["specimens"]["tiny"]
    config["specimens"] = {"tiny": tiny | {"thicknesses_nm": [2]}}
    config["domains"] = {"thin": {"specimens": "tiny", "thicknesses_nm": [2]}}
    config["structures"]["cells"] = [2, 2]
    config["simulate"]["scan"]["positions"] = [3, 3]
    config["models"]["tiny_pca_knn"]["components"] = 4
    config["train"] = {
        "device": "gpu",
        "sources": {"thin": ["thin"]},
        "runs": [{"models": ["tiny_pca_knn"], "sources": ["thin"]}],
    }
    config["evaluate"]["domains"] = ["thin"]
    return config


def run_workflow(folder: Path, cluster, *arguments: str) -> Run:
    before = set(cluster.jobs())
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--workflow-profile", "profiles/slurm"),
            *("--configfile", folder / "small.yaml", "--directory", folder, *SITE, *arguments),
        ],
        cwd=ROOT,
        env=cluster.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
    )
    jobs = {name: fields for name, fields in cluster.jobs().items() if name not in before}
    return Run(folder, done.returncode, done.stdout, jobs)


@pytest.fixture(scope="module")
def whole_run(slurm, tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "small.yaml").write_text(yaml.safe_dump(small_config(), sort_keys=False))
    return run_workflow(folder, slurm)


def test_ends_with_the_report(whole_run):
    assert whole_run.status == 0, whole_run.text[-6000:]
    page = (whole_run.folder / "results" / "report.html").read_text()
    assert "</html>" in page
    assert json.loads((whole_run.folder / "results" / "summary.json").read_text())


def test_every_computing_rule_was_submitted(whole_run):
    table = whole_run.text.split("Job stats:")[1].split("Select jobs")[0]
    planned = {name: int(n) for name, n in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}
    local = {*re.findall(r"^localrule (\w+):", whole_run.text, re.MULTILINE), "total"}
    assert local <= {"all", "resolve_config", "total"}, "a rule that computes ran on the login node"
    submitted = {rule: len(whole_run.jobs_of(rule)) for rule in planned if rule not in local}
    assert submitted == {rule: n for rule, n in planned.items() if rule not in local}
    assert {fields["JobState"] for fields in whole_run.jobs.values()} == {"COMPLETED"}


def test_many_alike_jobs_are_arrays(whole_run):
    matrices = whole_run.jobs_of("compute_scattering_matrix")
    assert len({name.partition("_")[0] for name in matrices}) == 1
    count = len(plan.all_crystals(check(small_config())))
    assert {name.partition("_")[2] for name in matrices} == {str(n + 1) for n in range(count)}
    assert count > 2


def test_numbers_equal_those_of_a_local_run(whole_run, tmp_path):
    dataset = Path("results", "datasets", "thin.nc")
    subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--cores", "1", "--quiet"),
            *("--configfile", whole_run.folder / "small.yaml", "--directory", tmp_path),
            dataset,
        ],
        cwd=ROOT,
        check=True,
        timeout=300,
    )
    with (
        xarray.open_dataset(whole_run.folder / dataset) as cluster,
        xarray.open_dataset(tmp_path / dataset) as local,
    ):
        xarray.testing.assert_equal(cluster, local)


def test_jobs_ask_for_what_their_rule_states(whole_run):
    for name, fields in whole_run.jobs.items():
        assert tres_of(fields)["cpu"] == "1", name
        assert 1000 <= memory_of(fields) <= 8000, name
        assert fields["TimeLimit"] != "365-00:00:00", name


def test_a_model_that_is_no_network_asks_for_no_card(whole_run):
    assert small_config()["train"]["device"] == "gpu"
    assert not {name for name, fields in whole_run.jobs.items() if "gpu" in str(fields)}


def test_failed_job_gets_more_each_time_and_shows_its_log(whole_run, slurm):
    damaged = whole_run.folder / "results" / "datasets" / "thin.nc"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    (manifest,) = damaged.parent.glob("manifest.json")
    before = manifest.read_bytes()
    failed = run_workflow(whole_run.folder, slurm, str(manifest.relative_to(whole_run.folder)))
    assert failed.status != 0
    assert [fields["JobState"] for fields in failed.jobs.values()] == ["FAILED"] * 3
    memory = sorted(memory_of(fields) for fields in failed.jobs.values())
    assert memory == [memory[0], 2 * memory[0], 3 * memory[0]]
    minutes = sorted(minutes_of(fields) for fields in failed.jobs.values())
    assert minutes == [30, 60, 90]
    assert "Error in rule check_leakage" in failed.text
    shown = failed.text.split("Logfile logs/check_leakage.log:")[1]
    assert "thin.nc" in shown
    assert not manifest.exists() or manifest.read_bytes() == before
