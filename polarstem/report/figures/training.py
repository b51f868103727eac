# SPDX-License-Identifier: GPL-3.0-or-later
"""Figure of the networks' training: loss and validation accuracy over the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from polarstem.evaluate.summary.headlines import HISTORY
from polarstem.report.figures import style


def draw_training(
    model_dirs: Sequence[Path | str],
    models: Sequence[str],
    chance: float,
    output: Path | str | Sequence[Path | str],
) -> None:
    """Draw loss and validation accuracy, a row per training source.

    Parameters
    ----------
    model_dirs : sequence of path
        Saved models, ``{model}/{source}/{seed}``; those without a history are passed over.
    models : sequence of str
        All models, in the order that gives them their colours.
    chance : float
        Accuracy of random guesses.
    output : path or paths
        PNG and SVG files.
    """
    histories: dict[str, list[tuple[str, pd.DataFrame]]] = {}
    for folder in map(Path, model_dirs):
        model, source, _ = folder.parts[-3:]
        if (folder / HISTORY).is_file():
            histories.setdefault(source, []).append((model, pd.read_csv(folder / HISTORY)))
    looks = style.model_styles(models)
    drawn = [m for m in models if any(m == name for runs in histories.values() for name, _ in runs)]
    rows = max(1, len(histories))
    with style.new_figure(style.WIDTH_IN, 0.65 + (2.0 if rows < 3 else 1.35) * rows) as figure:
        grid = figure.subplots(rows, 2, squeeze=False, sharex=True)
        for (loss, accuracy), (source, runs) in zip(grid, histories.items(), strict=False):
            for model, epochs in runs:
                # a single epoch makes no line
                look = {"color": looks[model]["color"], "marker": "_" if len(epochs) == 1 else ""}
                loss.plot(epochs["epoch"], epochs["train_loss"], ls=":", lw=1.2, **look)
                loss.plot(epochs["epoch"], epochs["validation_loss"], **look)
                accuracy.plot(
                    epochs["epoch"], epochs["validation_accuracy"], ms=3.5, **looks[model]
                )
            accuracy.axhline(chance, color="0.45", lw=1, ls=":")
            accuracy.text(1.0, chance, " chance", transform=accuracy.get_yaxis_transform())
            accuracy.set(ylim=(0, 1.04), yticks=[0, 0.5, 1])
            loss.set(yscale="log")
            loss.set_title(f"loss, trained on {source}", loc="left")
            accuracy.set_title(f"validation accuracy, trained on {source}", loc="left")
            loss.xaxis.set_major_locator(MaxNLocator(integer=True))
        for axes in grid[-1]:
            axes.set_xlabel("epoch")
        if not histories:
            for axes in grid.flat:
                axes.axis("off")
            grid[0, 0].text(0, 0.5, "No network was trained in this run.")
        lines = [Line2D([], [], label=model, **looks[model]) for model in drawn]
        lines += [Line2D([], [], color="0.4", label="validation loss")]
        lines += [Line2D([], [], color="0.4", ls=":", lw=1.2, label="training loss")]
        figure.legend(handles=lines, loc="outside lower center", ncols=min(5, len(lines)))
        style.save(figure, output)
