# SPDX-License-Identifier: GPL-3.0-or-later
"""The check of a configuration: every problem at once, each with a place and a hint."""

from __future__ import annotations

import copy
import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from polarstem.config import ConfigError, check, is_whole, laid_over, load, read_standard
from polarstem.config.cross_checks import nearest, timm_names
from polarstem.config.docs import reference_text, write_resolved
from polarstem.config.model import merge
from polarstem.config.plan import specimens_of
from polarstem.errors import PolarstemError

ROOT = Path(__file__).resolve().parents[3]
TINY = yaml.safe_load((ROOT / "tests" / "configs" / "plain.yaml").read_text(encoding="utf-8"))


def changed(path: str, value: object) -> dict[str, Any]:
    """The tiny configuration with one value set, or taken out if it is None."""
    data = copy.deepcopy(TINY)
    section = data
    *parents, last = path.split(".")
    for key in parents:
        section = section.setdefault(key, {})
    if value is None:
        del section[last]
    else:
        section[last] = value
    return data


def problems_of(data: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        check(data)
    problems = caught.value.problems
    assert all("\n" not in problem for problem in problems)
    return problems


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("seeed", 3, "seeed: unknown key; did you mean `seed`?"),
        ("seed", None, "seed: is required and missing"),
        ("seed", "x", "seed: 'x': should be a valid integer"),
        ("seed", -1, "seed: -1: should be greater than or equal to 0"),
        (
            "simulate.semiangle",
            24,
            "simulate.semiangle: unknown key; did you mean `semiangle_mrad`?",
        ),
        ("simulate.energy_kv", "high", "simulate.energy_kv: 'high': should be a valid number"),
        ("simulate.energy_kv", float("nan"), "simulate.energy_kv: nan: should be a finite number"),
        ("simulate.pixels_per_cell", 31, "simulate.pixels_per_cell: 31: must be even"),
        ("simulate.device", "cuda", "simulate.device: 'cuda' is not one of 'cpu' or 'gpu'"),
        ("simulate.aberrations", {"C1": 5}, "'C1' is no aberration; known: C10"),
        ("simulate.scan.offset", "center", "simulate.scan.offset: 'center' is not one of"),
        (
            "structures.phase",
            "M",
            "structures.phase: 'M': There is no polar phase 'M'; choose T (<001>), O (<110>), R",
        ),
        ("structures.zone_axis", [1, 1, 1], "must be [0, 0, 1] or [1, 1, 0]"),
        ("structures.cells", [3], "structures.cells"),
        ("structures.amplitude_spread", 1, "amplitude_spread: 1: should be less than 1"),
        (
            "structures.amplitude_spread",
            0,
            "structures.amplitude_spread (for specimens.tiny): is 0, but with a_site 'virtual' and "
            "no phonons the training and test specimens of a class are then one crystal",
        ),
        ("simulate.engine", "abtem", "'abtem' is not one of 'auto', 'scattering_matrix', 'multi"),
        (
            "simulate.engine",
            "scattering_matrix",
            "simulate.engine (for specimens.tiny_phonons): no scattering matrix describes such a "
            "specimen, because its A site is random (structures.a_site); change that, or choose",
        ),
        ("structures.material", "KNM", "structures.material"),
        (
            "specimens.tiny.thicknesses_nm",
            [-5],
            "specimens.tiny.thicknesses_nm[0]: -5: should be gr",
        ),
        ("specimens.tiny.thicknesses_nm", [5, 10, 10], "a thickness stands there twice"),
        ("specimens.tiny.paired_with", "tiny", "no other specimen set 'tiny'; known: `tiny_"),
        (
            "specimens.tiny.paired_with",
            "tiny_phonons",
            "has 0 specimens of a class to train",
        ),
        (
            "specimens.tiny.classes",
            ["RX"],
            "specimens.tiny.classes: no class 'RX'; known: `RM`, `MU`",
        ),
        (
            "specimens.tiny.simulate",
            {"energykv": 1},
            "specimens.tiny.simulate.energykv: unknown key",
        ),
        ("specimens.tiny.per_class", {}, "specimens.tiny.per_class"),
        ("specimens.tiny.per_class.test", 0, "so every class needs a specimen in the test split"),
        ("specimens.tiny.per_class.train", 0, "so every class needs a specimen in the train split"),
        ("specimens.tiny.per_class.validation", 0, "a specimen in the validation split"),
        ("specimens.tiny.classes", ["RM"], "trained on and needs every class"),
        ("specimens.tiny.structures", {"phase": "O"}, "all specimens must share one class table"),
        ("specimens.bad-name", {}, "specimens.bad-name"),
        ("domains.thin.specimens", "tinny", "no specimen set 'tinny'; did you mean `tiny`?"),
        (
            "domains.thin.thicknesses_nm",
            [7],
            "7 nm is not simulated for 'tiny', which has 5, 10 nm",
        ),
        ("domains.thick.thicknesses_nm", [5], "stands in 'thin' too"),
        (
            "evaluate.adaptation",
            [{"model": "tiny_cn", "method": "symmetry"}],
            "evaluate.adaptation[0].model: no used model 'tiny_cn'; did you mean `tiny_cnn`?",
        ),
        (
            "evaluate.adaptation",
            [{"model": "tiny_cnn", "method": "symmetry", "domains": ["thn"]}],
            "evaluate.adaptation[0].domains: no tested data domain 'thn'; did you mean `thin`?",
        ),
        (
            "evaluate.adaptation",
            [{"model": "tiny_vgg", "method": "prototypes"}],
            "evaluate.adaptation[0].method: 'tiny_vgg' has no prototypes; use head `prototype`",
        ),
        (
            "evaluate.adaptation",
            [{"model": "tiny_cnn", "method": "batch_statistics"}],
            "'tiny_cnn' has no batch normalisation; networks of the family timm such as resnet18",
        ),
        (
            "evaluate.adaptation",
            [{"model": "tiny_cnn", "method": "symmetry", "turned_copies": False}],
            "evaluate.adaptation[0].turned_copies: is false, but `symmetry` is nothing else",
        ),
        (
            "evaluate.adaptation",
            [
                {"model": "tiny_cnn", "method": "prototypes"},
                {"model": "tiny_cnn", "method": "prototypes", "scan": "domain"},
            ],
            "evaluate.adaptation[1].name: 'tiny_cnn_prototypes' is taken; give each adaptation its",
        ),
        (
            "models.tiny_vgg.positives",
            "cross_condition",
            "models.tiny_vgg.positives: prototypes alone are made of positives, but the head is "
            "'regression'; use `prototype`",
        ),
        (
            "models.tiny_cnn.family",
            "ccn",
            "models.tiny_cnn.family: 'ccn' is no model family; did you",
        ),
        ("models.tiny_cnn.hed", "x", "models.tiny_cnn.hed: unknown key; did you mean `head`?"),
        ("models.tiny_pca_knn.head", "regression", "models.tiny_pca_knn.head: unknown key"),
        ("models.tiny_cnn.training.max_epoch", 3, "training.max_epoch: unknown key; did you mean"),
        (
            "models.tiny_resnet.architecture",
            "resnet5",
            "'resnet5' is not known to timm; did you mean",
        ),
        ("train.sources.thin", ["thn"], "train.sources.thin: no data domain 'thn'; did you mean"),
        ("train.sources.thin", [], "train.sources.thin"),
        ("train.runs", [], "train.runs"),
        (
            "train.runs",
            [{"models": ["cnn"], "sources": ["thin"]}],
            "train.runs[0].models: no model",
        ),
        ("train.seeds", [1, 1], "train.seeds: a seed stands there twice"),
        ("evaluate.domains", ["thin", "cold"], "evaluate.domains: no data domain 'cold'"),
        ("evaluate.reference_source", "thick", "evaluate.reference_source: no used source 'thick'"),
        ("evaluate.reference_domain", "cold", "evaluate.reference_domain: no tested data domain"),
        ("evaluate.smallest_gain", 0, "evaluate.smallest_gain: 0: should be greater than 0"),
        ("evaluate.confidence", 95, "evaluate.confidence: 95: should be less than 1"),
    ],
)
def test_each_mistake_is_one_clear_sentence(path: str, value: object, expected: str) -> None:
    problems = problems_of(changed(path, value))
    assert any(expected in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("structures", "simulate"),
    [
        ({"a_site": "random"}, {}),
        ({}, {"phonons": {"configurations": 1}}),
        # identical for all classes, so that there is nothing to leak
        ({"amplitude": 0}, {}),
    ],
)
def test_specimens_need_no_spread_where_something_else_tells_them_apart(
    structures: dict[str, Any], simulate: dict[str, Any]
) -> None:
    data = changed("structures.amplitude_spread", 0)
    data["structures"] |= structures
    data["simulate"] |= simulate
    check(data)


