# SPDX-License-Identifier: GPL-3.0-or-later
"""What a mapper must be trained for to serve a scan: optics, zone axis and detector."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polarstem.errors import PolarstemError
from polarstem.scans.files.readers import open_scan
from polarstem.scans.inspection import inspect
from polarstem.scans.scan import Scan
from polarstem.scans.sourced import Sourced
from polarstem.simulate.parallel import available_cores

AGREE = 1e-3  # relative difference of a number given twice


@dataclass(frozen=True)
class Wanted:
    """What a scan asks of a mapper.

    Attributes
    ----------
    energy_kv, semiangle_mrad : Sourced or None
        Accelerating voltage [kV] and convergence semi-angle [mrad], where they are known.
    zone_axis : Sourced or None
        Beam direction, where it is known.
    reach_mrad, pixel_mrad : float or None
        Angle to which the detector sees on every side of the beam, and that of a pixel [mrad].
    path : Path
        Of the scan.
    """

    energy_kv: Sourced | None
    semiangle_mrad: Sourced | None
    zone_axis: Sourced | None
    reach_mrad: float | None
    pixel_mrad: float | None
    path: Path


def wanted_by(scan: Path | str, sheet: Any = None, semiangle_mrad: float | None = None) -> Wanted:
    """Find what a scan asks of a mapper.

    The angle of a pixel is that of file or sheet; where neither has it, it follows from the
    radius of the disc and the semi-angle.

    Parameters
    ----------
    scan : path
        Detector file, or folder of images.
    sheet : path, mapping, Sheet or None
        What is known of it beside its file.
    semiangle_mrad : float, optional
        Where neither file nor sheet tells it [mrad].

    Raises
    ------
    PolarstemError
        If the scan cannot be read or calibrated.
    """
    opened = open_scan(scan, sheet)
    known = opened.settings
    semiangle = known.get("semiangle_mrad")
    if semiangle is None and semiangle_mrad is not None:
        semiangle = Sourced(semiangle_mrad, "mrad", "assumed", "as asked for")
    reach, pixel = _detector(opened, semiangle)
    return Wanted(
        known.get("energy_kv"),
        known.get("semiangle_mrad"),
        known.get("zone_axis"),
        reach,
        pixel,
        opened.path,
    )


def _detector(scan: Scan, semiangle: Sourced | None) -> tuple[float | None, float | None]:
    """Angle from the beam to the nearest edge of the detector, and that of a pixel [mrad]."""
    if semiangle is None:
        return None, None
    calibration = inspect(scan, semiangle, threads=available_cores()).calibration
    row, column = calibration.settings["centre"].value
    height, width = scan.shape[2:]
    pixels = min(row, column, height - 1 - row, width - 1 - column) + 0.5
    scale = calibration.mrad_per_pixel
    return float(pixels * scale), float(scale)


def agreed(name: str, given: float | None, found: Sourced | None, path: Path) -> float | None:
    """A number of the command line or of the scan; both must agree.

    Parameters
    ----------
    name : str
        Under which both know it.
    given : float or None
        By the command line.
    found : Sourced or None
        By the scan.
    path : Path
        Of the scan.

    Raises
    ------
    PolarstemError
        If they differ by more than a thousandth: the mapper would not serve the scan.
    """
    if found is None:
        return given
    value = float(found.value)
    if given is not None and abs(given - value) > AGREE * value:
        option = f"--{name.replace('_', '-')}"
        raise PolarstemError(
            f"{option} is {given:g}, but {path} has {found}, and a mapper for one does not serve "
            f"the other; leave {option} out, or correct `{name}` in the scan sheet."
        )
    return value
