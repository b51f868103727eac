# SPDX-License-Identifier: GPL-3.0-or-later
"""What settles how crystal, scan and detector are turned, and what is told where nothing does."""

from __future__ import annotations

import numpy as np
import pytest

from polarstem.errors import PolarstemError
from polarstem.maps.orientation import confirmed, expected_on_detector, on_detector, settle
from polarstem.maps.withheld import Reason
from polarstem.scans.sourced import Sourced
from polarstem.scans.specimen.handedness import Handedness
from polarstem.scans.specimen.turns import PlaneTurn, apart
from polarstem.structures.symmetry import turns_of


def told(value: float, origin: str = "estimated") -> Sourced:
    return Sourced(value, "degrees", origin)


def seen(turn: PlaneTurn, clear: bool = True) -> Handedness:
    """What patterns over the cell show."""
    turns = turns_of((0, 0, 1))
    correlation = np.array([float(np.allclose(t, turn.matrix)) for t in turns])
    known = [PlaneTurn.of(t) for t in turns]
    return Handedness(
        turn.angle_deg % 360, turn.mirrored, clear, np.array([t.angle_deg for t in known]),
        np.array([t.mirrored for t in known]), correlation, "",
        turn=tuple(tuple(round(v) for v in row) for row in turn.matrix.tolist()),
    )  # fmt: skip


def test_the_sheets_two_rotations_are_taken():
    detector, crystal = told(30, "sheet"), told(100, "sheet")
    angle = on_detector(detector, crystal, None, told(41), 90)
    assert (angle.value, angle.origin) == (130, "sheet")
    found = settle(angle, detector, crystal, told(33), None, 90)
    assert (found.detector, found.crystal.value) == (detector, 100)
    assert found.known
    assert found.warnings == ()


@pytest.mark.parametrize("period", [90, 180])
def test_of_the_equal_axes_the_one_nearest_to_the_scans_is_taken(period):
    detector = told(170, "sheet")
    angle = on_detector(detector, None, None, told(5), period)
    expected = 185 if (185 - 5) % period == 0 else 95
    assert angle.value == pytest.approx(expected)
    found = settle(angle, detector, None, None, told(16), period)
    # the lattice is more precise than the pattern
    assert found.crystal.value == pytest.approx(16)
    assert found.known


def test_the_lattice_serves_where_no_pattern_is_compared():
    angle = on_detector(told(20, "sheet"), None, told(12), None, 90)
    assert angle.value == pytest.approx(32)
    with pytest.raises(PolarstemError, match="crystal_rotation_deg and detector_rotation_deg"):
        on_detector(told(0, "sheet"), None, None, None, 90)


def test_where_an_axis_is_expected():
    assert expected_on_detector(told(20, "sheet"), None, told(50), told(12))[0] == 32
    assert expected_on_detector(None, None, told(50), told(12))[0] == 62
    assert expected_on_detector(None, None, told(50), None) is None
    assert expected_on_detector(None, told(3, "sheet"), None, told(12)) is None


@pytest.mark.parametrize("detector", [-160.0, -70.0, 20.0, 110.0])
def test_the_curl_tells_the_rotation_but_for_180_degrees(detector):
    """The lattice makes it precise; without templates no direction is told."""
    angle = on_detector(None, None, None, told((detector + 12) % 90), 90)
    found = settle(angle, None, None, told(detector + 9), told(12), 90)
    assert apart(found.detector.value, detector) == pytest.approx(0)
    assert apart(found.crystal.value + found.detector.value, angle.value) == pytest.approx(0)
    assert apart(found.crystal.value, 12, 90) == pytest.approx(0)
    [doubt] = found.doubts
    assert doubt.reason is Reason.TURN_UNKNOWN
    assert "detector_rotation_deg" in doubt.sentence
    assert settle(angle, None, None, told(detector + 9), told(12), 90, settled=True).known


def test_what_nothing_tells_is_not_answered():
    found = settle(told(30), None, None, None, None, 90)
    assert found.detector.origin == "assumed"
    assert [doubt.reason for doubt in found.doubts] == [Reason.TURN_UNKNOWN]


def test_a_sheet_that_contradicts_the_lattice_is_told():
    angle = on_detector(told(0, "sheet"), None, None, told(25), 90)
    found = settle(angle, told(0, "sheet"), None, None, told(12), 90)
    assert found.crystal.value == pytest.approx(12)
    [warning] = found.warnings
    assert "25.0" in warning
    assert "12.0" in warning
    found = settle(angle, told(0, "sheet"), told(40, "sheet"), None, told(12), 90)
    assert found.crystal.value == pytest.approx(12)
    assert "crystal_rotation_deg is 40" in found.warnings[0]


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_patterns_over_the_cell_settle_turns_and_mirrors(quarters, mirrored):
    """What is told of the detector takes the crystal's axes to where the patterns show them."""
    turn = PlaneTurn(90.0 * quarters, mirrored)
    angle, lattice = told(33.0), told(12.0)
    settled = settle(angle, None, None, None, lattice, 90)
    found = confirmed(settled, angle, seen(turn), None)
    assert found.known
    assert found.doubts == []
    # a vector of the crystal, on the detector: by the detector's turn of what it is in the scan,
    # and by what is undone when patterns are turned back and then into the crystal's frame
    vector = np.array([0.8, 0.6])
    in_scan = PlaneTurn(found.crystal.value).vectors(vector)
    detector = PlaneTurn(found.detector.value, turn.mirrored)
    in_model = found.turn.inverse().vectors(vector)
    on_screen = PlaneTurn(angle.value).vectors(in_model)
    np.testing.assert_allclose(detector.vectors(in_scan), on_screen, atol=1e-9)
    assert ("mirrored" in " ".join(found.warnings)) == mirrored


def test_a_sheet_is_overruled_but_not_in_silence():
    angle, detector = told(0.0), told(180.0, "sheet")
    settled = settle(told(180.0), detector, None, None, told(0.0), 90)
    found = confirmed(settled, angle, seen(PlaneTurn(0.0)), detector)
    assert found.detector.value == pytest.approx(180)  # which the patterns confirm
    found = confirmed(settled, told(180.0), seen(PlaneTurn(180.0)), detector)
    assert apart(found.detector.value, 0) == pytest.approx(0)
    assert "detector_rotation_deg is 180" in found.warnings[-1]
    assert "off: [handedness]" in found.warnings[-1]


def test_what_is_not_clear_settles_nothing():
    settled = settle(told(0.0), None, None, told(3.0), told(0.0), 90)
    assert confirmed(settled, told(0.0), seen(PlaneTurn(180.0), clear=False), None) == settled
    assert confirmed(settled, told(0.0), None, None) == settled
