# SPDX-License-Identifier: GPL-3.0-or-later
"""Which code a stage rests on."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from polarstem import import_closure
from polarstem.import_closure import WITHOUT, digest_of, modules_of

LIGHT = ("build_structures", "assemble_dataset", "compute_metrics")


@pytest.fixture
def clone(tmp_path: Path, root: Path) -> Path:
    """A copy of scripts and package whose files may be edited."""
    for folder in ("workflow/scripts", "polarstem"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(root / folder, tmp_path / folder, ignore=ignored)
    import_closure._read.cache_clear()
    yield tmp_path
    import_closure._read.cache_clear()


def edited(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    import_closure._read.cache_clear()


def loaded_by(statements: list[str], root: Path) -> set[str]:
    """Modules of the package that Python loads for some statements."""
    tell = "print(*(m for m in sys.modules if m.startswith('polarstem.')))"
    code = "\n".join(["import sys", *statements, tell])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("name", LIGHT)
def test_all_that_python_loads_is_found(name: str, root: Path) -> None:
    """But what wording rests on, with what that loads, and what packages load for themselves."""
    script = root / "workflow" / "scripts" / f"{name}.py"
    tree = ast.parse(script.read_text(encoding="utf-8"))
    heads = [ast.unparse(n) for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    files = (path.relative_to(root).with_suffix("") for path in modules_of(script))
    found = {path.as_posix().replace("/", ".").removesuffix(".__init__") for path in files}
    loaded = loaded_by(heads, root)
    packages = {module for module in loaded if (root / module.replace(".", "/")).is_dir()}
    aside = loaded_by([f"import {module}" for module in sorted(packages | WITHOUT)], root)
    assert loaded - aside <= found
    assert len(loaded & found) >= 3


def test_an_edit_changes_the_digests_of_the_stages_that_import_it(clone: Path) -> None:
    scripts = sorted((clone / "workflow" / "scripts").glob("*.py"))
    before = {path.stem: digest_of(path) for path in scripts}
    assert len(set(before.values())) == len(before)
    edited(clone / "polarstem/simulate/microscope/noise.py", "_FEW = 32.0", "_FEW = 33.0")
    changed = {path.stem for path in scripts if digest_of(path) != before[path.stem]}
    assert {"measure_dataset", "assemble_dataset", "simulate_scene", "compute_library"} <= changed
    assert not changed & {"build_structures", "compute_metrics", "write_report", "draw_figures"}


def test_comments_docstrings_and_layout_do_not_count(clone: Path) -> None:
    script = clone / "workflow" / "scripts" / "check_leakage.py"
    module = clone / "polarstem" / "data" / "leakage.py"
    before = digest_of(script)
    edited(module, '"""The check that', '"""A check that')
    edited(module, "\n\n\ndef check_leakage(", "\n\n\n# why\n\n\ndef check_leakage(")
    edited(script, "# Adapter", "# An adapter")
    assert digest_of(script) == before
    edited(
        module, "hashes, places, manifest = [], [], {}", "hashes, places, manifest = [], [], {0: 0}"
    )
    assert digest_of(script) != before


def test_types_and_wording_do_not_count(clone: Path) -> None:
    script = clone / "workflow" / "scripts" / "predict_patterns.py"
    found = {path.stem for path in modules_of(script)}
    assert not found & {"errors", "logs", "provenance"}
    module = clone / "polarstem" / "evaluate" / "scores" / "write_predictions.py"
    edited(module, "if TYPE_CHECKING:\n", "if TYPE_CHECKING:\n    import polarstem.report.card\n")
    assert {path.stem for path in modules_of(script)} == found
    edited(module, "\ndef ", "\ndef _late():\n    import polarstem.report.card\n\n\ndef ")
    assert {path.stem for path in modules_of(script)} > found | {"card"}


def test_a_family_counts_where_it_is_named(root: Path) -> None:
    script = root / "workflow" / "scripts" / "train_model.py"
    family = "polarstem.models.family.equivariant"
    assert "equivariant" not in {path.stem for path in modules_of(script)}
    assert {"equivariant", "group_network"} <= {path.stem for path in modules_of(script, [family])}
    assert digest_of(script, [family]) != digest_of(script)
