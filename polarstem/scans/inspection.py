# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scan says of itself before any model: beam, detector, dose, lattice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarstem.config.sheet import Sheet
from polarstem.scans.calibration.calibrate import calibrate
from polarstem.scans.calibration.calibrated import Calibration
from polarstem.scans.calibration.sample import read
from polarstem.scans.calibration.steps import Step
from polarstem.scans.files.readers import open_scan
from polarstem.scans.scan import ArrayScan, Scan
from polarstem.scans.sheet import load_sheet
from polarstem.scans.sourced import Sourced
from polarstem.scans.specimen.cells import Lattice
from polarstem.scans.specimen.lattice import find_lattice
from polarstem.scans.specimen.rings import RINGS
from polarstem.simulate.parallel import available_cores

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
    images : ndarray, shape (rows, columns, signal)
        Signals of virtual detectors over a part in the middle of the scan, see `ring_signals`;
        empty where they were not looked at.
    lattice : Lattice or None
        Of that part; None where there is none.
    """

    scan: Scan
    calibration: Calibration
    images: NDArray[np.float32]
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
    images = _images(scan, calibration, threads)
    lattice = None
    wanted = "lattice" not in scan.sheet.off and scan.step_nm is not None
    if wanted and min(images.shape[:2]) >= _LEAST_POSITIONS:
        assert scan.step_nm is not None
        lattice = find_lattice(images, scan.step_nm.value, cell_angstrom)
    found = lattice if lattice is not None and lattice.found else None
    return Inspection(scan, calibration, images, found)


def inspect_scan(
    scan: Path | str | NDArray[Any] | Scan,
    sheet: Path | str | Mapping[str, Any] | Sheet | None = None,
    *,
    threads: int | None = None,
) -> Inspection:
    """What a scan says of itself, without a model.

    Parameters
    ----------
    scan : path, ndarray or Scan
        Detector file or folder, counts (ny, nx, ky, kx), or what `open_scan` gave.
    sheet : path, mapping, Sheet or None
        What is known of the scan beside its file.
    threads : int, optional
        All cores by default.

    Returns
    -------
    Inspection

    Raises
    ------
    PolarstemError
        If the scan cannot be read or calibrated.
    """
    if isinstance(scan, Path | str):
        scan = open_scan(scan, sheet)
    elif not isinstance(scan, Scan):
        scan = ArrayScan(scan, load_sheet(sheet))
    return inspect(scan, threads=threads or available_cores())


def _images(scan: Scan, calibration: Calibration, threads: int) -> NDArray[np.float32]:
    """Virtual detectors over a patch in the middle of the scan, shape (rows, columns, signal)."""
    rows, columns = _patch(scan)
    keep = np.zeros(scan.shape[:2], bool)
    keep[rows, columns] = True
    keep &= scan.included
    signals = np.full((scan.shape[0] * scan.shape[1], len(RINGS) + 2), np.nan, np.float32)

    def look(index: NDArray[np.int64], patterns: NDArray[np.generic]) -> None:
        signals[index] = calibration.ring_signals(index, patterns)

    for _ in read(scan, np.flatnonzero(keep), look, threads):
        pass
    return signals.reshape(*scan.shape[:2], -1)[rows, columns]


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
