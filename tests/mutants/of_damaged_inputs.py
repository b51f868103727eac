# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are believed, run or printed as they are."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_YAML = "tests/unit/core/test_yaml_files.py"
_CORPUS = "tests/unit/project/test_damaged_inputs.py"

MUTATIONS = [
    Mutation(
        "aliases count once",
        "polarstem/yaml_files.py",
        "1 + sum(_size(part, sizes, depth + 1) for part in parts)",
        "1 + len(list(parts))",
        f"{_YAML}::test_what_is_refused",
    ),
    Mutation(
        "the last of equal keys wins",
        "polarstem/yaml_files.py",
        "                if name in lines:",
        "                if name in lines and not value:",
        f"{_YAML}::test_what_is_refused",
    ),
    Mutation(
        "names of any length",
        "polarstem/config/model.py",
        "LONGEST_NAME = 60",
        "LONGEST_NAME = 600",
        f"{_YAML}::test_names_are_names_of_files",
    ),
    Mutation(
        "control characters are printed",
        "polarstem/errors.py",
        '("Cc", "Cf", "Cs", "Co", "Cn")',
        '("Cs", "Co", "Cn")',
        f"{_CORPUS}::test_a_name_from_outside_cannot_write_on_the_terminal",
    ),
    Mutation(
        "a structure need not say what its B site is",
        "polarstem/structures/description.py",
        "    b_site: str\n",
        "",
        "tests/unit/structures/test_build.py::test_a_description_that_lacks_a_key_is_told",
    ),
    Mutation(
        "discs of no size",
        "polarstem/config/sheet.py",
        "Field(ge=0.5)",
        "Field(gt=0)",
        "tests/unit/scans/test_sheet.py::test_keys_that_do_not_go_together",
    ),
    Mutation(
        "an impossible thickness overflows",
        "polarstem/config/accuracy.py",
        "min(1.3 * spread, 700.0)",
        "1.3 * spread",
        "tests/unit/core/test_accuracy_rules.py::test_no_thickness_is_too_large_for_the_rules",
    ),
]
