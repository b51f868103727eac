# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command and every piece of Python and YAML in the documentation works."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import ase
import ase.io
import pytest
import yaml
from runs import ROOT, TINY, environment

from polarstem.config import check, is_whole
from polarstem.config.model import merge

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "profiles/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
CONSOLE = ("console", "bash", "sh", "shell")
# what only a person does, or what other tests do
IGNORED = ("git", "cd", "sbatch", "squeue", "scancel", "ssh", "tail", "less", "open", "xdg-open")


def blocks(languages: tuple[str, ...]) -> list[object]:
    """Fenced blocks of these languages, each as a test parameter."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8") if page.exists() else ""
        for match in re.finditer(r"^```(\w+)[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            if match[1] in languages:
                line = text[: match.start()].count("\n") + 1
                found.append(pytest.param(match[2], id=f"{page.name}:{line}"))
    return found


def commands(block: str) -> list[list[str]]:
    """Commands of a block as words; in a console block with prompts only the lines after one."""
    lines = block.replace("\\\n", " ").splitlines()
    if any(line.startswith("$ ") for line in lines):
        lines = [line[2:] for line in lines if line.startswith("$ ")]
    found = []
    for line in lines:
        for part in line.split("&&"):
            words = shlex.split(part, comments=True)
            # settings of the environment in front of a command
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words = words[1:]
            if words:
                found.append(words)
    return found


def harmless(words: list[str]) -> list[str] | None:
    """The same command so that it can be run in a finished tiny run; None if it is ignored."""
    program, rest = words[0], words[1:]
    if program in IGNORED:
        return None
    if program == "make":
        return ["make", "-n", *rest]
    name = program.removeprefix(".venv/bin/")
    if name == "snakemake":
        if "--report" in rest and "--configfile" not in rest:
            return [sys.executable, "-m", "snakemake", *rest, "--configfile", TINY]
        looks = {"--lint", "--rulegraph", "--dag", "--report", "--summary", "--list-rules"}
        return [sys.executable, "-m", "snakemake", *rest, *([] if looks & set(rest) else ["-n"])]
    if name in ("python", "python3"):
        if rest[:3] == ["-m", "polarstem", "model"]:
            rest = [*rest[:3], "--dry-run", *rest[3:]]
        return [sys.executable, *rest]
    if name in ("pytest", "ruff", "mypy", "snakefmt"):
        return [sys.executable, "-m", name, "--version"]
    pytest.fail(f"a command of a form that this test does not know: {shlex.join(words)}")


def run(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}{done.stderr}"


@pytest.fixture
def own_files(tiny: SimpleNamespace) -> None:
    """What readers of the docs have: the two structures of a crystal of theirs."""
    for name, shift, c in (("cubic.cif", 0.0, 4.0), ("tetragonal.cif", 0.03, 4.03)):
        places = [(0, 0, 0), (0.5, 0.5, 0.5 + shift), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)]
        atoms = ase.Atoms("BaTiO3", scaled_positions=places, cell=(4.0, 4.0, c), pbc=True)
        ase.io.write(tiny.folder / name, atoms)


@pytest.mark.slow
@pytest.mark.usefixtures("own_files")
@pytest.mark.parametrize("block", blocks(CONSOLE))
def test_commands_work(block: str, tiny: SimpleNamespace) -> None:
    for words in commands(block):
        command = harmless(words)
        if command is not None:
            run(command, tiny.folder)


@pytest.mark.slow
@pytest.mark.parametrize("block", blocks(("python",)))
def test_python_works(block: str, tiny: SimpleNamespace) -> None:
    run([sys.executable, "-c", block], tiny.folder)


@pytest.mark.parametrize("block", blocks(("yaml",)))
def test_yaml_changes_the_standard_configuration(block: str) -> None:
    standard = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    part = yaml.safe_load(block)
    assert not is_whole(part)
    check(merge(standard, part))  # mappings key by key, lists replaced, as Snakemake does


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    if not page.exists():
        pytest.skip("not written yet")
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)|(?:src|href)=\"([^\"#]+)\"", text):
        name = target[0] or target[1]
        if not re.match(r"\w+:", name):
            assert (page.parent / name).exists(), name


def anchors(page: Path) -> set[str]:
    """Names that GitHub gives the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {each.replace(" ", "-") for each in words}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_headings(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name, anchor in re.findall(r"\]\(([^)#\s:]*)#([^)\s]+)\)", text):
        target = page.parent / name if name else page
        assert anchor in anchors(target), f"{name}#{anchor}"


def test_make_targets_are_those_that_make_lists() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("report", "quick", "bench", "test", "site", "clean"):
        assert re.search(rf"^  {target} ", shown.stdout, re.MULTILINE), target


def test_the_reference_model_is_made_alone() -> None:
    asked = ["make", "--dry-run", "--assume-old=.venv/.complete", "reference-model", "CORES=2"]
    shown = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "snakemake --cores 2 results/reference_model" in " ".join(shown.stdout.split())
