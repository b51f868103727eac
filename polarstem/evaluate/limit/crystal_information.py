# SPDX-License-Identifier: GPL-3.0-or-later
"""The job of the rule compute_information: scattering matrices in, limits on file."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from polarstem.checked_netcdf import save_netcdf
from polarstem.config.limit import KNOWLEDGE
from polarstem.config.physics import Simulate
from polarstem.data.chernoff import chernoff_information
from polarstem.errors import PolarstemError
from polarstem.evaluate.limit.bayes_accuracy import (
    bayes_right,
    class_information,
    electrons_needed,
    mixture_bound,
)
from polarstem.evaluate.scores.metrics import FLIP_TOLERANCE_DEG, angular_difference
from polarstem.logs import progress
from polarstem.provenance import provenance
from polarstem.seeds import derive_seed
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.scattering_matrix.matrix import ScatteringMatrix
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.structures.symmetry import Turn

logger = logging.getLogger("polarstem")

REPEATS = 4
_AGAINST = {"electrons": "the class most alike", "electrons_opposite": "the opposite direction"}
_CERTAIN = 1e-4  # errors below this are not worth drawing patterns for


def compute_information(
    matrices: Sequence[Path | str], settings: Mapping[str, Any], output: Path | str
) -> None:
    """Compute what the patterns of the reference specimens can say of their class at most.

    Parameters
    ----------
    matrices : sequence of path
        Scattering matrices, named after their crystals.
    settings : mapping
        From `polarstem.config.limit.limit_settings`.
    output : path
        netCDF file of `information_dataset`. Without matrices, for specimens that do not repeat in
        the plane, it has no group and no numbers.

    Raises
    ------
    PolarstemError
        If a matrix is missing or does not fit the settings.
    """
    paths = {Path(path).stem: Path(path) for path in matrices}
    groups = [class_patterns(group, paths, settings) for group in settings["groups"]]
    if not groups:
        logger.info("no scattering matrices: the specimens do not repeat in the plane")
    data = information_dataset(groups, settings)
    signs = [
        beam_sign_electrons(group, patterns, paths, settings)
        for group, patterns in zip(settings["groups"], groups, strict=True)
    ]
    if signs and sum(map(len, signs)):
        data["electrons_beam_sign"] = (
            ("pair", *data["electrons"].dims),
            np.concatenate(signs),
            {
                "units": "1",
                "long_name": "electrons per pattern for 1 % error between the signs of the "
                "component along the beam, for each specimen that has one",
            },
        )
    data.attrs = {
        "title": "Information that a pattern holds about its class",
        "assumptions": "expected patterns known exactly, amplitude and variant known, Poisson "
        "counting the only noise, all classes, thicknesses and positions of the grid equally "
        "probable",
        **provenance(settings, seed=settings["seed"]),
    }
    save_netcdf(data, output, {name: {"zlib": True} for name in ("chernoff", "accuracy")})


def class_patterns(
    group: Sequence[Mapping[str, Any]],
    matrices: Mapping[str, Path],
    settings: Mapping[str, Any],
) -> NDArray[np.float32]:
    """Measure what is expected of each class on a grid over the cell.

    Returns
    -------
    ndarray, shape (class, thickness, position, pixel), float32
        Fractions of the beam; positions row by row from the top of the cell.
    """
    simulate = Simulate.model_validate(settings["simulate"])
    optics = Optics(simulate.semiangle_mrad, simulate.aberrations, simulate.tilt_mrad)
    eyes: dict[str, VirtualMicroscope] = {}
    patterns = []
    for member in group:
        name = member["crystal"]
        if name not in eyes:
            if name not in matrices:
                raise PolarstemError(
                    f"The scattering matrix of crystal {name} is missing among those given; run "
                    "the workflow to compute it."
                )
            matrix = ScatteringMatrix.load(matrices[name], simulate)
            eyes[name] = VirtualMicroscope(matrix, simulate.detector)
        (a, b), (c, d) = member["turn"]
        turn: Turn = ((a, b), (c, d))
        height, width = eyes[name].matrix.grid.size
        across, up = settings["cells_per_unit"]
        centres = cell_centres(settings["bins"])
        # y of a fraction points down, y of a position up
        y, x = np.meshgrid(-centres * height / up, centres * width / across, indexing="ij")
        positions = np.stack([x.ravel(), y.ravel()], axis=1)
        images = eyes[name].measure(positions, settings["thicknesses_nm"], optics, turn=turn)
        patterns.append(images.flatten(2).numpy())
    return np.stack(patterns)


def beam_sign_electrons(
    group: Sequence[Mapping[str, Any]],
    patterns: NDArray[np.float32],
    matrices: Mapping[str, Path],
    settings: Mapping[str, Any],
) -> NDArray[np.float64]:
    """Electrons that tell the two signs of a polarization's component along the beam apart.

    Parameters
    ----------
    group : sequence of mapping
        Specimens; those with an ``other_sign`` are compared with it.
    patterns : ndarray, shape (class, thickness, position, pixel)
        Of the specimens, from `class_patterns`.
    matrices, settings
        As for `compute_information`.

    Returns
    -------
    ndarray, shape (pair, thickness, cell_y, cell_x)
        For 1 % error; infinite where both have one crystal, so that patterns are the same.
    """
    bins = settings["bins"]
    needed = []
    for member, own in zip(group, patterns, strict=True):
        other = member.get("other_sign")
        if other is None:
            continue
        if all(other[key] == member[key] for key in ("crystal", "turn")):
            found = np.full(own.shape[:2], np.inf)
        else:
            (theirs,) = class_patterns([other], matrices, settings)
            found = electrons_needed(chernoff_information(own, theirs))
        needed.append(found.reshape(-1, bins, bins))
    return np.array(needed).reshape(-1, len(settings["thicknesses_nm"]), bins, bins)


def cell_centres(bins: int) -> NDArray[np.float64]:
    """Middle of each bin along a side of the cell, as a fraction, shape (bins,)."""
    return (np.arange(bins) + 0.5) / bins


def information_dataset(
    groups: Sequence[NDArray[np.float32]], settings: Mapping[str, Any], repeats: int = REPEATS
) -> xr.Dataset:
    """Evaluate the limits.

    Parameters
    ----------
    groups : sequence of ndarray, shape (class, thickness, position, pixel)
        Expected patterns of specimens that differ in class alone, from `class_patterns`.
    settings : mapping
        ``groups``, ``thicknesses_nm`` [nm], ``doses`` [electrons], ``bins`` and ``seed``.
    repeats : int
        Patterns drawn for each class and position.

    Returns
    -------
    Dataset
        ``chernoff`` (group, thickness, true, other, cell_y, cell_x) [1 per electron];
        ``electrons`` (thickness, cell_y, cell_x), electrons for 1 % error against the class most
        alike, and ``electrons_opposite``, against the opposite sign: means over classes and
        groups; ``accuracy`` (knowledge, thickness, dose, cell_y, cell_x) of the Bayes classifier,
        and ``drawn`` (thickness, dose), the number of patterns that it was simulated with, 0 where
        a bound leaves less than 0.01 % of errors.
    """
    bins, doses = settings["bins"], settings["doses"]
    thicknesses = [float(t) for t in settings["thicknesses_nm"]]
    members = settings["groups"][0] if groups else []
    names = [member["class_name"] for member in members]
    directions = np.array([member["direction_deg"] for member in members], float)
    cell = (bins, bins)
    chernoff = np.empty((len(groups), len(thicknesses), len(names), len(names), *cell), "f4")
    accuracy = np.full(
        (len(KNOWLEDGE), len(thicknesses), len(doses), *cell), 0.0 if groups else np.nan
    )
    drawn = np.zeros((len(thicknesses), len(doses)), np.int64)
    work = [(number, dose) for number in range(len(groups)) for dose in range(len(doses))]
    for number, patterns in enumerate(groups):
        information = class_information(patterns).reshape(len(names), len(names), -1, *cell)
        chernoff[number] = information.transpose(2, 0, 1, 3, 4)
    for number, dose in progress(work, len(work), "doses"):
        patterns = groups[number]
        templates = patterns.reshape(len(names), -1, patterns.shape[-1])
        # a mean over thicknesses: all errors may belong to one of them
        sure = mixture_bound(templates, doses[dose]) * len(thicknesses) < _CERTAIN
        for plane in range(len(thicknesses)):
            if sure:
                accuracy[:, plane, dose] += 1 / len(groups)
                continue
            seed = derive_seed(settings["seed"], "limit", number, plane, dose)
            right = bayes_right(patterns, plane, doses[dose], repeats, seed)
            for row, knowledge in enumerate(KNOWLEDGE):
                accuracy[row, plane, dose] += right[knowledge].reshape(cell) / len(groups)
            drawn[plane, dose] += repeats * len(names) * bins**2
    electrons = {name: np.full((len(thicknesses), *cell), np.nan) for name in _AGAINST}
    if groups:
        electrons["electrons"] = electrons_needed(chernoff.min(3)).mean((0, 2))
        angle = angular_difference(directions[:, None], directions)
        one, other = np.nonzero(angle > 180 - FLIP_TOLERANCE_DEG)
        if len(one):
            needed = electrons_needed(chernoff[:, :, one, other])
            electrons["electrons_opposite"] = needed.mean((0, 2))
    return _labelled(chernoff, electrons, accuracy, drawn, names, thicknesses, doses)


def _labelled(
    chernoff: NDArray[np.float32],
    electrons: Mapping[str, NDArray[np.float64]],
    accuracy: NDArray[np.float64],
    drawn: NDArray[np.int64],
    names: Sequence[str],
    thicknesses: Sequence[float],
    doses: Sequence[float],
) -> xr.Dataset:
    cell, centres = ("cell_y", "cell_x"), cell_centres(accuracy.shape[-1])

    def about(
        dims: str | tuple[str, ...], values: Any, long_name: str, units: str = "1"
    ) -> tuple[str | tuple[str, ...], Any, dict[str, str]]:
        return dims, values, {"units": units, "long_name": long_name}

    needed = "electrons per pattern for 1 % error against"
    return xr.Dataset(
        {
            "chernoff": about(
                ("group", "thickness", "true", "other", *cell),
                chernoff,
                "Chernoff information of two classes per electron",
            ),
            **{
                name: about(("thickness", *cell), electrons[name], f"{needed} {other}")
                for name, other in _AGAINST.items()
            },
            "accuracy": about(
                ("knowledge", "thickness", "dose", *cell),
                accuracy,
                "share of the patterns that the Bayes classifier gets right",
            ),
            "drawn": about(
                ("thickness", "dose"), drawn, "patterns drawn for the accuracy; 0 where certain"
            ),
        },
        coords={
            "knowledge": about("knowledge", np.array(KNOWLEDGE, object), "what is known"),
            "thickness": about("thickness", list(thicknesses), "nominal thickness", "nm"),
            "dose": about("dose", list(doses), "electrons per pattern"),
            "true": about("true", np.array(names, object), "true class"),
            "other": about("other", np.array(names, object), "other class"),
            "cell_y": about("cell_y", centres, "position in the projected cell, down"),
            "cell_x": about("cell_x", centres, "position in the projected cell, right"),
        },
    )
