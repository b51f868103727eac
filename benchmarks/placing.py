# SPDX-License-Identifier: GPL-3.0-or-later
"""How well thickness, tilt, orientation and lattice of emulated scans are found.

``python benchmarks/placing.py RESULTS MODEL`` takes the emulated data domains of a finished run,
whose specimens were simulated by multislice with moving atoms under conditions of their own, and
the library in the folder of a model. It prints a line for each specimen and the errors.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import xarray as xr

from polarstem.scans.specimen.lattice import find_lattice
from polarstem.scans.specimen.pacbed import PacbedFitter
from polarstem.scans.specimen.rings import ring_signals
from polarstem.simulate.pattern_library import Library

DOMAINS = ("emulated", "emulated_cubic")
REPEATS = 3  # the scan of one cell is laid side by side: a lattice needs several


def specimens(results: Path) -> Iterator[tuple[str, xr.Dataset, xr.Dataset]]:
    """Name, patterns as the detector counted them, and simulation of each specimen."""
    for domain in DOMAINS:
        with xr.open_dataset(results / "datasets" / f"{domain}.nc") as data:
            for number, name in enumerate(data["specimen_name"].values.tolist()):
                chosen = np.flatnonzero(data["specimen_index"].values == number)
                with xr.open_dataset(results / "simulations" / f"{name}.nc") as simulation:
                    yield name, data.isel(pattern=chosen).load(), simulation


def main() -> None:
    """Place all specimens and print the errors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="results of a run")
    parser.add_argument("model", type=Path, help="folder of a model with its library.nc")
    arguments = parser.parse_args()
    library = Library.open(arguments.model)
    fitter = PacbedFitter(library)
    pixel = library.mrad_per_pixel / library.semiangle_mrad
    rows = []
    for name, data, simulation in specimens(arguments.results):
        truth = json.loads(simulation.attrs["conditions"])
        shape = (simulation.sizes["y"], simulation.sizes["x"])
        patterns = data["intensity"].values.reshape(*shape, library.pixels, library.pixels)
        start = time.perf_counter()
        electrons = truth["dose_electrons"] * shape[0] * shape[1]
        fit = fitter.fit(patterns.mean(axis=(0, 1)), electrons=electrons)
        seconds = time.perf_counter() - start
        if fit.thickness is None or fit.tilt is None:
            print(f"{name:26} {fit.about_crystal}")
            continue
        thickness = float(simulation["exit_thickness"][0])
        low, high = fit.thickness.interval or (0.0, 0.0)
        step = (float(simulation["y"].diff("y")[0]) / 10, float(simulation["x"].diff("x")[0]) / 10)
        cell = (10 * step[0] * shape[0], 10 * step[1] * shape[1])
        field = ring_signals(np.tile(patterns, (REPEATS, REPEATS, 1, 1)), pixel)
        templates = ring_signals(library.templates(fit.thickness.value).mean(axis=0), pixel)
        lattice = find_lattice(field, step, cell, rotation_deg=0.0, templates=templates)
        cells = lattice.cells(*field.shape[:2])
        missed = [
            (found[: shape[0], : shape[1]].ravel() - data[place].values + 0.5) % 1 - 0.5
            for found, place in ((cells.y, "cell_y"), (cells.x, "cell_x"))
        ]
        tilt = np.array(fit.tilt.value) - truth["tilt_mrad"]
        row = {
            "thickness [nm]": fit.thickness.value - thickness,
            "its interval": low <= thickness <= high,
            "tilt x [mrad]": tilt[0],
            "tilt y [mrad]": tilt[1],
            "tilt within 2 sd": (np.abs(tilt) < 2 * fit.tilt_error).mean(),
            "orientation [deg]": fit.rotation.value - truth["rotation_deg"],
            "misfit": fit.misfit,
            "diffuse": fit.diffuse,
            "place [cells]": float(np.hypot(*(np.median(part) for part in missed))),
            "seconds": seconds,
        }
        rows.append(row)
        print(f"{name:26} {thickness:5.1f} nm:", *(f"{k} {v:+.3g}" for k, v in row.items()))
    for key in rows[0]:
        values = np.array([row[key] for row in rows], dtype=float)
        print(
            f"{key:20} rms {np.sqrt(np.mean(values**2)):.3f}  median {np.median(values):+.3f}  "
            f"largest {np.abs(values).max():.3f}  mean {values.mean():.3f}"
        )


if __name__ == "__main__":
    main()
