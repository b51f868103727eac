# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes: their atoms against what each defect and wall is known for."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from ase.neighborlist import neighbor_list

from polarstem.errors import PolarstemError
from polarstem.structures.build import read_specimen, write_specimen
from polarstem.structures.scenes.build import build_scene
from polarstem.structures.scenes.defects import column_places, defects_of
from polarstem.structures.scenes.domains import lay_out
from polarstem.structures.scenes.recipe import SceneKind, SceneRecipe, make_scene
from polarstem.structures.scenes.scan_frame import ScanFrame
from polarstem.structures.scenes.truth import scene_truth

KINDS = get_args(SceneKind)
TURNING = ("wall_bloch", "wall_neel")
OF_180 = dict.fromkeys(("wall_180", "wall_inclined", *TURNING), 180)
ANGLES = {
    "T": OF_180 | {"wall_90": 90, "wall_seen_90": 90},
    "O": OF_180 | {"wall_90": 90, "wall_60": 60, "wall_120": 120, "wall_seen_90": 90},
    "R": OF_180 | {"wall_71": 70.5, "wall_109": 109.5, "wall_seen_90": 70.5},
}
WALLS = [(phase, kind) for phase, kinds in ANGLES.items() for kind in kinds]


def scene(kind: str, **settings: Any) -> SceneRecipe:
    usual = {"name": "scene", "material": "KNN", "cells": [4, 4], "thickness_nm": 0.8, "seed": 5}
    return make_scene(usual | {"kind": kind} | settings)


def possible(phase: str) -> list[str]:
    """Kinds that a phase can have: its walls, and all that are no walls."""
    return [k for k in KINDS if not k.startswith("wall_") or k in ANGLES[phase]]


def inner(recipe: SceneRecipe, cells: float = 3.0) -> tuple[Any, np.ndarray]:
    """Atoms within so many cells of the origin along x and y, and their places from there."""
    atoms = build_scene(recipe)
    places = atoms.positions - recipe.origin - (0, 0, recipe.cell / 4)
    near = np.all(np.abs(places[:, :2]) < cells * recipe.cell, axis=1)
    return atoms[near], places[near]


@pytest.mark.parametrize(("phase", "kind"), [(p, k) for p in ANGLES for k in possible(p)])
def test_atoms_are_those_of_the_crystal_and_none_stands_in_another(phase, kind):
    recipe = scene(kind, phase=phase)
    atoms = build_scene(recipe)
    field = np.prod(recipe.field)
    counts = Counter(atoms.get_chemical_symbols())
    gone = recipe.columns * recipe.field[2] if kind in ("a_vacancy_column", "b_antisite") else 0
    if kind not in ("ruddlesden_popper", "edge_dislocation"):  # which lose atoms at the sides
        assert counts["O"] == 3 * field
        assert counts["Nb"] == field + (gone if kind == "b_antisite" else 0)
        assert counts["K"] + counts["Na"] == field - gone
    assert abs(counts["K"] - counts["Na"]) <= 1 or kind in (
        *("a_cluster", "a_vacancy_column", "b_antisite"),
    )
    atoms.pbc = False  # the sides of the box need not fit together
    closest = neighbor_list("d", atoms, 1.9).min()
    # where the polarization turns within two cells, neighbours are displaced towards one another
    assert closest > (1.4 if kind == "edge_dislocation" else 1.75 if kind in TURNING else 1.8)


