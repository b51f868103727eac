# SPDX-License-Identifier: GPL-3.0-or-later
"""Crystals whose atoms do not move as in the template, and what a fit makes of them."""

from __future__ import annotations

import pytest

from benchmarks import wrong_template
from polarstem.structures.polar_vector import displaced_cell
from tests.unit.displacements.displaced_cases import TRAINED_FOR


@pytest.mark.parametrize("name", list(wrong_template.CHANGES))
def test_b_is_displaced_alike_whatever_the_others_do(name: str) -> None:
    material = wrong_template.changed("KNN", "O", wrong_template.CHANGES[name])
    moved = displaced_cell(material, "O", (12.0, 16.0, 0.0))
    assert 100 * (moved[1] - moved[2:].mean(0)) == pytest.approx([12.0, 16.0, 0.0])
    apart = 100 * abs(moved - displaced_cell("KNN", "O", (12.0, 16.0, 0.0))).max()
    assert apart < 1e-9 if name == "the template" else 1.5 < apart < 10.0


def test_the_template_itself_costs_nothing_and_another_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = ("the template", "A stays with B")
    monkeypatch.setattr(
        wrong_template, "CHANGES", {name: wrong_template.CHANGES[name] for name in names}
    )
    own, other = wrong_template.rows(TRAINED_FOR, [6.0])
    # six nanometres and 20 pixels tell little
    assert own.length == pytest.approx(1.0, abs=0.015)
    assert own.error_pm < 0.4
    assert own.misfit == 1.0
    assert other.misfit > 1.4
    assert other.error_pm > 1.3 * own.error_pm
    assert other.length > own.length + 0.01
