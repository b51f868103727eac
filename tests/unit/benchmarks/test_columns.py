# SPDX-License-Identifier: GPL-3.0-or-later
"""Columns fitted in virtual images, and displacements that follow from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from benchmarks.columns import (
    METHODS,
    Scene,
    estimated,
    score,
    table,
)
from benchmarks.virtual_images import integrate, lattice_places
from polarstem.displacements.column_fit import SITES, WINDOW, fit_columns
from polarstem.scans.specimen.cells import Lattice
from polarstem.scans.specimen.turns import PlaneTurn

EIGHT = np.arange(8) * 45.0
MOVED = {"A": (0.011, -0.017), "B": (-0.02, 0.013), "O": (0.004, 0.021)}


def image(places: np.ndarray, heights: dict[str, float]) -> np.ndarray:
    """A crystal whose columns of a sort are all moved alike, on an uneven ground."""
    told = 0.3 + 0.02 * places[:, 0] - 0.05 * places[:, 1]
    for site, height in heights.items():
        for at in SITES[site]:
            apart = places - np.array(at) - np.array(MOVED[site])
            near = apart - np.rint(apart)  # the next ones below are those of the neighbours
            for i in (-1, 0, 1):
                for j in (-1, 0, 1):
                    square = ((near - (i, j)) ** 2).sum(1)
                    told = told + height * np.exp(-square / (2 * 0.17**2))
    return told


def window() -> np.ndarray:
    along = np.arange(-5, 6) / 6.3 + 0.03
    places = np.stack(np.meshgrid(along, along - 0.05), axis=-1).reshape(-1, 2)
    return places[(np.abs(places) < WINDOW).all(1)]


@pytest.mark.parametrize(
    ("heights", "sign"),
    [({"A": 0.5, "B": 1.0}, 1.0), ({"A": -0.5, "B": -1.0, "O": -0.2}, -1.0)],
)
def test_columns_are_found_where_they_are(heights: dict[str, float], sign: float) -> None:
    places = window()
    found = fit_columns(places, image(places, heights), sign, tuple(heights))
    np.testing.assert_allclose(found, [MOVED[site] for site in heights], atol=5e-4)


def test_an_empty_image_has_no_columns() -> None:
    places = window()
    assert np.isnan(fit_columns(places, np.ones(len(places)), 1.0, ("A", "B"))).all()


def test_a_field_is_integrated() -> None:
    y, x = np.mgrid[0:30, 0:40].astype(float)
    about = np.exp(-((x - 17) ** 2 + (y - 11) ** 2) / 30) + 0.02 * x - 0.01 * y
    down, right = np.gradient(about)
    told = integrate(right, -down)
    error = (told - told.mean()) - (about - about.mean())
    assert np.abs(error[2:-2, 2:-2]).max() < 0.02  # of 1; gradients are differences


def a_map(turn_deg: float) -> xr.Dataset:
    """What a map says of where its positions lie."""
    angle = np.radians(turn_deg)
    right = 0.4 * np.array([-np.sin(angle), np.cos(angle)])  # y down
    down = 0.4 * np.array([np.cos(angle), np.sin(angle)])
    lattice = Lattice(
        True,
        np.stack([down, right]),
        np.array([0.13, 0.05]),
        (0.063, 0.063),
        None,
        9.0,
        1.0,
        1.0,
        "",
    )
    cells = lattice.cells(40, 44)
    grid = ("y", "x")
    return xr.Dataset(
        {
            "cell_y": (grid, cells.y),
            "cell_x": (grid, cells.x),
            "cell_row": ("cell", cells.row),
            "cell_column": ("cell", cells.column),
            "cell_centre_y": ("cell", cells.centre[:, 0]),
            "cell_centre_x": ("cell", cells.centre[:, 1]),
            "cell": (grid, cells.index),
        },
        {"y": np.arange(40) * 0.063, "x": np.arange(44) * 0.063},
    )


@pytest.mark.parametrize("turn_deg", [0.0, 17.0])
def test_places_are_those_of_the_crystal(turn_deg: float) -> None:
    found = a_map(turn_deg)
    places, middles = lattice_places(found)
    inside = found["cell"].values.ravel()
    own = places[inside >= 0] - middles[inside[inside >= 0]]
    assert np.abs(own).max() <= 0.5 + 1e-9
    # a step to the right in the scan is the same step in the crystal everywhere
    step = np.array([0.063, 0.0])
    angle = np.radians(-turn_deg)
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ step
    steps = np.diff(places.reshape(40, 44, 2), axis=1).reshape(-1, 2)
    np.testing.assert_allclose(steps, np.tile(turned / 0.4, (len(steps), 1)), atol=1e-9)
    np.testing.assert_allclose(PlaneTurn(turn_deg).vectors(turned), step, atol=1e-12)


def scenes(noise_pm: float, per_tilt: float = 0.0) -> list[Scene]:
    """Four scenes whose columns are moved as the oxygens are, by half as much, and by tilts."""
    rng = np.random.default_rng(2)
    made = []
    for name in "abcd":
        domain = np.arange(60) // 30
        angle = np.radians(np.where(domain, 45.0, 180.0))
        truth = 14.0 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        tilt = np.tile(rng.normal(size=2), (60, 1))
        shift = (truth / 2 + per_tilt * tilt + noise_pm / 2 * rng.normal(size=(60, 2))) / 400
        made.append(
            Scene(
                name,
                truth,
                domain,
                tilt,
                np.full(60, 21.0),
                {method: shift[:, None].copy() for method in METHODS},
                np.arange(60) > 5,
                np.arange(60) > 2,
                EIGHT,
            )
        )
    return made


def test_errors_are_those_that_were_made() -> None:
    made = scenes(noise_pm=3.0)
    told = estimated(made, "dark field", corrected=False)
    scored = [score(s, t) for s, t in zip(made, told, strict=True)]
    assert np.mean([s.rms_pm for s in scored]) == pytest.approx(3.0, abs=0.3)
    assert np.mean([s.scatter_pm for s in scored]) == pytest.approx(3.0, abs=0.3)
    assert min(s.right for s in scored) > 0.9


def test_tilt_is_an_error_until_it_is_taken_out() -> None:
    made = scenes(noise_pm=0.1, per_tilt=4.0)
    plain, corrected = (
        [score(s, t) for s, t in zip(made, estimated(made, "deflection", way), strict=True)]
        for way in (False, True)
    )
    assert np.mean([s.rms_pm for s in plain]) > 4
    assert max(s.scatter_pm for s in plain) < 1
    assert max(s.rms_pm for s in corrected) < 0.5


def test_a_scene_is_not_calibrated_on_itself() -> None:
    made = scenes(noise_pm=0.0)
    others = {method: 3 * shifts for method, shifts in made[0].found.items()}
    made[0] = replace(made[0], found=others)
    told = estimated(made, "integrated", corrected=False)
    np.testing.assert_allclose(told[0], 3 * made[0].truth_pm, rtol=1e-6)


def test_cells_without_a_fit_are_wrong() -> None:
    (scene, *_), told = scenes(0.0), scenes(0.0)[0].truth_pm.copy()
    told[:15] = np.nan
    found = score(scene, told)
    assert (found.rms_pm, found.right) == (0.0, 0.75)


def shortened(scene: Scene, count: int) -> Scene:
    cut = {name: value[:count] for name, value in vars(scene).items() if np.ndim(value)}
    found = {method: shifts[:count] for method, shifts in scene.found.items()}
    return replace(scene, **cut | {"found": found, "classes_deg": EIGHT})


def test_all_cells_come_last() -> None:
    made = scenes(noise_pm=3.0)
    rows = list(table([shortened(made[0], 10), *made[1:]]))
    assert [row.scene for row in rows[:5]] == ["a", "b", "c", "d", "all cells"]
    assert rows[4].cells == 190
    assert rows[4].map_right == pytest.approx((4 + 3 * 54) / 190)
    assert rows[4].map_answered == pytest.approx((7 + 3 * 57) / 190)
    squares = [row.cells * row.plain.rms_pm**2 for row in rows[:4]]
    assert rows[4].plain.rms_pm == pytest.approx(np.sqrt(sum(squares) / 190))
