# SPDX-License-Identifier: GPL-3.0-or-later
"""How crystal, scan and detector are turned against each other, and what settles it.

Patterns are turned back by the angle of a crystal axis on the detector before they are predicted;
which of the crystal's equal axes that is, is open. The lattice of the scan tells the crystal's
angle against the scan but for the same turns. Simulated patterns over the cell tell which of them
brings both together, or a mirror (`polarstem.scans.specimen.handedness`); without them the sheet's
or a settled detector rotation does. Where nothing does, directions are unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from polarstem.errors import PolarstemError
from polarstem.maps.withheld import Doubt, Reason
from polarstem.scans.sourced import Sourced
from polarstem.scans.specimen.handedness import Handedness
from polarstem.scans.specimen.turns import PlaneTurn, apart, nearest

_AGREE = 3.0  # degrees: farther apart, two estimates are worth a warning
_SHEET_WITHIN = 6.0  # degrees that the sum of a given and a measured rotation may be off
_CURL_WITHIN = 20.0  # degrees that the curl of a noisy scan may be off
_GIVE = "give detector_rotation_deg in the sheet"


@dataclass(frozen=True)
class Orientation:
    """Turns of a scan.

    Attributes
    ----------
    detector, crystal : Sourced
        Rotation of the pattern against the scan, and of the crystal's x axis against the scan's,
        both counter-clockwise [degrees].
    turn : PlaneTurn
        From the frame that patterns were predicted in to the crystal's.
    warnings : tuple of str
        What contradicts, and what was made of it.
    known : bool
        Whether directions can be told.
    """

    detector: Sourced
    crystal: Sourced
    turn: PlaneTurn = field(default_factory=PlaneTurn)
    warnings: tuple[str, ...] = ()
    known: bool = True

    @property
    def doubts(self) -> list[Doubt]:
        """Why no direction can be told; empty if it can."""
        if self.known:
            return []
        sentence = (
            "How the patterns are turned against the scan is not known: directions could be wrong "
            f"by a quarter turn or more, so none is given; {_GIVE}."
        )
        return [Doubt(Reason.TURN_UNKNOWN, sentence)]


def expected_on_detector(
    detector: Sourced | None,
    crystal: Sourced | None,
    curl: Sourced | None,
    lattice: Sourced | None,
) -> tuple[float, float] | None:
    """About where a crystal axis lies on the detector, before a pattern is compared.

    Parameters
    ----------
    detector, crystal : Sourced or None
        Rotations that the sheet gives.
    curl : Sourced or None
        Detector's rotation by the deflections, modulo 180.
    lattice : Sourced or None
        Crystal's rotation by the scan's periodicity, modulo its period.

    Returns
    -------
    (angle, within) or None
        Degrees; None where it can be any.
    """
    turned = lattice or crystal
    if turned is None or (detector or curl) is None:
        return None
    if detector is not None:
        return float(detector.value + turned.value), _SHEET_WITHIN
    assert curl is not None
    return float(curl.value + turned.value), _CURL_WITHIN


def on_detector(
    detector: Sourced | None,
    crystal: Sourced | None,
    lattice: Sourced | None,
    fitted: Sourced | None,
    period: float,
) -> Sourced:
    """Angle of a crystal axis on the detector [degrees], by which patterns are turned back.

    Parameters
    ----------
    detector, crystal, lattice : Sourced or None
        As for `expected_on_detector`.
    fitted : Sourced or None
        Angle that the position-averaged pattern shows, modulo `period`.
    period : float
        Of the projected lattice [degrees].

    Raises
    ------
    PolarstemError
        If nothing tells it.
    """
    if detector is not None and crystal is not None:
        note = "detector_rotation_deg + crystal_rotation_deg"
        return Sourced(detector.value + crystal.value, "degrees", "sheet", note)
    if fitted is None:
        if detector is None or lattice is None:
            raise PolarstemError(
                "How the crystal lies on the detector is unknown, as no position-averaged pattern "
                "was compared; give crystal_rotation_deg and detector_rotation_deg in the sheet, "
                "or take `thickness` out of its list `off` and map with a model that has a "
                "library.nc."
            )
        note = "detector_rotation_deg + the angle of the scan's lattice"
        return Sourced(detector.value + lattice.value, "degrees", "estimated", note)
    if detector is not None:  # of the equal axes the one nearest to the scan's
        return _moved(fitted, nearest(fitted.value, detector.value, period))
    return fitted


def settle(
    angle: Sourced,
    detector: Sourced | None,
    crystal: Sourced | None,
    curl: Sourced | None,
    lattice: Sourced | None,
    period: float,
    settled: bool = False,
) -> Orientation:
    """Tell the detector's and the crystal's rotation apart, as far as angles can.

    Parameters
    ----------
    angle : Sourced
        Angle by which patterns were turned back [degrees].
    detector, crystal, curl, lattice : Sourced or None
        As for `expected_on_detector`.
    period : float
        Of the projected lattice [degrees].
    settled : bool
        Whether the curl's rotation is not off by 180 degrees.
    """
    source = detector or curl
    rough = source.value if source is not None else None
    towards = 0.0 if rough is None else angle.value - rough
    warnings: list[str] = []
    if lattice is not None and crystal is not None:
        off = apart(crystal.value, lattice.value, period)
        if abs(off) > _AGREE:
            warnings.append(
                f"The sheet's crystal_rotation_deg is {crystal.value:g}, but the scan repeats at "
                f"{lattice.value % period:.1f} degrees (modulo {period:g}), which is taken; "
                "`off: [lattice]` keeps the sheet's."
            )
            crystal = None
    if crystal is not None:
        axis = crystal.value if rough is None else nearest(crystal.value, towards, period)
        found = _moved(crystal, axis)
    elif lattice is not None:
        found = _moved(lattice, nearest(lattice.value, towards, period))
    else:
        note = f"of the crystal on the detector ({angle.origin}) less detector_rotation_deg"
        ends = angle.interval and tuple(towards + end - angle.value for end in angle.interval)
        found = Sourced(apart(towards, 0), "degrees", "estimated", note, ends)
        if rough is None:
            found = replace(found, origin="assumed", note="nothing tells it", interval=None)
    turned = apart(angle.value, found.value)
    off = 0.0 if rough is None else apart(turned, rough)
    if source is None:
        note = "the smallest that fits" if lattice or crystal else "nothing tells it"
        rotation = Sourced(turned, "degrees", "assumed", note)
    elif source is detector:
        rotation = detector
        if abs(off) > _AGREE:
            warnings.append(
                f"With the sheet's detector_rotation_deg of {detector.value:g} the patterns show "
                f"the crystal turned by {towards % period:.1f} degrees against the scan, but "
                f"{'the sheet says' if crystal else 'the scan repeats at'} "
                f"{found.value % period:.1f} (modulo {period:g}), which is taken: check "
                "detector_rotation_deg."
            )
    else:
        note = source.note
        if abs(off) <= _CURL_WITHIN and found.origin != "assumed":
            note = f"{note}; the crystal's angle makes it precise".lstrip("; ")
            rotation = replace(source, value=turned, note=note, interval=None)
        else:
            rotation = source
            warnings.append(
                f"The deflections of the beam fit a detector turned by {source.value:.0f} degrees, "
                f"the patterns and the scan's lattice one by {turned:.0f} (modulo {period:g})."
            )
    # nearer to the next of the equal axes than two thirds of the way there: either may be meant
    known = source is not None and abs(off) < period / 3
    known = known and (detector is not None or settled)
    return Orientation(rotation, found, PlaneTurn(), tuple(warnings), known)


def confirmed(
    orientation: Orientation, angle: Sourced, seen: Handedness | None, detector: Sourced | None
) -> Orientation:
    """Let simulated patterns over the cell decide, against the sheet too, but not in silence.

    Parameters
    ----------
    orientation : Orientation
        As settled so far.
    angle : Sourced
        Angle by which patterns were turned back [degrees].
    seen : Handedness or None
        How the patterns fit simulated ones at each of the crystal's turns.
    detector : Sourced or None
        Detector's rotation that the sheet gives.
    """
    if seen is None or not seen.clear:
        return orientation
    turn = PlaneTurn.of(seen.turn)
    if abs(apart(turn.angle_deg, 0)) < 1 and not turn.mirrored:
        return replace(orientation, known=True)
    crystal = PlaneTurn(orientation.crystal.value)
    value = apart((PlaneTurn(angle.value) @ turn @ crystal.inverse()).angle_deg, 0)
    note = "simulated patterns over the cell settle by which of the crystal's turns"
    warnings = list(orientation.warnings)
    if turn.mirrored:
        note += ", after a mirror of the patterns at their vertical axis"
        warnings.append(
            "The patterns are mirrored against the simulated ones over the cell, which is undone; "
            "set detector_flip_x, another flip or detector_transpose in the scan sheet."
        )
    elif detector is not None:
        warnings.append(
            f"The sheet's detector_rotation_deg is {detector.value:g}, but simulated patterns over "
            f"the cell fit the measured ones at {value:.0f} degrees (correlation "
            f"{seen.correlation.max():.2f}), which is taken; `off: [handedness]` keeps the sheet's."
        )
    rotation = Sourced(value, "degrees", "estimated", note)
    return Orientation(rotation, orientation.crystal, turn.inverse(), tuple(warnings), True)


def _moved(setting: Sourced, value: float) -> Sourced:
    """The same setting at another of its equal values, its interval with it."""
    by = value - setting.value
    ends = setting.interval and (setting.interval[0] + by, setting.interval[1] + by)
    return replace(setting, value=value, interval=ends)
