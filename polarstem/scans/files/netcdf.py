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
from polarstem.scans.files.axes import facts_of, mirrored
from polarstem.scans.files.stored import ArrayFrames, Stored
from polarstem.scans.files.troubles import in_use, unreadable
from polarstem.scans.sourced import Sourced

_AXES = ("y", "x", "ky", "kx")


def read_netcdf(path: Path, sheet: Sheet) -> Stored:
    """Open a netCDF file of patterns (y, x, ky, kx), other dimensions being of length 1.

    Raises
    ------
    PolarstemError
        If the file is broken, or holds no or several arrays of that form.
    """
    try:
        data = open_netcdf(path, "scan")
    except PolarstemError as error:
        if path.exists() and in_use(path):  # netCDF does not tell
            raise unreadable(path, "netcdf", BlockingIOError()) from error
        raise
    names = [n for n, v in data.variables.items() if set(_AXES) <= set(v.dims)]
    names = [n for n in names if sheet.dataset in (None, n)]
    if len(names) != 1:
        raise PolarstemError(
            f"{path} holds {len(names)} arrays over the dimensions y, x, ky and kx"
            f"{' (' + ', '.join(map(str, names)) + ')' if names else ''} where one was expected; "
            "name one by `dataset` in the scan sheet."
        )
    patterns = data[names[0]]
    others = {str(n): size for n, size in patterns.sizes.items() if n not in _AXES}
    several = {name: size for name, size in others.items() if size > 1}
    if len(several) > 1 or (several and not (sheet.select or 0) < max(several.values())):
        raise PolarstemError(
            f"{path} holds patterns of {_listed(several)}, which is no single scan; write one of "
            "them to a file of its own."
        )
    if several and sheet.select is None:
        raise PolarstemError(
            f"{path} holds patterns of {_listed(several)}; take one by `select` in the scan "
            f"sheet, from 0 to {max(several.values()) - 1}."
        )
    chosen = {name: (sheet.select or 0) if name in several else 0 for name in others}
    patterns = patterns.isel(chosen).transpose(*_AXES)
    ny, nx = patterns.shape[:2]
    told = sheet.scan_shape
    if told is not None and (told[0], told[1] + sheet.flyback_frames) != (ny, nx):
        raise PolarstemError(
            f"{path} holds a scan of {ny} x {nx} positions, which scan_shape of the scan sheet "
            "contradicts; leave it out."
        )
    axes = [_axis(data, name) for name in _AXES]
    facts = facts_of({}, axes, None, "netcdf")
    for key, unit in (("energy_kv", "kV"), ("semiangle_mrad", "mrad")):
        value = _microscope(data).get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            facts[key] = Sourced(value, unit, "file")
    return Stored(path, "netcdf", ArrayFrames(patterns.variable), facts, mirrored=mirrored(axes))


def _listed(sizes: dict[str, int]) -> str:
    return " and ".join(f"{size} values of {name!r}" for name, size in sizes.items())


def _microscope(data: Any) -> dict[str, Any]:
    """The section `simulate` of a simulation's configuration; empty in files of other origin."""
    try:
        config = json.loads(data.attrs.get("config", "{}"))
    except (TypeError, ValueError):
        return {}
    section = config.get("simulate") if isinstance(config, dict) else None
    return section if isinstance(section, dict) else {}


def _axis(data: Any, name: str) -> dict[str, Any]:
    """Step and unit of a coordinate; no unit if there is none or it is uneven."""
    if name not in data.coords or data[name].size < 2:
        return {"scale": 1.0, "units": ""}
    values = np.asarray(data[name], dtype=np.float64)
    steps = np.diff(values)
    even = np.allclose(steps, steps[0], rtol=1e-3)
    return {"scale": steps.mean(), "units": data[name].attrs.get("units", "") if even else ""}