def test_far_from_the_walls_each_quadrant_has_the_displacements_of_its_class():
    recipe = scene("four_domains", cells=[8, 8], wall_width_nm=0.4)
    atoms = build_scene(recipe)
    places = atoms.positions - recipe.origin
    niobium = np.array(atoms.get_chemical_symbols()) == "Nb"
    a = recipe.cell
    shift = (places[:, :2] - a / 2 - a * np.round(places[:, :2] / a - 0.5))[niobium]
    x, y = places[niobium, :2].T / a
    for polar, right, up in zip(recipe.domain_classes, (1, -1, -1, 1), (1, 1, -1, -1), strict=True):
        there = (right * x > 3) & (up * y > 3)
        mean = shift[there].mean(axis=0)
        # niobium moves along the polarization
        angle = np.degrees(np.arctan2(mean[1], mean[0])) % 360
        assert angle == pytest.approx(polar.direction_deg, abs=0.1)
        assert np.ptp(shift[there], axis=0).max() < 1e-3
    middle = (np.abs(x) < 0.6) & (y > 3)  # between RU and LD: half of each
    assert np.abs(shift[middle].sum(axis=0)).max() < 1e-6


def test_every_kind_has_domains_in_every_phase_that_can_have_it():
    names = {
        phase: {k: [c.name for c in scene(k, phase=phase).domain_classes] for k in possible(phase)}
        for phase in ANGLES
    }
    assert names["T"]["four_domains"] == ["RM", "LM", "MD", "MU"]
    assert names["T"]["wall_90"] == ["RM", "MU"]
    assert names["T"]["single_domain"] == names["T"]["tilt_ramp"] == ["RM"]
    assert names["O"]["four_domains"] == names["R"]["four_domains"] == ["RU", "LD", "RD", "LU"]
    assert names["T"]["wall_seen_90"] == ["RM", "MU"]
    assert names["O"]["wall_seen_90"] == names["R"]["wall_seen_90"] == ["RU", "LU"]
    assert names["O"]["wall_60"] == ["RU", "RM"]
    assert names["O"]["wall_120"] == ["RU", "LM"]
    assert names["R"]["wall_71"] == names["R"]["wall_109"] == ["RU", "LU"]
    for phase, table in names.items():
        assert table["wall_180"] == table["wall_inclined"] == names[phase]["four_domains"][:2]
    # seen at a right angle in every phase, by the nearest of the variants that look alike
    assert scene("wall_seen_90", phase="R").domain_variants == ((1, 1, 1), (-1, 1, 1))
    of_o = scene("wall_seen_90", phase="O")
    assert of_o.domain_variants == scene("wall_90", phase="O").domain_variants
    # equal in projection, the two differ along the beam
    assert scene("wall_71", phase="R").domain_variants == ((1, 1, 1), (-1, 1, 1))
    assert scene("wall_109", phase="R").domain_variants == ((1, 1, 1), (-1, 1, -1))


@pytest.mark.parametrize(
    ("phase", "kind", "charge"),
    [
        (phase, kind, charge)
        for phase, kind in WALLS
        for charge in ("neutral", "head_to_head", "tail_to_tail")
        if charge == "neutral" or kind not in TURNING
    ],
)
def test_walls_have_the_angle_and_the_charge_of_their_name(phase, kind, charge):
    recipe = scene(kind, phase=phase, charge=charge)
    domains = lay_out(recipe)
    first, second = domains.polarization[:2]
    cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    angle = ANGLES[phase][kind]
    # Born charges turn P of the O phase off its axis by less than a degree
    assert np.degrees(np.arccos(np.clip(cosine, -1, 1))) == pytest.approx(angle, abs=1.5)
    # bound charge: minus the divergence of P, integrated along a line across the wall
    normal = domains.walls[0].normal
    line = np.linspace(-30, 30, 2001)[:, None] * normal
    along = domains.shares(line) @ domains.polarization @ normal
    charge_found = -np.gradient(along).sum()
    size = np.linalg.norm(first)
    if charge == "neutral":
        assert abs(charge_found) < 0.02 * size
    else:
        assert (charge_found > 0.5 * size) == (charge == "head_to_head")
        assert (charge_found < -0.5 * size) == (charge == "tail_to_tail")
    described = domains.described(domains.walls[0])
    assert described["charge"] == charge
    assert described["angle_in_space_deg"] == pytest.approx(angle, abs=0.5)
    assert described["bound_charge_uC_cm2"] == pytest.approx(charge_found, abs=0.02 * size)