def test_specimens_of_a_test_set_may_be_alike() -> None:
    data = changed("specimens.tiny_phonons.structures", {"amplitude_spread": 0})
    data["specimens"]["tiny_phonons"]["simulate"] = {}
    check(data)


def test_pairs_are_not_chained() -> None:
    data = changed("specimens.tiny_phonons.paired_with", "tiny")
    check(data)
    one = {"per_class": {"test": 1}, "thicknesses_nm": [5], "paired_with": "tiny_phonons"}
    data["specimens"]["third"] = one
    problems = problems_of(data)
    assert any("'tiny_phonons' is paired itself; name 'tiny'" in problem for problem in problems)


def test_all_problems_come_at_once() -> None:
    data = changed("simulate.energy_kv", -1)
    data["structures"]["phase"] = "X"
    data["report"]["titel"] = "x"
    del data["seed"]
    with pytest.raises(ConfigError, match="The configuration has 4 problems:\n  - ") as caught:
        check(data)
    assert len(caught.value.problems) == 4


@pytest.mark.parametrize("data", [None, [], "x", {}])
def test_no_configuration_at_all(data: object) -> None:
    assert problems_of(data)


def test_defaults_are_filled_and_stable(tmp_path: Path) -> None:
    config = check(TINY)
    assert config.simulate.tilt_mrad == (0, 0)
    path = tmp_path / "resolved.yaml"
    write_resolved(config.model_dump(mode="json"), path)
    assert load(path) == config


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("seed: [1\n", encoding="utf-8")
    for name in (path, tmp_path / "absent.yaml"):
        with pytest.raises(PolarstemError, match=f"{name.name} cannot be read"):
            load(name)


