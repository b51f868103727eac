# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of materials of two structure files and of polar axes of one's own."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_CELL = "polarstem/structures/averaged_cell.py"
_PAIR = "polarstem/structures/structure_pair.py"
_NUMBERS = "polarstem/structures/phase_numbers.py"
_VARIANTS = "polarstem/structures/variants.py"
_TEMPLATES = "polarstem/structures/templates.py"
_OF_PAIRS = "tests/unit/structures/test_structure_pair.py"
_OF_AXES = "tests/unit/structures/test_own_polar_axes.py"
_NAMED = f"{_OF_PAIRS}::test_two_files_give_the_crystals_of_the_named_material"
_ORTHORHOMBIC = f"{_OF_PAIRS}::test_an_orthorhombic_structure_in_its_usual_setting"
_TILTED = f"{_OF_PAIRS}::test_a_rhombohedral_structure_with_tilts_in_its_hexagonal_cell"
_LESS = f"{_OF_PAIRS}::test_less_symmetry_gives_a_polar_axis_of_its_own"
_NO_PAIR = f"{_OF_PAIRS}::test_structures_that_are_no_pair_are_told_in_one_sentence"
_TURNED = f"{_OF_AXES}::test_turned_crystals_are_those_of_the_variants"

MUTATIONS = [
    Mutation(
        "A is taken for B",
        _CELL,
        'np.argsort(means, kind="stable")[: len(cations) // 2]',
        'np.argsort(-means, kind="stable")[: len(cations) // 2]',
        _NAMED,
    ),
    Mutation(
        "one vector between neighbours stands for an axis",
        _CELL,
        "found.append((np.sign(along)[:, None] * vectors)[same].mean(axis=0))",
        "found.append(vectors[0])",
        f"{_OF_PAIRS}::test_displacements_that_alternate_fall_out",
    ),
    Mutation(
        "the origin is that of the file",
        _CELL,
        "apart = fractions - origin",
        "apart = fractions - 0.5",
        _NAMED,
    ),
    Mutation(
        "oxygens are taken for one another",
        _CELL,
        "site[oxygen] = 2 + nearest",
        "site[oxygen] = 4 - nearest",
        _NAMED,
    ),
    Mutation(
        "one cell stands for all",
        _CELL,
        "means = np.array([places[row].mean(axis=0) for row in rows])",
        "means = np.array([places[row[0]] for row in rows])",
        _TILTED,
    ),
    Mutation(
        "differences between cells go unseen",
        _CELL,
        "apart = (places - means[site]) @ axes",
        "apart = (places - places) @ axes",
        _TILTED,
    ),
    Mutation(
        "occupancies are not read",
        _CELL,
        "return [dict(shared[str(kind)]) for kind in kinds.tolist()]",
        "return [{symbol: 1.0} for symbol in atoms.get_chemical_symbols()]",
        f"{_OF_PAIRS}::test_mixed_sites_come_from_the_occupancies",
    ),
    Mutation(
        "a square is taken for its root",
        _PAIR,
        "deformation = vectors @ np.diag(np.sqrt(values)) @ vectors.T",
        "deformation = vectors @ np.diag(values) @ vectors.T",
        _NAMED,
    ),
    Mutation(
        "displacements are not relative to B",
        _PAIR,
        "    shifts -= shifts[1]\n",
        "    shifts -= shifts[0]\n",
        _NAMED,
    ),
    Mutation(
        "the polar axis points the other way",
        _PAIR,
        "polar = -shifts[2:].mean(axis=0)",
        "polar = shifts[2:].mean(axis=0)",
        _NAMED,
    ),
    Mutation(
        "the farthest axis is taken",
        _PAIR,
        "cosine > best[0]",
        "cosine < best[0]",
        _LESS,
    ),
    Mutation(
        "displacements stay where the axis is turned",
        _PAIR,
        "back = carriers(variant, polar_axis(phase))[0]",
        "back = carriers(variant, variant)[0]",
        _NAMED,
    ),
    Mutation(
        "diagonals are exchanged",
        _PAIR,
        "for sign in (-1, 1))",
        "for sign in (1, -1))",
        _ORTHORHOMBIC,
    ),
    Mutation(
        "oxygens move across their bonds the other way",
        _PAIR,
        "outwards = [-np.eye(3)[i] + polar[i] * polar for i in parallel]",
        "outwards = [np.eye(3)[i] - polar[i] * polar for i in parallel]",
        _ORTHORHOMBIC,
    ),
    Mutation(
        "every oxygen counts as parallel",
        _PAIR,
        "for i in perpendicular or parallel",
        "for i in parallel",
        _NAMED,
    ),
    Mutation(
        "the angles are in another order",
        _PAIR,
        "for i, j in ((1, 2), (2, 0), (0, 1))",
        "for i, j in ((0, 1), (2, 0), (1, 2))",
        _LESS,
    ),
    Mutation("cells of any size match", _PAIR, "_STRAIN = 0.1 ", "_STRAIN = 9.0 ", _NO_PAIR),
    Mutation("a polar parent is taken", _PAIR, "if apart > _UNPOLAR:", "if False:", _NO_PAIR),
    Mutation(
        "any composition is paired",
        _PAIR,
        "if set(one) != set(other) or",
        "if False and",
        _NO_PAIR,
    ),
    Mutation(
        "a configuration keeps the names of files",
        "polarstem/config/pair_materials.py",
        '"material": made}}',
        '"material": material}}',
        "tests/unit/core/test_pair_materials.py::test_a_pair_of_files_goes_the_way_of_a_name",
    ),
    Mutation(
        "sets have no files of their own",
        "polarstem/config/pair_materials.py",
        "if isinstance(settings, Mapping)",
        "if not settings",
        "tests/unit/core/test_pair_materials.py::test_a_specimen_set_may_have_its_own_pair",
    ),
    Mutation(
        "without charges there is a polarization",
        _TEMPLATES,
        "return np.full(3, np.nan)",
        "return np.zeros(3)",
        _NAMED,
    ),
    Mutation(
        "bonds do not turn with the axis",
        _TEMPLATES,
        "rows = [0, 1, *(2 + i for i in order)]",
        "rows = [0, 1, 2, 3, 4]",
        _TURNED,
    ),
    Mutation(
        "signs are left out",
        _TEMPLATES,
        "shifts[rows][:, order] * signs",
        "shifts[rows][:, order]",
        _TURNED,
    ),
    Mutation(
        "an axis of one's own has the template of its own length",
        "polarstem/structures/polar_mode.py",
        "mode.full_pm * np.array(variant) / math.hypot(*variant)",
        "np.array(variant)",
        f"{_OF_AXES}::test_the_template_of_the_nearest_axis_is_scaled_and_turned",
    ),
    Mutation(
        "the farthest template is taken",
        "polarstem/structures/crystals.py",
        "return max(self.lattice, key=cosine)",
        "return min(self.lattice, key=cosine)",
        f"{_OF_AXES}::test_the_template_of_the_nearest_axis_is_scaled_and_turned",
    ),
    Mutation(
        "longer axes are nearer",
        "polarstem/structures/crystals.py",
        "return nearest / math.sqrt(dot(one, one))",
        "return float(nearest)",
        f"{_OF_AXES}::test_the_template_of_the_nearest_axis_is_scaled_and_turned",
    ),
    Mutation(
        "an axis has several names",
        _VARIANTS,
        "if phase != name:",
        "if False:",
        f"{_OF_AXES}::test_each_axis_has_one_name",
    ),
    Mutation(
        "two classes have one name",
        _VARIANTS,
        "if len(set(names)) == len(names):",
        "if True:",
        f"{_OF_AXES}::test_classes_are_the_directions_that_are_seen",
    ),
    Mutation(
        "a cell stays where the axis is turned",
        "polarstem/structures/cell_metric.py",
        "turned_gram(cell.gram, carriers(polar_axis(phase), variant)[0])",
        "turned_gram(cell.gram, carriers(variant, variant)[0])",
        f"{_OF_AXES}::test_a_cell_of_its_own_is_that_of_the_lattice",
    ),
    Mutation(
        "a cell need not have the mirror of its axis",
        _NUMBERS,
        "for u, v in zip(row, image, strict=True)) > _ALIKE_GRAM:",
        "for u, v in zip(row, image, strict=True)) > 1e9:",
        f"{_OF_AXES}::test_numbers_that_do_not_fit_the_axis_are_told",
    ),
    Mutation(
        "angles are in another order",
        _NUMBERS,
        "bc, ca, ab = (math.cos",
        "ab, ca, bc = (math.cos",
        f"{_OF_AXES}::test_a_cell_of_its_own_is_that_of_the_lattice",
    ),
    Mutation(
        "a scene's domains have any direction",
        "polarstem/structures/scenes/recipe.py",
        "_apart(c.direction_deg, first.direction_deg + turn)",
        "_apart(c.direction_deg, first.direction_deg)",
        f"{_OF_AXES}::test_scenes_have_domains_of_such_axes",
    ),
    Mutation(
        "a vortex may have any phase",
        "polarstem/structures/scenes/recipe.py",
        "return all(math.isclose(b - a,",
        "return True or all(math.isclose(b - a,",
        f"{_OF_AXES}::test_scenes_have_domains_of_such_axes",
    ),
]
