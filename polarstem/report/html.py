# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: one HTML page that carries its figures and needs no network."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml
from markupsafe import Markup

from polarstem.errors import PolarstemError
from polarstem.evaluate.scores.metrics import METRICS, TABLE_METRICS, Metric
from polarstem.evaluate.scores.rungs import FACTORS, rungs_of
from polarstem.evaluate.scores.tested_domains import reference_of
from polarstem.evaluate.summary.entries import RELATIVE
from polarstem.evaluate.summary.fair_table import fair_rows, fair_sources
from polarstem.evaluate.summary.headlines import pool_seeds, read_metrics
from polarstem.files import atomic_path
from polarstem.report import FIGURES
from polarstem.report.describe import adaptation_rows, domain_rows, model_rows, simulation_rows
from polarstem.report.embedding import TEMPLATES, embed
from polarstem.report.figures.resources import stage_table
from polarstem.report.map_panel import report_panel
from polarstem.report.reality_panel import reality_panel
from polarstem.report.speed import speed_rows

# metrics of the table of the emulated experiment, and of that of cubic specimens
EXPERIMENT = (
    "balanced_accuracy",
    "cell_accuracy",
    "accuracy_at_80",
    "flip_rate_at_80",
    "mean_angular_error",
    "ece",
    "nll",
)
CONTROLS = ("abstained_cells", "abstained", "conformal_size")
MINUS = "\u2212"
_SMALL = {"1", "nm", "mrad", "unit cells"}  # units of numbers that need decimals


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
        One file, SVG or PNG, for each name of `polarstem.report.FIGURES`.
    config_resolved_yaml : path
        The config with all defaults filled in.
    versions : mapping of str to str
        Versions of the software, by name.
    output : path
        The page.
    bench_json, scaling, error_time : path, optional
        Rows and figures that ``make bench`` leaves.
    maps : mapping of str to path, optional
        Figures of the maps of all experiments (``maps``) and of the ladder of reality
        (``reality``), where they were drawn.
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
    table = pool_seeds(read_metrics(metrics_csv))
    drawn = dict(figures) | dict(maps or {})
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "interval": interval, "percent": percent}
    page = environment.get_template("report.html.j2").render(
        css=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        script=Markup((TEMPLATES / "sort.js").read_text(encoding="utf-8")),
        title=config["report"]["title"],
        summary=summary,
        config=config,
        config_text=config_text,
        reference=reference_of(config),
        metrics=TABLE_METRICS,
        experiment_metrics=_scored(table, [config["evaluate"].get("experiment")], EXPERIMENT),
        control_metrics=_scored(table, config["evaluate"].get("controls", ()), CONTROLS),
        scores=score_rows(table),
        ladder={FACTORS.get(f, (f, ""))[0]: rungs for f, rungs in rungs_of(config).items()},
        beam_sign=beam_sign_thicknesses(summary),
        fair=fair_rows(summary, config),
        fair_sources=fair_sources(config),
        claims=claim_rows(summary),
        warnings=list(warnings),
        models=list(dict.fromkeys(table["model"])),
        simulation=simulation_rows(config),
        domains=domain_rows(config, summary),
        model_settings=model_rows(config),
        adapted_settings=adaptation_rows(config),
        stages=stage_table(summary),
        figures={name: embed(Path(path)) for name, path in drawn.items()},
        panel=report_panel(summary),
        reality=reality_panel(summary),
        speed=speed_rows(bench_json) if bench_json else [],
        scaling=embed(Path(scaling)) if scaling else None,
        error_time=embed(Path(error_time)) if error_time else None,
        versions=dict(versions),
    )
    with atomic_path(output) as path:
        path.write_text(page, encoding="utf-8")


def number(entry: Mapping[str, Any]) -> str:
    """A value as the page shows it: per cent, degrees, or a plain count."""
    value, unit = entry["value"], entry["unit"]
    if value is None:
        return "–"
    if unit == "fraction":
        text = f"{100 * value:.1f}\u00a0%"
    elif unit == RELATIVE:
        text = percent(value)
    elif unit == "deg":
        text = f"{value:.1f}°"
    elif unit in _SMALL and value != round(value):
        text = f"{value:.2f}" + ("" if unit == "1" else f"\u00a0{unit}")
    else:
        text = f"{value:,.0f}" + ("" if unit == "1" else f"\u00a0{unit}")
    return text.replace("-", MINUS)


def percent(share: float) -> str:
    """A share of any size, in per cent with two digits."""
    text = f"{100 * share:.2g}" if abs(share) < 0.1 else f"{100 * share:.0f}"
    return f"{text}\u00a0%"


def interval(entry: Mapping[str, Any]) -> str:
    """An interval in the unit of its value, or "no interval" for a single specimen."""
    low, high = entry["low"], entry["high"]
    if low is None or high is None:
        return "no interval"
    dash = "–" if low >= 0 else "to"
    if entry["unit"] == "fraction":
        text = f"{100 * low:.1f} {dash} {100 * high:.1f}\u00a0%"
    elif entry["unit"] == RELATIVE:
        text = f"{percent(low)} {dash} {percent(high)}"
    elif entry["unit"] == "deg":
        text = f"{low:.1f} {dash} {high:.1f}°"
    else:
        text = f"{low:.2f} {dash} {high:.2f}"
    return text.replace("-", MINUS)


def _scored(
    table: pd.DataFrame, domains: Collection[str | None], names: Sequence[str]
) -> dict[str, Metric]:
    """Those metrics that some of the data domains has."""
    found = set(table["metric"][table["domain"].isin(list(domains))])
    return {name: METRICS[name] for name in names if name in found}


def beam_sign_thicknesses(summary: Mapping[str, Any]) -> list[str]:
    """Thicknesses [nm] at which the sign of the component along the beam is spoken of."""
    start, end = "learning.limit.beam_sign_electrons.", ".median"
    keys = [key for key in summary if key.startswith(start) and key.endswith(end)]
    return [key.removeprefix(start).removesuffix(end) for key in keys]


def claim_rows(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Answers of the summary, each with its key, its label and whose claim it is."""
    rows = []
    for key, entry in summary.items():
        if key.startswith("learning.claims."):
            name = key.split(".")[2]
            paper = name.startswith("paper_")
            label = f"Claim {name.removeprefix('paper_')}" if paper else name.upper()
            rows.append({**entry, "key": key, "label": label, "paper": paper})
    return rows


def score_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """One row per model, source and data domain, with an entry for every metric."""
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for record in table.astype(object).where(table.notna(), None).to_dict("records"):
        key = (record["model"], record["source"], record["domain"])
        row = rows.setdefault(key, {"model": key[0], "source": key[1], "domain": key[2]})
        row["n"] = record["n"]
        unit = METRICS[record["metric"]].unit
        row[record["metric"]] = {k: record[k] for k in ("value", "low", "high")} | {"unit": unit}
    return list(rows.values())
