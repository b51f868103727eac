# SPDX-License-Identifier: GPL-3.0-or-later
"""Displacements and polarization against published coordinates and values."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase
import numpy as np
import pytest
import yaml

from polarstem.structures.build import build_specimen
from polarstem.structures.crystals import CRYSTALS, load_material
from polarstem.structures.polar_mode import displacements
from polarstem.structures.recipes import SpecimenRecipe
from polarstem.structures.templates import polarization
from polarstem.structures.variants import PHASES, phase_variants

Make = Callable[..., SpecimenRecipe]
PAGE = Path(__file__).parents[3] / "docs" / "crystals.md"
# µC/cm^2: sources stand in the page's table
LITERATURE = {
    ("KNN", "T", 37.0),
    ("KNN", "O", 41.0),
    ("KNN", "R", 50.7),
    ("KNbO3", "T", 37.0),
    ("KNbO3", "O", 41.0),
    ("KNbO3", "R", 50.7),
    ("BaTiO3", "T", 26.0),
    ("BaTiO3", "O", 36.0),
    ("BaTiO3", "R", 33.0),
    ("PbTiO3", "T", 75.0),
    ("PZT", "T", 88.7),
    ("BiFeO3", "R", 100.0),
}

# Hewat, J. Phys. C 6, 2559 (1973)
KNBO3: dict[str, Any] = {
    "a_site": {"K": 1.0},
    "b_site": "Nb",
    "lattice": {"O": {"a": 3.973, "b": 5.695, "c": 5.721}, "T": {"a": 3.997, "c": 4.063}},
    "template": {
        "O": {
            "A": 0.0138 * 572.1,
            "O_perpendicular": 0.0364 * 572.1,
            "O_parallel": 0.0342 * 572.1,
            "O_transverse": 0.0024 * 569.5,
        },
        "T": {"A": 0.023 * 406.3, "O_parallel": 0.040 * 406.3, "O_perpendicular": 0.042 * 406.3},
    },
    "born_charges": {"K": 1.14, "Nb": 9.23, "O_parallel": -7.01, "O_perpendicular": -1.68},
    "debye_waller_rms_angstrom": {"K": 0.104, "Nb": 0.075, "O": 0.091},
}

BATIO3: dict[str, Any] = {
    "a_site": {"Ba": 1.0},
    "b_site": "Ti",
    "lattice": {"T": {"a": 3.994, "c": 4.038}},
    "template": {"T": {"A": 5.5, "O_parallel": 15.5, "O_perpendicular": 11.5}},
    "born_charges": {"Ba": 2.75, "Ti": 7.16, "O_parallel": -5.69, "O_perpendicular": -2.11},
    "debye_waller_rms_angstrom": {"Ba": 0.068, "Ti": 0.075, "O": 0.083},
}


def fractions_from_b(atoms: ase.Atoms, b_site: str) -> dict[str, np.ndarray]:
    """Fractional coordinates relative to the first B atom, in [0, 1), by element."""
    origin = atoms.positions[atoms.symbols == b_site][0]
    relative = (atoms.positions - origin) / atoms.cell.lengths() % 1.0
    return {e: relative[atoms.symbols == e] for e in set(atoms.symbols)}


def contains(places: np.ndarray, place: tuple[float, float, float]) -> bool:
    distance = np.abs((places - place + 0.5) % 1.0 - 0.5)
    return bool(np.any(np.all(distance < 2e-6, axis=1)))


def test_hewat_coordinates_of_orthorhombic_knbo3(recipe: Make) -> None:
    # [1-10] along -x of the [110] zone: x is the polar c axis of Amm2, y its a axis, z its b axis,
    # and P points along -c as in the published setting.
    atoms = build_specimen(
        recipe(
            material=KNBO3,
            variant=(1, -1, 0),
            zone_axis=(1, 1, 0),
            metric="phase",
            cells=(1, 1),
            thickness_cells=1,
        )
    )
    np.testing.assert_allclose(atoms.cell.lengths(), (5.721, 3.973, 5.695))
    assert atoms.info["dropped_shear_deg"] == 0
    assert atoms.info["direction_deg"] == 180
    found = fractions_from_b(atoms, "Nb")
    assert {e: len(p) for e, p in found.items()} == {"K": 2, "Nb": 2, "O": 6}
    # (a, b, c) of the paper and its A-centring partner, written as (c, a, b)
    for a, b, c, element in [
        (0.5, 0.0, 0.5 + 0.0138, "K"),
        (0.5, 0.0, 0.0364, "O"),
        (0.0, 0.25 + 0.0024, 0.25 + 0.0342, "O"),
        (0.0, -0.25 - 0.0024, 0.25 + 0.0342, "O"),
    ]:
        assert contains(found[element], (c, a, b))
        assert contains(found[element], (c + 0.5, a, b + 0.5))


def test_hewat_coordinates_of_tetragonal_knbo3(recipe: Make) -> None:
    atoms = build_specimen(
        recipe(
            material=KNBO3,
            phase="T",
            variant=(0, 0, -1),
            metric="phase",
            cells=(1, 1),
            thickness_cells=1,
        )
    )
    found = fractions_from_b(atoms, "Nb")
    assert contains(found["K"], (0.5, 0.5, 0.523))
    assert contains(found["O"], (0.0, 0.0, 0.540))
    assert contains(found["O"], (0.5, 0.0, 0.042))
    assert contains(found["O"], (0.0, 0.5, 0.042))


def test_charges_reproduce_the_polarization_of_tetragonal_knbo3() -> None:
    material = load_material(KNBO3)
    shifts = displacements(material, "T", (0, 0, 1))
    size = np.linalg.norm(polarization(material, shifts, material.cell_volume("T")))
    assert size == pytest.approx(39.6, abs=0.7)


@pytest.mark.parametrize("phase", PHASES)
def test_polarization_is_along_the_polar_axis(phase: Any) -> None:
    knn = load_material("KNN")
    sizes = []
    for variant in phase_variants(phase):
        vector = polarization(knn, displacements(knn, phase, variant), knn.cell_volume(phase))
        cosine = vector @ variant / np.linalg.norm(vector) / np.linalg.norm(variant)
        assert cosine == pytest.approx(1)
        sizes.append(np.linalg.norm(vector))
    np.testing.assert_allclose(sizes, sizes[0])


def told_polarizations() -> dict[tuple[str, str], list[str]]:
    """Rows of the table in docs/crystals.md by crystal and phase."""
    text = PAGE.read_text(encoding="utf-8").partition("## Spontaneous strain")[0]
    rows = re.findall(r"^\| (\w+), ([TOR]) \| (.+) \|$", text, re.MULTILINE)
    return {(name, phase): rest.split(" | ") for name, phase, rest in rows}


def test_the_page_tells_how_far_polarizations_are_from_literature() -> None:
    told = told_polarizations()
    known = yaml.safe_load(CRYSTALS.read_text(encoding="utf-8"))
    assert set(told) == {(name, p) for name, m in known.items() for p in m["lattice"]}
    ratios = []
    for (name, phase), (here, elsewhere, ratio, source) in told.items():
        material = load_material(name)
        shifts = displacements(material, phase, phase_variants(phase)[0])
        volume = material.cell_volume(phase)
        size = float(np.linalg.norm(polarization(material, shifts, volume)))
        assert float(here) == pytest.approx(size, abs=0.051)
        assert (name, phase, float(elsewhere)) in LITERATURE
        assert float(ratio) == pytest.approx(size / float(elsewhere), abs=0.0051)
        assert re.search(r"(19|20)\d\d\)$", source)
        ratios.append(size / float(elsewhere))
    assert f"{min(ratios):.2f} to {max(ratios):.2f} times the values" in PAGE.read_text(
        encoding="utf-8"
    )
    # a wrong sign or digit in a displacement or a charge leaves this range
    assert min(ratios) > 0.9
    assert max(ratios) < 1.35


@pytest.mark.parametrize("place", ["README.md", "resources/crystals.yaml"])
def test_accuracy_is_told_in_one_place(place: str) -> None:
    text = (PAGE.parents[1] / place).read_text(encoding="utf-8")
    assert "docs/crystals.md" in text
    near = [line for line in text.splitlines() if "olarization" in line and "%" in line]
    assert not [line for line in near if "Born" in line]


def test_niobium_moves_along_p_against_the_oxygen_cage() -> None:
    shifts = displacements(load_material("KNN"), "T", (1, 0, 0))
    assert shifts[1, 0] > 0
    np.testing.assert_allclose(shifts[1, 0] - shifts[:, 0], [0.093, 0, 0.163, 0.171, 0.171])


@pytest.mark.parametrize("phase", PHASES)
def test_centre_of_mass_stays(recipe: Make, phase: str) -> None:
    variant = phase_variants(phase)[-1]
    polar = recipe(phase=phase, variant=variant, a_site="random")
    cubic = recipe(phase=phase, variant=variant, a_site="random", amplitude=0.0)
    centres = [build_specimen(r).get_center_of_mass() for r in (polar, cubic)]
    np.testing.assert_allclose(centres[0], centres[1], atol=1e-10)


def test_another_perovskite_comes_from_config_alone(recipe: Make) -> None:
    atoms = build_specimen(
        recipe(material=BATIO3, phase="T", variant=(0, 1, 0), a_site="random", metric="phase")
    )
    assert atoms.get_chemical_formula() == "Ba8O24Ti8"
    np.testing.assert_allclose(atoms.cell.lengths(), 2 * np.array([3.994, 4.038, 3.994]))
    x, y, z = atoms.info["polarization_uC_cm2"]
    # 26 µC/cm^2 at room temperature: Wieder, Phys. Rev. 99, 1161 (1955)
    assert y == pytest.approx(26, rel=0.2)
    assert (x, z) == pytest.approx((0, 0), abs=1e-10)
    titanium = atoms.positions[atoms.symbols == "Ti"]
    barium = atoms.positions[atoms.symbols == "Ba"]
    assert (titanium[0] - barium[0])[1] == pytest.approx(4.038 / 2 + 0.055)
