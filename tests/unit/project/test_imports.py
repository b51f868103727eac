# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs are short and many: each imports what it uses, and no more."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from polarstem.config import check, jobs, load, plan

ROOT = Path(__file__).resolve().parents[3]

HEAVY = ("abtem", "torch", "lightning", "timm", "sklearn", "matplotlib", "scipy.stats", "dask")
"""Each takes about a second or more."""
MATRICES = ("compute_scattering_matrix", "compute_thermal_matrices")
MEASURED_AT_ONCE = ("compute_library", "measure_accuracy", "compute_vector_bound")
TABLES = ("assemble_dataset", "compute_metrics", "compare_with_limit")
TABLES += ("answer_claims", "summarise_maps", "summarise_results", "write_reference_model")
DRAWN = ("draw_maps", "draw_reality", "write_report")
MEASURED = ("measure_dataset", "check_leakage", "compute_information", "calibrate_anomaly")
MEASURED += ("map_defect_free",)
# made when a stream is learned from, and when networks answer
STREAM = "import polarstem.data.stream"
NETWORK = "import polarstem.models.family.cnn, polarstem.models.pattern_network"


def head(script: str) -> str:
    """What a script of the workflow imports before it starts."""
    path = ROOT / "workflow" / "scripts" / f"{script}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return "\n".join(
        ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)
    )


def imported(code: str) -> set[str]:
    """Which of the heavy packages a fresh process has loaded after some code."""
    code += f"\nimport sys\nprint(*set(sys.modules).intersection({HEAVY}))"
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("scripts", "later", "needed"),
    [
        pytest.param(MATRICES, "", set(), id="matrices"),
        pytest.param(MEASURED_AT_ONCE, "", {"torch"}, id="measured matrices"),
        pytest.param(TABLES, "", set(), id="tables"),
        pytest.param(
            ("train_model", "predict_patterns", "adapt_predictions"), "", set(), id="start"
        ),
        pytest.param(DRAWN, "", {"matplotlib"}, id="figures"),
        pytest.param(("draw_figures",), "", {"matplotlib", "scipy.stats"}, id="results"),
        pytest.param(("map_scan",), "", {"matplotlib", "torch"}, id="map"),
        pytest.param(MEASURED, "", {"torch"}, id="measure"),
        pytest.param(("train_model",), STREAM, {"torch"}, id="stream"),
        pytest.param(("predict_patterns", "adapt_predictions"), NETWORK, {"torch"}, id="predict"),
    ],
)
def test_jobs_import_what_they_use(scripts, later, needed):
    """Together: what one of them imported too much would be found with all."""
    found = imported("\n".join([*map(head, scripts), later]))
    assert found == needed


def test_a_scattering_matrix_takes_torch_and_what_writes_it(tmp_path):
    config = check(load(ROOT / "tests" / "configs" / "tiny.yaml").model_dump(mode="json"))
    crystal, _ = plan.crystal_of(config, plan.all_specimens(config)[0])
    settings = jobs.matrix_settings(config, crystal)
    settings |= {"thicknesses_nm": settings["thicknesses_nm"][:1], "cells": [2, 2]}
    code = head("compute_scattering_matrix")
    found = imported(f"{code}\ncompute_matrix({str(tmp_path / 'x.nc')!r}, {settings})")
    assert found == {"torch", "dask"}  # xarray writes with it
