# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of displacements for other programs: netCDF, hyperspy, spreadsheets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from polarstem.checked_netcdf import save_netcdf
from polarstem.displacements.verdicts import UNTOLD_MEANINGS
from polarstem.files import atomic_path
from polarstem.maps.outputs import stamp_lines, write_stack

DISPLACEMENTS_FILE = "displacements.nc"
_LAYERS = ("ux", "uy", "sigma_x", "sigma_y", "correlation", "p_polar", "polarization")


def write_displacements(data: xr.Dataset, folder: Path | str) -> None:
    """Write displacements into a folder that exists, in all forms.

    ``displacements.nc`` has everything, ``displacements.csv`` a row for each unit cell; its first
    line says after a # if the map was forced. ``displacements.hspy`` is a stack of images for
    hyperspy, a pixel for each unit cell, which lie in the rows and columns of the crystal.
    """
    save_netcdf(data, Path(folder) / DISPLACEMENTS_FILE)
    with atomic_path(Path(folder) / "displacements.csv") as path:
        columns = {str(name): data[name].values for name in data.data_vars}
        columns["reason"] = np.array(list(UNTOLD_MEANINGS.values()))[columns["reason"]]
        frame = pd.DataFrame(columns)
        units = {str(name): data[name].attrs["units"] for name in data.data_vars}
        names = {n: f"{n}_{_plain(u)}" if u != "1" else n for n, u in units.items()}
        with path.open("w", encoding="utf-8", newline="") as file:
            file.writelines(f"# {text}\n" for text in stamp_lines(data))
            frame.rename(columns=names).to_csv(file, index_label="cell", float_format="%.5g")
    row, column = (data[name].values - data[name].values.min() for name in ("row", "column"))
    shape = row.max() + 1, column.max() + 1

    def image(name: str) -> NDArray[np.floating]:
        filled = np.full(shape, np.nan)
        filled[row, column] = data[name].values
        return filled

    write_stack(
        Path(folder) / "displacements.hspy",
        {name: image(name) for name in _LAYERS},
        [data[name].attrs["units"] for name in _LAYERS],
        (data.attrs["cell_nm"][0], data.attrs["cell_nm"][1]),
        f"Displacements of {data.attrs.get('scan', 'a scan')}",
        data.attrs,
    )


def _plain(units: str) -> str:
    return units.replace(" ", "_").replace("-", "")
