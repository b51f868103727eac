# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock, the per-stage environments and the declared dependencies fit together."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from polarstem.licences import PAGE

ROOT = Path(__file__).resolve().parents[3]
LOCK = ROOT / "requirements.lock"
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))


def locked() -> dict[str, str]:
    lines = LOCK.read_text().splitlines()
    return dict(re.match(r"([a-z0-9-]+)==([^ ]+)", line).groups() for line in lines)


def pip_list(environment: Path) -> dict[str, str]:
    dependencies = yaml.safe_load(environment.read_text())["dependencies"]
    (pip,) = (entry["pip"] for entry in dependencies if isinstance(entry, dict))
    return dict(requirement.split("==") for requirement in pip)


def test_lock_names_every_declared_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    declared = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = {re.match(r"[A-Za-z0-9-]+", requirement).group().lower() for requirement in declared}
    assert names <= set(locked()), "run `make lock`"


def test_lock_names_no_host():
    assert not re.search(r"://|--index|--find-links", LOCK.read_text())


def test_torch_and_torchvision_belong_together():
    assert (locked()["torch"], locked()["torchvision"]) == ("2.14.1", "0.29.1")


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_stage_environment_takes_the_locked_versions(environment):
    wrong = {n: v for n, v in pip_list(environment).items() if locked().get(n) != v}
    assert not wrong, f"write the versions of requirements.lock into {environment.name}"
    assert "python =3.11" in yaml.safe_load(environment.read_text())["dependencies"]


def test_every_environment_is_used_and_every_used_one_is_there():
    rules = "".join(path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    used = set(re.findall(r'"\.\./\.\./envs/(\w+)\.yaml"', rules))
    assert used == {path.stem for path in ENVIRONMENTS}


def test_page_of_licences_is_of_this_lock():
    rows = re.findall(r"^\| ([a-z0-9-]+) \| (\d\S*) \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    assert {name: version for name, version, _ in rows} == locked(), (
        "run `python -m polarstem.licences`"
    )
    told = [licence for _, _, licence in rows]
    assert sum("not installed" in each or "see its" in each for each in told) <= len(told) // 10
