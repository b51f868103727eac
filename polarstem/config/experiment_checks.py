# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the experiments against the rest of the configuration."""

from __future__ import annotations

from collections.abc import Iterator

from polarstem.config.experiments import DEFECTS
from polarstem.config.model import Config
from polarstem.config.plan import class_table


def experiment_checks(config: Config) -> Iterator[str]:
    """Say what does not fit together, each in one sentence."""
    names = [c.name for c in class_table(config)]
    for name, experiment in config.experiments.items():
        where = f"experiments.{name}"
        if (experiment.scan is None) == (experiment.scene is None):
            yield f"{where}: needs either `scan`, a file, or `scene`, a virtual experiment"
        if experiment.scene is None:
            continue
        if experiment.sheet is not None:
            yield f"{where}.sheet: a virtual experiment brings its own sheet; leave it out"
        if config.structures.zone_axis != (0, 0, 1):
            yield (
                f"{where}.scene: scenes are seen along [0, 0, 1], but structures.zone_axis is "
                f"{list(config.structures.zone_axis)}"
            )
        for unknown in sorted(set(experiment.scene.classes or ()) - set(names)):
            yield f"{where}.scene.classes: {unknown!r} is no class; known: {', '.join(names)}"
    for name in config.evaluate.defect_free:
        found = config.experiments.get(name)
        if found is None:
            yield f"evaluate.defect_free: {name!r} is no experiment"
        elif found.scene is None or found.scene.kind in DEFECTS:
            yield (
                f"evaluate.defect_free: {name!r} is not a virtual experiment without defects; "
                "choose one of `single_domain`, domains or walls"
            )
