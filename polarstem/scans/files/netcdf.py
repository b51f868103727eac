# SPDX-License-Identifier: GPL-3.0-or-later
"""Scans in netCDF: this package's own simulations, and any file of the same form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError
from polarstem.files import open_netcdf
from polarstem.scans.files.axes import facts_of
from polarstem.scans.files.stored import ArrayFrames, Stored
from polarstem.scans.sourced import Sourced

_AXES = ("y", "x", "ky", "kx")


def read_netcdf(path: Path, sheet: Sheet) -> Stored:
    """Open a netCDF file of patterns (y, x, ky, kx), other dimensions being of length 1.

    Raises
    ------
    PolarstemError
        If the file is broken, or holds no or several arrays of that form.
    """
    data = open_netcdf(path, "scan")
    names = [n for n, v in data.variables.items() if set(_AXES) <= set(v.dims)]
    names = [n for n in names if sheet.dataset in (None, n)]
    if len(names) != 1:
        raise PolarstemError(
            f"{path} holds {len(names)} arrays over the dimensions y, x, ky and kx"
            f"{' (' + ', '.join(map(str, names)) + ')' if names else ''} where one was expected; "
            "name one by `dataset` in the scan sheet."
        )
    patterns = data[names[0]]
    for name, size in patterns.sizes.items():
        if name not in _AXES and size > 1:
            raise PolarstemError(
                f"{path} holds patterns of {size} values of {name!r}, which is no single scan; "
                "write one of them to a file of its own."
            )
    patterns = patterns.isel({n: 0 for n in patterns.dims if n not in _AXES}).transpose(*_AXES)
    if sheet.scan_shape not in (None, patterns.shape[:2]):
        raise PolarstemError(
            f"{path} holds a scan of {patterns.shape[0]} x {patterns.shape[1]} positions, which "
            "scan_shape of the scan sheet contradicts; leave it out."
        )
    axes = [_axis(data, name) for name in _AXES]
    facts = facts_of({}, axes, None, "netcdf")
    microscope = json.loads(data.attrs.get("config", "{}")).get("simulate", {})
    for key, unit in (("energy_kv", "kV"), ("semiangle_mrad", "mrad")):
        if key in microscope:
            facts[key] = Sourced(microscope[key], unit, "file")
    return Stored(path, "netcdf", ArrayFrames(patterns.variable), facts)


def _axis(data: Any, name: str) -> dict[str, Any]:
    """Step and unit of a coordinate; no unit if there is none or it is uneven."""
    if name not in data.coords or data[name].size < 2:
        return {"scale": 1.0, "units": ""}
    values = np.asarray(data[name], dtype=np.float64)
    steps = np.diff(values)
    even = np.allclose(steps, steps[0], rtol=1e-3)
    return {"scale": steps.mean(), "units": data[name].attrs.get("units", "") if even else ""}
