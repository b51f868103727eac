# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: one HTML page that carries its figures and needs no network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from polarstem.errors import PolarstemError
from polarstem.evaluate.scores.rungs import FACTORS, rungs_of
from polarstem.evaluate.scores.tested_domains import reference_of
from polarstem.evaluate.summary.fair_table import fair_rows, fair_sources
from polarstem.evaluate.summary.headlines import pool_seeds, read_metrics
from polarstem.files import atomic_path
from polarstem.report import FIGURES
from polarstem.report.describe import adaptation_rows, domain_rows, model_rows, simulation_rows
from polarstem.report.embedding import embed, template, verbatim
from polarstem.report.figures.resources import stage_table
from polarstem.report.findings import claim_rows, findings
from polarstem.report.map_panel import report_panel
from polarstem.report.methods import TRAINING, condition_rows, training_rows
from polarstem.report.number_words import interval, number, percent
from polarstem.report.reality_panel import reality_panel
from polarstem.report.score_table import score_data
from polarstem.report.speed import speed_rows


def write_report(
    summary_json: Path | str,
    metrics_csv: Path | str,
    figures: Mapping[str, Path | str],
    config_resolved_yaml: Path | str,
    versions: Mapping[str, str],
    output: Path | str,
    bench_json: Path | str | None = None,
    scaling: Path | str | None = None,
    maps: Mapping[str, Path | str] | None = None,
    warnings: Sequence[str] = (),
    error_time: Path | str | None = None,
) -> None:
    """Write the report.

    Every result on the page comes from the summary or the table of scores; settings come from
    the resolved config.

    Parameters
    ----------
    summary_json : path
        The headline numbers.
    metrics_csv : path
        The table of scores.
    figures : mapping of str to path
        One file, SVG or PNG, for each name of `polarstem.report.FIGURES`; files of the same name
        in other formats are offered beside it.
    config_resolved_yaml : path
        The config with all defaults filled in.
    versions : mapping of str to str
        Versions of the software, by name.
    output : path
        The page.
    bench_json, scaling, error_time : path, optional
        Rows and figures that ``make bench`` leaves.
    maps : mapping of str to path, optional
        Figures of the maps of all experiments (``maps``) and of the first one (``first_map``), and
        of the ladder of reality (``reality``), where they were drawn.
    warnings : sequence of str
        Grids and fields that miss the accuracy, from
        `polarstem.config.accuracy_warnings.accuracy_warnings`.

    Raises
    ------
    PolarstemError
        If a figure is missing, or the rows are no rows.
    """
    missing = [name for name in FIGURES if name not in figures]
    if missing:
        raise PolarstemError(
            f"The report lacks the figures {', '.join(missing)}; draw them first (rule "
            "draw_figures)."
        )
    summary = json.loads(Path(summary_json).read_text(encoding="utf-8"))
    config_text = Path(config_resolved_yaml).read_text(encoding="utf-8")
    config = yaml.safe_load(config_text)
    bench = {"scaling": scaling, "error_time": error_time}
    drawn = {**figures, **(maps or {}), **{name: path for name, path in bench.items() if path}}
    made = template("report.html.j2", number=number, interval=interval, percent=percent)
    page = made.render(
        css=verbatim("report.css"),
        script=verbatim("report.js"),
        title=config["report"]["title"],
        summary=summary,
        config=config,
        config_text=config_text,
        reference=reference_of(config),
        scores=score_data(pool_seeds(read_metrics(metrics_csv))),
        findings=findings(summary, config),
        ladder={FACTORS.get(f, (f, ""))[0]: rungs for f, rungs in rungs_of(config).items()},
        beam_sign=beam_sign_thicknesses(summary),
        fair=fair_rows(summary, config),
        fair_sources=fair_sources(config),
        claims=claim_rows(summary),
        warnings=list(warnings),
        simulation=simulation_rows(config),
        domains=domain_rows(config, summary),
        model_settings=model_rows(config),
        adapted_settings=adaptation_rows(config),
        training=training_rows(config),
        training_names=TRAINING,
        conditions=condition_rows(config),
        stages=stage_table(summary),
        figures={name: embed(Path(path)) for name, path in drawn.items()},
        panel=report_panel(summary),
        reality=reality_panel(summary),
        speed=speed_rows(bench_json) if bench_json else [],
        versions=dict(versions),
    )
    with atomic_path(output) as path:
        path.write_text(page, encoding="utf-8")


def beam_sign_thicknesses(summary: Mapping[str, Any]) -> list[str]:
    """Thicknesses [nm] at which the sign of the component along the beam is spoken of."""
    start, end = "learning.limit.beam_sign_electrons.", ".median"
    keys = [key for key in summary if key.startswith(start) and key.endswith(end)]
    return [key.removeprefix(start).removesuffix(end) for key in keys]
