# SPDX-License-Identifier: GPL-3.0-or-later
"""What a family says of itself, and what the others may know of it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from synthetic_patterns import DIRECTIONS, ROOT

from polarstem.errors import PolarstemError
from polarstem.models import FitJob, create, families, model_class
from polarstem.models import family as folder

OPTIONS = {
    "cnn": {"training": {"max_epochs": 1}},
    "equivariant": {"channels": 4, "layers": 1, "training": {"max_epochs": 1}},
    "linear": {"components": 20},
    "pca_knn": {"components": 10},
    "timm": {"architecture": "resnet10t", "training": {"max_epochs": 1}},
}
WORDS = {
    "cnn": "small convolutional network (3 × 3 kernels, 16-32-64)",
    "deflection": "centre of mass of the pattern, a Gaussian for each thickness and class",
    "equivariant": "fully connected network that turns with the pattern",
    "linear": "20 principal components, linear discriminant analysis",
    "pca_knn": "10 principal components, vote of 5 nearest neighbours",
    "template": "Poisson likelihood under the training patterns, in all their turns",
    "timm": "resnet10t (timm), from random weights",
}


@pytest.mark.parametrize("family", families())
def test_what_a_family_says_of_itself_is_true(make_set, tmp_path, family):
    train, test = make_set(160, 0), make_set(20, 1).read(slice(None))
    options = OPTIONS.get(family, {})
    model = create(family, options, train.class_names, train.class_directions)
    model.fit(train, make_set(40, 2), FitJob(tmp_path / "work", seed=0, device="cpu"))
    assert type(model) is model_class(family)
    assert model.describe(options) == WORDS[family]
    before = model.predict_proba(test)
    after = model.predict_proba(np.rot90(test, axes=(1, 2)))
    turned = np.allclose(after, np.roll(before, 2, axis=1), atol=1e-4)
    assert turned == model.respects_symmetry
    model.save(tmp_path / "model")
    assert (tmp_path / "model" / "history.csv").exists() == model.is_network


def test_which_families_do_what():
    def those(fact):
        return {name for name in families() if getattr(model_class(name), fact)}

    assert those("is_network") == {"cnn", "equivariant", "timm"}
    assert those("on_principal_components") == {"linear", "pca_knn"}
    assert those("respects_symmetry") == {"deflection", "equivariant", "linear", "template"}


def test_a_stream_is_a_set_of_patterns_on_one_thread(make_set, monkeypatch):
    """For families that do not say otherwise."""
    given = {}

    class Stream:
        settings: ClassVar = {"fixed": 32, "validation": 16}

        def sample(self, n, split):
            return make_set(n, {"train": 0, "validation": 1}[split])

    def fit(self, train, validation, job):
        given.update(train=train, validation=validation, job=job)
        return self

    monkeypatch.setattr(model_class("pca_knn"), "fit", fit)
    model = create("pca_knn", {}, make_set(8, 0).class_names, DIRECTIONS)
    job = FitJob(Path("there"), 3, threads=4, device="gpu", progress=True, memory_mb=7)
    assert model.fit_stream(Stream(), job) is model
    assert (given["train"].n, given["validation"].n) == (32, 16)
    assert given["job"] == FitJob(Path("there"), 3, 1, "gpu", True, 7)
    assert model.info["stream"] == {"patterns": 32}


def test_asking_imports_nothing_that_computes():
    """Torch and scikit-learn take seconds, which a report has no other need for."""
    code = (
        "import sys\n"
        "from polarstem.models import families, model_class\n"
        "[model_class(name).describe({}) for name in families()]\n"
        "sys.exit(str([m for m in ('torch', 'timm', 'sklearn', 'lightning') if m in sys.modules]))"
    )
    asked = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert asked.stderr.strip() == "[]"


def test_a_file_without_its_family_is_told(tmp_path, monkeypatch):
    (tmp_path / "nothing.py").write_text("from polarstem.models.base import Model\n")
    monkeypatch.setattr(folder, "__path__", [*folder.__path__, str(tmp_path)])
    assert "nothing" in families()
    with pytest.raises(PolarstemError, match=r"nothing\.py holds 0 models .* 'nothing'"):
        model_class("nothing")


def imported(path: Path) -> Iterator[str]:
    """Modules of the package that a file imports, be it within a function or for types alone."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_two_modules_import_each_other():
    root = ROOT / "polarstem"
    paths = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in (root / "models").rglob("*.py")
    }
    graph = {
        name: {other for other in imported(path) if other in paths and other != name}
        for name, path in paths.items()
    }
    # the package offers what is in it, and importing a module of it imports the package
    for name in graph:
        graph[name] -= {"polarstem.models"}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))
