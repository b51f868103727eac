# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the crystal lies: its angle on the detector and in the scan, its cells, its vacuum."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from polarstem.maps.orientation import (
    Orientation,
    confirmed,
    expected_on_detector,
    on_detector,
    settle,
)
from polarstem.maps.predict import Answers
from polarstem.maps.setup import Setup
from polarstem.maps.specimen import Specimen
from polarstem.scans.calibration.steps import Status, Step
from polarstem.scans.inspection import Inspection
from polarstem.scans.sourced import Sourced
from polarstem.scans.specimen.cells import Cells, Lattice, boxes
from polarstem.scans.specimen.handedness import Handedness, handedness
from polarstem.scans.specimen.lattice import find_lattice
from polarstem.scans.specimen.rings import ring_signals
from polarstem.scans.specimen.turns import nearest
from polarstem.scans.specimen.vacuum import OUTERMOST
from polarstem.simulate.pattern_library import Library

_STEP_AGREES = 0.03


@dataclass(frozen=True)
class Given:
    """Rotations before the scan was read as a whole.

    Attributes
    ----------
    angle : Sourced
        Of a crystal axis on the detector, by which patterns are turned back [degrees].
    detector, crystal, curl : Sourced or None
        Rotations by the sheet, and that of the detector by the deflections.
    """

    angle: Sourced
    detector: Sourced | None
    crystal: Sourced | None
    curl: Sourced | None


@dataclass(frozen=True)
class Place:
    """Where the crystal lies.

    Attributes
    ----------
    lattice : Lattice
    cells : Cells
    orientation : Orientation
    vacuum : ndarray of bool, shape (n,)
    steps : list of Step
    warnings : list of str
    """

    lattice: Lattice
    cells: Cells
    orientation: Orientation
    vacuum: NDArray[np.bool_]
    steps: list[Step]
    warnings: list[str]

    @property
    def settings(self) -> dict[str, Sourced]:
        """What was settled, by name of the sheet."""
        return {
            "detector_rotation_deg": self.orientation.detector,
            "crystal_rotation_deg": self.orientation.crystal,
        }


def orient(setup: Setup, inspection: Inspection, specimen: Specimen, threads: int = 1) -> Given:
    """Find by which angle patterns are turned back.

    Raises
    ------
    PolarstemError
        If nothing tells it.
    """
    detector, crystal = (setup.given(f"{n}_rotation_deg") for n in ("detector", "crystal"))
    curl = inspection.calibration.detector_rotation if detector is None else None
    lattice = None if inspection.lattice is None else inspection.lattice.rotation
    near = expected_on_detector(detector, crystal, curl, lattice)
    known = detector is not None and crystal is not None
    fitted = None if known else specimen.orientation(inspection.calibration, near, threads)
    angle = on_detector(detector, crystal, lattice, fitted, setup.period_deg)
    return Given(angle, detector, crystal, curl)


def place(
    setup: Setup, inspection: Inspection, specimen: Specimen, given: Given, answers: Answers
) -> Place:
    """Find lattice, cells and vacuum of the whole scan, and how the patterns are turned."""
    shape = setup.scan.shape[:2]
    vacuum, vacuum_step = _vacuum(setup, inspection, answers)
    lattice = _lattice(setup, answers, specimen.templates_nm, vacuum)
    settled = False
    rotation = lattice.rotation
    orientation = settle(
        given.angle, given.detector, given.crystal, given.curl, rotation, setup.period_deg, settled
    )
    lattice = _aligned(lattice, orientation.crystal.value)
    cells = lattice.cells(*shape)
    seen = _handedness(setup, answers, lattice, cells, specimen.templates_nm, vacuum)
    orientation = confirmed(orientation, given.angle, seen, given.detector)
    steps = [vacuum_step, _lattice_step(setup, lattice)]
    if seen is not None:
        steps.append(Step("handedness", "done", seen.sentence))
    warnings = [*orientation.warnings, *_step_told(setup, lattice)]
    return Place(lattice, cells, orientation, vacuum.ravel(), steps, warnings)


def thinnest_share(library: Library | None) -> float | None:
    """Share of the electrons in the outermost ring, of the thinnest crystal of a library."""
    if library is None:
        return None
    mean = library.templates(float(library.template_thickness_nm[0])).mean((0, 1, 2))
    return float(ring_signals(mean, library.mrad_per_pixel / library.semiangle_mrad)[OUTERMOST])