def test_a_wall_is_as_wide_as_asked_for():
    recipe = scene("wall_180", wall_width_nm=1.2)
    domains = lay_out(recipe)
    at = np.array([-6.0, 0.0, 6.0])[:, None] * domains.walls[0].normal  # -w/2, 0, w/2
    along = domains.shares(at) @ [-1, 1]
    assert along == pytest.approx([-np.tanh(1), 0, np.tanh(1)])


def test_the_antiphase_boundary_puts_niobium_where_the_other_half_has_its_a_site():
    recipe = scene("antiphase_boundary", cells=[6, 6])
    atoms, places = inner(recipe, 4)
    symbols = np.array(atoms.get_chemical_symbols())
    # of the perfect crystal: A on whole, niobium on half cells
    for sign, half in ((-1, 0.5), (1, 0.0)):
        beyond = sign * (places[:, 0] - places[:, 1]) > recipe.cell
        niobium = places[beyond & (symbols == "Nb"), :2] / recipe.cell - half
        assert np.abs(niobium - np.round(niobium)).max() < 0.05
    # it is conservative: as many A as B on both sides of it
    band = np.abs(places[:, 0] - places[:, 1] - recipe.cell / 4) < 2 * recipe.cell
    counts = Counter(symbols[band])
    assert abs(counts["K"] + counts["Na"] - counts["Nb"]) <= 0.1 * counts["Nb"]


def test_the_ruddlesden_popper_fault_has_two_ao_layers_in_a_row():
    recipe = scene("ruddlesden_popper", cells=[6, 6])
    atoms, places = inner(recipe, 3)
    symbols = np.array(atoms.get_chemical_symbols())
    planes = np.round(places[:, 0] / (recipe.cell / 2)).astype(int)
    kinds = ["Nb" in symbols[planes == n] for n in range(-4, 6)]
    # from left to right: ... NbO2, AO, AO, NbO2 ...
    assert kinds == [False, True, False, True, False, False, True, False, True, False]
    a_sites = np.isin(symbols, ["K", "Na"])
    left = places[a_sites & (planes == 0)][0]
    # the second half is shifted by half a cell along y and z
    offset = (places[a_sites & (planes == 1)] - left)[:, 1:] / recipe.cell - 0.5
    assert np.abs(offset - np.round(offset)).max() < 0.05


@pytest.mark.parametrize(
    ("cells", "columns", "expected"),
    [
        ([12, 12], 4, {(-3, -3), (3, -3), (-3, 3), (3, 3)}),
        ([9, 9], 2, {(-2, -2), (2, -2)}),
        ([2, 2], 4, {(0, 0), (1, 0), (0, 1), (1, 1)}),
        ([12, 12], 144, {(x, y) for x in range(-5, 7) for y in range(-5, 7)}),
    ],
)
def test_defective_columns_are_spread_evenly(cells, columns, expected):
    recipe = scene("b_antisite", cells=cells, columns=columns)
    assert set(recipe.defect_columns) == expected


def test_columns_and_clusters_change_nothing_but_their_sites():
    plain = build_scene(scene("single_domain"))
    recipe = scene("b_antisite")
    changed = build_scene(recipe)
    different = plain.numbers != changed.numbers
    new = different & (changed.numbers == 41)
    assert new.sum() == recipe.columns * recipe.field[2]
    columns = changed.positions[new, :2] - recipe.origin[:2]
    nearest = np.linalg.norm(columns[:, None] - column_places(recipe), axis=2).min(axis=1)
    assert nearest.max() < 0.2
    vacancy = build_scene(scene("a_vacancy_column"))
    assert len(plain) - len(vacancy) == new.sum()
    cluster = scene("a_cluster", cluster_radius_nm=0.9, cluster_share=1.0, thickness_nm=2)
    atoms = build_scene(cluster)
    places = atoms.positions - cluster.origin - (0, 0, cluster.cell / 4)
    inside = np.linalg.norm(places, axis=1) < 8
    symbols = np.array(atoms.get_chemical_symbols())
    assert "Na" not in symbols[inside]
    assert "K" in symbols[inside]
    outside = Counter(symbols[np.linalg.norm(places, axis=1) > 10])
    assert abs(outside["K"] - outside["Na"]) < 0.06 * outside["Na"]


