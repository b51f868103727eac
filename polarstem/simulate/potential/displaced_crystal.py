# SPDX-License-Identifier: GPL-3.0-or-later
"""One cell of a crystal with any polar vector, its A site averaged, to repeat in the plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from polarstem.simulate.potential.crystal import Crystal
from polarstem.structures.polar_vector import vector_settings

_LABELS: dict[str, Any] = {"name": "vector", "specimen_set": "vector", "split": "all", "seed": 0}


def displaced_crystal(
    structure: Mapping[str, Any], vector_pm: Sequence[float], thickness_nm: float = 0.1
) -> Crystal:
    """Build it.

    Parameters
    ----------
    structure : mapping
        ``material``, ``phase`` and ``zone_axis``.
    vector_pm : sequence of float
        Polar vector: right, up, along the beam [pm].
    thickness_nm : float
        Thickness of the atoms that are laid out [nm]; one period does for a matrix.

    Raises
    ------
    PolarstemError
        If the vector is too long for the template.
    """
    return Crystal.build(
        {
            **vector_settings(structure, vector_pm),
            **_LABELS,
            "thickness_nm": thickness_nm,
            "a_site": "virtual",
            "cells": [1, 1],
        }
    )
