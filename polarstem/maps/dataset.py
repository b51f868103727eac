# SPDX-License-Identifier: GPL-3.0-or-later
"""The map as a data set: names, dimensions, units and meanings of all that ``map.nc`` holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from polarstem.maps.pooling import Answer
from polarstem.maps.withheld import MEANINGS, Reason
from polarstem.scans.specimen.turns import PlaneTurn
from polarstem.simulate.microscope.camera import pixel_angles

MOST_PATTERNS = 20_000
"""Scans with more positions are mapped without keeping their patterns."""

_GRID, _CELL = ("y", "x"), ("cell",)
_DIRECTION = "counter-clockwise from the scan's +x, y up"
# variable of a position, and of a cell with "cell_" before it: (units, long name)
_ANSWERS = {
    "probability": ("1", "calibrated probability of each class"),
    "class_index": ("1", "most probable class; -1 where nothing was measured"),
    "confidence": ("1", "probability of the most probable class"),
    "direction": ("degrees", f"direction of the most probable class, {_DIRECTION}"),
    "direction_x": ("1", "mean of the directions by their probabilities, to the right"),
    "direction_y": ("1", "mean of the directions by their probabilities, upwards"),
    "set": ("1", "bit k is set if class k is in the conformal set"),
    "answered": ("1", "whether there is an answer"),
    "withheld": ("1", "why there is no answer; 0 where there is one"),
    "agreement": ("1", "share of the models that give the most probable class"),
    "anomaly": ("1", "anomaly score; the threshold is in the attribute anomaly_threshold"),
    "flagged": ("1", "whether the anomaly score is above its threshold"),
    "pattern": ("1", "mean fraction of the detected beam in each pixel, in the crystal's frame"),
}
_MEANINGS = {
    **_ANSWERS,
    "conformal_set": _ANSWERS["set"],
    "bright_field": ("1", "fraction of the detected beam inside the convergence semi-angle"),
    "dark_field": ("1", "fraction of the detected beam outside the convergence semi-angle"),
    "vacuum": ("1", "whether the position lies beside the crystal"),
    "com_x": ("mrad", "centre of mass of the pattern, to the right in the scan's frame"),
    "com_y": ("mrad", "centre of mass of the pattern, upwards in the scan's frame"),
    "total": ("counts", "counts within the model's field of view"),
    "cell": ("1", "number of the unit cell; -1 outside whole cells"),
    "cell_y": ("1", "position in the unit cell, downwards along the crystal's y axis"),
    "cell_x": ("1", "position in the unit cell, along the crystal's x axis"),
    "cell_row": ("1", "row of the unit cell in the crystal lattice"),
    "cell_column": ("1", "column of the unit cell in the crystal lattice"),
    "cell_centre_y": ("nm", "middle of the unit cell, downwards from the first position"),
    "cell_centre_x": ("nm", "middle of the unit cell, to the right of the first position"),
    "cell_count": ("1", "positions of the unit cell"),
    "cell_at_wall": ("1", "whether it is within one cell of where the direction changes"),
    "cell_thickness": ("nm", "thickness of the tile that the unit cell is in"),
    "cell_thickness_low": ("nm", "lower end of the 95 % interval of the thickness"),
    "cell_thickness_high": ("nm", "upper end of the 95 % interval of the thickness"),
    "cell_tilt_x": ("mrad", "tilt of the beam in the tile, to the right in the scan's frame"),
    "cell_tilt_y": ("mrad", "tilt of the beam in the tile, upwards in the scan's frame"),
    "cell_tilt_error": ("mrad", "standard deviation of each component of the tilt"),
}


@dataclass(frozen=True)
class Classes:
    """The model's classes.

    Attributes
    ----------
    names : sequence of str
        Their names.
    directions : ndarray, shape (classes,)
        Their directions in the crystal's frame [degrees]; nan for none.
    rotation_deg : float
        Angle of the crystal's x axis from the scan's, counter-clockwise [degrees].
    """

    names: Sequence[str]
    directions: NDArray[np.float64]
    rotation_deg: float

    def turned(self) -> NDArray[np.float64]:
        """Directions in the scan's frame [degrees], in [0, 360)."""
        return (self.directions + self.rotation_deg) % 360

    def direction(self, class_index: NDArray[np.integer]) -> NDArray[np.float64]:
        """Direction of each answer in the scan's frame [degrees]; nan for none."""
        return np.where(class_index >= 0, self.turned()[class_index], np.nan)

    def vectors_in_scan(self, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """Vectors (n, 2), x and y up, of the crystal's frame in the scan's."""
        return PlaneTurn(self.rotation_deg).vectors(vectors).astype(np.float32)

    def mean_vector(self, probability: NDArray[np.floating]) -> NDArray[np.float64]:
        """Mean of the classes' unit vectors by their probabilities, (n, 2), x and y up."""
        angle = np.radians(self.turned())
        unit = np.nan_to_num(np.stack([np.cos(angle), np.sin(angle)], axis=1))
        return np.asarray(probability, float) @ unit


def described(
    answer: Answer, probability: NDArray[np.floating], classes: Classes
) -> dict[str, NDArray[Any]]:
    """Answers as variables, each of shape (n, ...)."""
    vector = classes.mean_vector(probability)
    return {
        "probability": probability.astype(np.float32),
        "class_index": answer.class_index,
        "confidence": answer.confidence.astype(np.float32),
        "direction": classes.direction(answer.class_index).astype(np.float32),
        "direction_x": vector[:, 0].astype(np.float32),
        "direction_y": vector[:, 1].astype(np.float32),
        "set": answer.members,
        "answered": answer.answered,
    }


def assemble(
    shape: tuple[int, int],
    step_nm: tuple[float, float],
    positions: Mapping[str, NDArray[Any]],
    cells: Mapping[str, NDArray[Any]],
    classes: Classes,
    mrad_per_pixel: float,
    attributes: Mapping[str, Any],
    origin_nm: tuple[float, float] = (0.0, 0.0),
) -> xr.Dataset:
    """Make the data set of a map.

    Parameters
    ----------
    shape : (int, int)
        Positions along y and x.
    step_nm : (float, float)
        Distance of two positions along y and x [nm].
    positions, cells : mapping
        Variables by name: of each position, shape (ny * nx, ...), and of each unit cell, shape
        (cells, ...), the latter without "cell_" before their names.
    classes : Classes
        The classes and their directions.
    mrad_per_pixel : float
        Size of a pixel of the patterns [mrad].
    attributes : mapping
        What holds for the whole map.
    origin_nm : (float, float)
        y and x of the first position [nm].

    Returns
    -------
    Dataset
        With units and long names everywhere.
    """
    variables: dict[str, Any] = {}
    named: dict[str, tuple[NDArray[Any], tuple[str, ...]]]
    named = {("conformal_set" if k == "set" else k): (v, _GRID) for k, v in positions.items()}
    named |= {f"cell_{name}": (values, _CELL) for name, values in cells.items()}
    for name, (values, place) in named.items():
        rest = values.shape[1:]
        more = ("class",) if len(rest) == 1 else ("ky", "kx")[: len(rest)]
        lead = shape if place is _GRID else (len(values),)
        units, long_name = _MEANINGS[name] if name in _MEANINGS else _of_cell(name)
        attrs: dict[str, Any] = {"units": units, "long_name": long_name}
        if name.endswith("withheld"):
            attrs["flag_values"] = np.array(list(Reason), np.int8)
            attrs["flag_meanings"] = " ".join(MEANINGS[r].replace(" ", "_") for r in Reason)
        variables[name] = ((*place, *more), values.reshape(*lead, *rest), attrs)
    coords: dict[str, Any] = {
        "class_name": (
            "class",
            list(classes.names),
            {"units": "1", "long_name": "name of the class"},
        ),
        "class_direction": ("class", classes.directions, {"units": "degrees"}),
    }
    long_name = "direction of the class in the crystal's frame, counter-clockwise, y up"
    coords["class_direction"][2]["long_name"] = long_name
    for number, (name, direction) in enumerate((("y", "downwards"), ("x", "to the right"))):
        nm = origin_nm[number] + np.arange(shape[number]) * step_nm[number]
        coords[name] = (name, nm, {"units": "nm", "long_name": f"probe position, {direction}"})
        if "cell_pattern" in variables:
            angles = pixel_angles(variables["cell_pattern"][1].shape[-1], mrad_per_pixel)
            long_name = f"scattering angle in the crystal's frame, {direction}"
            coords[f"k{name}"] = (f"k{name}", angles, {"units": "mrad", "long_name": long_name})
    return xr.Dataset(variables, coords, dict(attributes))


def _of_cell(name: str) -> tuple[str, str]:
    units, meaning = _ANSWERS[name.removeprefix("cell_")]
    return units, f"unit cell: {meaning}"
