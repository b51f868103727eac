# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the experiments against the rest of the configuration."""

from __future__ import annotations

from collections.abc import Iterator

from polarstem.config.experiment_conditions import disorder_problem
from polarstem.config.experiments import DEFECTS, Scene
from polarstem.config.map_jobs import scene_settings
from polarstem.config.model import Config
from polarstem.config.scene_limits import band_problem, margin_problem, source_problem
from polarstem.errors import PolarstemError
from polarstem.structures.scenes.recipe import make_scene


def experiment_checks(config: Config) -> Iterator[str]:
    """Say what does not fit together, each in one sentence."""
    for name, experiment in config.experiments.items():
        where = f"experiments.{name}"
        if (experiment.scan is None) == (experiment.scene is None):
            yield f"{where}: needs either `scan`, a file, or `scene`, a virtual experiment"
        if experiment.scene is None:
            continue
        if experiment.sheet is not None:
            yield f"{where}.sheet: a virtual experiment brings its own sheet; leave it out"
        yield from _scene_problems(config, name, experiment.scene)
    for name in config.evaluate.defect_free:
        found = config.experiments.get(name)
        if found is None:
            yield f"evaluate.defect_free: {name!r} is no experiment"
        elif found.scene is None or found.scene.kind in DEFECTS:
            yield (
                f"evaluate.defect_free: {name!r} is not a virtual experiment without defects; "
                "choose one of `single_domain`, domains or walls"
            )


def _scene_problems(config: Config, name: str, scene: Scene) -> Iterator[str]:
    """Say what a scene cannot be built, scanned or counted with."""
    where = f"experiments.{name}.scene"
    try:
        recipe = make_scene(scene_settings(config, name))
    except PolarstemError as error:
        yield f"{where}: {error}"
        return
    simulate, conditions = config.simulate_of_scene(name), scene.conditions
    if conditions.dose_electrons is None:
        yield (
            f"{where}.conditions.dose_electrons: is null, but a scan of a scene is written as "
            "counts; set it, to 1.0e+5 say"
        )
    configurations = simulate.phonons.configurations
    if conditions.defocus_spread_angstrom[1] > 0 and configurations < 2:
        yield (
            f"{where}.conditions.defocus_spread_angstrom: is sampled by the thermal "
            f"configurations, but simulate.phonons.configurations is {configurations}; use 8, say"
        )
    if problem := disorder_problem(conditions, simulate, recipe.material):
        yield f"{where}.conditions.disorder: {problem}"
    if problem := source_problem(simulate, conditions, min(recipe.lengths[:2])):
        yield f"{where}.conditions.source_fwhm_angstrom: {problem}"
    elif problem := margin_problem(recipe, simulate, conditions):
        yield f"{where}.margin_cells: {problem}"
    pixels = simulate.pixels_per_cell
    # a grid that is chosen by the detector holds it
    if isinstance(pixels, int):
        samplings = zip(recipe.lengths[:2], recipe.grid(pixels), strict=True)
        cell = pixels * max(edge / points for edge, points in samplings)
        if problem := band_problem(simulate, conditions, cell, pixels):
            yield f"{where}.simulate: {problem}"
