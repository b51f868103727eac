# SPDX-License-Identifier: GPL-3.0-or-later
"""Habits that hold for every rule, script and module."""

from __future__ import annotations

import ast
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import yaml
from runs import ROOT, TINY, planned, snakemake

from polarstem.config import check, load, plan
from polarstem.config.docs import reference_text, schema_text
from polarstem.config.model import merge, thickest
from polarstem.config.work import all_jobs
from polarstem.structures.scenes.recipe import SceneKind, WallKind, wall_kinds

RULE_FILES = sorted((ROOT / "workflow" / "rules").glob("*.smk"))
SCRIPTS = sorted((ROOT / "workflow" / "scripts").glob("*.py"))
MODULES = sorted((ROOT / "polarstem").rglob("*.py"))
PRESETS = sorted((ROOT / "resources" / "presets").glob("*.yaml"))

# Data flows one way; these are free for all, whatever stands above them.
ORDER = (
    *("structures", "simulate", "scans", "data", "models"),
    *("maps", "displacements", "evaluate", "report"),
)
SHARED = {
    *("checked_netcdf", "config", "errors", "files", "import_closure", "logs"),
    *("machine_faults", "provenance", "seeds", "shipped_files", "yaml_files"),
}
# What the config must know of a stage to check itself, and how stages name themselves to it.
CONFIG_MAY_USE = {"structures"}
RUNS_TEXT = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "pd.read_pickle"}
SAFE_YAML = {"yaml.safe_load", "yaml.safe_dump", "yaml.SafeLoader"}
PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


MAPPING = {
    *("simulate_scene", "map_defect_free", "calibrate_anomaly"),
    *("map_scan", "summarise_maps", "draw_maps"),
}


