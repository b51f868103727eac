# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong digits and signs in the library of materials."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_TESTS = "tests/unit/structures/test_published_structures.py"
_POLAR = (
    "tests/unit/structures/test_templates.py"
    "::test_the_page_tells_how_far_polarizations_are_from_literature"
)
_STRAIN = f"{_TESTS}::test_the_page_tells_spontaneous_strains_beside_a_second_source"


def _wrong(what: str, old: str, new: str, test: str) -> Mutation:
    return Mutation(what, "resources/crystals.yaml", old, new, test)


MUTATIONS = [
    _wrong(
        "lead of PZT moves against P",
        "{A: -20.0, O_parallel: 22.5",
        "{A: 20.0, O_parallel: 22.5",
        f"{_TESTS}::test_tetragonal_pzt_of_noheda",
    ),
    _wrong(
        "a digit of the oxygens of BaTiO3 (O)",
        "{A: 9.7, O_parallel: 18.6,",
        "{A: 9.7, O_parallel: 18.5,",
        f"{_TESTS}::test_orthorhombic_barium_titanate_of_kwei",
    ),
    _wrong(
        "oxygens of BaTiO3 (R) move the other way across P",
        "O_perpendicular: 18.2, O_transverse: 2.3",
        "O_perpendicular: 18.2, O_transverse: -2.3",
        f"{_TESTS}::test_rhombohedral_barium_titanate_of_hewat",
    ),
    _wrong(
        "oxygens of BiFeO3 move the other way across P",
        "O_transverse: -8.8",
        "O_transverse: 8.8",
        f"{_TESTS}::test_rhombohedral_bismuth_ferrite_of_palewicz",
    ),
    _wrong("a digit of a charge", "Bi: 4.37, Fe: 3.49", "Bi: 4.47, Fe: 3.49", _POLAR),
    _wrong("a digit of an axis", "a: 4.0460, c: 4.1394", "a: 4.0440, c: 4.1394", _STRAIN),
    _wrong("a digit of an angle", "alpha: 89.431", "alpha: 89.441", _STRAIN),
    _wrong(
        "a digit of an amplitude",
        "{Bi: 0.0735,",
        "{Bi: 0.0755,",
        f"{_TESTS}::test_b_factors_of_bismuth_ferrite_are_the_refined_ones",
    ),
]
