# SPDX-License-Identifier: GPL-3.0-or-later
"""What figures of a map's calibration show: ``diagnostics.nc``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from polarstem.scans.calibration.calibrate import Calibration, Step
from polarstem.scans.specimen.cells import Lattice

# variable: (step, its array, what it is)
_ARRAYS = {
    "pixels_mean": ("pixels", "total", "mean pattern of the sample"),
    "pixels_bad": ("pixels", "bad_pixels", "pixels that are left out"),
    "centring_position": ("centring", "places", "row and column of a part of the scan"),
    "centring_measured": ("centring", "centres", "row and column of the centre there"),
    "rotation_angle": ("rotation", "angles_deg", "rotation of the detector that is tried"),
    "rotation_curl": ("rotation", "curl", "curl of the deflections, relative"),
    "rotation_curl_transposed": ("rotation", "curl_transposed", "the same, axes exchanged"),
    "thickness_nm": ("thickness", "nm", "thickness that is tried"),
    "thickness_residual": ("thickness", "residual", "deviation of the mean pattern, relative"),
    "thickness_measured": ("thickness", "measured", "mean pattern of the scan"),
    "thickness_simulated": ("thickness", "simulated", "mean pattern that fits best"),
}
_UNITS = {
    "pixels_mean": "counts",
    "centring_measured": "pixels",
    "rotation_angle": "degrees",
    "thickness_nm": "nm",
}


def diagnostics_of(
    steps: Sequence[Step], calibration: Calibration, lattice: Lattice, rotation_deg: float
) -> xr.Dataset:
    """Collect the arrays of the steps as ``{step}_{name}``.

    Parameters
    ----------
    steps : sequence of Step
        All steps of the map.
    calibration : Calibration
        Where its centre and radius are.
    lattice : Lattice
        The cells.
    rotation_deg : float
        Of the detector, as it was taken [degrees].
    """
    found = {step.name: step.diagnostics for step in steps}
    variables: dict[str, Any] = {}
    for name, (step, array, meaning) in _ARRAYS.items():
        values = found.get(step, {}).get(array)
        if values is not None and np.size(values):
            attrs = {"units": _UNITS.get(name, "1"), "long_name": meaning}
            dims = tuple(f"{name}_{axis}" for axis in range(np.ndim(values)))
            variables[name] = (dims, values, attrs)
    if "centring_measured" in variables:
        plane = found["centring"]["centres"] - found["centring"]["residuals"]
        attrs = {"units": "pixels", "long_name": "row and column of the centre by the plane"}
        variables["centring_plane"] = (variables["centring_measured"][0], plane, attrs)
    attributes: dict[str, Any] = {
        "centre": list(calibration.settings["centre"].value),
        "rotation_deg": rotation_deg,
        "lattice_a1": lattice.vectors[0].tolist(),
        "lattice_a2": lattice.vectors[1].tolist(),
    }
    if "disc_radius_pixels" in calibration.settings:
        attributes["radius_pixels"] = calibration.settings["disc_radius_pixels"].value
    return xr.Dataset(variables, attrs=attributes)
