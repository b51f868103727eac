# SPDX-License-Identifier: GPL-3.0-or-later
"""How far test crystals are from those that were trained on, in patterns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarstem.config.physics import Simulate
from polarstem.errors import PolarstemError
from polarstem.seeds import derive_seed
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.scattering_matrix.matrix import ScatteringMatrix
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.structures.symmetry import Turn

UNIT = "of the class difference"

Patterns = NDArray[np.float32]
Member = Mapping[str, Any]


def nearest_training_crystals(
    settings: Mapping[str, Any], matrices: Mapping[str, Path | str]
) -> dict[str, Any]:
    """Measure the distance of every test crystal from its nearest training crystal.

    Two crystals are compared in one class, one thickness and at the same probe positions: the L1
    distance of their patterns, mean over the positions. Its unit is the same distance between a
    training crystal in that class and in the class most alike, mean over the training crystals.

    Parameters
    ----------
    settings : mapping
        From `polarstem.config.separation.separation_settings`.
    matrices : mapping of str to path
        Scattering matrix of each crystal.

    Returns
    -------
    dict
        ``value`` (the smallest distance, null where nothing was compared), ``test``, ``training``
        (the specimens that it lies between), ``n`` (test crystals compared), the same for each
        tested specimen set under ``specimen_sets``, and ``not_compared``.

    Raises
    ------
    PolarstemError
        If a test crystal is nearer than ``settings["least"]``, or a matrix is missing.
    """
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for comparison in settings["comparisons"]:
        patterns = _measure(comparison, settings, matrices)
        found[comparison["set"]] += nearest_of_each(comparison, patterns)
    every = [each for members in found.values() for each in members]
    result = {
        "unit": UNIT,
        "least": settings["least"],
        "positions": settings["positions"],
        **_smallest(every),
        "specimen_sets": {name: _smallest(members) for name, members in found.items()},
        "not_compared": dict(settings["not_compared"]),
    }
    if every and result["value"] < settings["least"]:
        raise PolarstemError(
            f"Test specimen {result['test']} is nearly the crystal of {result['training']}, which "
            f"is trained on: at {result['thickness_nm']:g} nm their patterns differ by "
            f"{result['value']:.2g} of the difference between classes, less than the "
            f"{settings['least']:g} of evaluate.crystal_separation; raise "
            "structures.composition_spread or structures.amplitude_spread."
        )
    return result


def _measure(
    comparison: Mapping[str, Any], settings: Mapping[str, Any], matrices: Mapping[str, Path | str]
) -> dict[str, Patterns]:
    """Patterns of every specimen of a comparison, shape (position, pixel)."""
    simulate = Simulate.model_validate(comparison["simulate"])
    optics = Optics(simulate.semiangle_mrad, simulate.aberrations, simulate.tilt_mrad)
    rng = np.random.default_rng(derive_seed(settings["seed"], "separation"))
    fractions = rng.random((settings["positions"], 2))
    of_crystal: dict[str, list[Member]] = defaultdict(list)
    for member in (*comparison["tested"], *comparison["trained"]):
        of_crystal[member["crystal"]].append(member)
    patterns = {}
    for crystal, members in of_crystal.items():
        if crystal not in matrices:
            raise PolarstemError(f"The scattering matrix of crystal {crystal} was not given.")
        matrix = ScatteringMatrix.load(matrices[crystal], simulate)
        microscope = VirtualMicroscope(matrix, simulate.detector)
        for member in members:
            (a, b), (c, d) = member["turn"]
            turn: Turn = ((a, b), (c, d))
            unit = np.abs(turn) @ microscope.matrix.grid.size[::-1]
            where = fractions * unit, [comparison["thickness_nm"]]
            images = microscope.measure(*where, optics, turn=turn)[0]
            patterns[member["specimen"]] = images.flatten(1).numpy()
    return patterns


def nearest_of_each(
    comparison: Mapping[str, Any], patterns: Mapping[str, Patterns]
) -> list[dict[str, Any]]:
    """Find the training specimen nearest to each test specimen among those of its class.

    Parameters
    ----------
    comparison : mapping
        One of `separation_settings`.
    patterns : mapping of str to ndarray, shape (position, pixel)
        Of every specimen that it names.

    Returns
    -------
    list of dict
        ``value`` [class difference], ``test``, ``training``, ``thickness_nm`` and ``crystal``; no
        entry where the training crystals have one class.
    """
    trained = comparison["trained"]
    units = _class_differences(trained, patterns)
    nearest = []
    for test in comparison["tested"]:
        name = test["class_name"]
        alike = [each["specimen"] for each in trained if each["class_name"] == name]
        if name not in units:
            continue  # one class alone has no unit
        own = patterns[test["specimen"]]
        distances = [_distance(own, patterns[each]) / units[name] for each in alike]
        closest = int(np.argmin(distances))
        nearest.append(
            {
                "value": distances[closest],
                "test": test["specimen"],
                "training": alike[closest],
                "thickness_nm": comparison["thickness_nm"],
                "crystal": test["crystal"],
            }
        )
    return nearest


def _class_differences(trained: list[Member], patterns: Mapping[str, Patterns]) -> dict[str, float]:
    """Distance of each class from the one most alike, mean over crystals that all classes share."""
    groups: dict[int, list[Member]] = defaultdict(list)
    for member in trained:
        groups[member["index"]].append(member)
    differences: dict[str, list[float]] = defaultdict(list)
    for members in groups.values():
        for one in members:
            others = [each for each in members if each["class_name"] != one["class_name"]]
            own = patterns[one["specimen"]]
            found = [_distance(own, patterns[each["specimen"]]) for each in others]
            if found:
                differences[one["class_name"]].append(min(found))
    return {name: float(np.mean(found)) for name, found in differences.items()}


def _distance(one: Patterns, other: Patterns) -> float:
    return float(np.abs(one - other).sum(axis=1).mean())


def _smallest(members: list[dict[str, Any]]) -> dict[str, Any]:
    crystals = {member["crystal"] for member in members}
    least = min(members, key=lambda member: member["value"], default={})
    keys = ("value", "test", "training", "thickness_nm")
    return {key: least.get(key) for key in keys} | {"n": len(crystals)}
