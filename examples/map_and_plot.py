# SPDX-License-Identifier: GPL-3.0-or-later
"""Map a scan from Python and plot the polarization vectors of its unit cells.

    python examples/map_and_plot.py results/scans/four_domains.hspy results/reference_model \
        --sheet results/scans/four_domains.yaml --figure vectors.png

Arrows are the mean direction of a unit cell by its probabilities, short where the model is unsure;
cells without an answer have a cross. Nothing is written but the figure.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import polarstem
from polarstem.report.figures.style import direction_colour


def main() -> None:
    """Map and plot."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("scan", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--figure", type=Path, default=Path("vectors.png"))
    given = parser.parse_args()

    found = polarstem.map_scan(given.scan, given.model, sheet=given.sheet)
    for warning in json.loads(found.attrs["summary"])["warnings"]:
        print(f"Warning: {warning}")
    answered = found["cell_answered"].values.astype(bool)
    right, up = found["cell_direction_x"].values, found["cell_direction_y"].values
    x, y = found["cell_centre_x"].values, found["cell_centre_y"].values
    shares = np.unique(found["cell_direction"].values[answered], return_counts=True)
    for direction, count in zip(*shares, strict=True):
        print(f"{direction:4.0f} degrees: {count} unit cells")
    print(f"no answer: {np.count_nonzero(~answered)} of {len(answered)} unit cells")

    figure, axes = plt.subplots(figsize=(5, 5), layout="tight")
    colours = direction_colour(found["cell_direction"].values[answered])
    arrows = x[answered], y[answered], right[answered], up[answered]
    axes.quiver(*arrows, color=colours, angles="uv", pivot="mid")
    axes.plot(x[~answered], y[~answered], "x", color="grey")
    axes.set(xlabel="x [nm]", ylabel="y [nm]", aspect="equal")
    axes.invert_yaxis()  # rows are counted down, arrows point as seen
    figure.savefig(given.figure, dpi=150)
    print(given.figure)


if __name__ == "__main__":
    main()
