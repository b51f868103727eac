# SPDX-License-Identifier: GPL-3.0-or-later
"""A tetragonal crystal that is polar to the right, for tests."""

from __future__ import annotations

from typing import Any

from polarstem.structures.recipes import SpecimenRecipe, make_recipe


def tetragonal_recipe(**changed: Any) -> SpecimenRecipe:
    """Recipe of KNN in phase T with an averaged A site, some settings changed."""
    usual = {
        "material": "KNN",
        "name": "test",
        "specimen_set": "test",
        "split": "train",
        "class_index": 0,
        "class_name": "RM",
        "direction_deg": 0.0,
        "variant": (1, 0, 0),
        "phase": "T",
        "zone_axis": (0, 0, 1),
        "a_site": "virtual",
        "cells": (2, 2),
        "seed": 1,
    }
    return make_recipe(**usual | changed)
