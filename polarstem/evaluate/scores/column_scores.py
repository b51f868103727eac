# SPDX-License-Identifier: GPL-3.0-or-later
"""Displacements by columns in virtual images of test specimens, beside those by fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from polarstem.files import open_netcdf

Floats = NDArray[np.float64]

METHODS = {
    "dark_field": ("columns in annular dark field images", ("dark field B - A",)),
    "bright_field": (
        "columns in annular bright field images",
        ("bright field B - A", "bright field B - O"),
    ),
    "deflection": ("the deflection of the beam", ("deflection",)),
    "friedel_pairs": ("Friedel pairs of the mean pattern", ("Friedel pairs",)),
}
"""Of each method, what it is, and what it measures."""
LEAST_SCANS = 20
"""Fewer leave the calibration to chance: it has up to nine gains."""
_MIDDLE_NM, _UNIT_NM = 20.0, 10.0
_POWERS = (0, 1, 2)  # of the thickness, in gains


def column_errors(
    paths: Sequence[Path | str], truth_pm: Mapping[str, Sequence[float]]
) -> dict[str, dict[str, Floats]]:
    """Errors of each method, calibrated on all other scans.

    A displacement is what the method measures, and the tilt, each times a gain that is a polynomial
    of the thickness; the gains are those of least squares. Thickness and tilt are what the mean
    pattern of each scan says.

    Parameters
    ----------
    paths : sequence of path
        Files by `polarstem.displacements.specimen_displacements.fit_specimens`.
    truth_pm : mapping
        Specimen -> displacement to the right and up [pm].

    Returns
    -------
    dict
        Method -> specimen -> errors of what was measured (scan, 2) [pm]; empty with fewer scans
        than `LEAST_SCANS`.
    """
    found, tilt, nm, owner = [], [], [], []
    for path in paths:
        with open_netcdf(path, "displacements") as data:
            names = data["column_feature"].values.astype(str).tolist()
            found.append(data["columns"].values)
            tilt.append(np.stack([data[f"measured_tilt_{axis}"].values for axis in "xy"], axis=1))
            nm.append(data["measured_thickness"].values)
            owner += data["specimen"].values.astype(str).tolist()
    if len(owner) < LEAST_SCANS:
        return {}
    columns, tilts = np.concatenate(found), np.concatenate(tilt)
    truth = np.array([truth_pm[name] for name in owner])
    thicker = (np.concatenate(nm) - _MIDDLE_NM) / _UNIT_NM
    told: dict[str, dict[str, Floats]] = {}
    for method, (_, measured) in METHODS.items():
        features = np.stack([*(columns[:, names.index(each)] for each in measured), tilts], axis=-1)
        error = _calibrated(features, thicker, truth) - truth
        known = np.isfinite(error).all(1)
        told[method] = {
            name: error[known & (np.array(owner) == name)]
            for name in np.unique(np.array(owner)[known]).tolist()
        }
    return told


def _calibrated(measured: Floats, thicker: Floats, truth: Floats) -> Floats:
    """Displacements by (specimen, axis, feature), each by the gains of all others."""
    factors = np.stack([thicker**power for power in _POWERS], axis=-1)
    design = np.einsum("naf,np->nafp", measured, factors).reshape(*truth.shape, -1)
    known = np.isfinite(design).all((1, 2))
    told = np.full(truth.shape, np.nan)
    for left_out in np.flatnonzero(known):
        others = known.copy()
        others[left_out] = False
        gains, *_ = np.linalg.lstsq(
            design[others].reshape(-1, design.shape[-1]), truth[others].ravel()
        )
        told[left_out] = design[left_out] @ gains
    return told
