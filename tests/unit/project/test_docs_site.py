# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages are one site, and what they list is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from polarstem.config.sheet import Sheet
from polarstem.maps.withheld import MEANINGS, Reason

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
TEXTS = {page.stem: page.read_text(encoding="utf-8") for page in DOCS.glob("*.md")}


def settings() -> dict[str, object]:
    """What `docs/conf.py` sets; it imports nothing of Sphinx."""
    found: dict[str, object] = {"__file__": str(DOCS / "conf.py")}
    exec(compile((DOCS / "conf.py").read_text(encoding="utf-8"), "conf.py", "exec"), found)
    return found


def versions(path: Path) -> dict[str, str]:
    text = path.read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==([^ \n]+)", text, re.MULTILINE))


def test_every_page_stands_in_the_contents():
    trees = re.findall(r"^```\{toctree\}\n(.*?)^```", TEXTS["index"], re.M | re.S)
    listed = [line for tree in trees for line in tree.splitlines() if line and line[0] != ":"]
    listed = [re.sub(r".* <(.*)>", r"\1", line) for line in listed]
    assert sorted(listed) == sorted({*TEXTS, "api/polarstem/index"} - {"index"})


def test_pages_from_elsewhere_keep_their_links():
    conf = settings()
    moved = conf["moved"]("[a](docs/maps.md#x) [b](README.md) [c](https://d.e) [f](LICENSE)", ROOT)
    assert moved == "[a](maps.md#x) [b](index.md) [c](https://d.e) [f](../LICENSE)"
    assert all(name in TEXTS[page] for page, name in conf["ELSEWHERE"].items())


def test_the_reference_is_of_modules_that_exist():
    public = settings()["PUBLIC"]
    assert [name for name in public if not (ROOT / "polarstem" / name).is_file()] == []


def test_the_site_has_the_locked_versions_of_what_both_use():
    site, locked = versions(DOCS / "requirements.txt"), versions(ROOT / "requirements.lock")
    assert {name: v for name, v in site.items() if locked.get(name, v) != v} == {}
    assert {"sphinx", "myst-parser", "furo", "sphinx-autoapi"} <= set(site)


def test_the_house_is_as_it_is_told():
    text = TEXTS["architecture"]
    inside = text[: text.index("| around it |")]
    rooms = re.findall(r"^\| `([a-z]+)/` \|", inside, re.MULTILINE)
    there = {p.name for p in (ROOT / "polarstem").iterdir() if (p / "__init__.py").exists()}
    assert set(rooms) == there
    named = re.findall(r"`([\w/]+\.py)`", text)
    assert len(named) > 15
    assert [name for name in named if not (ROOT / "polarstem" / name).is_file()] == []


def test_a_first_map_is_told_every_question_and_every_reason():
    text = TEXTS["first_map"]
    switches = ("detector_transpose", "detector_flip_x", "detector_flip_y")  # told as `detector_…`
    assert [
        key for key in Sheet.model_fields if key not in switches and f"`{key}" not in text
    ] == []
    reasons = [MEANINGS[reason] for reason in Reason if reason is not Reason.ANSWERED]
    assert [meaning for meaning in reasons if f"| {meaning} |" not in text] == []


def test_both_kinds_of_continuous_integration_run_the_same():
    steps = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["test"]["steps"]
    runs = [step["run"] for step in steps if "run" in step]
    assert [run.split()[-1] for run in runs] == [".ci/run"]


def test_the_container_is_made_from_the_lock():
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    (image,) = re.findall(r"^FROM python:(\d\.\d+)-slim$", text, re.MULTILINE)
    assert image in ("3.11", "3.12", "3.13")
    assert "COPY Makefile requirements.lock ./\nRUN make setup\n" in text


@pytest.mark.parametrize("page", TEXTS)
def test_every_page_has_one_title(page):
    text = re.sub(r"^```.*?^```", "", TEXTS[page], flags=re.M | re.S)
    assert len(re.findall(r"^# .+$", text, re.MULTILINE)) == 1
    assert text.startswith("# ")
