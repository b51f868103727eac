# SPDX-License-Identifier: GPL-3.0-or-later
"""How right walls are that are read off fitted displacements, where the truth is known.

``python -m benchmarks.walls results`` draws a line across each wall of every experiment whose
displacements were fitted (see `benchmarks.displacements`), fits position and width as ``polarstem
vectors --line`` does, and holds both against the truth of the scene, in unit cells.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from benchmarks.finished_run import run
from polarstem.displacements.displacement_files import DISPLACEMENTS_FILE
from polarstem.displacements.wall_profile import wall_profile
from polarstem.errors import PolarstemError
from polarstem.evaluate.map_scores.known_walls import Wall, walls_of
from polarstem.files import open_netcdf


@dataclass(frozen=True)
class Row:
    """One wall.

    Attributes
    ----------
    experiment, wall : str
    position_cells : tuple of float
        Found minus true position, and half of its 68 % interval [unit cells].
    width_cells : tuple of float
        Found width, and the ends of its 68 % interval [unit cells].
    true_width_cells : float
        [unit cells].
    problem : str
        Why none was found; then the numbers are not numbers.
    """

    experiment: str
    wall: str
    position_cells: tuple[float, float]
    width_cells: tuple[float, float, float]
    true_width_cells: float
    problem: str = ""

    def __str__(self) -> str:
        if self.problem:
            return f"{self.experiment:20s} {self.wall}: {self.problem}"
        (off, half), (width, low, high) = self.position_cells, self.width_cells
        return (
            f"{self.experiment:20s} {self.wall:32s} off by {off:5.2f} ± {half:4.2f} cells, "
            f"width {width:4.2f} ({low:4.2f} to {high:4.2f}), true {self.true_width_cells:4.2f}"
        )


def rows(results: Path) -> Iterator[Row]:
    """Measure the walls of all experiments of a folder with ``scans`` and ``displacements``."""
    for path in sorted((results / "displacements").glob(f"*/{DISPLACEMENTS_FILE}")):
        name = path.parent.name
        with open_netcdf(results / "scans" / f"{name}.truth.nc", "truth") as opened:
            truth = opened.load()
        with open_netcdf(path, "displacements") as opened:
            data = opened.load()
        widths = [wall["width_nm"] for wall in json.loads(truth.attrs["walls"])]
        for wall, width in zip(walls_of(truth), widths, strict=True):
            yield measured(name, data, truth, wall, width)


def measured(name: str, data: xr.Dataset, truth: xr.Dataset, wall: Wall, width_nm: float) -> Row:
    """Measure one wall, by a line across its middle from as far as its two domains reach."""
    cell = float(truth.attrs["cell_nm"])
    _, across, _ = wall.frame()
    middle = (wall.start + wall.end) / 2
    places = np.stack(np.meshgrid(truth["y"], truth["x"], indexing="ij"), axis=-1) - middle
    s = (places @ across)[np.isin(truth["domain"].values, wall.domains)]
    start, end = middle + s.min() * across, middle + s.max() * across
    try:
        found = wall_profile(data, (start[1], start[0]), (end[1], end[0]))
    except PolarstemError as problem:
        nothing = float("nan")
        unknown = (nothing, nothing, nothing)
        return Row(name, wall.name, unknown[:2], unknown, width_nm / cell, str(problem))
    at, low, high = found.position_nm
    wide, narrow, wider = found.width_nm
    return Row(
        name,
        wall.name,
        ((at + s.min()) / cell, (high - low) / 2 / cell),
        (wide / cell, narrow / cell, wider / cell),
        width_nm / cell,
    )


if __name__ == "__main__":
    run(__doc__ or "", rows)
