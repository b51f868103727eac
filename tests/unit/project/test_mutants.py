# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of broken lines is up to date; ``make mutants`` tries them."""

from __future__ import annotations

import pytest

from tests.mutants.mutation import Mutation, load, problems


def test_every_mutation_finds_its_line_and_its_test() -> None:
    mutations = load()
    assert len(mutations) >= 20
    assert len(set(mutations)) == len(mutations)
    assert problems(mutations) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"old": "no such text"}, "occurs 0 times"),
        ({"old": "import"}, "times, not once"),
        ({"test": "tests/unit/project/test_mutants.py::test_absent"}, "no such test"),
        ({"test": "tests/absent.py::test_absent"}, "no such test"),
        ({"new": load()[0].old}, "changes nothing"),
    ],
)
def test_a_list_out_of_date_is_told(change: dict[str, str], sentence: str) -> None:
    one: Mutation = load()[0]
    assert any(sentence in problem for problem in problems([one._replace(**change)]))
