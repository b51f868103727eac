# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference model: a trained model with the card that says what it is good for."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from polarstem.config.independence import independent_crystals
from polarstem.config.model import Config
from polarstem.errors import PolarstemError
from polarstem.evaluate.scores.tables import compute_metrics
from polarstem.evaluate.scores.tested_domains import conditions_in_words, describe_domain
from polarstem.evaluate.summary.headlines import read_metrics
from polarstem.files import atomic_path
from polarstem.models import model_class
from polarstem.models.saved import read_description
from polarstem.report.speed import duration
from polarstem.structures.crystals import load_material

CARD = "MODEL_CARD.md"
MOST_MB = 20
_SHOWN = {
    "balanced_accuracy": "per pattern",
    "cell_accuracy": "per unit cell",
    "flip_rate": "180° off",
    "ece": "calibration error",
}
_CONTROL = "abstained_cells"


def write_reference_model(
    model_dir: Path | str,
    predictions: Path | str,
    config: Mapping[str, Any],
    output: Path | str,
) -> None:
    """Copy a model that maps and write its card.

    Parameters
    ----------
    model_dir : path
        The saved model, with what lies beside it.
    predictions : path
        Its predictions of all tested data domains.
    config : mapping
        The resolved config.
    output : path
        Directory to write: the model's files and ``MODEL_CARD.md``.

    Raises
    ------
    PolarstemError
        If the model takes more than 20 MB.
    """
    model_dir = Path(model_dir)
    size = sum(path.stat().st_size for path in model_dir.rglob("*") if path.is_file()) / 1e6
    if size > MOST_MB:
        raise PolarstemError(
            f"The model {model_dir} takes {size:.0f} MB, a reference model at most {MOST_MB} MB; "
            "recommend a smaller one (evaluate.recommended)."
        )
    evaluate = config["evaluate"]
    with TemporaryDirectory() as folder:
        table = Path(folder) / "metrics.csv"
        compute_metrics(
            [predictions],
            table,
            Path(folder) / "confusion.nc",
            confidence=evaluate["confidence"],
            crystals=independent_crystals(Config.model_validate(config)),
            controls=evaluate["controls"],
        )
        scores = read_metrics(table)
    text = card_text(read_description(model_dir), scores, config, size)
    with atomic_path(output) as temporary:
        shutil.copytree(model_dir, temporary)
        (temporary / CARD).write_text(text, encoding="utf-8")


def card_text(
    description: Mapping[str, Any], scores: pd.DataFrame, config: Mapping[str, Any], size_mb: float
) -> str:
    """The card as Markdown: use, input, training, accuracy under each condition, limits."""
    crystal, microscope = config["structures"], config["simulate"]
    pixels, mrad = microscope["detector"]["pixels"], microscope["detector"]["mrad_per_pixel"]
    source = config["train"]["sources"][config["evaluate"]["recommended"]["source"]]
    kind = model_class(description["family"])
    material = crystal["material"]
    material = material if isinstance(material, str) else load_material(material).formula
    names = ", ".join(
        f"{name} {angle:g}°"
        for name, angle in zip(
            description["class_names"], description["class_directions_deg"], strict=True
        )
    )
    lines = [
        f"# Reference model: {material}, {microscope['semiangle_mrad']:g} mrad, "
        f"{microscope['energy_kv']:g} kV",
        "",
        "Names the in-plane direction of the polarization from single 4D-STEM patterns.",
        f"Model: {kind.describe(description['options'])} (family `{kind.family}`), "
        f"{size_mb:.1f} MB, trained by polarstem "
        f"{description['versions'].get('polarstem', '')} in "
        f"{duration(description.get('training_seconds', 0))}.",
        "",
        "## Use",
        "",
        "```python",
        "from polarstem.models import load_model",
        "",
        f'model = load_model("{description.get("name", "reference_model")}")  # this directory',
        "probability = model.predict_proba(patterns)  # (n, ky, kx) -> (n, classes)",
        "```",
        "",
        f"- Patterns: {pixels} × {pixels} pixels of {mrad:g} mrad, the beam in the middle of the "
        "array, ky down. Counts or fractions alike.",
        f"- Classes, counter-clockwise from +x with y up: {names}.",
        f"- Crystal: phase {crystal['phase']}, beam along {crystal['zone_axis']}.",
        "- Average the log-probabilities over a unit cell: the table shows what that gains.",
        "- A detector file: `python -m polarstem map scan.mib --model THIS_FOLDER --out map`.",
        "",
        "## Trained on",
        "",
        *(f"- {line}" for line in _training(description, source, config)),
        "",
        "## Accuracy",
        "",
        "On specimens that it has not seen; ranges are "
        f"{100 * config['evaluate']['confidence']:g} % intervals over the n independent crystals.",
        "",
        *_table(scores, config),
        "",
        "## Limits",
        "",
        "- Simulated patterns alone have been tested; an experiment may differ in ways of its own.",
        "- One material, phase, zone axis, energy and semi-angle. For others, train anew.",
        "- It knows nothing of domain walls, defects and amorphous layers in the beam.",
        "- A crystal without polarization is recognised over a unit cell, hardly in one pattern.",
        "",
        f"Licence GPL-3.0-or-later. Config {description['provenance'].get('config_hash', '')}, "
        f"code {description['provenance'].get('git_commit', '')}.",
        "",
    ]
    return "\n".join(lines)


def _training(description: Mapping[str, Any], source: Any, config: Mapping[str, Any]) -> list[str]:
    if not isinstance(source, Mapping):
        return [f"data domain {name}: {describe_domain(config, name)}" for name in source]
    specimens = []
    for name in source["specimens"]:
        given = config["specimens"][name]["thicknesses_nm"]
        low, high = given["between"] if isinstance(given, Mapping) else (min(given), max(given))
        specimens.append(f"{name} ({low:g} to {high:g} nm)")
    return [
        f"{description['training_patterns']:,} patterns, each measured once on scattering matrices "
        f"of {len(description['training_specimens'])} specimens: {', '.join(specimens)}",
        *conditions_in_words(source["conditions"]),
    ]


def _table(scores: pd.DataFrame, config: Mapping[str, Any]) -> list[str]:
    """One row for each data domain; cubic controls have a row of their own kind."""
    rows = [
        f"| data domain | conditions | {' | '.join(_SHOWN.values())} | n |",
        f"|---|---|{'---|' * (len(_SHOWN) + 1)}",
    ]
    controls = []
    for domain in config["evaluate"]["domains"]:
        part = scores[scores["domain"] == domain].set_index("metric")
        what = describe_domain(config, domain)
        if domain in config["evaluate"]["controls"]:
            if _CONTROL in part.index:
                controls.append(
                    f"{domain} ({what}; no polarization): abstains in {_cell(part, _CONTROL)} of "
                    "the unit cells."
                )
            continue
        cells = " | ".join(_cell(part, metric) for metric in _SHOWN)
        rows.append(f"| {domain} | {what} | {cells} | {int(part['n'].max())} |")
    return [*rows, *(["", *controls] if controls else [])]


def _cell(part: pd.DataFrame, metric: str) -> str:
    if metric not in part.index:
        return "–"
    value, low, high = (float(part.loc[metric, key]) for key in ("value", "low", "high"))
    if low != low:  # one crystal
        return f"{value:.3f}"
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"
