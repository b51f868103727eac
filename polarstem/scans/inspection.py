# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scan says of itself before any model: beam, detector, dose, lattice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from polarstem.scans.calibration.calibrate import calibrate
from polarstem.scans.calibration.calibrated import Calibration
from polarstem.scans.calibration.steps import Step
from polarstem.scans.scan import Scan
from polarstem.scans.sourced import Sourced
from polarstem.scans.specimen.cells import Lattice
from polarstem.scans.specimen.lattice import find_lattice
from polarstem.scans.specimen.rings import RINGS

_PATCH_BYTES = 96e6
_PATCH_POSITIONS = 96  # along each side, at most
_LEAST_POSITIONS = 12  # along each side: fewer tell no lattice


@dataclass(frozen=True)
class Inspection:
    """What a scan says of itself.

    Attributes
    ----------
    scan : Scan
    calibration : Calibration
        Detector and beam.
    lattice : Lattice or None
        Of a part of the scan; None where it was not looked for or none was found.
    """

    scan: Scan
    calibration: Calibration
    lattice: Lattice | None

    @property
    def settings(self) -> dict[str, Sourced]:
        """All that is known, by name of the sheet."""
        return self.scan.settings | self.calibration.settings

    @property
    def steps(self) -> tuple[Step, ...]:
        """What each step found."""
        if self.lattice is None:
            return tuple(self.calibration.steps)
        return (*self.calibration.steps, Step("lattice", "done", self.lattice.sentence))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know, a sentence each."""
        return tuple(self.calibration.warnings)

    def sentences(self) -> Iterator[str]:
        """Everything in words, a line each."""
        rows, columns, height, width = self.scan.shape
        yield f"{self.scan.path}: read as {self.scan.reader}."
        yield f"{rows} x {columns} positions of {height} x {width} pixels, {self.scan.dtype}."
        for name, value in self.settings.items():
            yield f"{name}: {value}"
        for step in self.steps:
            yield f"{step.name} ({step.status}): {step.sentence}"
        for warning in self.warnings:
            yield f"Warning: {warning}"


def inspect(
    scan: Scan,
    semiangle_mrad: Sourced | None = None,
    cell_angstrom: tuple[float, float] | None = None,
    threads: int = 1,
    thinnest_share: float | None = None,
) -> Inspection:
    """Calibrate a scan and look for the crystal's lattice in a part of it.

    Parameters
    ----------
    scan : Scan
    semiangle_mrad : Sourced, optional
        Convergence semi-angle where neither file nor sheet tells it [mrad].
    cell_angstrom : (float, float), optional
        Projected cell along the crystal's y and x [Å]; a square of any size without it.
    threads : int
    thinnest_share : float, optional
        See `Calibration.vacuum`.

    Returns
    -------
    Inspection

    Raises
    ------
    PolarstemError
        If the scan cannot be calibrated.
    """
    cell_nm = None if cell_angstrom is None else max(cell_angstrom) / 10
    calibration = calibrate(
        scan, scan.sheet, semiangle_mrad, threads, cell_nm=cell_nm, thinnest_share=thinnest_share
    )
    lattice = None
    if "lattice" not in scan.sheet.off and scan.step_nm is not None:
        lattice = _lattice(scan, calibration, cell_angstrom)
    return Inspection(scan, calibration, lattice)


def _lattice(
    scan: Scan, calibration: Calibration, cell_angstrom: tuple[float, float] | None
) -> Lattice | None:
    """The lattice in a patch in the middle of the scan, None if there is none."""
    rows, columns = _patch(scan)
    shape = rows.stop - rows.start, columns.stop - columns.start
    if min(shape) < _LEAST_POSITIONS:
        return None
    keep = np.zeros(scan.shape[:2], bool)
    keep[rows, columns] = True
    keep &= scan.included
    if not keep.any():
        return None
    signals = np.full((scan.shape[0] * scan.shape[1], len(RINGS) + 2), np.nan, np.float32)
    for index, patterns in scan.blocks(keep=keep):
        signals[index] = calibration.ring_signals(index, patterns)
    images = signals.reshape(*scan.shape[:2], -1)[rows, columns]
    assert scan.step_nm is not None
    found = find_lattice(images, scan.step_nm.value, cell_angstrom)
    return found if found.found else None


def _patch(scan: Scan) -> tuple[slice, slice]:
    """Rows and columns around the middle of the scan."""
    rows, columns, *pixels = scan.shape
    count = _PATCH_BYTES / (np.prod(pixels) * scan.dtype.itemsize)
    side = int(min(np.sqrt(count), _PATCH_POSITIONS))

    def middle(length: int, side: int) -> slice:
        first = max(0, (length - side) // 2)
        return slice(first, min(length, first + side))

    down = middle(rows, side)
    across = middle(columns, max(side, int(min(count / max(1, down.stop - down.start), 96))))
    return down, across
