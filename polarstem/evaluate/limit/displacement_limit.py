# SPDX-License-Identifier: GPL-3.0-or-later
"""The job of the rule compute_vector_bound: displaced crystals in, bounds on file."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from polarstem.checked_netcdf import save_netcdf
from polarstem.config.vector_bound import KNOWLEDGE, PARAMETERS
from polarstem.evaluate.limit.count_fit import fit_errors
from polarstem.evaluate.limit.crystal_information import cell_centres
from polarstem.evaluate.limit.displaced_patterns import DisplacedPatterns, Expansion
from polarstem.evaluate.limit.vector_bound import (
    component_error,
    displacement_covariance,
    fisher_information,
)
from polarstem.logs import progress
from polarstem.provenance import provenance
from polarstem.seeds import derive_seed
from polarstem.structures.polar_mode import PolarMode

logger = logging.getLogger("polarstem")

FITTED_PM = 1.0
"""Largest bound that is checked by fits: their patterns are expanded about the truth [pm]."""


def compute_vector_bound(settings: Mapping[str, Any], output: Path | str) -> None:
    """Compute how exactly the projected displacement of B can be measured at most.

    Parameters
    ----------
    settings : mapping
        From `polarstem.config.vector_bound.vector_bound_settings`.
    output : path
        netCDF file of `bound_dataset`.

    Raises
    ------
    PolarstemError
        If the settings do not fit the crystal.
    """
    structure = settings["structure"]
    mode = PolarMode.of(structure["material"], structure["phase"])
    microscope = DisplacedPatterns(settings)
    expansions = []
    amplitudes = settings["amplitudes"]
    for amplitude in progress(amplitudes, len(amplitudes), "amplitudes"):
        vector = [amplitude * mode.full_pm * part for part in settings["direction"]]
        logger.info("polar vector of %.3g, %.3g, %.3g pm", *vector)
        expansions.append(microscope.expansion(vector))
        microscope.forget()
    data = bound_dataset(expansions, settings)
    data.attrs = {
        "title": "Bound of the projected displacement of B against the mean of its oxygens",
        "assumptions": "expected patterns known but for the nuisances, which a unit cell's "
        "patterns share; direction of the atoms' displacements by one template, scaled and turned; "
        "Poisson counting the only noise; unbiased estimates",
        "nuisance": " ".join(settings["nuisance"]),
        "direction": list(settings["direction"]),
        "template_pm": mode.full_pm,
        "template_misfit_pm": mode.misfit_pm,
        **provenance(settings, seed=settings["seed"]),
    }
    save_netcdf(data, output)


def bound_dataset(expansions: Sequence[Expansion], settings: Mapping[str, Any]) -> xr.Dataset:
    """Evaluate the bounds, and fits to simulated counts at the middle thickness.

    Parameters
    ----------
    expansions : sequence of Expansion
        Of each amplitude.
    settings : mapping
        ``amplitudes``, ``thicknesses_nm`` [nm], ``doses`` [electrons], ``positions``, ``nuisance``,
        ``draws`` and ``seed``.

    Returns
    -------
    Dataset
        ``fisher`` (amplitude, thickness, cell_y, cell_x, parameter, other) per electron;
        ``error`` (knowledge, amplitude, thickness, cell_y, cell_x), of a component from one pattern
        of one electron, and ``cell_error`` (knowledge, amplitude, thickness), from patterns of
        all positions that share one electron [pm]: N electrons have 1/sqrt(N) of it;
        ``cell_covariance`` of that; ``fit_ratio``, ``fit_low``, ``fit_high`` and ``draws``
        (knowledge, amplitude, thickness, dose), mean squared error of fits over the bound.
    """
    amplitudes, doses = settings["amplitudes"], settings["doses"]
    thicknesses, bins = settings["thicknesses_nm"], settings["positions"]
    knowledge: dict[str, list[str]] = {"known": [], "unknown": list(settings["nuisance"])}
    fisher = np.stack([fisher_information(e.patterns, e.slopes) for e in expansions])
    of_cell = fisher.mean(2)
    errors, covariances = [], []
    for name in KNOWLEDGE:
        errors.append(component_error(displacement_covariance(fisher, knowledge[name])))
        covariances.append(displacement_covariance(of_cell, knowledge[name]))
    shape = (len(KNOWLEDGE), len(amplitudes), len(thicknesses), len(doses))
    fits, draws = np.full((*shape, 3), np.nan), np.zeros(shape, np.int64)
    middle = len(thicknesses) // 2
    cell_error = component_error(np.array(covariances))
    electrons = bins**2 * np.array(doses)
    small = cell_error[:, :, middle, None] / np.sqrt(electrons) <= FITTED_PM
    places = list(zip(*np.nonzero(small), strict=True)) if settings["draws"] else []
    for k, a, d in progress(places, len(places), "fits"):
        here, seed = (k, a, middle, d), derive_seed(settings["seed"], "vector", int(a), int(d))
        one = expansions[a]
        part = Expansion(one.patterns[middle], one.slopes[:, middle], one.curvatures[:, middle])
        nuisance = knowledge[KNOWLEDGE[k]]
        fits[here] = fit_errors(part, doses[d], nuisance, settings["draws"], seed)
        draws[here] = settings["draws"]
    cell, known = ("cell_y", "cell_x"), ("knowledge", "amplitude", "thickness")
    square = (*fisher.shape[:2], bins, bins)
    fit = (*known, "dose")
    covariance = np.array(covariances)

    def about(dims: Any, values: Any, long_name: str, units: str = "1") -> tuple[Any, ...]:
        return dims, values, {"units": units, "long_name": long_name}

    names = np.array(list(PARAMETERS), object)
    centres = cell_centres(bins)
    return xr.Dataset(
        {
            "fisher": about(
                ("amplitude", "thickness", *cell, "parameter", "other"),
                fisher.reshape(*square, len(names), len(names)),
                "Fisher information per electron, over the units of both parameters",
            ),
            "error": about(
                (*known, *cell),
                np.array(errors).reshape(len(KNOWLEDGE), *square),
                "smallest standard deviation of a component from a pattern of one electron",
                "pm",
            ),
            "cell_error": about(
                known,
                cell_error,
                "smallest standard deviation of a component from a cell of one electron",
                "pm",
            ),
            "cell_covariance": about(
                (*known, "component", "component_other"),
                covariance,
                "smallest covariance of the components from a cell of one electron",
                "pm2",
            ),
            "fit_ratio": about(fit, fits[..., 0], "mean squared error of fits over the bound"),
            "fit_low": about(fit, fits[..., 1], "lower end of its 95 % interval"),
            "fit_high": about(fit, fits[..., 2], "upper end of its 95 % interval"),
            "draws": about(fit, draws, "simulated scans of a cell that were fitted"),
        },
        coords={
            "knowledge": about("knowledge", np.array(KNOWLEDGE, object), "nuisances are"),
            "amplitude": about("amplitude", list(amplitudes), "polar vector over the template's"),
            "thickness": about("thickness", list(thicknesses), "nominal thickness", "nm"),
            "dose": about("dose", list(doses), "electrons per pattern"),
            "parameter": about("parameter", names, "parameter of a pattern"),
            "other": about("other", names, "another parameter"),
            "parameter_units": about(
                "parameter", np.array(list(PARAMETERS.values()), object), "unit of the parameter"
            ),
            "component": about("component", np.array(["ux", "uy"], object), "right, up"),
            "component_other": about("component_other", np.array(["ux", "uy"], object), "the same"),
            "cell_y": about("cell_y", centres, "position in the projected cell, down"),
            "cell_x": about("cell_x", centres, "position in the projected cell, right"),
        },
    )
