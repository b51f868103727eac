# SPDX-License-Identifier: GPL-3.0-or-later
"""What a map comes to: ``summary.json``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

if TYPE_CHECKING:
    from polarstem.scans.sourced import Sourced


def summarise(data: xr.Dataset) -> dict[str, Any]:
    """Count the answers of a map.

    Parameters
    ----------
    data : Dataset
        The map.

    Returns
    -------
    dict
        Of unit cells, or of positions where the map has no cells: ``directions`` (share of each
        class among the answers), ``answered`` (fraction that has one), ``mean_confidence`` and
        ``anomalies``; beside the numbers of ``positions`` and ``cells``.
    """
    counted = "cell_" if data.sizes.get("cell") else ""
    index = data[f"{counted}class_index"].values.ravel()
    answered = data[f"{counted}answered"].values.ravel()
    measured = index >= 0
    share = np.bincount(index[answered], minlength=data.sizes["class"]) / max(1, answered.sum())
    flagged = data[f"{counted}flagged"].values.ravel()[measured]
    confidence = data[f"{counted}confidence"].values.ravel()[measured]
    return {
        "positions": int((data["class_index"].values >= 0).sum()),
        "cells": int(data.sizes.get("cell", 0)),
        "counted": "cells" if counted else "positions",
        "directions": dict(zip(data["class_name"].values.tolist(), share.tolist(), strict=True)),
        "answered": float(answered.sum() / max(1, measured.sum())),
        "mean_confidence": float(confidence.mean()) if len(confidence) else 0.0,
        "anomalies": {
            "count": int(flagged.sum()),
            "share": float(flagged.mean()) if len(flagged) else 0.0,
        },
    }


def plain(value: Any) -> Any:
    """Turn values into what JSON has: lists for arrays, null for what is no number."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def listed(setting: Sourced | None) -> dict[str, Any] | None:
    """A setting with where it came from; None for one that nobody knows."""
    return None if setting is None else setting.as_dict()
