# SPDX-License-Identifier: GPL-3.0-or-later
"""B sites of several elements: order, composition, charges, defects, layers and scenes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import ase
import numpy as np
import pytest
from mixed_materials import knn_with_tantalum

from polarstem.errors import PolarstemError
from polarstem.structures.build import build_specimen
from polarstem.structures.crystals import load_material
from polarstem.structures.polar_mode import displacements
from polarstem.structures.recipes import SpecimenRecipe
from polarstem.structures.scenes.build import build_scene
from polarstem.structures.scenes.recipe import SceneRecipe
from polarstem.structures.table import table_row
from polarstem.structures.templates import polarization

Make = Callable[..., SpecimenRecipe]
MIXED = knn_with_tantalum()


def fingerprint(atoms: ase.Atoms) -> str:
    places = np.round(atoms.positions, 9).tobytes()
    return hashlib.sha256("".join(atoms.get_chemical_symbols()).encode() + places).hexdigest()[:16]


def on_b(atoms: ase.Atoms) -> list[str]:
    return [s for s in atoms.symbols if s in ("Nb", "Ta")]


# of the version before B sites could be mixed
FORMER = [
    ({}, "440d8c82ecef34b2"),
    ({"amorphous_nm": (1, 1), "disorder": 1.0}, "eb8cce17626ef2d8"),
    ({"defect": {"kind": "antisite_column", "site": "B"}}, "0a1909b71f68ef0f"),
]


@pytest.mark.parametrize(("change", "expected"), FORMER)
@pytest.mark.parametrize("b_site", ["Nb", {"Nb": 1.0}])
def test_one_element_gives_the_atoms_that_it_gave(
    recipe: Make, change: dict[str, Any], expected: str, b_site: Any
) -> None:
    knn = load_material("KNN").model_dump(mode="json", exclude_none=True) | {"b_site": b_site}
    size = {"a_site": "random", "thickness_cells": 5, "seed": 5}
    assert fingerprint(build_specimen(recipe(material=knn, **size, **change))) == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("a_cluster", "3e98fce324d89d5f"),
        ("b_antisite", "9b2c4e78b0187803"),
        ("wall_180", "bb0b80b88884d1b7"),
    ],
)
def test_scenes_of_one_element_are_what_they_were(kind: Any, expected: str) -> None:
    size = {"cells": (4, 4), "margin_cells": 2, "thickness_nm": 2.0, "seed": 3, "columns": 1}
    knn = load_material("KNN")
    atoms = build_scene(SceneRecipe(kind=kind, name="x", material=knn, **size))  # type: ignore[arg-type]
    assert fingerprint(atoms) == expected


def test_an_element_stands_for_its_whole_share() -> None:
    barium = load_material("BaTiO3").model_dump(mode="json", exclude_none=True)
    assert load_material(barium | {"a_site": "Ba", "b_site": "Ti"}) == load_material("BaTiO3")
    assert load_material(MIXED).formula == "K0.5Na0.5Nb0.75Ta0.25O3"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"b_site": {"Nb": 0.5, "Ta": 0.4}}, "the shares in b_site must be positive and add to 1"),
        ({"b_site": {"Nb": 1.5, "Ta": -0.5}}, "the shares in b_site must be positive"),
        ({"b_site": {}}, "the shares in b_site must be positive"),
        ({"b_site": {"Nb": 0.5, "K": 0.5}}, "a_site and b_site must be different cations"),
        ({"b_site": {"Nb": 0.5, "Zz": 0.5}}, "Zz is no chemical element"),
        ({"b_site": {"Nb": 0.5, "Zr": 0.5}}, "born_charges has .* where .*Zr are needed"),
    ],
)
def test_wrong_b_sites_are_told(change: dict[str, Any], message: str) -> None:
    with pytest.raises(PolarstemError, match=message):
        load_material(MIXED | change)


def test_random_order_has_the_exact_composition_and_follows_the_seed(recipe: Make) -> None:
    def built(**changes: Any) -> ase.Atoms:
        return build_specimen(recipe(a_site="random", cells=(4, 4), **changes))

    mixed = [built(material=MIXED, seed=seed) for seed in (1, 1, 2)]
    for atoms in mixed:
        assert atoms.info["composition"] == {"K": 16, "Na": 16, "Nb": 24, "O": 96, "Ta": 8}
        assert atoms.info["b_site"] == "random"
        assert atoms.info["b_site_share"] == 0.75
        assert "virtual_b_site" not in atoms.info
    assert mixed[0] == mixed[1]
    assert on_b(mixed[0]) != on_b(mixed[2])
    # K and Na stand as without Ta, and B cations in an order of their own
    alone = built(material="KNN", seed=1)
    of_a = [[s for s in atoms.symbols if s in ("K", "Na")] for atoms in (mixed[0], alone)]
    assert of_a[0] == of_a[1]
    halves = knn_with_tantalum(0.5)
    both = built(material=halves, seed=1)
    assert [s == "Nb" for s in on_b(both)] != [s == "K" for s in both.symbols if s in ("K", "Na")]


@pytest.mark.parametrize(
    ("a_site", "b_site", "order"),
    [
        ("random", None, "random"),
        ("virtual", None, "virtual"),
        ("ordered", None, "virtual"),
        ("virtual", "random", "random"),
        ("random", "virtual", "virtual"),
    ],
)
def test_order_on_the_b_site(recipe: Make, a_site: str, b_site: Any, order: str) -> None:
    atoms = build_specimen(recipe(material=MIXED, a_site=a_site, b_site=b_site, cells=(4, 4)))
    assert atoms.info["b_site"] == order
    assert set(on_b(atoms)) == ({"Nb", "Ta"} if order == "random" else {"Nb"})
    shares = {"Nb": 0.75, "Ta": 0.25} if order == "virtual" else None
    assert atoms.info.get("virtual_b_site") == shares
    row = table_row(atoms)
    assert (row["b_site"], row["b_site_share"]) == (order, 0.75)


def test_unknown_order_is_told(recipe: Make) -> None:
    with pytest.raises(PolarstemError, match="b_site 'ordered' is not one of random, virtual"):
        recipe(b_site="ordered")


def test_polarization_is_the_mean_over_the_composition() -> None:
    """Each at the same displacements: its mass decides where the centre is, P does not."""

    def size(share: float) -> np.ndarray:
        material = load_material(knn_with_tantalum(share))
        shifts = displacements(load_material("KNN"), "T", (0, 0, 1))
        return polarization(material, shifts, 63.0)

    np.testing.assert_allclose(size(0.25), 0.75 * size(1e-9) + 0.25 * size(1 - 1e-9), rtol=1e-6)
    assert size(1 - 1e-9)[2] < 0.995 * size(1e-9)[2]


def test_centre_of_mass_stays(recipe: Make) -> None:
    polar, cubic = (
        build_specimen(recipe(material=MIXED, a_site="random", cells=(4, 4), amplitude=amplitude))
        for amplitude in (1.0, 0.0)
    )
    np.testing.assert_allclose(polar.get_center_of_mass(), cubic.get_center_of_mass(), atol=1e-10)


def test_antisite_column_takes_the_composition_of_b(recipe: Make) -> None:
    size = {"material": MIXED, "cells": (3, 3), "thickness_cells": 8}
    defect = {"kind": "antisite_column", "site": "A"}
    whole = build_specimen(recipe(a_site="random", **size))
    swapped = build_specimen(recipe(a_site="random", defect=defect, **size))
    column = [b for a, b in zip(whole.symbols, swapped.symbols, strict=True) if a != b]
    assert sorted(column) == ["Nb"] * 6 + ["Ta"] * 2
    averaged = build_specimen(recipe(defect=defect, **size))
    assert set(averaged.symbols) == {"K", "Nb", "O"}


def test_amorphous_layers_have_the_composition(recipe: Make) -> None:
    """Averaged atoms are of one symbol there, too, which stands for all of them."""
    layers = {"material": MIXED, "cells": (6, 6), "amorphous_nm": (0.0, 3.0)}
    atoms = build_specimen(recipe(a_site="random", **layers))
    layer = on_b(atoms[-atoms.info["amorphous"]["atoms"][1] :])
    assert layer.count("Ta") / len(layer) == pytest.approx(0.25, abs=0.07)
    averaged = build_specimen(recipe(**layers))
    assert set(averaged.symbols) == {"K", "Nb", "O"}


def test_scenes_have_b_cations_at_random() -> None:
    size = {"cells": (4, 4), "margin_cells": 2, "thickness_nm": 3.2, "columns": 1}
    scenes = [
        build_scene(
            SceneRecipe(kind="b_antisite", name="x", material=load_material(MIXED), seed=s, **size)  # type: ignore[arg-type]
        )
        for s in (1, 2)
    ]
    for atoms in scenes:
        cells = 8 * 8 * 8
        swapped = len(on_b(atoms)) - cells
        assert swapped == 8
        # exact on the sites, and in the swapped column by itself
        assert on_b(atoms).count("Ta") == cells / 4 + swapped / 4
    assert on_b(scenes[0]) != on_b(scenes[1])
