# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipes for the tests of structures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from polarstem.structures.crystals import load_material
from polarstem.structures.recipes import SpecimenRecipe
from polarstem.structures.variants import class_name, projection


@pytest.fixture
def recipe() -> Callable[..., SpecimenRecipe]:
    """Make a small virtual-crystal recipe; the class follows from the variant."""

    def make(**changes: Any) -> SpecimenRecipe:
        settings: dict[str, Any] = {
            "name": "static-RU-train-0",
            "specimen_set": "static",
            "split": "train",
            "class_index": 1,
            "phase": "O",
            "variant": (1, 1, 0),
            "zone_axis": (0, 0, 1),
            "a_site": "virtual",
            "cells": (2, 2),
            "thickness_cells": 2,
            "seed": 7,
        } | changes
        settings["material"] = load_material(settings.get("material", "KNN"))
        direction, _ = projection(settings["variant"], settings["zone_axis"])
        settings = {"direction_deg": direction, "class_name": class_name(direction)} | settings
        return SpecimenRecipe(**settings)

    return make