def _vacuum(
    setup: Setup, inspection: Inspection, answers: Answers
) -> tuple[NDArray[np.bool_], Step]:
    """Positions beside the crystal, shape (ny, nx)."""
    shape = setup.scan.shape[:2]
    if not setup.wants("vacuum"):
        return np.zeros(shape, bool), Step("vacuum", "off", "Vacuum was not looked for.")
    signals = answers.signals.reshape(*shape, -1)
    found = inspection.calibration.vacuum(signals, thinnest_share(setup.library))
    if found is None:
        told = "The detector sees too little beside the disc to tell vacuum."
        return np.zeros(shape, bool), Step("vacuum", "impossible", told)
    share = found.sum() / max(1, answers.measured.sum())
    sentence = "No position is in vacuum."
    if found.any():
        sentence = f"{share:.0%} of the positions are in vacuum, where nothing is told."
    return found, Step("vacuum", "done", sentence, {"share": float(share)})


def _lattice(
    setup: Setup, answers: Answers, templates_nm: float | None, vacuum: NDArray[np.bool_]
) -> Lattice:
    """The crystal's lattice in what virtual detectors saw."""
    cell = tuple(setup.trained["cell_angstrom"])
    if not setup.wants("lattice"):
        shape = setup.scan.shape[:2]
        return boxes(setup.step_nm, cell, "The lattice was not looked for", (shape[0], shape[1]))
    templates = None
    if setup.library is not None and templates_nm is not None:
        scale = setup.trained["mrad_per_pixel"] / setup.trained["semiangle_mrad"]
        templates = ring_signals(setup.library.templates(templates_nm).mean(0), scale)
    images = answers.signals.reshape(*setup.scan.shape[:2], -1)
    images = np.where(vacuum[..., None], np.nan, images)
    return find_lattice(images, setup.step_nm, cell, templates=templates)


def _aligned(lattice: Lattice, rotation_deg: float) -> Lattice:
    """The same lattice, described by the edges nearest to a rotation of the crystal [degrees]."""
    if lattice.rotation is None:
        return lattice
    down, right = lattice.vectors
    square = abs(np.linalg.norm(down) / np.linalg.norm(right) - 1) < 0.1
    period = 90 if square else 180
    turned = nearest(lattice.rotation.value, rotation_deg, period)
    for _ in range(round((turned - lattice.rotation.value) / 90) % 4):  # counter-clockwise
        down, right = right, -down
    rotation = replace(lattice.rotation, value=turned)
    return replace(lattice, vectors=np.stack([down, right]), rotation=rotation)


def _handedness(
    setup: Setup,
    answers: Answers,
    lattice: Lattice,
    cells: Cells,
    templates_nm: float | None,
    vacuum: NDArray[np.bool_],
) -> Handedness | None:
    """Compare the patterns with simulated ones turned in all ways; None where it cannot be done."""
    wanted = setup.wants("handedness") and lattice.found
    if setup.library is None or templates_nm is None or not wanted:
        return None
    usable = answers.measured & ~vacuum.ravel()
    y, x = (np.where(usable, axis.ravel(), np.nan) for axis in (cells.y, cells.x))
    return handedness(answers.pattern, y, x, setup.library, templates_nm)


def _lattice_step(setup: Setup, lattice: Lattice) -> Step:
    """What became of the search for the lattice."""
    status: Status = "done" if lattice.found else "impossible"
    if not setup.wants("lattice"):
        status = "off"
    values = {"quality": lattice.quality, "agreement": lattice.agreement, "margin": lattice.margin}
    return Step("lattice", status, lattice.sentence, values)


def _step_told(setup: Setup, lattice: Lattice) -> list[str]:
    """A warning where the lattice implies another step than is given."""
    if not lattice.found or lattice.implied_step_nm is None:
        return []
    off = np.array(lattice.implied_step_nm) / setup.step_nm - 1
    if np.abs(off).max() <= _STEP_AGREES:
        return []
    given, implied = (
        " x ".join(f"{v:.4g}" for v in pair) for pair in (setup.step_nm, lattice.implied_step_nm)
    )
    return [
        f"The lattice implies steps of {implied} nm (down, right), but the "
        f"{setup.settings['step_nm'].origin} says {given} nm: lengths in the map are those of the "
        f"latter; correct `step_nm`, or the calibration of the scan."
    ]
