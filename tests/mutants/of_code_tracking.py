# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits that rerun nothing, or everything."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_CLOSURE = "polarstem/import_closure.py"
_TESTS = "tests/unit/core/test_import_closure.py"
_LOADED = f"{_TESTS}::test_all_that_python_loads_is_found"
_WORDS = f"{_TESTS}::test_types_and_wording_do_not_count"

MUTATIONS = [
    Mutation(
        "only what the script itself imports counts",
        _CLOSURE,
        "            todo += _read(path)[1]\n",
        "",
        _LOADED,
    ),
    Mutation(
        "the modules are listed and not read",
        _CLOSURE,
        'closure.update(f"{name} {_read(path)[0]}".encode())',
        "closure.update(name.encode())",
        f"{_TESTS}::test_an_edit_changes_the_digests_of_the_stages_that_import_it",
    ),
    Mutation(
        "docstrings count",
        _CLOSURE,
        "            body[0] = ast.Pass()\n",
        "            pass\n",
        f"{_TESTS}::test_comments_docstrings_and_layout_do_not_count",
    ),
    Mutation(
        "imports within functions are overlooked",
        _CLOSURE,
        "        else:\n            yield from _imported(child)\n",
        "",
        _WORDS,
    ),
    Mutation(
        "imports for type checkers count",
        _CLOSURE,
        '_name_of(child.test) == "TYPE_CHECKING"',
        '_name_of(child.test) == "NEVER"',
        _WORDS,
    ),
    Mutation(
        "no family counts",
        _CLOSURE,
        "todo = [*_read(script)[1], *modules]",
        "todo = [*_read(script)[1]]",
        f"{_TESTS}::test_a_family_counts_where_it_is_named",
    ),
]
