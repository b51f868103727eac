# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a model was trained for the patterns of a scan."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from polarstem.errors import PolarstemError
from polarstem.structures.variants import ZONE_AXES

if TYPE_CHECKING:
    from polarstem.models.base import Model
    from polarstem.scans.sourced import Sourced

KEY = "trained_for"
"""Section of a saved model's description that says what patterns it was trained for."""
_NUMBERS = ("energy_kv", "semiangle_mrad", "mrad_per_pixel", "pixels")
_PAIRS = ("cell_angstrom", "thickness_nm")
_ENERGY_TOLERANCE = 0.01  # relative
_SEMIANGLE_TOLERANCE = 0.03  # of the disc's radius: about a quarter of a pixel of 32


def trained_for(model: Model, directory: Path | str) -> dict[str, Any]:
    """What patterns a model was trained for.

    Parameters
    ----------
    model : Model
        A loaded model.
    directory : path
        Where it was loaded from, for the message.

    Raises
    ------
    PolarstemError
        If the model does not say.
    """
    found = model.info.get(KEY)
    if found is None or not _is_whole(found) or model.pattern_shape != (found["pixels"],) * 2:
        raise PolarstemError(
            f"The model {directory} does not say what optics, detector and crystal it was trained "
            f"for ({KEY} in its model.json); train it again with this version."
        )
    return dict(found)


def _is_whole(found: Any) -> bool:
    """Whether a section has all that maps are made with, in numbers that can be."""
    try:
        numbers = [np.ravel([found[name]]) for name in _NUMBERS]
        pairs = [np.ravel(found[name]) for name in _PAIRS]
        zone = tuple(found["zone_axis"])
    except (KeyError, TypeError, ValueError):
        return False
    alike = [values.size == 1 for values in numbers] + [values.size == 2 for values in pairs]
    possible = [v.dtype.kind in "iuf" and bool((v > 0).all()) for v in [*numbers, *pairs]]
    return all(alike) and all(possible) and zone in ZONE_AXES


def differences(
    trained: Mapping[str, Any], energy: Sourced, semiangle: Sourced, zone_axis: Sourced
) -> list[str]:
    """How a scan differs from what a model was trained for, a sentence each.

    Parameters
    ----------
    trained : mapping
        The model's section `trained_for`.
    energy, semiangle, zone_axis : Sourced
        Of the scan [kV, mrad, -].

    Returns
    -------
    list of str
        Empty if the model serves the scan: the energy agrees within 1 %, the convergence
        semi-angle within 3 %, and the zone axis is the same.
    """
    found = []
    for name, given, own, tolerance in (
        ("beam energy", energy, trained["energy_kv"], _ENERGY_TOLERANCE),
        (
            "convergence semi-angle",
            semiangle,
            trained["semiangle_mrad"],
            _SEMIANGLE_TOLERANCE,
        ),
    ):
        if not abs(given.value - own) <= tolerance * own:
            found.append(
                f"The scan's {name} is {given.value:g} {given.unit} ({given.origin}), the model "
                f"was trained for {own:g} {given.unit}."
            )
    if sorted(map(abs, zone_axis.value)) != sorted(map(abs, trained["zone_axis"])):
        found.append(
            f"The scan's zone axis is {list(zone_axis.value)} ({zone_axis.origin}), the model was "
            f"trained for {list(trained['zone_axis'])}."
        )
    return found
