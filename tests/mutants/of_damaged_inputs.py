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
]
