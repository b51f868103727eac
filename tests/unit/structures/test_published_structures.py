# SPDX-License-Identifier: GPL-3.0-or-later
"""Materials of the library against published coordinates, second lattices and B factors."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from ase.spacegroup import crystal

from polarstem.structures.crystals import CRYSTALS, Material, load_material
from polarstem.structures.polar_mode import displacements
from polarstem.structures.variants import Phase

PAGE = Path(__file__).parents[3] / "docs" / "crystals.md"
KNOWN = yaml.safe_load(CRYSTALS.read_text(encoding="utf-8"))
LARGEST_DIFFERENCE = 0.3  # percentage points of spontaneous strain, as the page says

# cells of a second source, which stands in the page's table
SECOND_CELLS: dict[tuple[str, Phase], dict[str, float]] = {
    ("KNN", "T"): {"a": 3.997, "c": 4.063},
    ("KNN", "O"): {"a": 3.973, "b": 5.695, "c": 5.721},
    ("KNN", "R"): {"a": 4.016, "alpha": 89.82},
    ("KNbO3", "T"): {"a": 3.970, "c": 4.020},
    ("KNbO3", "O"): {"a": 3.971, "b": 5.697, "c": 5.720},
    ("KNbO3", "R"): {"a": 4.089, "alpha": 89.80},
    ("BaTiO3", "T"): {"a": 3.9910, "c": 4.0352},
    ("BaTiO3", "O"): {"a": 3.990, "b": 5.669, "c": 5.682},
    ("BaTiO3", "R"): {"a": 4.004, "alpha": 89.84},
    ("PbTiO3", "T"): {"a": 3.899, "c": 4.153},
    ("PZT", "T"): {"a": 4.036, "c": 4.146},
    ("BiFeO3", "R"): {"a": 3.9645, "alpha": 89.432},
}


def strain(material: Material, phase: Phase) -> float:
    """Elongation along P beside the cube of the same volume [%]."""
    edge = material.cell_volume(phase) ** (1 / 3)
    return 100 * (material.stretches(phase)[0] / edge - 1)


def told_strains() -> dict[tuple[str, str], list[str]]:
    section = PAGE.read_text(encoding="utf-8").partition("## Spontaneous strain")[2]
    section = section.partition("\n## ")[0]
    rows = re.findall(r"^\| (\w+), ([TOR]) \| (.+) \|$", section, re.MULTILINE)
    return {(name, phase): rest.split(" | ") for name, phase, rest in rows}


def test_the_page_tells_spontaneous_strains_beside_a_second_source() -> None:
    told = told_strains()
    assert set(told) == {(name, p) for name, m in KNOWN.items() for p in m["lattice"]}
    assert f"less than {LARGEST_DIFFERENCE} percentage points" in PAGE.read_text(encoding="utf-8")
    for (name, phase), (here, elsewhere, source) in told.items():
        material = load_material(name)
        cell = material.lattice[phase].model_validate(SECOND_CELLS[name, phase])
        second = material.model_copy(update={"lattice": {phase: cell}})
        one, other = strain(material, phase), strain(second, phase)
        assert float(here) == pytest.approx(one, abs=0.0051), (name, phase)
        assert float(elsewhere) == pytest.approx(other, abs=0.0051), (name, phase)
        assert re.search(r"(19|20)\d\d\)$|file \d+-\d+$", source), source
        assert abs(one - other) < LARGEST_DIFFERENCE
        assert one > 0.2  # every phase is longer along P


def from_b(name: str, phase: Phase, variant: tuple[int, int, int]) -> np.ndarray:
    """Displacements relative to B [Å]."""
    shifts = displacements(load_material(name), phase, variant)
    return shifts - shifts[1]


ROUNDED = 7e-4  # Å: displacements have a tenth of a picometre


def test_tetragonal_pzt_of_noheda() -> None:
    """Phys. Rev. B 61, 8687 (2000): Pb 0, Zr and Ti 0.4517, O1 -0.1027, O2 0.3785 c."""
    found = from_b("PZT", "T", (0, 0, 1))
    heights = np.array([0.0, 0.4517, 0.3785, 0.3785, -0.1027])
    ideal = np.array([0.0, 0.5, 0.5, 0.5, 0.0])
    expected = 4.1394 * (heights - ideal)
    np.testing.assert_allclose(found[:, 2], expected - expected[1], atol=ROUNDED)
    np.testing.assert_array_equal(found[:, :2], 0)


def test_orthorhombic_barium_titanate_of_kwei() -> None:
    """J. Phys. Chem. 97, 2368 (1993): Ti 0.5170, O1 0.4890, O2 (0.2561, 0.2343)."""
    found = from_b("BaTiO3", "O", (0, 1, 1))
    b, c = 5.675 * np.array([0, -1, 1]) / np.sqrt(2), 5.692 * np.array([0, 1, 1]) / np.sqrt(2)
    titanium, first, (across, along) = 0.0170, 0.4890 - 0.5, (0.2561 - 0.25, 0.2343 - 0.25)
    np.testing.assert_allclose(found[0], -titanium * c, atol=ROUNDED)
    np.testing.assert_allclose(found[2], (first - titanium) * c, atol=ROUNDED)
    # from Ti the oxygen at (b - c) / 4 lies along -y, and that at (-b - c) / 4 along -z
    for row, side in ((3, 1), (4, -1)):
        expected = (along - titanium) * c + side * across * b
        np.testing.assert_allclose(found[row], expected, atol=ROUNDED)


def test_rhombohedral_barium_titanate_of_hewat() -> None:
    """Ferroelectrics 6, 215 (1974), rounded: Ti -0.013, O 0.018 along its bond, 0.011 across."""
    found = from_b("BaTiO3", "R", (-1, -1, -1))
    np.testing.assert_allclose(found[0], 4.001 * 0.013, atol=ROUNDED)
    for axis, row in enumerate((2, 3, 4)):
        expected = np.full(3, 0.011 + 0.013)
        expected[axis] = 0.018 + 0.013
        np.testing.assert_allclose(found[row], 4.001 * expected, atol=2 * ROUNDED)


def test_rhombohedral_bismuth_ferrite_of_palewicz() -> None:
    """Acta Cryst. B63, 537 (2007), 298 K, with the octahedra turned back about the axis."""
    a, c = 5.57882, 13.86932
    basis = [(0, 0, 0), (0, 0, 0.22021), (0.4469, 0.0181, 0.95183)]
    cell = [a, a, c, 90, 90, 120]
    atoms = crystal(["Bi", "Fe", "O"], basis, spacegroup=161, cellpar=cell)
    iron = atoms.positions[atoms.symbols == "Fe"][0]
    images = (atoms * (3, 3, 3)).copy()
    apart = images.positions - (iron + np.array([1, 1, 1]) @ atoms.cell[:])
    near = {}
    for element, count in (("Bi", 8), ("O", 6)):
        vectors = apart[images.symbols == element]
        near[element] = vectors[np.argsort(np.linalg.norm(vectors, axis=1))[:count]]
    found = from_b("BiFeO3", "R", (1, 1, 1))
    polar = np.ones(3) / np.sqrt(3)
    assert found[0] @ polar == pytest.approx(near["Bi"][:, 2].mean(), abs=ROUNDED)
    across = []
    for side in (1, -1):
        triangle = near["O"][np.sign(near["O"][:, 2]) == side]
        azimuth = np.degrees(np.arctan2(triangle[:, 1], triangle[:, 0]))
        turn = azimuth % 60 - 30  # of a cubic octahedron the azimuths are 30, 90, ...
        radius = np.linalg.norm(triangle[:, :2], axis=1) * np.cos(np.radians(turn))
        across.append(radius.mean() - a / (2 * np.sqrt(3)))
    # the oxygens on the side of P stand farther from the axis, those on the other side nearer
    assert across[0] == pytest.approx(-across[1], abs=1e-3)
    for axis, row in enumerate((2, 3, 4)):
        along = found[row] @ polar
        assert along == pytest.approx(near["O"][:, 2].mean(), abs=ROUNDED)
        outwards = np.eye(3)[axis] - polar / np.sqrt(3)
        outwards /= np.linalg.norm(outwards)
        assert (found[row] - along * polar) @ outwards == pytest.approx(across[0], abs=ROUNDED)


# B [Å^2] at room temperature: ranges over refinements of alkali niobates
RANGES = {"K": (0.7, 1.0), "Na": (0.9, 1.6), "Nb": (0.3, 0.6), "O": (0.5, 0.9)}


@pytest.mark.parametrize("name", ["KNN", "KNbO3"])
def test_b_factors_of_niobates_lie_among_refined_ones(name: str) -> None:
    for element, rms in load_material(name).debye_waller_rms_angstrom.items():
        low, high = RANGES[element]
        assert low < 8 * np.pi**2 * rms**2 < high


def test_b_factors_of_bismuth_ferrite_are_the_refined_ones() -> None:
    """Isotropic U at 298 K in the same paper."""
    rms = load_material("BiFeO3").debye_waller_rms_angstrom
    for element, square in {"Bi": 0.0054, "Fe": 0.0047, "O": 0.0081}.items():
        assert rms[element] ** 2 == pytest.approx(square, rel=0.01)
