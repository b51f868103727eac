# SPDX-License-Identifier: GPL-3.0-or-later
"""Column fitting beside fits, on specimens whose columns are made up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from polarstem.checked_netcdf import save_netcdf
from polarstem.displacements.column_fit import CELL_FEATURES
from polarstem.evaluate.scores.column_scores import (
    LEAST_SCANS,
    METHODS,
    beside_columns,
    column_errors,
)
from polarstem.evaluate.scores.vector_scores import SCORED, Fits

COUNT = 40
NAMES = [f"s{n}" for n in range(COUNT)]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], dict[str, np.ndarray]]:
    """Bright field that is a line of everything, noise of 1 pm in dark field, and no deflection."""
    random = np.random.default_rng(4)
    truth = random.uniform(-14, 14, (COUNT, 2))
    nm, tilt = random.uniform(8, 40, COUNT), random.normal(size=(COUNT, 2))
    noise = random.normal(size=(COUNT, 2))
    gain = (1 + 0.2 * (nm - 20) / 10)[:, None]
    made = {
        "bright field B - A": (truth - 2 * tilt) / gain / 400,
        "bright field B - O": random.normal(size=(COUNT, 2)),
        "dark field B - A": (truth + noise) / 400,
        "deflection": np.zeros((COUNT, 2)),
        **{name: np.zeros((COUNT, 2)) for name in CELL_FEATURES if name.startswith("Friedel")},
    }
    columns = np.stack([made[name] for name in CELL_FEATURES], axis=1)
    columns[3, CELL_FEATURES.index("dark field B - A")] = np.nan
    folder, paths = tmp_path_factory.mktemp("columns"), []
    for part in (slice(0, 15), slice(15, COUNT)):
        variables = {
            "columns": (("specimen", "column_feature", "axis"), columns[part]),
            "measured_thickness": ("specimen", nm[part]),
            "measured_tilt_x": ("specimen", tilt[part, 0]),
            "measured_tilt_y": ("specimen", tilt[part, 1]),
        }
        names = {"specimen": NAMES[part], "column_feature": list(CELL_FEATURES)}
        paths.append(folder / f"{part.start}.nc")
        save_netcdf(xr.Dataset(variables, names), paths[-1])
    return paths, dict(zip(NAMES, truth, strict=True))


def test_gains_are_those_of_all_other_specimens(seen) -> None:
    paths, truth = seen
    found = column_errors(paths, truth)
    assert list(found) == list(METHODS)
    bright = np.concatenate(list(found["bright field"].values()))
    assert np.abs(bright).max() < 1e-6, "thickness and tilt are taken out"
    dark = np.concatenate(list(found["dark field"].values()))
    assert 0.8 < np.sqrt((dark**2).mean()) < 1.5
    assert set(found["dark field"]) == set(NAMES) - {"s3"}
    # a specimen whose truth is another is not fitted by itself, and spoils all others' gains
    false = {**truth, "s7": truth["s7"] + 40.0}
    moved = column_errors(paths, false)["bright field"]
    np.testing.assert_allclose(moved["s7"], -40.0, atol=1e-6)
    assert max(np.abs(moved[name]).max() for name in NAMES if name != "s7") > 0.1


def test_few_specimens_calibrate_nothing(seen) -> None:
    paths, truth = seen
    assert LEAST_SCANS > 15
    assert column_errors(paths[:1], truth) == {}


def test_the_best_way_stands_beside_the_fit(seen) -> None:
    paths, truth = seen
    true = np.array([truth[name] for name in NAMES])
    amplitude = np.full(COUNT, 1.0)
    amplitude[:10] = 1.3  # not scored
    random = np.random.default_rng(1)
    cells = Fits(
        np.full(COUNT, "free"),
        np.array(NAMES),
        np.full(COUNT, 20.0),
        amplitude,
        np.zeros(COUNT),
        true,
        true + np.where(amplitude > 1.2, 9.0, 0.1)[:, None] * random.choice([-1, 1], (COUNT, 2)),
        np.tile(np.eye(2), (COUNT, 1, 1)),
        np.ones(COUNT),
    )
    found = beside_columns(cells, paths, SCORED, 0.95)
    dark = found["vector.columns_pm.dark_field"]
    own = column_errors(paths, truth)["dark field"]
    scored = np.concatenate([own[name] for name in NAMES[10:]])
    assert dark["value"] == pytest.approx(np.sqrt((scored**2).mean()))
    assert dark["n"] == 30
    assert dark["low"] < dark["value"] < dark["high"]
    bright = found["vector.columns_pm.bright_field"]["value"]
    ratio = found["vector.columns_ratio"]
    assert ratio["value"] == pytest.approx(bright / 0.1, rel=1e-6), "that of the best"
    nothing = found["vector.columns_pm.nothing"]["value"]
    assert nothing == pytest.approx(np.sqrt((true[10:] ** 2).mean()))
    assert beside_columns(cells, paths[:1], SCORED, 0.95) == {}
