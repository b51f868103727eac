# SPDX-License-Identifier: GPL-3.0-or-later
"""Truth of scans that drift and of fields whose thickness varies."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from polarstem.structures.scenes.build import build_scene, wedge_of
from polarstem.structures.scenes.domains import lay_out
from polarstem.structures.scenes.recipe import SceneRecipe, make_scene
from polarstem.structures.scenes.scan_frame import ScanFrame
from polarstem.structures.scenes.truth import scene_truth

DRIFT, JITTER = (0.06, -0.04), 0.3


def scene(kind: str = "four_domains", **settings: Any) -> SceneRecipe:
    usual = {"kind": kind, "name": "s", "material": "KNN", "cells": [6, 5], "thickness_nm": 4.0}
    return make_scene(usual | {"seed": 3} | settings)


def test_drift_shears_and_stretches_about_the_middle_row():
    plain = ScanFrame((10.0, 50.0), (41, 30), 0.5)
    frame = plain.distorted(DRIFT, 0.0, 1)
    down, right = frame.taken()
    wanted_down, wanted_right = np.meshgrid(np.arange(41) * 0.5, np.arange(30) * 0.5, indexing="ij")
    late = wanted_down - 10.0
    assert right == pytest.approx(wanted_right + 0.06 * late)
    assert down == pytest.approx(wanted_down - 0.04 * late)
    places = frame.positions()
    assert places[..., 0] == pytest.approx(10.0 + right)
    assert places[..., 1] == pytest.approx(50.0 - down)  # y up
    # back to where they were wanted
    assert np.stack(frame.wanted(down, right)) == pytest.approx(
        np.stack([wanted_down, wanted_right]), abs=1e-9
    )
    assert not plain.is_distorted
    assert np.array_equal(plain.positions(), plain.places(*plain.along()))


def test_rows_jitter_along_the_fast_axis_alone():
    plain = ScanFrame((10.0, 50.0), (400, 3), 0.5, turn_deg=90.0)
    frame = plain.distorted((0.0, 0.0), JITTER, 1)
    down, right = (new - old for new, old in zip(frame.taken(), plain.taken(), strict=True))
    assert not down.any()
    assert np.ptp(right, axis=1).max() < 1e-12, "a row moves as a whole"
    assert right[:, 0].std() == pytest.approx(JITTER, rel=0.1)
    assert np.abs(right).max() <= 3 * JITTER + 1e-9
    neighbours = np.corrcoef(right[1:, 0], right[:-1, 0])[0, 1]
    assert abs(neighbours) < 0.2
    # in the box of a turned crystal they move along its y axis, downwards
    moved = frame.positions() - plain.positions()
    assert moved[..., 1] == pytest.approx(-right)
    assert np.abs(moved[..., 0]).max() < 1e-9
    assert frame.row_shifts == plain.distorted((0.0, 0.0), JITTER, 1).row_shifts
    assert frame.row_shifts != plain.distorted((0.0, 0.0), JITTER, 2).row_shifts


@pytest.mark.parametrize("turn", [0.0, 17.0])
def test_the_truth_is_that_of_the_places_where_probes_are(turn):
    recipe = scene(crystal_rotation_deg=turn, wedge=0.2, wedge_deg=30.0)
    plain = ScanFrame.over(recipe, 4)
    frame = plain.distorted(DRIFT, JITTER, 1)
    truth, wanted = scene_truth(recipe, frame), scene_truth(recipe, plain)
    places = frame.positions()
    assert np.array_equal(truth["x"], wanted["x"])
    assert "true_x" not in wanted
    for row, column in ((0, 0), (0, 23), (9, 4), (19, 0), (19, 23)):
        x, y = places[row, column].tolist()
        alone = scene_truth(recipe, ScanFrame((x, y), (1, 1), plain.step, turn))
        for name in alone:
            found, expected = float(truth[name][row, column]), float(alone[name][0, 0])
            assert found == pytest.approx(expected, abs=1e-6), name
    assert np.abs(truth["cell_x"] - wanted["cell_x"]).max() > 0.1
    assert truth["true_y"].values * 10 == pytest.approx(frame.taken()[0])
    assert truth.attrs["drift"] == list(DRIFT)


def test_walls_are_drawn_where_the_distorted_scan_shows_them():
    recipe = scene()
    frame = ScanFrame.over(recipe, 6).distorted((0.15, 0.1), 0.0, 1)
    # the domains meet off the middle, which drift leaves where it is
    frame = replace(frame, first=(frame.first[0] - 3.0, frame.first[1] + 6.0))
    truth = scene_truth(recipe, frame)
    walls = json.loads(truth.attrs["walls"])
    assert len(walls) == 4
    for wall in walls:
        (y0, x0), (y1, x1) = wall["points"]
        for share in (0.05, 0.5, 0.95):
            at = truth.sel(y=y0 + share * (y1 - y0), x=x0 + share * (x1 - x0), method="nearest")
            assert float(at["wall_distance"]) < 0.06  # nm; positions are 0.066 apart


@pytest.mark.parametrize(("turn", "direction"), [(0.0, 0.0), (0.0, 90.0), (17.0, 130.0)])
def test_a_wedge_changes_the_thickness_by_its_share_from_corner_to_corner(turn, direction):
    recipe = scene(thickness_nm=20.0, wedge=0.35, wedge_deg=direction, crystal_rotation_deg=turn)
    truth = scene_truth(recipe, ScanFrame.over(recipe, 6))
    thickness = truth["thickness"].values
    cell = recipe.cell / 10
    assert thickness.max() == pytest.approx(27.0, abs=1.5 * cell)
    assert thickness.min() == pytest.approx(13.0, abs=1.5 * cell)
    assert truth.attrs["thickness_nm"] == pytest.approx(20.0, abs=cell)
    # linear, and thicker where the direction points to, in the frame of the scan
    y, x = np.meshgrid(-truth["y"], truth["x"], indexing="ij")
    design = np.stack([x.ravel(), y.ravel(), np.ones(x.size)], axis=1)
    (along_x, along_y, _), *_ = np.linalg.lstsq(design, thickness.ravel(), rcond=None)
    assert np.degrees(np.arctan2(along_y, along_x)) == pytest.approx(direction, abs=2.0)
    rest = thickness.ravel() - design @ np.linalg.lstsq(design, thickness.ravel(), rcond=None)[0]
    assert np.abs(rest).max() < cell
    # the box holds the thickest part
    depth = build_scene(recipe).cell[2, 2] / 10
    assert depth >= thickness.max() - 1e-9


def test_without_a_wedge_the_thickness_is_that_of_the_box():
    recipe = scene()
    assert wedge_of(recipe) is None
    truth = scene_truth(recipe, ScanFrame.over(recipe, 2))
    assert truth["thickness"].values == pytest.approx(truth.attrs["thickness_nm"])
    assert truth["thickness"].attrs["units"] == "nm"


def test_an_inclined_wall_shares_the_local_thickness_of_a_wedge():
    recipe = scene("wall_inclined", thickness_nm=20.0, wedge=0.3, inclination_deg=20.0)
    truth = scene_truth(recipe, ScanFrame.over(recipe, 2))
    wedge = wedge_of(recipe)
    assert wedge is not None
    # the thinnest place sees the first levels alone: those of the entrance
    place = ScanFrame.over(recipe, 2).positions()[4, 0] - recipe.origin[:2]
    periods = int(wedge.periods_at(place + recipe.origin[:2]))
    z = (np.arange(periods) + 0.5) * recipe.cell - recipe.origin[2]
    shares = lay_out(recipe).shares(np.column_stack([np.tile(place, (periods, 1)), z]))
    assert float(truth["share"][4, 0]) == pytest.approx(shares.mean(axis=0).max(), abs=1e-9)
