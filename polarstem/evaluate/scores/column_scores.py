# SPDX-License-Identifier: GPL-3.0-or-later
"""Displacements by columns in virtual images of test specimens, beside those by fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from polarstem.evaluate.scores.specimen_entries import mean, of_specimens
from polarstem.evaluate.summary.entries import Entry
from polarstem.files import open_netcdf

if TYPE_CHECKING:
    from polarstem.evaluate.scores.vector_scores import Fits

Floats = NDArray[np.float64]

METHODS = {
    "dark field": "columns in annular dark field images",
    "bright field": "columns in annular bright field images",
    "deflection": "the deflection of the beam",
    "Friedel pairs": "Friedel pairs of the mean pattern",
}
"""How features of each method begin, and what it is."""
LEAST_SCANS = 20
"""Fewer leave the calibration to chance: it has up to twelve gains."""
_MIDDLE_NM, _UNIT_NM = 20.0, 10.0
_POWERS = (0, 1, 2)  # of the thickness, in gains


def beside_columns(
    every: Fits, paths: Sequence[Path | str], scored: tuple[float, float], confidence: float
) -> dict[str, Entry]:
    """Errors of other methods on the same scans, and the best of them over that of fits.

    Parameters
    ----------
    every : Fits
        Of unit cells.
    paths : sequence of path
        See `column_errors`.
    scored : (float, float)
        Amplitudes of the crystals whose errors count.
    confidence : float
        Level of the intervals over specimens.
    """
    low, high = scored
    cells = every.of(every.told & (every.amplitude >= low) & (every.amplitude <= high))
    truth = dict(zip(every.specimen.tolist(), every.true.tolist(), strict=True))
    squares = {
        name: float(np.square((cells.found - cells.true)[cells.specimen == name]).mean())
        for name in np.unique(cells.specimen).tolist()
    }
    crystals = f"crystals of {low:g} to {high:g} of the displacements"
    found: dict[str, Entry] = {}
    ratios = []
    for method, errors in column_errors(paths, truth).items():
        members = [
            np.array([np.square(errors[name]).mean(), square])
            for name, square in squares.items()
            if name in errors
        ]
        found[f"vector.columns_pm.{method.lower().replace(' ', '_')}"] = of_specimens(
            members,
            lambda parts: float(np.sqrt(np.mean(parts, axis=0)[0])),
            "pm",
            "Root mean square error of a component of the displacement of a specimen by "
            f"{METHODS[method]}, calibrated on all other specimens; {crystals}",
            confidence,
        )
        ratio = of_specimens(
            members,
            lambda parts: float(np.sqrt(np.divide(*np.mean(parts, axis=0)))),
            "1",
            "Error of the best of columns, deflection and Friedel pairs over that of the fit",
            confidence,
        )
        ratios.append(ratio)
    if ratios:
        found["vector.columns_ratio"] = min(ratios, key=lambda each: each["value"] or np.inf)
        found["vector.columns_pm.nothing"] = of_specimens(
            [np.square(truth[name]) for name in squares],
            lambda parts: float(np.sqrt(mean(parts))),
            "pm",
            f"The same error of one who tells no displacement anywhere; {crystals}",
            confidence,
        )
    return found


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
    for method in METHODS:
        own = [n for n, name in enumerate(names) if name.startswith(method)]
        features = np.stack([*columns[:, own].swapaxes(0, 1), tilts], axis=-1)
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
