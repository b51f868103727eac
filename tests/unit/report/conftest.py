# SPDX-License-Identifier: GPL-3.0-or-later
"""Synthetic results with all figures drawn, once for all tests of the report."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from polarstem.evaluate.claims.answers import answer_claims
from polarstem.evaluate.limit.efficiency import compare_with_limit
from polarstem.evaluate.scores.tables import compute_metrics
from polarstem.evaluate.summary.headlines import summarise_results
from polarstem.report.figures.draw import draw_figures
from tests.unit.evaluate import synthetic_ladder as ladder
from tests.unit.evaluate import synthetic_results as synthetic


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Folder with metrics, confusion, summary, config and figures of a synthetic run."""
    folder: Path = tmp_path_factory.mktemp("report")
    config = ladder.make_config()
    config["evaluate"]["recommended"] = {"model": "equivariant", "source": "random"}
    config["evaluate"]["vector_bound"] = {"nuisance": ["tilt", "defocus"]}
    config["evaluate"]["displacements"] = {"domains": ["free"], "also": [], "positions": 36}
    (folder / "structures").mkdir()
    (folder / "datasets").mkdir()
    structures = synthetic.write_structures(folder / "structures")
    examples = synthetic.write_datasets(folder / "datasets")
    predictions = ladder.write_predictions(folder / "predictions", config)
    models = ladder.write_models(folder / "models", config)
    paths = {
        "metrics_csv": folder / "metrics.csv",
        "confusion_nc": folder / "confusion.nc",
        "summary_json": folder / "summary.json",
        "information_nc": synthetic.write_information(folder / "information.nc"),
    }
    bound = synthetic.write_vector_bound(folder / "vector_bound.nc")
    displacements = synthetic.write_displacements(folder / "displacements.json")
    compute_metrics(predictions, paths["metrics_csv"], paths["confusion_nc"])
    benchmarks = synthetic.write_benchmarks(folder / "benchmarks", config)
    limit = folder / "limit.json"
    compare_with_limit(
        paths["information_nc"], paths["metrics_csv"], predictions, config, limit, bound
    )
    answer_claims(
        predictions,
        models,
        config,
        folder / "claims.json",
        information_nc=paths["information_nc"],
    )
    summarise_results(
        paths["metrics_csv"],
        paths["confusion_nc"],
        config,
        benchmarks,
        paths["summary_json"],
        model_dirs=models,
        limit_json=limit,
        claims_json=folder / "claims.json",
        accuracy_json=synthetic.write_accuracy(folder / "accuracy.json"),
        displacements_json=displacements,
    )
    draw_figures(
        structures=structures,
        examples=examples,
        model_dirs=models,
        predictions=predictions,
        config=config,
        output_dir=folder / "figures",
        vector_bound_nc=bound,
        displacements_json=displacements,
        **paths,
    )
    resolved = folder / "config.resolved.yaml"
    resolved.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return SimpleNamespace(
        folder=folder,
        config=config,
        config_yaml=resolved,
        structures=structures,
        examples=examples,
        vector_bound=bound,
        displacements=displacements,
        figures=folder / "figures",
        summary=json.loads(paths["summary_json"].read_text()),
        **paths,
    )
