# SPDX-License-Identifier: GPL-3.0-or-later
"""Figure of the networks' training: loss and validation accuracy over the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from polarstem.evaluate.scores.rungs import MOST_LINES
from polarstem.evaluate.summary.headlines import HISTORY
from polarstem.report.figures import style
from polarstem.report.figures.looks import colour_of, label_ends

_IN_FAMILY = ("-", (0, (4, 1.2)), (0, (1.2, 1)), (0, (6, 1, 1, 1)))
"""Lines of the first and the other networks of a family."""


def draw_training(
    model_dirs: Sequence[Path | str],
    config: Mapping[str, Any],
    chance: float,
    output: Path | str | Sequence[Path | str],
) -> None:
    """Draw loss and validation accuracy, a row per training source.

    Parameters
    ----------
    model_dirs : sequence of path
        Saved models, ``{model}/{source}/{seed}``; those without a history are passed over, and so
        are controls with shuffled labels and what is more than a panel can show.
    config : mapping
        The resolved config.
    chance : float
        Accuracy of random guesses.
    output : path or paths
        PNG and SVG files.
    """
    histories: dict[str, dict[str, list[pd.DataFrame]]] = {}
    for folder in map(Path, model_dirs):
        model, source, _ = folder.parts[-3:]
        shuffled = config["models"].get(model, {}).get("shuffled_labels")
        if (folder / HISTORY).is_file() and not shuffled:
            runs = histories.setdefault(source, {})
            if model in runs or len(runs) < MOST_LINES:
                runs.setdefault(model, []).append(pd.read_csv(folder / HISTORY))
    rows = max(1, len(histories))
    tall = 1.95 if rows < 3 else 1.45
    with style.new_figure(style.WIDTH_IN, 0.55 + tall * rows) as figure:
        grid = figure.subplots(rows, 2, squeeze=False, sharex=True)
        for (loss, accuracy), (source, runs) in zip(grid, histories.items(), strict=False):
            _draw_row(loss, accuracy, runs, config, gap=0.15 if rows < 3 else 0.2)
            accuracy.axhline(chance, color="0.45", lw=1, ls=":")
            loss.set_title(f"loss, trained on {source}", loc="left")
            accuracy.set_title(f"validation accuracy, trained on {source}", loc="left")
        for axes in grid[-1]:
            axes.set_xlabel("epoch")
        if not histories:
            for axes in grid.flat:
                axes.axis("off")
            grid[0, 0].text(0, 0.5, "No network was trained in this run.")
        lines = [Line2D([], [], color="0.4", label="validation loss")]
        lines += [Line2D([], [], color="0.4", ls=":", lw=1.2, label="training loss")]
        lines += [Line2D([], [], color="0.45", lw=1, ls=":", label="chance")]
        figure.legend(handles=lines[: 3 if histories else 0], loc="outside lower center", ncols=3)
        style.save(figure, output)


def _draw_row(
    loss: Axes,
    accuracy: Axes,
    runs: Mapping[str, Sequence[pd.DataFrame]],
    config: Mapping[str, Any],
    gap: float,
) -> None:
    """Draw the networks of one source; every training seed has a line."""
    ends: list[tuple[float, str, str]] = []
    used: list[str] = []
    for model, seeds in runs.items():
        colour = colour_of(model, config)
        line = _IN_FAMILY[used.count(colour) % len(_IN_FAMILY)]
        used.append(colour)
        for epochs in seeds:
            # a single epoch makes no line
            look: dict[str, Any] = {"color": colour}
            look["marker"] = "_" if len(epochs) == 1 else ""
            training = f"{model}, training"
            loss.plot(epochs["epoch"], epochs["train_loss"], ls=":", lw=1.2, label=training, **look)
            for axes, column in ((loss, "validation_loss"), (accuracy, "validation_accuracy")):
                axes.plot(epochs["epoch"], epochs[column], ls=line, lw=1.2, label=model, **look)
        ends.append((float(seeds[0]["validation_accuracy"].iloc[-1]), model, colour))
    accuracy.set(ylim=(0, 1.04), yticks=[0, 0.5, 1])
    label_ends(accuracy, ends, gap)
    loss.set(yscale="log")
    loss.xaxis.set_major_locator(MaxNLocator(integer=True))
