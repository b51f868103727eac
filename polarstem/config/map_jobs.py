# SPDX-License-Identifier: GPL-3.0-or-later
"""What the jobs of experiments depend on, as plain values."""

from __future__ import annotations

from typing import Any

from polarstem.config.experiment_conditions import drawn_imperfections
from polarstem.config.jobs import trained_for
from polarstem.config.library import library_settings
from polarstem.config.model import Config
from polarstem.config.sheet import Sheet
from polarstem.seeds import derive_seed

# keys of a scene that its scan depends on, not its specimen
_SCANNED = {"positions_per_cell", "detector_rotation_deg", "stored"}
_MEASURED = {"conditions", "simulate"}


def scenes(config: Config) -> list[str]:
    """Experiments that are virtual, in config order."""
    return [name for name, found in config.experiments.items() if found.scene is not None]


def scene_settings(config: Config, experiment: str) -> dict[str, Any]:
    """Everything that the structure of a scene depends on, for `make_scene`."""
    scene = config.experiments[experiment].scene
    assert scene is not None
    return {
        "name": experiment,
        **config.structures.model_dump(mode="json", include={"material", "phase", "zone_axis"}),
        **scene.model_dump(mode="json", exclude=_SCANNED | _MEASURED),
        **drawn_imperfections(scene.conditions, config.seed, "scene", experiment),
        "seed": derive_seed(config.seed, "scene", experiment),
    }


def scan_settings(config: Config, experiment: str) -> dict[str, Any]:
    """Everything that the scan of a scene depends on, for `write_scene`."""
    scene = config.experiments[experiment].scene
    assert scene is not None
    simulate = config.simulate_of_scene(experiment)
    return {
        **scene.model_dump(mode="json", include=_SCANNED | {"conditions"}),
        "simulate": simulate.model_dump(mode="json", exclude={"engine", "scan"}),
        "seed": derive_seed(config.seed, "scan", experiment),
    }


def sheet_settings(config: Config, experiment: str) -> dict[str, Any] | None:
    """Keys of a sheet that stands in the config; None where it is a file or absent."""
    sheet = config.experiments[experiment].sheet
    return sheet.model_dump(mode="json", exclude_unset=True) if isinstance(sheet, Sheet) else None


def recommended_library(config: Config) -> dict[str, Any] | None:
    """Everything that the library of the recommended model depends on; None without one."""
    best = config.evaluate.recommended
    if best is None:
        return None
    return library_settings(trained_for(config, best.source), config.seed)
