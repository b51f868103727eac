# SPDX-License-Identifier: GPL-3.0-or-later
"""How crystal, scan and detector are turned against each other, and what settles it.

A pattern turned by R(detector_rotation), counter-clockwise, is what the scan's axes look like on
the detector; the crystal's axes lie at crystal_rotation in the scan, and at the sum of both on the
detector. Patterns are resampled turned back by that sum, which any of the crystal's four
equivalent axes may serve for; what is predicted in the crystal's frame is turned into the scan's by
R(crystal_rotation), the sum less the detector's rotation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from polarstem.errors import PolarstemError
from polarstem.scans.sourced import Sourced
from polarstem.scans.specimen.handedness import Handedness

_AGREE = 3.0  # degrees: farther apart, two estimates are worth a warning
_COARSE = 20.0  # degrees that the curl of a noisy scan may be off


@dataclass(frozen=True)
class Frames:
    """Rotations of a scan.

    Attributes
    ----------
    detector, crystal : Sourced
        Of the pattern against the detector, and of the crystal against the scan, both
        counter-clockwise [degrees].
    warnings : list of str
        Where estimates contradict each other.
    """

    detector: Sourced
    crystal: Sourced
    warnings: list[str]


def apart(first: float, second: float, period: float = 90.0) -> float:
    """Signed difference of two angles that repeat [degrees], in [-period / 2, period / 2)."""
    return (first - second + period / 2) % period - period / 2


def angle_on_detector(
    detector: Sourced | None, crystal: Sourced | None, fitted: Sourced | None
) -> Sourced:
    """Angle of a crystal axis on the detector [degrees], by which patterns are turned back.

    Parameters
    ----------
    detector, crystal : Sourced or None
        Rotations that the sheet gives.
    fitted : Sourced or None
        Angle that the position-averaged pattern shows, modulo 90.

    Raises
    ------
    PolarstemError
        If nothing tells it.
    """
    if detector is not None and crystal is not None:
        note = "detector_rotation_deg + crystal_rotation_deg"
        return Sourced(detector.value + crystal.value, "degrees", "sheet", note)
    if fitted is None:
        raise PolarstemError(
            "How the crystal lies on the detector is unknown, as no position-averaged pattern was "
            "compared; give crystal_rotation_deg and detector_rotation_deg in the sheet, or take "
            "`thickness` out of its list `off` and map with a model that has a library.nc."
        )
    if detector is not None:  # of the four equal axes the one nearest to the scan's
        moved = detector.value + apart(fitted.value, detector.value) - fitted.value
        ends = fitted.interval and tuple(end + moved for end in fitted.interval)
        return replace(fitted, value=fitted.value + moved, interval=ends)
    return fitted


def settle(
    angle: Sourced,
    detector: Sourced | None,
    crystal: Sourced | None,
    curl: Sourced | None,
    lattice: Sourced | None,
) -> Frames:
    """Tell the detector's and the crystal's rotation apart.

    Parameters
    ----------
    angle : Sourced
        Angle by which patterns were turned back, the sum of both [degrees].
    detector, crystal : Sourced or None
        Rotations that the sheet gives.
    curl : Sourced or None
        Detector's rotation that the deflection of the beam over the scan tells.
    lattice : Sourced or None
        Crystal's rotation that the scan's periodicity tells, modulo 90.
    """
    warnings: list[str] = []
    known = crystal or lattice
    if detector is None:
        detector, warnings = _detector(angle, known, curl)
    elif curl is not None and abs(apart(curl.value, detector.value, 360)) > _COARSE:
        warnings.append(
            f"The sheet's detector_rotation_deg is {detector.value:g}, but the deflections of the "
            f"beam fit {curl.value:.0f} degrees; check its sign and the flips."
        )
    turned = apart(angle.value, detector.value, 360)
    if crystal is not None and angle.origin == "sheet":
        found = replace(crystal, value=turned)
    else:
        note = f"of the crystal on the detector ({angle.origin}) less detector_rotation_deg"
        interval = angle.interval and tuple(turned + e - angle.value for e in angle.interval)
        found = Sourced(turned, "degrees", "estimated", note, interval)
    if known is not None and abs(apart(known.value, turned)) > _AGREE:
        source = "the sheet" if known is crystal else "the periodicity of the scan"
        warnings.append(
            f"The crystal is turned by {turned % 90:.1f} degrees against the scan as the patterns "
            f"show it, and by {known.value % 90:.1f} (modulo 90) after {source}; directions may "
            "be off by the difference."
        )
    return Frames(detector, found, warnings)


def confirmed(frames: Frames, seen: Handedness, detector: Sourced | None) -> tuple[Frames, float]:
    """Let simulated patterns over the cell decide, or object.

    Parameters
    ----------
    frames : Frames
        As settled so far.
    seen : Handedness
        How the patterns fit simulated ones at each of the crystal's turns.
    detector : Sourced or None
        Detector's rotation that the sheet gives: it is believed, but not in silence.

    Returns
    -------
    Frames
        Where the sheet leaves the detector's rotation open, the one that the patterns show.
    float
        By which the crystal's axes are turned against what was settled [degrees].
    """
    if not seen.clear or (seen.turned_deg == 0 and not seen.mirrored):
        settled = frames.warnings if detector is not None or not seen.clear else []
        return replace(frames, warnings=settled), 0.0
    if seen.mirrored or detector is not None:
        shown = f"turned by a further {seen.turned_deg:.0f} degrees"
        if seen.mirrored:
            shown = "mirrored"
        warning = (
            f"Simulated patterns over the cell fit the measured ones best if these are {shown}: "
            "check the flips, the transposes and detector_rotation_deg in the scan sheet."
        )
        return replace(frames, warnings=[*frames.warnings, warning]), 0.0
    turn = seen.turned_deg

    def turned(rotation: Sourced, by: float) -> Sourced:
        value = apart(rotation.value + by, 0.0, 360)
        moved = value - rotation.value
        ends = rotation.interval and tuple(end + moved for end in rotation.interval)
        note = "simulated patterns over the cell settle by which multiple of 90 degrees"
        return replace(rotation, value=value, interval=ends, note=note)

    return Frames(turned(frames.detector, turn), turned(frames.crystal, -turn), []), -turn


def _detector(
    angle: Sourced, known: Sourced | None, curl: Sourced | None
) -> tuple[Sourced, list[str]]:
    """Detector's rotation, where the sheet does not give it, and warnings."""
    if curl is None:
        nearest = angle.value - known.value if known is not None else 0.0
        note = "nothing tells it" if known is None else "the smallest that fits the lattice"
        return Sourced(apart(nearest, 0.0), "degrees", "assumed", note), [
            "The rotation between scan and detector is unknown: directions may be wrong by a "
            "multiple of 90 degrees or more; give detector_rotation_deg in the sheet."
        ]
    # which way electrons are deflected depends on defocus and thickness: never sure
    warnings = [
        "The rotation between scan and detector rests on electrons being deflected towards atoms; "
        "out of focus or in thick crystals it is the other way round, and all directions would be "
        "reversed: give detector_rotation_deg in the sheet."
    ]
    if known is None:
        return curl, warnings
    # the lattice is precise but repeats, the curl tells which of its repeats it is
    step = apart(angle.value - known.value, curl.value)
    if abs(step) > _COARSE:
        return curl, warnings
    note = f"{curl.note}; the crystal's angle makes it precise".lstrip("; ")
    return replace(curl, value=curl.value + step, note=note, interval=None), warnings
