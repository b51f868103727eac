# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from polarstem.errors import PolarstemError
from polarstem.maps.frames import Frames, angle_on_detector, apart, confirmed, settle
from polarstem.scans.sourced import Sourced
from polarstem.scans.specimen.handedness import Handedness


def told(value: float, origin: str = "estimated") -> Sourced:
    return Sourced(value, "degrees", origin)


def test_angles_repeat():
    assert apart(89, 1) == pytest.approx(-2)
    assert apart(1, 89) == pytest.approx(2)
    assert apart(350, 10, 360) == pytest.approx(-20)


def test_the_sheet_has_the_last_word():
    detector, crystal = told(30, "sheet"), told(100, "sheet")
    angle = angle_on_detector(detector, crystal, told(41))
    assert (angle.value, angle.origin) == (130, "sheet")
    frames = settle(angle, detector, crystal, curl=told(33), lattice=told(10.5))
    assert (frames.detector, frames.crystal.value) == (detector, 100)
    assert frames.crystal.origin == "sheet"
    assert frames.warnings == []


def test_the_crystal_follows_from_its_pattern():
    """Of its four equal axes the one nearest to the scan's is taken."""
    detector = told(170, "sheet")
    angle = angle_on_detector(detector, None, told(5))
    assert angle.value == pytest.approx(185)
    ends = angle_on_detector(detector, None, replace(told(5), interval=(4, 6))).interval
    assert ends == pytest.approx((184, 186))
    frames = settle(angle, detector, None, curl=None, lattice=told(16))
    assert frames.crystal.value == pytest.approx(15)
    assert frames.warnings == []
    (warning,) = settle(angle, detector, None, curl=None, lattice=told(25)).warnings
    assert "periodicity" in warning
    (warning,) = settle(angle, detector, None, curl=told(-10), lattice=None).warnings
    assert "sign" in warning


@pytest.mark.parametrize("known", ["lattice", "sheet"])
@pytest.mark.parametrize("detector", [-160.0, -70.0, 20.0, 110.0])
def test_the_lattice_makes_the_curl_precise(known, detector):
    """The sum of both rotations is what the pattern shows, modulo 90."""
    crystal = told(12, known if known == "sheet" else "estimated")
    angle = angle_on_detector(None, None, told((detector + 12) % 90))
    given = {"lattice": crystal if known == "lattice" else None}
    given["crystal"] = crystal if known == "sheet" else None
    frames = settle(angle, detector=None, curl=told(detector + 9), **given)
    assert apart(frames.detector.value, detector, 360) == pytest.approx(0)
    assert apart(frames.crystal.value, 12, 90) == pytest.approx(0)
    # what is predicted in the frame of the pattern comes out right whichever axis that took
    assert apart(frames.crystal.value + frames.detector.value, angle.value, 360) == pytest.approx(0)
    (warning,) = frames.warnings
    assert "reversed" in warning


def test_a_lattice_that_contradicts_the_curl_is_told():
    angle = angle_on_detector(None, None, told(30))
    frames = settle(angle, None, None, curl=told(0), lattice=told(75))
    assert frames.detector.value == 0
    assert ["reversed" in w for w in frames.warnings] == [True, False]


def test_what_nothing_tells_is_said():
    frames = settle(told(30), None, None, curl=None, lattice=None)
    assert (frames.detector.value, frames.detector.origin) == (0, "assumed")
    assert frames.crystal.value == 30
    (warning,) = frames.warnings
    assert "detector_rotation_deg" in warning
    with pytest.raises(PolarstemError, match="crystal_rotation_deg and detector_rotation_deg"):
        angle_on_detector(told(0, "sheet"), None, None)


def seen(turned_deg=0.0, mirrored=False, clear=True):
    return Handedness(turned_deg, mirrored, clear, np.empty(0), np.empty(0, bool), np.empty(0), "")


def test_patterns_over_the_cell_settle_what_the_curl_leaves_open():
    frames = Frames(told(-178.0), told(12.0), ["may be reversed"])
    same, turned = confirmed(frames, seen(), None)
    assert (same.detector.value, same.warnings, turned) == (-178.0, [], 0.0)
    other, turned = confirmed(frames, seen(180.0), None)
    # the sum of both is what the patterns were turned by, and stays modulo a turn
    assert (other.detector.value, other.crystal.value, turned) == (2.0, -168.0, -180.0)
    assert other.warnings == []


@pytest.mark.parametrize(
    ("shown", "sheet", "words"),
    [
        (seen(90.0), 0.0, "turned by a further 90 degrees: check the flips"),
        (seen(180.0, mirrored=True), 0.0, "mirrored: check the flips"),
        (seen(0.0, mirrored=True), None, "mirrored: check the flips"),
    ],
)
def test_what_contradicts_the_sheet_is_told_and_changes_nothing(shown, sheet, words):
    frames = Frames(told(0.0), told(12.0), [])
    given = None if sheet is None else Sourced(sheet, "degrees", "sheet")
    found, turned = confirmed(frames, shown, given)
    assert (found.detector, found.crystal, turned) == (frames.detector, frames.crystal, 0.0)
    assert words in found.warnings[0]


def test_what_is_not_clear_settles_nothing():
    frames = Frames(told(0.0), told(12.0), ["may be reversed"])
    assert confirmed(frames, seen(180.0, clear=False), None) == (frames, 0.0)
