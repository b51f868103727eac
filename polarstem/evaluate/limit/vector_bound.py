# SPDX-License-Identifier: GPL-3.0-or-later
"""How exactly counted patterns can tell a displacement at most: the Cramér-Rao bound.

The displacement is that of B against the mean of its oxygens, seen along the beam. Counts are
independent Poisson numbers about expected patterns that are known but for some parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from polarstem.config.vector_bound import PARAMETERS
from polarstem.evaluate.summary.entries import Entry, entry
from polarstem.files import open_netcdf

Floats = NDArray[np.float64]
SIGMAS = 3.0
"""Standard deviations that a displacement must have to be told from zero."""
_FLOOR = 1e-14  # of the beam: pixels that expect less say nothing
_WHAT = {"known": "nothing else unknown", "unknown": "with {} unknown as well"}


def fisher_information(patterns: Floats, slopes: Floats) -> Floats:
    """Fisher information of independent Poisson counts, per electron of the beam.

    Parameters
    ----------
    patterns : ndarray, shape (..., pixel)
        Expected fractions p of the beam.
    slopes : ndarray, shape (parameter, ..., pixel)
        Their derivatives.

    Returns
    -------
    ndarray, shape (..., parameter, parameter)
        Sum over pixels of ``dp/da dp/db / p`` (S. M. Kay, Fundamentals of Statistical Signal
        Processing I, 3.7): N electrons have N times as much.
    """
    weights = np.divide(1.0, patterns, out=np.zeros_like(patterns), where=patterns > _FLOOR)
    found: Floats = np.einsum("a...k,b...k,...k->...ab", slopes, slopes, weights, optimize=True)
    return found


def displacement_covariance(fisher: Floats, nuisance: Sequence[str] = ()) -> Floats:
    """Smallest covariance of an unbiased estimate of the displacement.

    Parameters
    ----------
    fisher : ndarray, shape (..., parameter, parameter)
        Information about `PARAMETERS`.
    nuisance : sequence of str
        Those of them that are unknown beside the displacement; all others are known.

    Returns
    -------
    ndarray, shape (..., 2, 2)
        The displacement's part of the inverse of the information about all that is unknown
        [pm^2]: the inverse of what is left of the displacement's once the nuisances took theirs.
    """
    names = list(PARAMETERS)
    rows = [names.index(name) for name in nuisance]
    own = fisher[..., :2, :2]
    if rows:
        # in units in which each nuisance has an information of 1
        scale = np.sqrt(np.diagonal(fisher, axis1=-2, axis2=-1)[..., rows])
        scale = np.where(scale > 0, scale, 1.0)
        theirs = fisher[..., rows, :][..., rows] / (scale[..., :, None] * scale[..., None, :])
        mixed = fisher[..., :2, :][..., rows] / scale[..., None, :]
        lost = mixed @ np.linalg.pinv(theirs, rcond=1e-10, hermitian=True) @ mixed.swapaxes(-1, -2)
        own = own - lost
    found: Floats = np.asarray(np.linalg.inv(own), dtype=np.float64)
    return found


def component_error(covariance: Floats) -> Floats:
    """Root mean square of the standard deviations of the two components, shape (...)."""
    error: Floats = np.sqrt(np.trace(covariance, axis1=-2, axis2=-1) / 2)
    return error


def read_vector_bound(path: Path | str) -> xr.Dataset:
    """Read a file of `polarstem.evaluate.limit.displacement_limit.compute_vector_bound`."""
    with open_netcdf(path, "bound of the displacement") as file:
        return file.load()


def electrons_of_cell(data: xr.Dataset, dose: float) -> float:
    """Electrons of a unit cell whose patterns have `dose` electrons each."""
    return dose * data.sizes["cell_y"] * data.sizes["cell_x"]


def bound_entries(path: Path | str) -> dict[str, Entry]:
    """Entries of the summary: the bound per unit cell, and what fits to counts reach of it.

    Returns
    -------
    dict of str to Entry
        ``vector.bound_pm.{amplitude}.{thickness}.{dose}.{knowledge}`` and
        ``vector.fit_over_bound.`` with the same end.
    """
    data = read_vector_bound(path)
    places = data.sizes["cell_y"] * data.sizes["cell_x"]
    among = ", ".join(data.attrs["nuisance"].split())
    found: dict[str, Entry] = {}
    fits: dict[str, Entry] = {}
    for knowledge in data["knowledge"].values:
        for amplitude in data["amplitude"].values:
            for nm in data["thickness"].values:
                here = data.sel(knowledge=knowledge, amplitude=amplitude, thickness=nm)
                for dose in data["dose"].values:
                    end = f"{amplitude:g}.{nm:g}.{dose:g}.{knowledge}"
                    error = float(here["cell_error"]) / np.sqrt(electrons_of_cell(data, dose))
                    under = (
                        f"polar vector of {amplitude:g} templates, {nm:g} nm, {places} patterns of "
                        f"{dose:g} electrons each, {_WHAT[knowledge].format(among)}"
                    )
                    meaning = (
                        "Smallest standard deviation of a component of B's projected displacement "
                        f"per unit cell (Cramér-Rao): {under}; n probe positions"
                    )
                    found[f"vector.bound_pm.{end}"] = entry(error, "pm", meaning, n=places)
                    fit = here.sel(dose=dose)
                    if int(fit["draws"]):
                        ratio, low, high = (
                            float(fit[name]) for name in ("fit_ratio", "fit_low", "fit_high")
                        )
                        meaning = (
                            "Mean squared error of maximum-likelihood fits to simulated counts "
                            f"over that bound: {under}; n fits"
                        )
                        fits[f"vector.fit_over_bound.{end}"] = entry(
                            ratio, "1", meaning, low=low, high=high, n=int(fit["draws"])
                        )
    return found | fits