def test_sets_and_models_replace_some_keys() -> None:
    config = check(TINY)
    assert config.simulate_of("tiny").phonons.configurations == 0
    warm = config.simulate_of("tiny_phonons")
    assert warm.phonons.configurations == 2
    assert warm.detector == config.simulate.detector
    assert config.training_of("tiny_cnn").max_epochs == 3
    assert config.training_of("tiny_cnn").batch_size == config.train.training.batch_size


def test_a_run_trains_as_it_says_whatever_model_says() -> None:
    run = {"models": ["tiny_cnn"], "sources": ["both"]}
    runs = TINY["train"]["runs"]

    def planned(*more: dict[str, Any]) -> dict[str, Any]:
        return changed("train.runs", [*runs, *more])

    config = check(planned(run | {"training": {"max_epochs": 7}}))
    assert config.training_of("tiny_cnn", "both").max_epochs == 7
    assert config.training_of("tiny_cnn", "thin").max_epochs == 3
    (problem,) = problems_of(planned(run, run | {"training": {"patience": 3}}))
    assert problem.startswith("train.runs[3].training: 'tiny_cnn' is trained on 'both' by another")
    wrong = problems_of(planned(run | {"training": {"patience": -1, "max_epoch": 2}}))
    assert [p.partition(":")[0] for p in wrong] == [
        "train.runs[2].training.patience",
        "train.runs[2].training.max_epoch",
    ]
    assert "did you mean `max_epochs`" in wrong[1]


def test_merge_keeps_its_inputs() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "material": {"x": 1}}
    before = copy.deepcopy(base)
    override = {"a": {"c": [3]}, "material": {"y": 2}, "new": {"z": 1}}
    assert merge(base, override) == {
        "a": {"b": 1, "c": [3]},
        "material": {"y": 2},
        "new": {"z": 1},
    }
    assert base == before


nested = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=8,
)
mappings = st.dictionaries(st.sampled_from("abcd"), nested, max_size=4)


@given(mappings, mappings)
def test_merge_takes_every_value_of_the_override(base: Any, override: Any) -> None:
    merged = merge(base, override)
    assert merge(merged, override) == merged
    assert merge(base, {}) == base
    assert set(merged) == set(base) | set(override)


