# SPDX-License-Identifier: GPL-3.0-or-later
"""Variants that a turn of the projected lattice maps onto one another."""

from __future__ import annotations

import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from polarstem.structures.build import build_specimen
from polarstem.structures.recipes import make_recipe
from polarstem.structures.symmetry import (
    IDENTITY,
    inverse,
    mirrored,
    representative,
    turned,
    turns_of,
)
from polarstem.structures.variants import (
    PHASES,
    ZONE_AXES,
    class_name,
    phase_variants,
    projection,
    screen_axes,
)

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(("zone", "order"), [((0, 0, 1), 8), ((1, 1, 0), 4)])
def test_turns_are_a_group_of_isometries(zone, order):
    turns = turns_of(zone)
    assert turns[0] == IDENTITY
    assert len(set(turns)) == order
    for first, second in product(turns, repeat=2):
        both = np.array(first) @ np.array(second)
        assert tuple(map(tuple, both.tolist())) in turns
    for turn in turns:
        np.testing.assert_array_equal(np.array(turn) @ np.array(inverse(turn)), np.eye(2))
    assert len(turns_of(zone, square=False)) == 4


@pytest.mark.parametrize(
    ("phase", "zone", "square", "orbits"),
    [
        # by the polar axis against the beam: across it, obliquely up and down
        ("O", (0, 0, 1), True, 3),
        ("T", (0, 0, 1), True, 3),
        ("R", (0, 0, 1), True, 2),
        ("O", (0, 0, 1), False, 5),
        ("T", (0, 0, 1), False, 4),
        # by |x|, |y| and z: (1, 0, 0), (0, 0, +-1) and (1/2, 1, +-1/2)
        ("O", (1, 1, 0), True, 5),
        ("T", (1, 1, 0), True, 3),
        ("R", (1, 1, 0), True, 3),
    ],
)
def test_few_variants_stand_for_all(phase, zone, square, orbits):
    variants = phase_variants(phase)
    found = {v: representative(v, zone, square) for v in variants}
    assert len({chosen for chosen, _ in found.values()}) == orbits
    beam = screen_axes(zone)[2]
    for variant, (chosen, turn) in found.items():
        assert chosen in variants
        assert turned(chosen, turn, zone) == variant
        assert np.dot(chosen, beam) == np.dot(variant, beam)
        assert representative(chosen, zone, square) == (chosen, IDENTITY)


def test_turns_act_on_the_screen():
    quarter = ((0, -1), (1, 0))  # counter-clockwise, y up
    assert turned((1, 0, 1), quarter, (0, 0, 1)) == (0, 1, 1)
    left = ((-1, 0), (0, 1))
    # x = [-110]: its mirror exchanges the first two axes
    assert turned((1, 0, 1), left, (1, 1, 0)) == (0, 1, 1)


def crystal(variant, phase, zone, **settings):
    direction, _ = projection(variant, zone)
    recipe = {"material": "KNN", "name": "x", "specimen_set": "x", "split": "test"}
    recipe |= {"class_index": 0, "class_name": class_name(direction), "direction_deg": direction}
    recipe |= {"variant": variant, "phase": phase, "zone_axis": zone, "cells": (2, 2)}
    recipe |= {"a_site": "virtual", "thickness_nm": 1.2, "amplitude": 1.3}
    return build_specimen(make_recipe(**recipe | settings))


def same_crystal(one, other):
    """Largest distance between equal atoms, positions modulo the box in the plane."""
    assert len(one) == len(other)
    np.testing.assert_allclose(one.cell.lengths(), other.cell.lengths(), atol=1e-9)
    box = one.cell.lengths()
    apart = one.positions[:, None] - other.positions
    apart[..., :2] -= np.round(apart[..., :2] / box[:2]) * box[:2]
    distance = np.linalg.norm(apart, axis=-1)
    distance[one.numbers[:, None] != other.numbers] = np.inf
    assert len(set(distance.argmin(axis=1))) == len(one)
    return distance.min(axis=1).max()


@pytest.mark.parametrize("metric", ["cubic", "phase"])
@pytest.mark.parametrize("a_site", ["virtual", "ordered"])
@pytest.mark.parametrize("zone", ZONE_AXES, ids=str)
@pytest.mark.parametrize("phase", PHASES)
def test_turned_crystal_is_that_of_the_variant(phase, zone, a_site, metric):
    settings = {"a_site": a_site, "metric": metric}
    for variant in phase_variants(phase):
        chosen, turn = representative(variant, zone)
        made = crystal(chosen, phase, zone, **settings)
        wanted = crystal(variant, phase, zone, **settings)
        if turn != IDENTITY and metric == "cubic":
            assert same_crystal(wanted, made) > 0.05
        made.positions[:, :2] = made.positions[:, :2] @ np.array(turn).T
        made.set_cell([*(np.abs(turn) @ made.cell.lengths()[:2]), made.cell.lengths()[2]])
        assert same_crystal(wanted, made) < 1e-9, variant


def flattened(atoms):
    """Numbers of the atomic planes instead of heights."""
    height = atoms.cell.lengths()[2] / atoms.info["planes"]
    atoms.positions[:, 2] = np.floor(atoms.positions[:, 2] / height)
    return atoms


@pytest.mark.parametrize("metric", ["cubic", "phase"])
@pytest.mark.parametrize("a_site", ["virtual", "ordered", "random"])
@pytest.mark.parametrize(("phase", "orbits"), [("O", 2), ("T", 2), ("R", 1)])
def test_planes_do_not_show_the_sign_along_the_beam(phase, orbits, a_site, metric):
    zone = (0, 0, 1)
    found = {v: representative(v, zone, flat=True) for v in phase_variants(phase)}
    assert len({chosen for chosen, _ in found.values()}) == orbits
    for variant, (chosen, turn) in found.items():
        assert representative(chosen, zone, flat=True) == (chosen, IDENTITY)
        image = turned(chosen, turn, zone)
        assert variant in (image, mirrored(image, zone))
        if a_site == "random" and turn != IDENTITY:
            continue  # the order is not turned with the crystal
        settings = {"a_site": a_site, "metric": metric}
        made = crystal(chosen, phase, zone, **settings)
        wanted = crystal(variant, phase, zone, **settings)
        made.positions[:, :2] = made.positions[:, :2] @ np.array(turn).T
        made.set_cell([*(np.abs(turn) @ made.cell.lengths()[:2]), made.cell.lengths()[2]])
        if variant[2] < 0:
            assert same_crystal(wanted, made) > 0.05, "heights are not the same"
        assert same_crystal(flattened(wanted), flattened(made)) < 1e-9, variant


def test_the_other_zone_has_its_planes_in_another_order():
    """Along [110] the mirror across the beam exchanges the planes of oxygen."""
    zone, variant = (1, 1, 0), (1, 0, 0)
    other = mirrored(variant, zone)
    assert other == (0, -1, 0)
    assert projection(other, zone) == projection(variant, zone)
    one, two = (flattened(crystal(v, "T", zone)) for v in (variant, other))
    assert same_crystal(one, two) > 5e-3
    for v in phase_variants("T"):
        assert representative(v, zone, flat=True) == representative(v, zone)


def test_import_needs_the_standard_library_alone():
    code = (
        "import sys; before = set(sys.modules); import polarstem.structures.symmetry;"
        "new = {name.split('.')[0] for name in set(sys.modules) - before} - {'polarstem'};"
        "print(*(new - sys.stdlib_module_names))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
