# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are believed, run or printed as they are."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_YAML = "tests/unit/core/test_yaml_files.py"
_SIZES = "tests/unit/scans/test_declared_sizes.py"
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
        "what Snakemake read is not counted",
        "polarstem/config/check.py",
        "if trouble := excess(data):",
        "if trouble := excess(None):",
        f"{_YAML}::test_the_workflow_hands_over_what_it_read_itself",
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
        "files may state what they like",
        "polarstem/scans/files/declared.py",
        "return size <= _ALWAYS + _PACKED * held",
        "return size <= _ALWAYS + _PACKED * (held + 10**9)",
        f"{_SIZES}::test_an_array_that_was_never_filled",
    ),
    Mutation(
        "a compressed .prz is mapped",
        "polarstem/scans/files/vendors.py",
        'if name == "prz" and _packed(path):',
        'if name == "prz" and not path:',
        f"{_SIZES}::test_a_packed_prz_is_not_mapped",
    ),
    Mutation(
        "a mask is unpacked whatever it states",
        "polarstem/scans/files/references.py",
        "if (image.height, image.width) != tuple(shape):",
        "if image.height < 0:",
        f"{_SIZES}::test_an_image_that_is_larger_than_its_file",
    ),
]
