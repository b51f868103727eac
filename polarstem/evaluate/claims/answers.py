# SPDX-License-Identifier: GPL-3.0-or-later
"""The job of the rule answer_claims: predictions in, verdicts on file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polarstem.config.independence import independent_crystals
from polarstem.config.model import Config
from polarstem.evaluate.claims.case import Case
from polarstem.evaluate.claims.evidence import Evidence
from polarstem.evaluate.claims.hypotheses import HYPOTHESES
from polarstem.evaluate.claims.paper import PAPER
from polarstem.evaluate.limit.efficiency import read_information
from polarstem.evaluate.summary.headlines import validation_accuracy
from polarstem.files import atomic_path


def answer_claims(
    prediction_paths: Sequence[Path | str],
    model_dirs: Sequence[Path | str],
    config: Mapping[str, Any],
    output: Path | str,
    *,
    information_nc: Path | str | None = None,
) -> None:
    """Answer the paper's claims and the hypotheses of this benchmark.

    Parameters
    ----------
    prediction_paths : sequence of path
        Prediction files, ``{model}/{source}/{seed}.nc``.
    model_dirs : sequence of path
        Saved models, ``{model}/{source}/{seed}``; their histories hold validation accuracies.
    config : mapping
        The resolved config.
    output : path
        Entries of the summary, all under ``learning.claims``.
    information_nc : path, optional
        The information limit.

    Raises
    ------
    PolarstemError
        If a file is broken.
    """
    crystals = independent_crystals(Config.model_validate(config))
    evidence = Evidence(prediction_paths, crystals=crystals)
    sources = dict.fromkeys(source for _, source in evidence.runs)
    validated = {source: validation_accuracy(model_dirs, source) for source in sources}
    information = None if information_nc is None else read_information(information_nc)
    case = Case(config, evidence, validated, information)
    answers = [claim for ask in (*PAPER, *HYPOTHESES) for claim in ask(case)]
    with atomic_path(output) as path:
        entries = {f"learning.claims.{claim.key}": claim.entry() for claim in answers}
        text = json.dumps(entries, indent=1, ensure_ascii=False, allow_nan=False)
        path.write_text(text + "\n", encoding="utf-8")
