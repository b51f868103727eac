# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model's library of simulated patterns depends on, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polarstem.config.accuracy import least_repeats
from polarstem.config.physics import Simulate

TILT_MRAD = 6.0
"""Largest beam tilt of the library [mrad]."""
_TILT_STEP = 1.2  # mrad
_THICKNESS_STEP = 1.6  # nm
_BEYOND = (0.6, 1.3)  # of the thinnest and the thickest that a model was trained for
_CONFIGURATIONS = 4  # of the atoms
_SOURCE_FWHM = 0.75  # of the templates, in the middle of what microscopes have [Å]


def library_settings(trained_for: Mapping[str, Any], seed: int = 0) -> dict[str, Any]:
    """Everything that a model's library depends on.

    Parameters
    ----------
    trained_for : mapping
        What patterns the model was trained for, as its file says.
    seed : int
        Global seed, for K and Na at random and the thermal motion.

    Returns
    -------
    dict
        For `polarstem.simulate.jobs.compute_library.write_library`.
    """
    low, high = trained_for["thickness_nm"]
    first, last = low * _BEYOND[0], high * _BEYOND[1]
    count = max(4, 1 + round((last - first) / _THICKNESS_STEP))
    thicknesses = [round(first + (last - first) * n / (count - 1), 3) for n in range(count)]
    kept = ("energy_kv", "semiangle_mrad", "pixels_per_cell")
    grid = ("pixels", "mrad_per_pixel")
    sampled = Simulate.model_validate(
        {key: trained_for[key] for key in (*kept, "accuracy") if key in trained_for}
        | {"phonons": {"configurations": _CONFIGURATIONS}}
    )
    cells = [
        least_repeats(sampled, length, last) for length in reversed(trained_for["cell_angstrom"])
    ]
    return {
        "structure": {key: trained_for[key] for key in ("material", "phase", "zone_axis")},
        "simulate": {key: trained_for[key] for key in kept}
        | {"slices": trained_for.get("slices", "planes")}
        | {"detector": {key: trained_for[key] for key in grid}},
        "thicknesses_nm": thicknesses,
        "tilt_mrad": TILT_MRAD,
        "tilt_step_mrad": _TILT_STEP,
        "cells": cells,
        "configurations": _CONFIGURATIONS,
        "positions": 8,
        "source_fwhm_angstrom": _SOURCE_FWHM,
        "seed": seed,
    }
