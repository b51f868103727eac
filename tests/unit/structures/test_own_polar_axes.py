# SPDX-License-Identifier: GPL-3.0-or-later
"""Phases that are polar along an axis of one's own: names, classes, crystals, scenes."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from polarstem.errors import PolarstemError
from polarstem.structures.build import build_specimen
from polarstem.structures.crystals import Material, load_material
from polarstem.structures.polar_mode import displacements
from polarstem.structures.recipes import make_recipe
from polarstem.structures.scenes.build import build_scene
from polarstem.structures.scenes.recipe import SceneRecipe
from polarstem.structures.symmetry import IDENTITY, representative
from polarstem.structures.thermal_motion import rms_displacements
from polarstem.structures.variants import (
    ZONE_AXES,
    class_name,
    classes,
    phase_variants,
    polar_axis,
    projection,
)

EVERY = [
    f"M{x}{y}{z}"
    for x, y, z in itertools.combinations_with_replacement(range(10), 3)
    if math.gcd(x, y, z) == 1 and len({x, y, z} - {0}) > 1
]
OWN_CELL = {"a": 3.98, "b": 3.98, "c": 4.08, "alpha": 89.8, "beta": 89.8, "gamma": 89.95}
OWN_SHIFTS = {"A": [-3, -3, -11], "O_x": [-6, -5, -17], "O_y": [-5, -6, -17], "O_z": [-5, -5, -19]}


def own_material(**changes: Any) -> Material:
    """KNN with a phase of its own polar axis."""
    given = load_material("KNN").model_dump(exclude_none=True)
    given["lattice"] = given["lattice"] | {"M113": OWN_CELL | changes.pop("cell", {})}
    given["template"] = given["template"] | {"M113": OWN_SHIFTS | changes.pop("shifts", {})}
    return load_material(given | changes)


def specimen(
    material: Any, phase: str, variant: Any, zone: Any = (0, 0, 1), **settings: Any
) -> Any:
    direction, _ = projection(variant, zone)
    recipe = {"name": "x", "specimen_set": "x", "split": "test", "class_index": 0}
    recipe |= {"class_name": class_name(direction), "direction_deg": direction, "phase": phase}
    recipe |= {"variant": variant, "zone_axis": zone, "cells": (1, 1), "thickness_nm": 0.4}
    return build_specimen(
        make_recipe(material=material, **recipe | {"a_site": "virtual"} | settings)
    )


def test_each_axis_has_one_name() -> None:
    assert len(EVERY) == len(set(EVERY)) > 100
    for phase in EVERY:
        axis = polar_axis(phase)
        assert "M" + "".join(map(str, axis)) == phase
        zeros, different = axis.count(0), len(set(axis))
        assert len(phase_variants(phase)) == (24 if zeros or different == 2 else 48)
    for wrong, right in (("M311", "M113"), ("M226", "M113"), ("M002", "T"), ("M333", "R")):
        with pytest.raises(PolarstemError, match=f"'{wrong}' is {right}; write that"):
            polar_axis(wrong)
    with pytest.raises(PolarstemError, match="no polar phase 'M000'; choose T"):
        polar_axis("M000")


@pytest.mark.parametrize("zone", ZONE_AXES, ids=str)
def test_classes_are_the_directions_that_are_seen(zone: Any) -> None:
    for phase in EVERY:
        table = classes(phase, zone, end_on=True)
        assert len({c.name for c in table}) == len(table)
        directions = [c.direction_deg for c in table if c.name != "END"]
        assert np.diff(directions).min() > 0.1
        members = [v for c in table for v in c.variants]
        assert sorted(members) == sorted(phase_variants(phase))
        for entry in table:
            for variant in entry.variants:
                assert projection(variant, zone)[0] == pytest.approx(
                    entry.direction_deg, abs=1e-6, nan_ok=True
                )
    names = [c.name for c in classes("M113", (0, 0, 1))]
    assert names[:6] == ["A018", "RU", "A072", "A108", "LU", "A162"]


def test_names_have_tenths_where_whole_degrees_are_alike() -> None:
    told = [c.name for phase in EVERY for zone in ZONE_AXES for c in classes(phase, zone)]
    precise = {name for name in told if "_" in name}
    assert precise
    assert all(name.startswith("A") and len(name) == 6 for name in precise)


def test_the_template_of_the_nearest_axis_is_scaled_and_turned() -> None:
    material = load_material("KNN")
    # 25.2 degrees from <001>, 29.5 from <111>, 31.5 from <110>
    assert [material.described(p) for p in ("M113", "M112", "M122", "M013", "M133")] == [
        *("T", "R", "R", "T", "O"),
    ]
    assert load_material("BiFeO3").described("M113") == "R"
    assert material.kelvin("M113") == 520
    assert rms_displacements(material, "M113") == rms_displacements(material, "T")
    assert material.cell_volume("M113") == material.cell_volume("T")
    template = displacements(material, "T", (0, 0, 1))
    for variant in phase_variants("M113"):
        shifts = displacements(material, "M113", variant)
        vector, expected = (u[1] - u[2:].mean(axis=0) for u in (shifts, template))
        np.testing.assert_allclose(
            vector, np.linalg.norm(expected) * np.array(variant) / np.sqrt(11), atol=1e-9
        )
        # of T the mode is the template, so each component is that of T along its axis
        for axis, other in itertools.product(range(3), (0, 1)):
            share = variant[axis] / np.sqrt(11)
            assert shifts[other, axis] == pytest.approx(share * template[other, 2])
        for axis in range(3):
            share = variant[axis] / np.sqrt(11)
            assert shifts[2 + axis, axis] == pytest.approx(share * template[4, 2])


@pytest.mark.parametrize("zone", ZONE_AXES, ids=str)
@pytest.mark.parametrize(
    ("phase", "metric", "own"),
    [
        ("M113", "cubic", False),
        ("M123", "cubic", False),
        ("M113", "cubic", True),
        ("M113", "phase", True),
    ],
)
def test_turned_crystals_are_those_of_the_variants(
    phase: str, metric: str, own: bool, zone: Any
) -> None:
    material = own_material() if own else load_material("KNN")
    for variant in phase_variants(phase):
        chosen, turn = representative(variant, zone)
        one, other = (specimen(material, phase, v, zone, metric=metric) for v in (chosen, variant))
        matrix = np.array(turn)
        box = np.array([*(np.abs(matrix) @ one.cell.lengths()[:2]), one.cell.lengths()[2]])
        np.testing.assert_allclose(box, other.cell.lengths(), atol=1e-9)
        places = one.positions.copy()
        places[:, :2] = places[:, :2] @ matrix.T
        apart = places[:, None] - other.positions
        apart[..., :2] -= np.round(apart[..., :2] / box[:2]) * box[:2]
        distance = np.linalg.norm(apart, axis=-1)
        distance[one.numbers[:, None] != other.numbers] = np.inf
        assert distance.min(axis=1).max() < 1e-9
        if turn != IDENTITY:
            assert np.abs(one.positions - other.positions).max() > 1e-3


def test_a_cell_of_its_own_is_that_of_the_lattice() -> None:
    material = own_material()
    cell = specimen(material, "M113", (1, 3, -1), metric="phase").cell.lengths()
    np.testing.assert_allclose(cell, [3.98, 4.08, 3.98])
    expected = 3.98**2 * 4.08  # of a nearly rectangular cell
    assert material.cell_volume("M113") == pytest.approx(expected, rel=3e-5)
    along = specimen(material, "M113", (1, 1, 3), (1, 1, 0), metric="phase").cell.lengths()
    diagonal = 3.98 * math.sqrt(2 - 2 * math.cos(math.radians(89.95)))
    np.testing.assert_allclose(along[:2], [diagonal, 4.08])
    assert specimen(material, "M113", (3, 1, 1), metric="phase").info["dropped_shear_deg"] == (
        pytest.approx(0.2, abs=1e-3)
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"cell": {"a": 3.97}}, r"lattice.M113 lacks the mirror plane that the axis \[1, 1, 3\]"),
        ({"cell": {"alpha": 89.0}}, "lattice.M113 lacks the mirror plane"),
        ({"cell": {"c": 5.2}}, "lattice.M113 has a pseudo-cubic axis outside 3-5 Å"),
        ({"cell": {"beta": None}}, "lattice.M113 needs a, alpha, b, beta, c, gamma and nothing"),
        ({"shifts": {"A": [-3, -2, -11]}}, "template.M113 lacks the mirror plane"),
        ({"shifts": {"O_x": [-6, -5, -16]}}, "template.M113 lacks the mirror plane"),
        ({"template": {"T": OWN_SHIFTS}, "lattice": {"T": {"a": 3.9, "c": 4}}}, "template.T needs"),
        (
            {
                "template": {"M113": {"A": 5, "O_parallel": 1, "O_perpendicular": 2}},
                "lattice": {"M113": OWN_CELL},
            },
            "template.M113 needs A, O_x, O_y and O_z, each with three components",
        ),
    ],
)
def test_numbers_that_do_not_fit_the_axis_are_told(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(PolarstemError, match=told):
        own_material(temperature_kelvin={}, **changes)


def test_a_metric_that_is_not_known_is_refused() -> None:
    with pytest.raises(
        PolarstemError, match="metric 'phase' needs the lattice of phase M113, which"
    ):
        specimen("KNN", "M113", (1, 1, 3), metric="phase")
    with pytest.raises(PolarstemError, match="has no lattice and template for phase O"):
        load_material("PbTiO3").require_phase("O")


def test_scenes_have_domains_of_such_axes() -> None:
    settings: dict[str, Any] = {"name": "s", "material": load_material("KNN"), "phase": "M113"}
    settings |= {"cells": (3, 3), "margin_cells": 1, "thickness_nm": 1.0}
    quadrants = SceneRecipe(kind="four_domains", **settings)
    assert [c.name for c in quadrants.domain_classes] == ["RU", "LD", "RD", "LU"]
    wall = SceneRecipe(kind="wall_seen_90", **settings, classes=("A018", "A108"))
    assert build_scene(wall).info["scene"]["phase"] == "M113"
    with pytest.raises(PolarstemError, match="phase M113 is seen are not evenly spread"):
        SceneRecipe(kind="vortex", **settings)
    SceneRecipe(kind="vortex", **settings | {"phase": "O"})
