# SPDX-License-Identifier: GPL-3.0-or-later
"""Grids and fields that change patterns by more than the configuration allows, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polarstem.config.accuracy import coarsest_sampling, field_error, grid_error, projected_cells
from polarstem.config.error_budget import sets_in_use
from polarstem.config.model import Config, known_material, thickest
from polarstem.config.physics import AUTO, Simulate, Structures


def accuracy_warnings(config: Config) -> list[str]:
    """Say which grids and fields miss `simulate.accuracy`, and by how much.

    Values on ``auto`` meet it; those set by hand may not. Windows of scenes and fields of libraries
    cannot be set by hand.

    Parameters
    ----------
    config : Config
        The configuration.

    Returns
    -------
    list of str
        A sentence for each value, with the sets and experiments that have it. Errors are those of
        the rules of `polarstem.config.accuracy`, at the largest thickness of a set or scene.
    """
    automatic = _automatic(config)
    where: dict[tuple[str, str], list[str]] = {}
    for name in sets_in_use(config):
        simulate, structures = config.simulate_of(name), config.structures_of(name)
        thickness = thickest(config.specimens[name])
        texts = {
            "structures.cells": _field(
                structures, simulate, thickness, automatic.structures_of(name).cells
            ),
            "simulate.pixels_per_cell": _grid(
                structures, simulate, thickness, automatic.simulate_of(name).pixels_per_cell
            ),
        }
        for key, text in texts.items():
            if text:
                where.setdefault((key, text), []).append(f"specimens.{name}")
    crystal = Structures.model_validate(
        config.structures.model_dump(mode="json") | {"cells": (6, 6)}
    )
    for name, experiment in config.experiments.items():
        if experiment.scene is None:
            continue
        simulate, better = (c.simulate_of_scene(name) for c in (config, automatic))
        text = _grid(crystal, simulate, experiment.scene.thickness_nm, better.pixels_per_cell)
        if text:
            found = where.setdefault(("simulate.pixels_per_cell", text), [])
            found.append(f"experiments.{name}.scene")
    return [f"{key} (for {', '.join(names)}): {text}" for (key, text), names in where.items()]


def _automatic(config: Config) -> Config:
    """The same configuration with every grid and field on ``auto``."""

    def without(settings: Mapping[str, Any], key: str) -> dict[str, Any]:
        return {name: value for name, value in settings.items() if name != key}

    specimens = {
        name: found.model_copy(
            update={
                "structures": without(found.structures, "cells"),
                "simulate": without(found.simulate, "pixels_per_cell"),
            }
        )
        for name, found in config.specimens.items()
    }
    experiments = dict(config.experiments)
    for name, experiment in experiments.items():
        if (scene := experiment.scene) is not None:
            update = {"simulate": without(scene.simulate, "pixels_per_cell")}
            experiments[name] = experiment.model_copy(
                update={"scene": scene.model_copy(update=update)}
            )
    # a copy would keep what was sized before
    return Config.model_construct(
        **{
            **dict(config),
            "structures": config.structures.model_copy(update={"cells": AUTO}),
            "simulate": config.simulate.model_copy(update={"pixels_per_cell": AUTO}),
            "specimens": specimens,
            "experiments": experiments,
        }
    )


def _field(
    structures: Structures, simulate: Simulate, thickness_nm: float, better: tuple[int, int]
) -> str | None:
    material = known_material(structures)
    if material is None:
        return None
    length = min(
        structures.cells[axis] * lengths[axis]
        for lengths in projected_cells(material, structures)
        for axis in (0, 1)
    )
    error = field_error(simulate, length, thickness_nm)
    return _sentence(
        f"a field of {_listed(structures.cells)} cells", error, simulate, thickness_nm, list(better)
    )


def _grid(
    structures: Structures, simulate: Simulate, thickness_nm: float, better: int
) -> str | None:
    material = known_material(structures)
    if material is None:
        return None
    pixels = simulate.pixels_per_cell
    sampling = coarsest_sampling(material, structures, pixels)
    error = grid_error(material, structures.phase, 1 / sampling, thickness_nm)
    return _sentence(f"a grid of {pixels} pixels per cell", error, simulate, thickness_nm, better)


def _sentence(
    what: str, error: float, simulate: Simulate, thickness_nm: float, better: object
) -> str | None:
    """None where the error is no larger than asked for."""
    if error <= simulate.accuracy:
        return None
    return (
        f"{what} changes patterns of moving atoms by about {100 * error:.2g} % at "
        f"{thickness_nm:g} nm, where simulate.accuracy asks for {100 * simulate.accuracy:.2g} %; "
        f"auto takes {better}"
    )


def _listed(cells: tuple[int, int]) -> str:
    return " x ".join(map(str, cells))
