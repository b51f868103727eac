# SPDX-License-Identifier: GPL-3.0-or-later
"""Materials of two structure files against the library's own, and structures that are no pair."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase
import ase.io
import numpy as np
import pytest
from ase.spacegroup import crystal

from polarstem.errors import PolarstemError
from polarstem.structures.averaged_cell import averaged_cell
from polarstem.structures.build import build_specimen
from polarstem.structures.crystals import load_material
from polarstem.structures.polar_mode import displacements
from polarstem.structures.recipes import make_recipe
from polarstem.structures.structure_pair import ASSUMED_RMS, material_of_pair
from polarstem.structures.templates import QUARTERS
from polarstem.structures.variants import classes, phase_variants

Write = Callable[[str, ase.Atoms], str]
IDEAL = [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)]


@pytest.fixture
def written(tmp_path: Path) -> Write:
    """Write a structure and give its path."""

    def write(name: str, atoms: ase.Atoms) -> str:
        path = tmp_path / name
        ase.io.write(path, atoms)
        return str(path)

    return write


def cubic(a_element: str, b_element: str, edge: float = 4.0) -> ase.Atoms:
    return crystal(
        [a_element, b_element, "O"], IDEAL, spacegroup=221, cellpar=[edge] * 3 + [90] * 3
    )


def of_library(name: str, phase: str, variant: tuple[int, int, int]) -> ase.Atoms:
    """Five atoms of a named material in the metric of its phase."""
    material = load_material(name)
    cell = material.lattice[phase]
    assert phase == "T"
    assert cell.c is not None
    lengths = [cell.c if v else cell.a for v in variant]
    places = QUARTERS / 4 * lengths + displacements(material, phase, variant)
    symbols = [*material.a_site, *material.b_site, "O", "O", "O"]
    return ase.Atoms(symbols, places, cell=lengths, pbc=True)


SPECIMEN = {
    "name": "pair-RM-train-0",
    "specimen_set": "pair",
    "split": "train",
    "class_index": 0,
    "class_name": "RM",
    "direction_deg": 0.0,
    "variant": (1, 0, 0),
    "phase": "T",
    "zone_axis": (0, 0, 1),
    "cells": (2, 3),
    "thickness_nm": 2.0,
    "seed": 3,
}


@pytest.mark.parametrize("variant", [(0, 0, 1), (0, -1, 0)])
@pytest.mark.parametrize("metric", ["cubic", "phase"])
def test_two_files_give_the_crystals_of_the_named_material(written, variant, metric):
    polar = of_library("BaTiO3", "T", variant)
    polar.translate([0.31, 1.7, -0.4])  # an origin of its own, and atoms in another order
    polar = polar[[3, 1, 4, 0, 2]]
    made = material_of_pair(written("cubic.cif", cubic("Ba", "Ti")), written("polar.cif", polar))
    assert list(made["lattice"]) == ["T"]
    one, other = (
        build_specimen(make_recipe(material=material, metric=metric, **SPECIMEN))
        for material in ("BaTiO3", made)
    )
    assert one.get_chemical_symbols() == other.get_chemical_symbols()
    np.testing.assert_allclose(one.cell[:], other.cell[:], atol=1e-4)
    np.testing.assert_allclose(one.positions, other.positions, atol=1e-4)
    assert np.isnan(other.info["polarization_uC_cm2"]).all()


def test_what_files_do_not_tell_may_be_added(written):
    files = (
        written("a.cif", cubic("Ba", "Ti")),
        written("b.cif", of_library("BaTiO3", "T", (0, 0, 1))),
    )
    named = load_material("BaTiO3")
    assert set(material_of_pair(*files)["debye_waller_rms_angstrom"].values()) == {ASSUMED_RMS}
    known = {key: getattr(named, key) for key in ("born_charges", "debye_waller_rms_angstrom")}
    made = load_material(material_of_pair(*files, **known))
    assert made.debye_waller_rms_angstrom == named.debye_waller_rms_angstrom
    polarized = build_specimen(make_recipe(material=made, **SPECIMEN)).info["polarization_uC_cm2"]
    expected = build_specimen(make_recipe(material=named, **SPECIMEN)).info["polarization_uC_cm2"]
    np.testing.assert_allclose(polarized, expected, atol=0.01)


def test_an_orthorhombic_structure_in_its_usual_setting(written):
    """Ten atoms of Amm2, twice the volume: coordinates of Kwei et al., as the library has them."""
    basis = [(0, 0, 0), (0.5, 0, 0.517), (0, 0, 0.489), (0.5, 0.2561, 0.2343)]
    cell = [3.983, 5.675, 5.692, 90, 90, 90]
    atoms = crystal(["Ba", "Ti", "O", "O"], basis, spacegroup=38, cellpar=cell)
    assert len(atoms) == 10
    made = load_material(
        material_of_pair(written("a.cif", cubic("Ba", "Ti")), written("b.cif", atoms))
    )
    named = load_material("BaTiO3")
    assert list(made.lattice) == ["O"]
    assert made.lattice["O"].model_dump() == pytest.approx(
        named.lattice["O"].model_dump(), abs=1e-4
    )
    for variant in phase_variants("O"):
        found, expected = (displacements(m, "O", variant) for m in (made, named))
        np.testing.assert_allclose(found, expected, atol=5e-4)


def test_a_rhombohedral_structure_with_tilts_in_its_hexagonal_cell(written):
    """Thirty atoms of R3c: coordinates of Palewicz et al., as the library has them untilted."""
    basis = [(0, 0, 0), (0, 0, 0.22021), (0.4469, 0.0181, 0.95183)]
    cell = [5.57882, 5.57882, 13.86932, 90, 90, 120]
    atoms = crystal(["Bi", "Fe", "O"], basis, spacegroup=161, cellpar=cell)
    files = written("a.cif", cubic("Bi", "Fe")), written("b.cif", atoms)
    with pytest.raises(PolarstemError, match=r"differ from cell to cell by 0\.2\d\d Å, as by octa"):
        material_of_pair(*files)
    made = load_material(material_of_pair(*files, octahedral_tilts="a-a-a-"))
    named = load_material("BiFeO3")
    assert made.octahedral_tilts == {"R": "a-a-a-"}
    cell_found = made.lattice["R"]
    assert (cell_found.a, cell_found.alpha) == pytest.approx((3.9646, 89.431), abs=1e-3)
    for variant in phase_variants("R"):
        found, expected = (displacements(m, "R", variant) for m in (made, named))
        np.testing.assert_allclose(found, expected, atol=1e-3)


def test_displacements_that_alternate_fall_out(written):
    """B moves to and fro along x in two cells: the axes and the mode are those of the mean."""
    parent, single = cubic("Ba", "Ti"), of_library("BaTiO3", "T", (0, 0, 1))
    double = single * (2, 1, 1)
    double.positions[double.symbols == "Ti", 0] += [0.03, -0.03]
    one, two = (
        material_of_pair(written("a.cif", parent), written(name, atoms))
        for name, atoms in (("b.cif", single), ("c.cif", double))
    )
    for key in ("lattice", "template"):
        assert two[key]["T"] == pytest.approx(one[key]["T"], abs=1e-3)


# relative to B [Å], for a polar axis near <113>, with the mirror plane that holds it
MONOCLINIC = np.array(
    [
        (-0.03, -0.03, -0.11),
        (0, 0, 0),
        (-0.06, -0.05, -0.17),
        (-0.05, -0.06, -0.17),
        (-0.055, -0.055, -0.19),
    ]
)


def monoclinic(turn: Any = None) -> ase.Atoms:
    angles = [89.8, 89.8, 89.95]
    turn = np.eye(3) if turn is None else np.array(turn)
    cell = ase.Atoms(cell=[3.98, 3.98, 4.08, *angles]).cell[:]
    atoms = ase.Atoms("PbTiO3", cell=cell, pbc=True)
    atoms.set_scaled_positions(QUARTERS / 4 + MONOCLINIC / [3.98, 3.98, 4.08])
    atoms.set_cell(turn @ cell)  # the same lattice by other axes
    return atoms


def test_less_symmetry_gives_a_polar_axis_of_its_own(written):
    path = written("b.cif", monoclinic([(0, 0, 1), (1, 0, 0), (0, 1, 0)]))
    made = load_material(material_of_pair(written("a.cif", cubic("Pb", "Ti")), path))
    assert list(made.lattice) == ["M113"]
    cell = made.lattice["M113"].model_dump()
    expected = {"a": 3.98, "b": 3.98, "c": 4.08, "alpha": 89.8, "beta": 89.8, "gamma": 89.95}
    assert cell == pytest.approx(expected, abs=2e-3)
    for variant in phase_variants("M113"):
        shifts = displacements(made, "M113", variant)
        shifts -= shifts[1]
        # along the axis as far as the prototype, whichever variant it is
        axis = np.array(variant) / np.sqrt(11)
        assert shifts[0] @ axis == pytest.approx(MONOCLINIC[0] @ [1, 1, 3] / np.sqrt(11), abs=2e-3)
        # and each oxygen as much along its own bond
        long = int(np.abs(variant).argmax())
        assert shifts[2 + long, long] * np.sign(variant[long]) == pytest.approx(-0.19, abs=2e-3)
    table = classes("M113", (0, 0, 1))
    assert [len(c.variants) for c in table] == [2] * 12


def test_mixed_sites_come_from_the_occupancies(written, tmp_path):
    atoms = of_library("BaTiO3", "T", (0, 0, 1))
    text = Path(written("b.cif", atoms)).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.split()[:1] == ["Ti"]]
    assert len(lines) == 1
    shared = [lines[0].replace("Ti ", f"{e} ", 1).replace("1.0000", share) for e, share in
              (("Zr", "0.3"), ("Ti", "0.7"))]  # fmt: skip
    mixed = tmp_path / "mixed.cif"
    mixed.write_text(text.replace(lines[0], "\n".join(shared)), encoding="utf-8")
    found = averaged_cell(mixed)
    assert found.b_site == pytest.approx({"Ti": 0.7, "Zr": 0.3})
    with pytest.raises(
        PolarstemError, match=r"the B sites hold Ti 1 in one and Ti 0\.7 and Zr 0\.3"
    ):
        material_of_pair(written("a.cif", cubic("Ba", "Ti")), mixed)


def test_structures_that_are_no_pair_are_told_in_one_sentence(written):
    parent = written("a.cif", cubic("Ba", "Ti"))
    polar = written("b.cif", of_library("BaTiO3", "T", (0, 0, 1)))
    rutile = crystal(
        ["Ti", "O"],
        [(0, 0, 0), (0.3, 0.3, 0)],
        spacegroup=136,
        cellpar=[4.6, 4.6, 2.96, 90, 90, 90],
    )
    # ilmenite has the formula of a perovskite: FeTiO3, R-3
    basis = [(0, 0, 0.3553), (0, 0, 0.1464), (0.3174, 0.0233, 0.2451)]
    ilmenite = crystal(
        ["Fe", "Ti", "O"], basis, spacegroup=148, cellpar=[5.088, 5.088, 14.085, 90, 90, 120]
    )
    cases = [
        (parent, written("c.cif", rutile), "c.cif .* is no perovskite-like ABO3 cell: of 6 atoms"),
        (parent, written("d.cif", ilmenite), "d.cif .* is no perovskite-like ABO3 cell"),
        (parent, written("e.cif", cubic("Sr", "Ti")), "cannot be paired: the A sites hold Ba 1 in"),
        (written("f.cif", cubic("Ba", "Ti", 4.7)), polar, "do not match: pseudo-cubic axes of 4.7"),
        (polar, parent, "is polar itself: an atom stands 0.155 Å"),
        (parent, parent, r"differ by no polar displacement: B stands 0\.000 Å"),
        (parent, "nowhere.cif", "There is no structure file nowhere.cif"),
        (parent, __file__, "cannot be read"),
    ]
    for first, second, message in cases:
        with pytest.raises(PolarstemError, match=message) as caught:
            material_of_pair(first, second)
        assert str(caught.value).count(". ") == 0
        assert str(caught.value).endswith(".")


def test_a_twisted_structure_has_no_polar_axis_of_a_phase(written):
    """Threefold without mirrors: R3, to which the oxygens turn about [111]."""
    atoms = cubic("Ba", "Ti")
    for row, sites in enumerate(atoms.positions[2:] % 4 == 0, start=2):
        bond = int(sites.argmax())  # of the oxygen on the face across it
        shift = np.array([-0.18, -0.14, -0.06])
        atoms.positions[row] += np.roll(shift, bond)
    with pytest.raises(PolarstemError, match="displacements turn about their axis"):
        material_of_pair(written("a.cif", cubic("Ba", "Ti")), written("b.cif", atoms))