def test_the_polarization_of_a_vortex_runs_around_its_core():
    recipe = scene("vortex", cells=[12, 12])
    truth = scene_truth(recipe, ScanFrame.over(recipe, 3))
    x, y = (truth[n].values - truth[n].values.mean() for n in "xy")
    around = (np.degrees(np.arctan2(-y[:, None], x)) + 90) % 360
    apart = (truth["direction"].values - around + 180) % 360 - 180
    far = np.hypot(y[:, None], x) > 1.0
    assert np.abs(apart[far]).max() < 6  # straight lines between eight directions
    directions = np.array([c.direction_deg for c in recipe.table])
    nearest = np.abs((around[..., None] - directions + 180) % 360 - 180)
    clear = far & (np.sort(nearest, axis=-1)[..., 0] < 20)
    assert np.array_equal(truth["class_index"].values[clear], nearest.argmin(-1)[clear])
    assert (truth["class_index"].values[~far] == -1).any()


def test_truth_of_four_domains_on_the_scan():
    recipe = scene("four_domains", cells=[8, 8])
    truth = scene_truth(recipe, ScanFrame.over(recipe, 4))
    index = {c.name: c.index for c in recipe.table}
    # rows go down: counter-clockwise from the upper right RU, LD, RD, LU
    corners = truth["class_index"].values[[0, 0, -1, -1], [-1, 0, 0, -1]]
    assert corners.tolist() == [index[name] for name in ("RU", "LD", "RD", "LU")]
    assert truth["direction"].values[0, -1] == pytest.approx(45, abs=1)
    y, x = np.meshgrid(truth["y"], truth["x"], indexing="ij")
    middle = recipe.cell / 10 * (4 - 0.5 / 4)  # nm from the first position
    expected = np.minimum(np.abs(y - middle), np.abs(x - middle))
    assert truth["wall_distance"].values == pytest.approx(expected, abs=1e-9)
    walls = json.loads(truth.attrs["walls"])
    assert sorted(w["angle_deg"] for w in walls) == [90, 90, 180, 180]
    for wall in walls:
        start, end = np.array(wall["points"])
        assert start == pytest.approx([middle, middle])
        assert np.linalg.norm(end - start) == pytest.approx(middle)
        # the positions beside it belong to its domains
        place = (start + end) / 2 / truth["x"].values[1]
        beside = truth["domain"].values[
            int(place[0]) : int(place[0]) + 2, int(place[1]) : int(place[1]) + 2
        ]
        assert set(np.unique(beside)) == set(wall["domains"])


@pytest.mark.parametrize("kind", ["four_domains", "b_antisite", "ruddlesden_popper"])
def test_a_scan_turned_by_a_right_angle_sees_the_same_scene_turned(kind):
    plain = scene(kind, cells=[6, 6])
    turned = scene(kind, cells=[6, 6], crystal_rotation_deg=90)
    one = scene_truth(plain, ScanFrame.over(plain, 4))
    other = scene_truth(turned, ScanFrame.over(turned, 4))
    for name in ("class_index", "defect", "wall_distance", "cell_x", "polarization"):
        # the crystal appears turned counter-clockwise
        expected = np.rot90(one[name].values)
        assert other[name].values == pytest.approx(expected, abs=1e-9), name
    difference = (other["direction"].values - np.rot90(one["direction"].values)) % 360
    assert difference == pytest.approx(90)


