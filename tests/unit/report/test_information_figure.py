# SPDX-License-Identifier: GPL-3.0-or-later
"""Models beside the information limit."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from polarstem.evaluate.limit.efficiency import read_information
from polarstem.evaluate.scores.tables import COLUMNS
from polarstem.report.figures.information import _models
from tests.unit.evaluate import synthetic_ladder as ladder


def test_no_source_is_chosen_by_the_patterns_that_are_shown(tmp_path: Path) -> None:
    """Of each family the first model on the reference source, and those of a stream."""
    config = ladder.make_config()
    for domain, dose in (("dose_300", 100.0), ("dose_1e06", 1e4)):
        config["domains"][domain] |= {"severity": dose, "thicknesses_nm": [20.0]}
    scores = {
        ("cnn", "thin"): 0.3,
        ("cnn", "several"): 0.9,  # served better, and not shown
        ("cnn_prototype", "thin"): 0.8,
        ("equivariant", "thin"): 0.7,
        ("equivariant", "random"): 0.2,
    }
    rows = [
        (model, "cnn", "none", source, 0, domain, "balanced_accuracy", value, *limits, 24, *limits)
        for (model, source), value in scores.items()
        for limits in [(value - 0.1, value + 0.1)]
        for domain in ("dose_300", "dose_1e06")
    ]
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(tmp_path / "metrics.csv", index=False)
    information = read_information(ladder.write_information(tmp_path / "information.nc"))
    assert information is not None
    figure, axes = plt.subplots()
    _models(axes, information, tmp_path / "metrics.csv", config)
    labels = axes.get_legend_handles_labels()[1]
    plt.close(figure)
    shown = {"cnn (thin)", "equivariant (thin)", "equivariant (random)"}
    assert set(labels) == {"limit, all known"} | shown