def test_what_a_part_sets_to_null_is_left_out() -> None:
    """A part cannot take keys away, nor can Snakemake's own merging."""
    standard = read_standard()
    part = {
        "ladder": None,
        "specimens": {"weak": None},
        "domains": {"weak_t20": None, "emulated": None},
        "models": {"vgg": None},
        "train": {
            "sources": {"varied_quarter": None},
            "runs": [{"models": ["cnn"], "sources": ["t20"]}],
        },
        "experiments": {"b_antisite": None},
        "evaluate": {
            **{"domains": ["t20"], "controls": [], "adaptation": [], "experiment": None},
            "recommended": None,
        },
    }
    config = check(laid_over(standard, part))
    for section, changes in part.items():
        left = config.train.sources if section == "train" else getattr(config, section)
        gone = part["train"]["sources"] if section == "train" else changes
        if section not in ("ladder", "evaluate"):
            assert not set(left) & set(gone)
            whole = standard["train"]["sources"] if section == "train" else standard[section]
            assert set(left) == set(whole) - set(gone)


def test_the_first_class_of_whichever_phase() -> None:
    for phase, first in (("T", "RM"), ("R", "RU")):
        part = {"structures": {"phase": phase}}
        config = check(laid_over(read_standard(), part))
        assert {s.polar_class.name for s in specimens_of(config, "thermal_cubic")} == {first}
    wrong = laid_over(read_standard(), {"specimens": {"thermal_cubic": {"classes": "last"}}})
    with pytest.raises(ConfigError, match=r"thermal_cubic.classes: 'last' is not one of"):
        check(wrong)


def test_nearest() -> None:
    assert nearest("domian", ["domain", "model"]) == "did you mean `domain`?"
    assert nearest("x", ["domain", "model"]) == "known: `domain`, `model`"
    assert nearest("x", []) == "known: none"
    assert nearest("x", [f"name{i}" for i in range(20)]) == "no name is close to it"


def test_names_are_those_that_timm_registers() -> None:
    timm = importlib.import_module("timm")
    names = timm_names()
    assert set(timm.list_models()) <= names
    assert {"resnet18", "vgg11_bn", "vgg16", "resnet50"} <= names


def test_every_key_is_documented() -> None:
    text = reference_text()
    for key in (
        "seed",
        "pixels_per_cell",
        "per_class",
        "dose_electrons",
        "architecture",
        "reference_domain",
    ):
        assert f"| `{key}` |" in text
    assert "|  |" not in text.replace("\n|---|---|---|---|", ""), "a key has no description"


def test_import_is_light() -> None:
    """Snakemake reads the configuration for every job."""
    code = (
        "import sys; from polarstem.config import load; load(sys.argv[1]);"
        "print(*{'numpy', 'torch', 'abtem', 'ase', 'xarray', 'timm', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "tests/configs/tiny.yaml"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == ""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[object], Path]:
    def dump(data: object) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(data), encoding="utf-8")
        return path

    return dump


def test_load_reads_what_check_takes(write: Callable[[object], Path]) -> None:
    assert load(write(TINY)) == check(TINY)


def test_load_lays_files_over_each_other_and_parts_over_the_standard(
    write: Callable[[object], Path], root: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("seed: 9\nevaluate: {confidence: 0.9}\n", encoding="utf-8")
    whole = load(root / "tests" / "configs" / "tiny.yaml", other)
    assert (whole.seed, whole.evaluate.confidence) == (9, 0.9)
    assert "tiny" in whole.specimens
    assert whole.evaluate.domains[0] == "thin", "the rest of a section stays"
    standard = load(other)
    assert (standard.seed, standard.evaluate.confidence) == (9, 0.9)
    assert standard.specimens == load(root / "config.yaml").specimens
    other.write_text("- 1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"other\.yaml: expected a mapping"):
        load(other)


def test_a_whole_configuration_is_told_from_a_part_of_one():
    assert is_whole(TINY)
    assert is_whole({**TINY, "pathvars": {"results": "elsewhere"}})
    assert not is_whole({})
    assert not is_whole({key: value for key, value in TINY.items() if key != "models"})
    # what has defaults may be left out
    assert is_whole({key: value for key, value in TINY.items() if key != "report"})