def test_an_inclined_wall_mixes_both_domains_across_its_overlap():
    recipe = scene("wall_inclined", cells=[10, 10], thickness_nm=8, inclination_deg=10)
    frame = ScanFrame.over(recipe, 4)
    truth = scene_truth(recipe, frame)
    overlap = truth.attrs["thickness_nm"] * np.tan(np.radians(10))
    (wall,) = json.loads(truth.attrs["walls"])
    assert wall["overlap_nm"] == pytest.approx(overlap)
    assert wall["width_nm"] == 0.8
    domains = lay_out(recipe)
    places = frame.places(*frame.along()) - recipe.origin[:2]
    s = np.abs(places @ domains.walls[0].normal[:2]) / np.cos(np.radians(10)) / 10
    assert np.array_equal(truth["wall_distance"].values == 0, s <= overlap / 2)
    assert truth["share"].values[s < 0.05].max() < 0.6
    assert truth["share"].values[s > overlap / 2 + 0.4].min() > 0.9


def test_defects_are_marked_where_they_are():
    for kind, cells in (("b_antisite", 0.5), ("edge_dislocation", 1.5)):
        recipe = scene(kind, cells=[8, 8])
        truth = scene_truth(recipe, ScanFrame.over(recipe, 8))
        marked = truth["defect"].values.sum() / 64  # cells
        number = len(defects_of(recipe).ends)
        assert marked == pytest.approx(number * np.pi * cells**2, rel=0.1)
        assert len(json.loads(truth.attrs["defects"])) == number
    for kind in ("single_domain", "tilt_ramp", "a_cluster", "four_domains"):
        recipe = scene(kind)
        truth = scene_truth(recipe, ScanFrame.over(recipe, 4))
        assert not truth["defect"].values.any()
        assert truth["control"].values.any() == (kind in ("tilt_ramp", "a_cluster"))


def test_a_scene_comes_back_from_its_file(tmp_path):
    recipe = scene("wall_60", classes=["RU", "MU"])
    write_specimen(build_scene(recipe), tmp_path / "scene.xyz")
    again = make_scene(read_specimen(tmp_path / "scene.xyz").info["scene"])
    assert again.material.template == recipe.material.template
    assert replace(again, material=recipe.material) == recipe


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"kind": "wall_60", "classes": ["RU", "LD"]},
            "RU and LD are not 60 degrees apart; choose RU with RM or MU, or wall_180 or "
            "wall_inclined or wall_bloch or wall_neel for these two;",
        ),
        ({"kind": "wall_neel", "charge": "head_to_head"}, "as that of neutral walls does"),
        (
            {"kind": "wall_60", "phase": "T"},
            "phase T has walls of 90 and 180 degrees; choose wall_180, wall_90, wall_inclined, "
            "wall_bloch, wall_neel, wall_seen_90;",
        ),
        (
            {"kind": "wall_90", "phase": "R"},
            "phase R has walls of 71, 109 and 180 degrees; choose wall_180, wall_71, wall_109, ",
        ),
        ({"kind": "wall_90", "classes": ["RM", "RM"]}, "RM and RM are not 90 degrees apart"),
        (
            {"kind": "wall_seen_90", "phase": "R", "classes": ["RU", "LD"]},
            "RU and LD are not 90 degrees apart as they are seen; choose RU with LU or RD, or "
            "wall_180 or wall_109 or wall_inclined or wall_bloch or wall_neel for these two;",
        ),
        ({"kind": "wall_90", "classes": ["RM"]}, "it has 2 domains, but the classes are RM;"),
        ({"kind": "vortex", "classes": ["RM"]}, "every class of phase O; leave its classes out"),
        (
            {"kind": "b_antisite", "columns": 500, "cells": [12, 12]},
            "500 defective columns do not fit evenly on 12 x 12 cells; ask for 144 at most",
        ),
        ({"kind": "four_domains", "classes": ["RU", "LD"]}, "4 domains"),
        ({"kind": "single_domain", "classes": ["UP"]}, "UP is not one of RM, RU"),
        ({"kind": "single_domain", "cells": [1, 4]}, "at least 2"),
    ],
)
def test_what_does_not_fit_together_is_refused(settings, message):
    with pytest.raises(PolarstemError, match=message):
        scene(**settings)
