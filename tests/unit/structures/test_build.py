# SPDX-License-Identifier: GPL-3.0-or-later
"""Specimens: symmetry, composition, order, defects and files."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path

import ase
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from polarstem.errors import PolarstemError
from polarstem.structures.build import (
    build_specimen,
    exact_counts,
    read_specimen,
    write_specimen,
)
from polarstem.structures.crystals import load_material
from polarstem.structures.recipes import SpecimenRecipe, make_recipe
from polarstem.structures.table import write_table
from polarstem.structures.variants import PHASES, ZONE_AXES, classes, phase_variants

Make = Callable[..., SpecimenRecipe]
ZONED = [(p, z, v) for p in PHASES for z in ZONE_AXES for v in phase_variants(p)]


def assert_same_crystal(first: ase.Atoms, positions: np.ndarray, box: np.ndarray) -> None:
    """Each atom of `first` stands on one place of `positions`, element by element."""
    for element in set(first.symbols):
        ours = first.positions[first.symbols == element] % box % box
        theirs = positions[first.symbols == element] % box % box
        distance, index = cKDTree(theirs, boxsize=box).query(ours)
        assert distance.max() < 1e-9
        assert len(set(index.tolist())) == len(ours)


def turn(atoms: ase.Atoms) -> np.ndarray:
    """Positions after a quarter turn counter-clockwise about an A column."""
    x, y, z = atoms.positions.T
    return np.stack([-y, x, z], axis=1)


@pytest.mark.parametrize(("phase", "zone_axis"), [(p, z) for p in PHASES for z in ZONE_AXES])
def test_amplitude_zero_is_exactly_cubic(recipe: Make, phase: str, zone_axis: tuple) -> None:
    variant = phase_variants(phase)[-1]
    atoms = build_specimen(recipe(phase=phase, variant=variant, zone_axis=zone_axis, amplitude=0))
    edge = load_material("KNN").cell_volume(phase) ** (1 / 3)
    cell = edge * np.array([math.sqrt(2), 1, math.sqrt(2)] if zone_axis[0] else [1, 1, 1])
    np.testing.assert_allclose(atoms.cell.lengths(), 2 * cell)
    # every Nb has six O at half an edge, every K twelve at half a face diagonal
    positions = atoms.positions
    box = atoms.cell.lengths()
    tree = cKDTree(positions[atoms.symbols == "O"] % box, boxsize=box)
    for element, number, distance in [("Nb", 6, 0.5), ("K", 12, math.sqrt(0.5))]:
        near, _ = tree.query(positions[atoms.symbols == element] % box, k=number + 1)
        np.testing.assert_allclose(near[:, :number], distance * edge, rtol=1e-9)
        assert near[:, number].min() > 1.2 * distance * edge
    assert np.linalg.norm(atoms.info["polarization_uC_cm2"]) == 0


@pytest.mark.parametrize("zone_axis", ZONE_AXES)
def test_a_columns_stand_at_the_corners_of_the_projected_cells(
    recipe: Make, zone_axis: tuple[int, int, int]
) -> None:
    atoms = build_specimen(recipe(zone_axis=zone_axis, amplitude=0, cells=(3, 2)))
    lengths = np.array(atoms.info["cell_lengths_angstrom"][:2])
    corners = atoms.positions[atoms.symbols == "K"][:, :2] / lengths % 1.0
    assert np.any(np.all(np.isclose(corners, 0), axis=1))
    assert atoms.info["cells"] == [3, 2, 2]
    np.testing.assert_allclose(atoms.cell.lengths()[:2], lengths * (3, 2))


@pytest.mark.parametrize(("phase", "zone_axis", "variant"), ZONED)
def test_opposite_polarizations_are_inverted_crystals(
    recipe: Make, phase: str, zone_axis: tuple, variant: tuple
) -> None:
    common = {"phase": phase, "zone_axis": zone_axis, "cells": (2, 1), "thickness_cells": 1}
    plus = build_specimen(recipe(variant=variant, **common))
    minus = build_specimen(recipe(variant=tuple(-v for v in variant), **common))
    box = plus.cell.lengths()
    # through the ideal place of the A atom at the origin
    centre = np.array([0, 0, box[2] / plus.info["planes"] / 2])
    assert_same_crystal(plus, 2 * centre - minus.positions, box)
    total = np.add(plus.info["polarization_uC_cm2"], minus.info["polarization_uC_cm2"])
    np.testing.assert_allclose(total, 0, atol=1e-10)


@pytest.mark.parametrize("metric", ["cubic", "phase"])
@pytest.mark.parametrize("phase", PHASES)
def test_a_quarter_turn_of_the_crystal_is_the_class_a_quarter_turn_on(
    recipe: Make, phase: str, metric: str
) -> None:
    table = classes(phase, (0, 0, 1))
    step = len(table) // 4
    for polar_class in table:
        next_class = table[(polar_class.index + step) % len(table)]
        for i in range(len(polar_class.variants)):
            before, after = (
                build_specimen(recipe(phase=phase, variant=c.variant_of(i), metric=metric))
                for c in (polar_class, next_class)
            )
            assert_same_crystal(after, turn(before), after.cell.lengths())


@pytest.mark.parametrize(("phase", "zone_axis", "variant"), ZONED)
def test_polarization_points_where_the_class_says(
    recipe: Make, phase: str, zone_axis: tuple, variant: tuple
) -> None:
    atoms = build_specimen(recipe(phase=phase, zone_axis=zone_axis, variant=variant, cells=(1, 1)))
    x, y, z = atoms.info["polarization_uC_cm2"]
    beam = np.dot(variant, zone_axis) / np.linalg.norm(zone_axis)
    assert z / np.linalg.norm((x, y, z)) == pytest.approx(beam / np.linalg.norm(variant), abs=1e-12)
    direction = atoms.info["direction_deg"]
    if math.isnan(direction):
        assert math.hypot(x, y) < 1e-10
    else:
        apart = math.degrees(math.atan2(y, x)) - direction
        assert (apart + 180) % 360 - 180 == pytest.approx(0, abs=1e-9)


def test_nb_is_right_of_the_middle_of_its_oxygens_in_class_rm(recipe: Make) -> None:
    atoms = build_specimen(recipe(phase="T", variant=(1, 0, 0), cells=(3, 1)))
    box = atoms.cell.lengths()
    nb = atoms.positions[atoms.symbols == "Nb"][1]
    bonds = (atoms.positions[atoms.symbols == "O"] - nb + box / 2) % box - box / 2
    left, right = np.sort(
        bonds[(np.abs(bonds[:, 0]) > 1) & (np.linalg.norm(bonds, axis=1) < 2.4), 0]
    )
    edge = box[1]
    assert (left, right) == pytest.approx((-edge / 2 - 0.163, edge / 2 - 0.163))
    assert atoms.info["class_name"] == "RM"


@pytest.mark.parametrize("zone_axis", ZONE_AXES)
@pytest.mark.parametrize("amplitude", [0.0, 3.0])
def test_each_slice_holds_one_plane(recipe: Make, zone_axis: tuple, amplitude: float) -> None:
    atoms = build_specimen(recipe(variant=(1, 0, 1), zone_axis=zone_axis, amplitude=amplitude))
    planes = atoms.info["planes"]
    assert planes == (4 if zone_axis[2] else 8)
    spacing = atoms.cell.lengths()[2] / planes
    place = atoms.positions[:, 2] / spacing
    # far from the faces of the slices
    assert np.abs(place - np.floor(place) - 0.5).max() < 0.45
    assert set(np.floor(place)) == set(range(planes))


def test_projected_cell_along_110(recipe: Make) -> None:
    settings = {"zone_axis": (1, 1, 0), "cells": (1, 1), "thickness_cells": 1, "amplitude": 0}
    atoms = build_specimen(recipe(variant=(1, -1, 0), **settings))
    assert atoms.get_chemical_formula() == "K2Nb2O6"
    found = atoms.positions / atoms.cell.lengths() - [0, 0, 0.125]
    for element, expected in {
        "K": [(0, 0, 0), (0.5, 0, 0.5)],
        "Nb": [(0, 0.5, 0.5), (0.5, 0.5, 0)],
        "O": [
            (0, 0, 0.5), (0.5, 0, 0),
            (0.25, 0.5, 0.25), (0.75, 0.5, 0.75), (0.25, 0.5, 0.75), (0.75, 0.5, 0.25),
        ],
    }.items():  # fmt: skip
        ours = sorted(map(tuple, np.round(found[atoms.symbols == element], 9) + 0.0))
        np.testing.assert_allclose(ours, sorted(expected), atol=1e-9)


def test_phase_metric_says_what_it_drops(recipe: Make) -> None:
    sheared = build_specimen(recipe(metric="phase", variant=(1, 1, 0)))
    assert sheared.info["dropped_shear_deg"] == pytest.approx(0.33, abs=0.01)
    exact = build_specimen(recipe(metric="phase", phase="T", variant=(1, 0, 0)))
    assert exact.info["dropped_shear_deg"] == 0
    np.testing.assert_allclose(exact.cell.lengths(), 2 * np.array([4.02, 3.97, 3.97]))


def test_random_order_has_the_exact_composition_and_follows_the_seed(recipe: Make) -> None:
    crystals = [build_specimen(recipe(a_site="random", cells=(4, 4), seed=s)) for s in (1, 1, 2)]
    for atoms in crystals:
        assert atoms.info["composition"] == {"K": 16, "Na": 16, "Nb": 32, "O": 96}
        assert all(np.sum(atoms.symbols == e) == n for e, n in atoms.info["composition"].items())
    assert crystals[0] == crystals[1]
    assert list(crystals[0].symbols) != list(crystals[2].symbols)
    np.testing.assert_array_equal(crystals[0].positions, crystals[2].positions)


@given(share=st.floats(0.01, 0.99), number=st.integers(1, 500))
@settings(deadline=None)
def test_counts_are_whole_and_nearest_to_the_composition(share: float, number: int) -> None:
    counts = exact_counts({"K": share, "Na": 1 - share}, number)
    assert sum(counts.values()) == number
    assert abs(counts["K"] - share * number) <= 0.5 + 1e-6


@pytest.mark.parametrize("zone_axis", ZONE_AXES)
def test_ordered_neighbours_differ(recipe: Make, zone_axis: tuple[int, int, int]) -> None:
    # along the beam too the box is taken as periodic here, so four cells
    size = {"cells": (4, 4), "thickness_cells": 4}
    atoms = build_specimen(recipe(a_site="ordered", zone_axis=zone_axis, amplitude=0, **size))
    box = atoms.cell.lengths()
    edge = load_material("KNN").cell_volume("O") ** (1 / 3)
    potassium, sodium = (atoms.positions[atoms.symbols == e] % box for e in ("K", "Na"))
    assert len(potassium) == len(sodium)
    neighbours = cKDTree(sodium, boxsize=box).query_ball_point(potassium, 1.01 * edge)
    assert {len(n) for n in neighbours} == {6}
    assert not cKDTree(potassium, boxsize=box).query_pairs(1.01 * edge)


def test_ordered_needs_even_cells_and_equal_shares(recipe: Make) -> None:
    with pytest.raises(PolarstemError, match="alternates along x and needs an even number"):
        build_specimen(recipe(a_site="ordered", cells=(3, 2)))
    build_specimen(recipe(a_site="ordered", cells=(3, 2), zone_axis=(1, 1, 0)))
    with pytest.raises(PolarstemError, match="equal shares, which BaTiO3 does not have"):
        build_specimen(recipe(a_site="ordered", material="BaTiO3", phase="T", variant=(1, 0, 0)))


def test_virtual_crystal_says_so(recipe: Make) -> None:
    atoms = build_specimen(recipe(a_site="virtual"))
    assert set(atoms.symbols) == {"K", "Nb", "O"}
    assert atoms.info["virtual_a_site"] == {"K": 0.5, "Na": 0.5}
    assert "virtual_a_site" not in build_specimen(recipe(a_site="random")).info


@pytest.mark.parametrize("zone_axis", ZONE_AXES)
@pytest.mark.parametrize("site", ["A", "B", "O"])
def test_vacancy_column_is_one_column_near_the_middle(
    recipe: Make, site: str, zone_axis: tuple[int, int, int]
) -> None:
    settings = {"zone_axis": zone_axis, "cells": (3, 3), "amplitude": 0}
    whole = build_specimen(recipe(**settings))
    holed = build_specimen(recipe(**settings, defect={"kind": "vacancy_column", "site": site}))
    places = {tuple(p) for p in np.round(holed.positions, 6).tolist()}
    gone = [
        i for i, p in enumerate(np.round(whole.positions, 6).tolist()) if tuple(p) not in places
    ]
    # along [110] a column of pure oxygen has two atoms per period
    number = 4 if site == "O" and zone_axis[0] else 2
    assert len(gone) == len(whole) - len(holed) == number
    assert {whole.symbols[i] for i in gone} == {{"A": "K", "B": "Nb", "O": "O"}[site]}
    position = holed.info["defect"]["position_angstrom"]
    for i in gone:
        np.testing.assert_allclose(whole.positions[i, :2], position, atol=1e-9)
    lengths = np.array(whole.info["cell_lengths_angstrom"][:2])
    assert np.all(np.abs(position - whole.cell.lengths()[:2] / 2) <= lengths / 2 + 1e-9)
    if site == "O":
        # no cation in that column
        lateral = np.linalg.norm(holed.positions[:, :2] - position, axis=1)
        assert lateral.min() > 0.5


@pytest.mark.parametrize(("site", "before", "after"), [("A", "K", "Nb"), ("B", "Nb", "K")])
def test_antisite_column_swaps_the_cation(recipe: Make, site: str, before: str, after: str) -> None:
    whole = build_specimen(recipe(cells=(3, 3)))
    swapped = build_specimen(recipe(cells=(3, 3), defect={"kind": "antisite_column", "site": site}))
    np.testing.assert_array_equal(whole.positions, swapped.positions)
    pairs = zip(whole.symbols, swapped.symbols, strict=True)
    assert [p for p in pairs if p[0] != p[1]] == [(before, after)] * 2


def test_antisite_of_a_random_crystal_keeps_the_composition_of_the_column(recipe: Make) -> None:
    defect = {"kind": "antisite_column", "site": "B"}
    atoms = build_specimen(recipe(a_site="random", defect=defect, thickness_cells=4))
    assert atoms.info["composition"] == {"K": 10, "Na": 10, "Nb": 12, "O": 48}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"amplitude": -0.5}, "amplitude -0.5 must be zero or positive"),
        ({"amplitude": math.nan}, "amplitude nan"),
        ({"cells": (0, 2)}, "three whole numbers"),
        ({"variant": (1, 1, 1), "direction_deg": 45.0}, r"\(1, 1, 1\) is no polar axis of phase O"),
        ({"direction_deg": 90.0}, "direction 90 degrees does not belong to variant"),
        ({"a_site": "mixed"}, "a_site 'mixed' is not one of random, ordered, virtual"),
        ({"metric": "real"}, "metric 'real' is not one of cubic, phase"),
        ({"defect": {"kind": "antisite_column", "site": "O"}}, "needs a kind and a site out of"),
        ({"defect": {"kind": "wall"}}, "needs a kind and a site out of"),
        ({"material": "PbTiO3"}, "no lattice and template for phase O"),
    ],
)
def test_wrong_recipes_are_told(recipe: Make, change: dict, message: str) -> None:
    with pytest.raises(PolarstemError, match=message):
        recipe(**change)


def test_recipe_from_plain_values_rounds_the_thickness() -> None:
    plain = {
        "name": "s-RU-test-0", "specimen_set": "s", "split": "test", "class_index": 1,
        "class_name": "RU", "direction_deg": 45.0, "variant": [1, 1, 0], "phase": "O",
        "zone_axis": [0, 0, 1], "material": "KNN", "a_site": "random", "amplitude": 1.0,
        "metric": "cubic", "cells": [2, 2], "defect": None, "seed": 5,
    }  # fmt: skip
    made = make_recipe(**plain, thickness_nm=10.0)
    assert made.thickness_cells == 25
    assert build_specimen(made).info["thickness_nm"] == pytest.approx(2.5 * 3.98341, rel=1e-5)
    assert make_recipe(**plain, thickness_nm=0.1).thickness_cells == 1
    with pytest.raises(PolarstemError, match="thickness -1 nm must be positive"):
        make_recipe(**plain, thickness_nm=-1)


@pytest.mark.parametrize("variant", [(1, 0, 1), (1, 1, 0)])
def test_file_keeps_everything(recipe: Make, tmp_path: Path, variant: tuple) -> None:
    path = tmp_path / "specimen.xyz"
    defect = {"kind": "vacancy_column", "site": "A"}
    atoms = build_specimen(
        recipe(variant=variant, zone_axis=(1, 1, 0), specimen_set="T", defect=defect)
    )
    write_specimen(atoms, path)
    back = read_specimen(path)
    np.testing.assert_allclose(back.positions, atoms.positions, atol=1e-8)
    np.testing.assert_array_equal(back.cell[:], atoms.cell[:])
    assert list(back.symbols) == list(atoms.symbols)
    assert back.pbc.tolist() == [True, True, False]
    direction = back.info.pop("direction_deg"), atoms.info.pop("direction_deg")
    assert direction == pytest.approx((direction[1],) * 2, nan_ok=True)
    assert math.isnan(direction[0]) == (variant == (1, 1, 0))
    assert back.info == atoms.info
    assert {k: type(v) for k, v in back.info.items()} == {k: type(v) for k, v in atoms.info.items()}
    assert list(tmp_path.iterdir()) == [path]


def test_phase_t_survives_the_file(recipe: Make, tmp_path: Path) -> None:
    path = tmp_path / "t.xyz"
    write_specimen(build_specimen(recipe(phase="T", variant=(1, 0, 0))), path)
    assert read_specimen(path).info["phase"] == "T"


def test_same_recipe_same_bytes(recipe: Make, tmp_path: Path) -> None:
    paths = [tmp_path / "1.xyz", tmp_path / "2.xyz"]
    for path in paths:
        write_specimen(build_specimen(recipe(a_site="random")), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_every_truncation_is_noticed(recipe: Make, tmp_path: Path) -> None:
    path = tmp_path / "specimen.xyz"
    write_specimen(build_specimen(recipe(cells=(1, 1), thickness_cells=1)), path)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(PolarstemError, match=r"specimen\.xyz is truncated or not extended XYZ"):
            read_specimen(path)


@pytest.mark.parametrize("key", ["b_site", "b_site_share", "a_site", "amplitude", "variant"])
def test_a_description_that_lacks_a_key_is_told(recipe: Make, tmp_path: Path, key: str) -> None:
    atoms = build_specimen(recipe())
    del atoms.info[key]
    write_specimen(atoms, tmp_path / "specimen.xyz")
    with pytest.raises(PolarstemError, match=r"specimen\.xyz is truncated or not extended XYZ"):
        read_specimen(tmp_path / "specimen.xyz")


def test_foreign_and_absent_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(PolarstemError, match="There is no specimen file"):
        read_specimen(tmp_path / "none.xyz")
    foreign = tmp_path / "foreign.xyz"
    ase.Atoms("Nb", [(0, 0, 0)]).write(foreign, format="extxyz")
    with pytest.raises(PolarstemError, match="not extended XYZ of polarstem"):
        read_specimen(foreign)
    foreign.write_bytes(b"\x89PNG\xff\x00\n")
    with pytest.raises(PolarstemError, match=r"foreign\.xyz"):
        read_specimen(foreign)


def test_table_of_specimens(recipe: Make, tmp_path: Path) -> None:
    path = tmp_path / "a.xyz"
    first = build_specimen(recipe(a_site="random"))
    write_specimen(first, path)
    second = build_specimen(recipe(variant=(-1, 0, 1), name="other", amplitude=0.5))
    table = tmp_path / "specimens.csv"
    write_table([path, second], table)
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [r["specimen"] for r in rows] == ["static-RU-train-0", "other"]
    assert [r["variant"] for r in rows] == ["[1 1 0]", "[-1 0 1]"]
    assert [r["class_name"] for r in rows] == ["RU", "LM"]
    assert [int(r["n_atoms"]) for r in rows] == [40, 40]
    assert float(rows[0]["box_x_angstrom"]) == pytest.approx(first.cell.lengths()[0], abs=1e-4)
    written = [float(rows[0][f"polarization_{a}_uC_cm2"]) for a in "xyz"]
    assert written == pytest.approx(first.info["polarization_uC_cm2"], abs=1e-4)
    assert float(rows[1]["amplitude"]) == 0.5


def test_failed_table_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(PolarstemError):
        write_table([tmp_path / "none.xyz"], tmp_path / "specimens.csv")
    assert list(tmp_path.iterdir()) == []
