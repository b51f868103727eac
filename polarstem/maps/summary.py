# SPDX-License-Identifier: GPL-3.0-or-later
"""What a map comes to: ``summary.json``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from polarstem.maps.withheld import counted
from polarstem.provenance import provenance

if TYPE_CHECKING:
    from polarstem.maps.dataset import Classes
    from polarstem.maps.placing import Place
    from polarstem.maps.setup import Setup
    from polarstem.maps.specimen import Specimen
    from polarstem.scans.calibration.steps import Step
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
        class among the answers), ``answered`` (fraction that has one), ``withheld`` (number by
        reason), ``mean_confidence`` and ``anomalies``; beside the numbers of ``positions`` and
        ``cells``.
    """
    of = "cell_" if data.sizes.get("cell") else ""
    index = data[f"{of}class_index"].values.ravel()
    answered = data[f"{of}answered"].values.ravel()
    measured = index >= 0
    share = np.bincount(index[answered], minlength=data.sizes["class"]) / max(1, answered.sum())
    flagged = data[f"{of}flagged"].values.ravel() & measured
    confidence = data[f"{of}confidence"].values.ravel()[measured]
    at_wall = data["cell_at_wall"].values if of else np.zeros(len(index), bool)
    return {
        "positions": int((data["class_index"].values >= 0).sum()),
        "vacuum": int(data["vacuum"].values.sum()),
        "cells": int(data.sizes.get("cell", 0)),
        "counted": "cells" if of else "positions",
        "directions": dict(zip(data["class_name"].values.tolist(), share.tolist(), strict=True)),
        "answered": float(answered.sum() / max(1, measured.sum())),
        "withheld": counted(data[f"{of}withheld"].values.ravel()),
        "mean_confidence": float(confidence.mean()) if len(confidence) else 0.0,
        "anomalies": {
            "count": int(flagged.sum()),
            "share": float(flagged.sum() / max(1, measured.sum())),
            "at_walls": int((flagged & at_wall).sum()),
        },
    }


def attributes_of(setup: Setup, specimen: Specimen, classes: Classes) -> dict[str, Any]:
    """What holds for the whole map, safe for netCDF."""
    listing = plain({name: listed(value) for name, value in setup.settings.items()})
    names = [str(model.info.get("name", model.family)) for model in setup.models]
    numbers = {
        "crystal_rotation_deg": float(classes.rotation_deg),
        "step_nm": list(setup.step_nm),
        "anomaly_threshold": 1.0,
    }
    if specimen.thickness_nm is not None:
        numbers["thickness_nm"] = float(specimen.thickness_nm.value)
    told = {
        "title": "Polarization map",
        "scan": setup.scan.path.name,
        "model": ", ".join(names),
        "forced": setup.forced,
        "settings": json.dumps(listing),
        "conventions": "directions counter-clockwise from +x (right), y up; arrays y down",
    }
    return told | numbers | provenance({"model": names, "settings": listing})


def summary_of(
    data: xr.Dataset,
    setup: Setup,
    specimen: Specimen,
    where: Place,
    dose: Sourced,
    steps: Sequence[Step],
    warnings: Sequence[str],
) -> dict[str, Any]:
    """Everything that ``summary.json`` holds but the seconds."""
    implied = where.lattice.implied_step_nm
    found = {
        "scan": str(setup.scan.path),
        "model": data.attrs["model"],
        "forced": setup.forced or None,
        **summarise(data),
        "thickness_nm": listed(specimen.thickness_nm),
        "thickness_measured_nm": listed(specimen.measured_nm),
        "tilt_mrad": listed(specimen.tilt_mrad),
        "dose_electrons": listed(dose),
        "implied_step_nm": None if implied is None else list(implied),
        "settings": {name: listed(value) for name, value in setup.settings.items()},
        "steps": [
            {"name": s.name, "status": s.status, "sentence": s.sentence, "values": s.values}
            for s in steps
        ],
        "warnings": list(warnings),
    }
    plainly: dict[str, Any] = plain(found)
    return plainly


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
