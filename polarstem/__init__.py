# SPDX-License-Identifier: GPL-3.0-or-later
"""Polarization mapping in ferroelectrics with 4D-STEM: crystals, simulation, learning, maps.

Data flows one way through the packages: structures -> config -> simulate -> data, scans -> models
-> maps -> evaluate -> report. Importing this package is cheap; each module imports what it needs.

A scan is mapped in three lines::

    import polarstem

    found = polarstem.map_scan("my_scan.mib", "results/reference_model", sheet={"step_nm": 0.05})
    polarstem.draw_map(found, "map.png")
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["draw_map", "inspect_scan", "map_scan", "open_scan"]
_AT = {
    "map_scan": "polarstem.maps.mapper",
    "inspect_scan": "polarstem.scans.inspection",
    "open_scan": "polarstem.scans.files.readers",
    "draw_map": "polarstem.report.figures.maps",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, and only then."""
    if name not in _AT:
        raise AttributeError(f"module 'polarstem' has no attribute {name!r}")
    return getattr(import_module(_AT[name]), name)


__version__ = "0.1.0"