def rules() -> dict[str, str]:
    """Text of every rule, by name."""
    found = {}
    for path in [ROOT / "Snakefile", *RULE_FILES]:
        parts = re.split(r"^rule (\w+):\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        found |= dict(zip(parts[1::2], parts[2::2], strict=True))
    return found


RULES = rules()
COMPUTING = {name: text for name, text in RULES.items() if "localrule: True" not in text}
TARGETS = {"all", "simulate", "datasets", "train", "evaluate", "maps"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("name", COMPUTING)
def test_rule_is_complete(name: str) -> None:
    text = COMPUTING[name]
    assert re.match(r'    """[^"]+\."""\n', text), "a sentence on what it does"
    for directive in ("output", "log", "benchmark", "conda", "threads", "resources", "script"):
        assert re.search(rf"^    {directive}:", text, re.MULTILINE), directive
    for resource in ("mem_mb", "runtime"):
        assert re.search(rf"^        {resource}=", text, re.MULTILINE), resource
    assert f'"../scripts/{name}.py"' in text
    assert re.search(rf'code_of\(\s*"{name}"', text)
    for folder, kind in (("logs", "log"), ("benchmarks", "jsonl")):
        assert re.search(rf'"<{folder}>/{name}(/[^"]*)?\.{kind}"', text), folder


def test_rules_and_scripts_belong_together() -> None:
    assert {path.stem for path in SCRIPTS} == {n for n, text in RULES.items() if "script:" in text}


FUNCTIONS = ("common.smk", "learning.smk", "needs.smk", "experiments.smk", "scheduler.smk")


def test_no_rule_hides_a_function() -> None:
    for path in [ROOT / "Snakefile", *RULE_FILES]:
        text = path.read_text(encoding="utf-8")
        assert "lambda" not in text, path.name
        assert path.name in FUNCTIONS or not re.search(r"^\s*def ", text, re.MULTILINE)
        assert path.name != "common.smk" or not re.search(r"^rule ", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("paths", "most"),
    [
        pytest.param([ROOT / "Snakefile", *SCRIPTS], 60, id="scripts"),
        pytest.param(RULE_FILES, 200, id="rules"),
        pytest.param(MODULES, 400, id="modules"),
    ],
)
def test_files_are_short(paths: list[Path], most: int) -> None:
    lengths = {name_of(p): len(p.read_text(encoding="utf-8").splitlines()) for p in paths}
    assert {name: n for name, n in lengths.items() if n > most} == {}


def imports(path: Path) -> Iterator[str]:
    """Full names of all that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_stages_import_only_what_stands_before_them() -> None:
    wrong = []
    for path in MODULES:
        own = path.relative_to(ROOT / "polarstem").parts[0].removesuffix(".py")
        if own in ("cli", "own_mapper", "__main__", "__init__"):  # commands
            continue
        for name in imports(path):
            if not name.startswith("polarstem."):
                continue
            other = name.split(".")[1]
            if other in {own, "__version__", *SHARED} or (
                own == "config" and other in CONFIG_MAY_USE
            ):
                continue
            if own in ORDER and other in ORDER and ORDER.index(other) < ORDER.index(own):
                continue
            wrong.append(f"{name_of(path)} imports {name}")
    assert wrong == []


def test_package_knows_nothing_of_snakemake_or_the_workflow() -> None:
    wrong = [
        f"{name_of(path)}: {name}"
        for path in MODULES
        for name in imports(path)
        if name.split(".")[0] in ("snakemake", "workflow", "snakemake_interface_common")
    ]
    assert wrong == []


def test_every_netcdf_file_is_written_with_checksums() -> None:
    written = re.compile(r"""to_netcdf\(|netCDF4\.Dataset\([^)]*["'][wa]""")
    texts = {path.stem: path.read_text(encoding="utf-8") for path in MODULES}
    assert [name for name, text in texts.items() if written.search(text)] == []
    assert "super().createVariable" in texts["checked_netcdf"]


def test_scripts_have_no_future_import() -> None:
    """Snakemake puts lines before the script's first, where Python allows no such import."""
    assert [p.name for p in SCRIPTS if "__future__" in p.read_text(encoding="utf-8")] == []


def test_nothing_a_user_loads_is_a_pickle() -> None:
    wrong = []
    for path in [*MODULES, *SCRIPTS]:
        wrong += [f"{name_of(path)}: {n}" for n in imports(path) if n.split(".")[0] in PICKLES]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if called in RUNS_TEXT or (called.startswith("yaml.") and called not in SAFE_YAML):
                wrong.append(f"{name_of(path)}:{node.lineno}: {called}")
            values = {k.arg: getattr(k.value, "value", None) for k in node.keywords}
            if values.get("allow_pickle") or values.get("weights_only") is False:
                wrong.append(f"{name_of(path)}:{node.lineno}")
            if called == "torch.load" and values.get("weights_only") is not True:
                wrong.append(f"{name_of(path)}:{node.lineno}: torch.load without weights_only")
            if called in ("np.load", "numpy.load") and values.get("allow_pickle") is not False:
                wrong.append(f"{name_of(path)}:{node.lineno}: np.load without allow_pickle=False")
    assert wrong == []


def test_sources_name_their_licence() -> None:
    first = {p: p.read_text(encoding="utf-8").split("\n", 1)[0] for p in [*MODULES, *SCRIPTS]}
    assert [name_of(p) for p, line in first.items() if "GPL-3.0-or-later" not in line] == []


@pytest.mark.parametrize(
    "path",
    [ROOT / "config.yaml", ROOT / "tests" / "configs" / "tiny.yaml", *PRESETS],
    ids=lambda path: path.stem,
)
def test_shipped_configs_are_valid(path: Path) -> None:
    config = load(path)
    assert plan.all_specimens(config)
    unused = set(config.models) - set(config.used_models())
    unused |= set(config.domains) - set(config.used_domains())
    unused |= set(config.train.sources) - set(config.used_sources())
    streamed = {name for stream in config.streams().values() for name in stream.specimens}
    unused |= set(config.specimens) - set(plan.used_sets(config)) - streamed
    assert not unused, "sections that no run uses"


def test_every_kind_of_scene_is_among_the_shipped_experiments() -> None:
    standard = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    more = yaml.safe_load((ROOT / "resources" / "experiments.yaml").read_text(encoding="utf-8"))
    config = check(merge(standard, more))
    mapped = [config.experiments[name].scene for name in config.mapped()]
    # but walls of other phases
    kinds = set(get_args(SceneKind)) - set(get_args(WallKind)) | set(wall_kinds("O"))
    assert {scene.kind for scene in mapped if scene} == kinds


def test_the_recommended_model_learns_from_wider_ranges_than_it_is_tested_in() -> None:
    config = load(ROOT / "config.yaml")
    stream = config.streams()[config.evaluate.recommended.source]
    tested = config.specimens["emulated"].conditions.model_dump()
    for name, wide in stream.conditions.model_dump().items():
        if any(np.atleast_1d(tested[name])):
            assert wide[0] <= tested[name][0] < tested[name][1] <= wide[1], name
    assert stream.conditions.dose_electrons[0] <= 100
    for name in set(stream.specimens) - {"thermal_cubic"}:
        crystals = config.structures_of(name)
        assert crystals.amplitude * (1 - crystals.amplitude_spread) < 0.5  # weak_t20
        assert thickest(config.specimens[name]) > 45


@pytest.mark.slow
@pytest.mark.parametrize("path", [ROOT / "config.yaml", *PRESETS], ids=lambda path: path.stem)
def test_dry_run_shows_the_whole_benchmark(path: Path, tmp_path: Path) -> None:
    config = load(path)
    # the standard configuration lies beside it, and nothing of it must be merged in
    shutil.copy(ROOT / "config.yaml", tmp_path)
    jobs = planned(tmp_path, "-s", str(ROOT / "Snakefile"), config=str(path))
    specimens, crystals = plan.all_specimens(config), plan.all_crystals(config)
    engines = [plan.engine_of(config, specimen.specimen_set)[0] for specimen in specimens]
    assert jobs.get("simulate_patterns", 0) == engines.count("multislice")
    matrices = ("compute_scattering_matrix", "compute_thermal_matrices")
    assert sum(jobs.get(rule, 0) for rule in matrices) == len(crystals)
    assembled = ("assemble_dataset", "measure_dataset")
    assert sum(jobs.get(rule, 0) for rule in assembled) == len(config.used_domains())
    assert jobs["train_model"] == jobs["predict_patterns"] == len(config.runs())
    unused = set() if crystals else {"compute_scattering_matrix", "measure_dataset"}
    if path in PRESETS and not config.streams():
        unused |= {"compute_thermal_matrices", "gather_mapping_model", "write_reference_model"}
    if not config.adaptations():
        unused |= {"adapt_predictions"}
    if config.evaluate.recommended is None:
        unused |= {"compute_library", "gather_mapping_model", "write_reference_model"}
    if config.evaluate.vector_bound is None:
        unused |= {"compute_vector_bound"}
    if config.evaluate.displacements is None:
        unused |= {"fit_displacements", "score_displacements", "map_displacements"}
    if not config.experiments:
        unused |= MAPPING
    if not any(experiment.reality for experiment in config.experiments.values()):
        unused |= {"draw_reality"}
    assert set(jobs) == set(RULES) - TARGETS - unused
    # the estimate knows of the same jobs
    counted = Counter(job.rule for job in all_jobs(config))
    assert {rule: jobs.get(rule) for rule in counted} == counted


@pytest.mark.slow
def test_networks_alone_ask_for_a_card(tmp_path: Path) -> None:
    config = yaml.safe_load((ROOT / TINY).read_text(encoding="utf-8"))
    config["train"]["device"] = "gpu"
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    arguments = ("-n", "-s", str(ROOT / "Snakefile"), "train")
    text = snakemake(tmp_path, *arguments, config="card.yaml").stdout
    cards = re.findall(r"wildcards: model=(\w+),[^[]*? resources: [^[]*?\bgpu=(\d)", text)
    assert set(cards) == {
        ("tiny_cnn", "1"),
        ("tiny_resnet", "1"),
        ("tiny_vgg", "1"),
        ("tiny_equivariant", "1"),
        ("tiny_pca_knn", "0"),
    }


def test_generated_reference_is_in_step() -> None:
    hint = "run `python -m polarstem docs`"
    reference = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    assert reference == reference_text(), hint
    schema = ROOT / "workflow" / "schemas" / "config.schema.json"
    assert schema.read_text(encoding="utf-8") == schema_text(), hint
