# SPDX-License-Identifier: GPL-3.0-or-later
"""A material with two elements on each cation site, for tests."""

from __future__ import annotations

from typing import Any

from polarstem.structures.crystals import load_material


def knn_with_tantalum(share: float = 0.25) -> dict[str, Any]:
    """KNN whose B site holds a share of Ta; charges and amplitudes of Ta are made up."""
    material = load_material("KNN").model_dump(mode="json", exclude_none=True)
    material |= {"b_site": {"Nb": 1 - share, "Ta": share}}
    material["born_charges"]["Ta"] = 9.0
    material["debye_waller_rms_angstrom"]["Ta"] = 0.055
    material["static_disorder_rms_angstrom"]["Ta"] = 0.05
    return material
