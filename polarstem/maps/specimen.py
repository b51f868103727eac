# SPDX-License-Identifier: GPL-3.0-or-later
"""Thickness, tilt and orientation of the specimen, from the mean pattern of a scan."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from polarstem.errors import PolarstemError
from polarstem.maps.setup import Setup
from polarstem.scans.calibration.calibrate import Calibration, Step
from polarstem.scans.sourced import Sourced
from polarstem.scans.specimen.pacbed import PacbedFit, PacbedFitter

_FINER = 2  # pixels along one of the model's
_DISC = 0.88  # half of a square's edge that holds nine tenths of a disc of radius 1
_WIDER = 1.45  # than the model's grid: a turned one lies within


class Specimen:
    """Compares mean patterns of a scan with the library of its model.

    Parameters
    ----------
    setup : Setup
        Scan and model; the sheet may switch thickness, tilt or both off.

    Attributes
    ----------
    fit : PacbedFit or None
        Of the mean pattern, once one was compared.
    """

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.fit: PacbedFit | None = None
        self._fitter = None if setup.library is None else PacbedFitter(setup.library)

    def orientation(self, calibration: Calibration) -> Sourced | None:
        """Angle of a crystal axis on the detector [degrees], modulo 90; None without a library.

        Parameters
        ----------
        calibration : Calibration
            Its sample's mean pattern is compared.
        """
        if self._fitter is None:
            return None
        trained = self.setup.trained
        fine = trained["mrad_per_pixel"] / _FINER
        rows, columns = calibration.settings["centre"].value
        height, width = calibration.shape[2:]
        seen = min(rows, columns, height - 1 - rows, width - 1 - columns) + 0.5
        refuse_narrow(seen, calibration.settings, trained["semiangle_mrad"])
        wanted = _WIDER * trained["pixels"] * trained["mrad_per_pixel"] / 2
        half = int(min(seen * calibration.mrad_per_pixel, wanted) / fine)
        mean = calibration.mean_pattern(0.0, 2 * half, fine)
        self.fit = self._fitter.fit(mean, mrad_per_pixel=fine)
        return self.fit.rotation

    def turn_to(self, angle_deg: float) -> None:
        """Tell the tilt in the frame whose x axis lies at this angle on the detector [degrees]."""
        if self.fit is not None and self.setup.library is not None:
            self.fit = self.fit.turned_to(angle_deg, self.setup.library.fold)

    def look(self, mean: NDArray[np.float64]) -> None:
        """Compare a mean pattern on the model's grid, in the crystal's frame, if none was yet."""
        if self._fitter is not None and self.fit is None:
            self.fit = self._fitter.fit(mean, rotation_deg=0.0)

    @property
    def thickness_nm(self) -> Sourced | None:
        """Thickness as the sheet gives it, else as measured [nm]."""
        given = self.setup.given("thickness_nm")
        if given is not None:
            return given
        return None if self.fit is None or not self.setup.wants("thickness") else self.fit.thickness

    @property
    def tilt_mrad(self) -> Sourced | None:
        """Tilt of the beam in the crystal's frame, x and y up [mrad], as measured."""
        return None if self.fit is None or not self.setup.wants("tilt") else self.fit.tilt

    @property
    def templates_nm(self) -> float | None:
        """One thickness for simulated patterns [nm]; None without a library."""
        if self.setup.library is None:
            return None
        found = self.thickness_nm
        if found is None:
            return float(np.mean(self.setup.trained["thickness_nm"]))
        return float(np.mean(found.value))

    def warnings(self) -> list[str]:
        """What the fit says against itself, the sheet or the model."""
        if self.fit is None or not self.setup.wants("thickness"):
            return []
        found = list(self.fit.warnings)
        measured = self.fit.measured_thickness
        if measured is None:
            return found
        low, high = self.setup.trained["thickness_nm"]
        if not low <= measured.value <= high:
            found.append(
                f"The specimen seems to be {measured.value:.3g} nm thick, the model was trained "
                f"for {low:g} to {high:g} nm."
            )
        given = self.setup.given("thickness_nm")
        if given is not None and measured.interval is not None:
            thinnest, thickest = np.min(given.value), np.max(given.value)
            if thickest < measured.interval[0] or thinnest > measured.interval[1]:
                found.append(
                    f"The sheet gives the thickness as {thinnest:g} to {thickest:g} nm, the mean "
                    f"pattern looks like {measured.value:.3g} nm."
                )
        return found

    def steps(self) -> list[Step]:
        """What became of the two steps."""
        if self.fit is None:
            off = {"thickness", "tilt"} <= set(self.setup.sheet.off)
            why = "Switched off in the sheet." if off else "The model has no library."
            return [Step(n, "off" if off else "impossible", why) for n in ("thickness", "tilt")]
        fit, made = self.fit, []
        for name, found, values in (
            ("thickness", fit.thickness, {}),
            ("tilt", fit.tilt, {"error_mrad": float(fit.tilt_error)}),
        ):
            if not self.setup.wants(name):
                made.append(Step(name, "off", "Switched off in the sheet."))
                continue
            if found is None:
                made.append(Step(name, "impossible", fit.about_crystal))
                continue
            if name == "thickness":
                values = {"thickness_nm": float(found.value)}
            made.append(Step(name, "done", f"Mean pattern: {found}.", values))
        diagnostics = {
            "nm": fit.thickness_nm,
            "residual": fit.residual,
            "measured": fit.measured,
            "simulated": fit.simulated,
        }
        made[0].diagnostics.update(diagnostics)
        return made


def refuse_narrow(seen: float, settings: Mapping[str, Sourced], semiangle_mrad: float) -> None:
    """Refuse a scale by which the detector does not hold the central disc.

    Parameters
    ----------
    seen : float
        Distance of the beam from the nearest edge of the detector [pixels].
    settings : mapping of str to Sourced
        Of the scan: its ``mrad_per_pixel`` and ``disc_radius_pixels``, where known.
    semiangle_mrad : float
        Radius of the disc [mrad].

    Raises
    ------
    PolarstemError
        With the numbers that the file or the sheet gave.
    """
    scale, radius = settings["mrad_per_pixel"], settings.get("disc_radius_pixels")
    reach = seen * scale.value
    if reach >= _DISC * semiangle_mrad:
        return
    measured = ""
    if radius is not None:
        measured = (
            f"; by the radius of the disc it would be {semiangle_mrad / radius.value:.3g} mrad"
        )
    raise PolarstemError(
        f"With {scale.value:.4g} mrad per pixel, as the {scale.origin} gives it, the detector "
        f"reaches to {reach:.3g} mrad from the beam, less than the disc of {semiangle_mrad:g} mrad"
        f"{measured}: correct `mrad_per_pixel` or `centre` in the scan sheet."
    )
