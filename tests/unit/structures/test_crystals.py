# SPDX-License-Identifier: GPL-3.0-or-later
"""Materials: their numbers, their lattices and wrong input."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from polarstem.errors import PolarstemError
from polarstem.structures.cell_metric import cell_lengths, screen_metric
from polarstem.structures.crystals import CRYSTALS, load_material

LIBRARY: dict[str, Any] = yaml.safe_load(CRYSTALS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", LIBRARY)
def test_every_shipped_material_loads_and_names_its_sources(name: str) -> None:
    material = load_material(name)
    needed = {"template", "born_charges", "debye_waller_rms_angstrom"}
    needed |= {f"lattice.{phase}" for phase in material.lattice}
    needed |= {"static_disorder_rms_angstrom", "octahedral_tilts"} & set(material.model_fields_set)
    assert set(material.sources) == needed


def test_knn_has_the_volume_of_the_monoclinic_cell() -> None:
    knn = load_material("KNN")
    assert knn.formula == "K0.5Na0.5NbO3"
    monoclinic = 4.003 * 3.944 * 4.003 * math.sin(math.radians(90.33))
    assert knn.cell_volume("O") == pytest.approx(monoclinic, rel=3e-4)


def test_orthorhombic_axes_give_back_the_monoclinic_pseudo_cubic_cell() -> None:
    knn = load_material("KNN")
    lengths, shear = screen_metric(knn, "O", (1, 0, 1), (0, 0, 1))
    np.testing.assert_allclose(lengths, (4.003, 3.944, 4.003), atol=1e-3)
    assert shear == pytest.approx(0.33, abs=0.01)


@pytest.mark.parametrize("variant", [(1, 1, 1), (-1, 1, 1), (1, -1, -1)])
def test_rhombohedral_lengths_and_angle(variant: tuple[int, int, int]) -> None:
    knn = load_material("KNN")
    lengths, shear = screen_metric(knn, "R", variant, (0, 0, 1))
    np.testing.assert_allclose(lengths, 3.975)
    assert shear == pytest.approx(0.15)
    cosine = math.cos(math.radians(89.85))
    volume = 3.975**3 * math.sqrt(1 - 3 * cosine**2 + 2 * cosine**3)
    assert knn.cell_volume("R") == pytest.approx(volume)


def test_orthorhombic_cell_along_110_is_the_conventional_cell() -> None:
    knn = load_material("KNN")
    lengths, shear = screen_metric(knn, "O", (1, -1, 0), (1, 1, 0))
    np.testing.assert_allclose(lengths, (5.678, 3.944, 5.645))
    assert shear == pytest.approx(0, abs=1e-9)
    lengths, _ = screen_metric(knn, "O", (1, 1, 0), (1, 1, 0))
    np.testing.assert_allclose(lengths, (5.645, 3.944, 5.678))


def test_cubic_metric_is_the_same_for_all_variants_and_keeps_the_volume() -> None:
    knn = load_material("KNN")
    cells = {cell_lengths(knn, "O", v, (0, 0, 1), "cubic") for v in [(1, 1, 0), (0, 1, 1)]}
    assert len(cells) == 1
    (cell,) = cells
    assert math.prod(cell) == pytest.approx(knn.cell_volume("O"))
    projected = cell_lengths(knn, "O", (1, 1, 0), (1, 1, 0), "cubic")
    np.testing.assert_allclose(projected, np.array(cell) * (math.sqrt(2), 1, math.sqrt(2)))


WRONG = [
    ({"a_site": {"K": 0.5, "Na": 0.4}}, "shares in a_site must be positive and add to 1"),
    ({"a_site": {"Kk": 0.5, "Na": 0.5}}, "Kk is no chemical element"),
    ({"b_site": "K"}, "different cations"),
    ({"lattice": {"O": {"a": 3.9}}}, "lattice and template must describe the same phases"),
    (
        {"lattice": LIBRARY["KNN"]["lattice"] | {"O": {"a": 3.944, "c": 5.678}}},
        "lattice.O needs a, b, c and nothing else",
    ),
    (
        {"lattice": LIBRARY["KNN"]["lattice"] | {"T": {"a": 0.397, "c": 0.402}}},
        "outside 3-5 Å",
    ),
    (
        {"lattice": LIBRARY["KNN"]["lattice"] | {"M": {"a": 4.0}}},
        "lattice.M: There is no polar phase 'M'",
    ),
    ({"born_charges": {"K": 1.14}}, "born_charges has K where"),
    (
        {"born_charges": LIBRARY["KNN"]["born_charges"] | {"O_parallel": 7.01}},
        r"add to \+14.02 e instead of zero",
    ),
    ({"debye_waller_rms_angstrom": {}}, "debye_waller_rms_angstrom has"),
    ({"colour": "red"}, "colour: is no key here"),
    ({"template": {"O": {"A": 8}}}, "template.O.O_parallel: is missing"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_wrong_material_is_told_in_one_sentence(change: dict[str, Any], message: str) -> None:
    material = copy.deepcopy(LIBRARY["KNN"]) | change
    with pytest.raises(PolarstemError, match=message) as caught:
        load_material(material)
    assert "\n" not in str(caught.value)


def test_all_problems_of_a_material_are_told_at_once() -> None:
    material = LIBRARY["KNN"] | {"b_site": "Xx", "born_charges": {}, "lattice": {}}
    with pytest.raises(PolarstemError) as caught:
        load_material(material)
    assert all(word in str(caught.value) for word in ("Xx", "born_charges", "lattice"))


def test_unknown_name_gets_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(PolarstemError, match=r"did you mean BaTiO3\? known are KNN"):
        load_material("BaTiO")
    broken = tmp_path / "crystals.yaml"
    broken.write_text("KNN: [", encoding="utf-8")
    with pytest.raises(
        PolarstemError, match=r"The crystal file .* cannot be read: expected the node"
    ):
        load_material("KNN", broken)


def test_missing_phase_is_told() -> None:
    with pytest.raises(PolarstemError, match="PbTiO3 has no lattice and template for phase O"):
        load_material("PbTiO3").require_phase("O")
