# SPDX-License-Identifier: GPL-3.0-or-later
"""Variants and their projected classes."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from polarstem.errors import PolarstemError
from polarstem.structures.variants import (
    PHASES,
    ZONE_AXES,
    classes,
    phase_variants,
    screen_axes,
)


@pytest.mark.parametrize(("phase", "number", "nonzero"), [("T", 6, 1), ("O", 12, 2), ("R", 8, 3)])
def test_a_phase_has_all_its_variants(phase: str, number: int, nonzero: int) -> None:
    variants = np.array(phase_variants(phase))
    assert len({tuple(v) for v in variants.tolist()}) == number
    assert np.all(np.sum(np.abs(variants), axis=1) == nonzero)
    assert np.all(np.abs(variants) <= 1)


# direction -> (variants, length of the projection); None: along the beam
TABLE = {
    ("T", (0, 0, 1)): {d: (1, 1.0) for d in (0, 90, 180, 270)} | {None: (2, 0.0)},
    ("O", (0, 0, 1)): {d: (2, 0.7071) for d in (0, 90, 180, 270)}
    | {d: (1, 1.0) for d in (45, 135, 225, 315)},
    ("R", (0, 0, 1)): {d: (2, 0.8165) for d in (45, 135, 225, 315)},
    ("T", (1, 1, 0)): {90: (1, 1.0), 270: (1, 1.0), 0: (2, 0.7071), 180: (2, 0.7071)},
    ("O", (1, 1, 0)): {0: (1, 1.0), 180: (1, 1.0)}
    | {d: (2, 0.8660) for d in (54.7356, 125.2644, 234.7356, 305.2644)}
    | {None: (2, 0.0)},
    ("R", (1, 1, 0)): {d: (1, 1.0) for d in (35.2644, 144.7356, 215.2644, 324.7356)}
    | {90: (2, 0.5774), 270: (2, 0.5774)},
}


@pytest.mark.parametrize(("phase", "zone_axis"), TABLE)
def test_classes_of_each_phase_and_zone(phase: str, zone_axis: tuple[int, int, int]) -> None:
    expected = TABLE[phase, zone_axis]
    table = classes(phase, zone_axis, end_on=True)
    assert len(table) == len(expected)
    assert [c.index for c in table] == list(range(len(table)))
    directions = [c.direction_deg for c in table if c.name != "END"]
    assert directions == sorted(directions)
    for polar_class in table:
        if polar_class.name == "END":
            assert math.isnan(polar_class.direction_deg)
            assert polar_class is table[-1]
            number, fraction = expected[None]
        else:
            key = next(
                d for d in expected if d is not None and abs(d - polar_class.direction_deg) < 1e-3
            )
            number, fraction = expected[key]
        assert len(polar_class.variants) == number
        assert polar_class.projected_fraction == pytest.approx(fraction, abs=1e-4)
    members = [v for c in table for v in c.variants]
    assert sorted(members) == sorted(phase_variants(phase))
    assert all(c.name != "END" for c in classes(phase, zone_axis))


def test_orthorhombic_along_001_has_eight_named_classes() -> None:
    table = classes("O", [0, 0, 1])
    assert [c.name for c in table] == ["RM", "RU", "MU", "LU", "LM", "LD", "MD", "RD"]
    assert [c.direction_deg for c in table] == [45.0 * k for k in range(8)]
    assert table[1].variants == ((1, 1, 0),)
    assert [c.name for c in classes("O", (1, 1, 0))][1:3] == ["A055", "A125"]


@pytest.mark.parametrize("zone_axis", ZONE_AXES)
def test_direction_is_that_of_the_vector_on_the_screen(zone_axis: tuple[int, int, int]) -> None:
    x, y, z = (np.array(v) / np.linalg.norm(v) for v in screen_axes(zone_axis))
    np.testing.assert_allclose(np.cross(x, y), z, atol=1e-12)
    np.testing.assert_allclose(z, np.array(zone_axis) / np.linalg.norm(zone_axis))
    for phase in PHASES:
        for polar_class in classes(phase, zone_axis):
            for variant in polar_class.variants:
                angle = np.degrees(np.arctan2(np.dot(variant, y), np.dot(variant, x))) % 360
                assert angle == pytest.approx(polar_class.direction_deg)


def test_a_quarter_turn_maps_each_class_to_the_next_but_one_in_the_same_order() -> None:
    table = classes("O", (0, 0, 1))
    for polar_class in table:
        turned = tuple((-y, x, z) for x, y, z in polar_class.variants)
        assert turned == table[(polar_class.index + 2) % 8].variants


def test_variants_of_a_class_take_turns() -> None:
    oblique = classes("O", (0, 0, 1))[0]
    assert [oblique.variant_of(i) for i in range(4)] == [(1, 0, 1), (1, 0, -1)] * 2


def test_unknown_phase_and_zone_are_told() -> None:
    with pytest.raises(PolarstemError, match="no polar phase 'M'; choose T"):
        classes("M", (0, 0, 1))
    with pytest.raises(PolarstemError, match=r"\[1, 1, 1\] is not available; choose"):
        classes("O", [1, 1, 1])


def test_import_stays_light(root: Path) -> None:
    code = "import sys, polarstem.structures.variants, polarstem.structures.crystals\n"
    code += "assert not {'numpy', 'ase', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)
