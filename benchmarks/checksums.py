# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checksums of netCDF files cost.

``python -m benchmarks.checksums`` writes and reads random numbers as large as a scattering matrix,
with checksums and without, in turn, and prints the best processor times and their ratios.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import xarray as xr

from polarstem.checked_netcdf import save_netcdf
from polarstem.files import open_netcdf

SHAPE = (30, 1125, 30, 30)  # exit plane, plane wave, ky, kx
REPEATS = 5


def plain(path: Path) -> xr.Dataset:
    """Open a file without looking at checksums."""
    return xr.open_dataset(path, engine="netcdf4")


def seconds(work: Callable[[], object]) -> float:
    """Processor time [s]."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def main() -> None:
    """Print times, sizes and ratios."""
    random = np.random.default_rng(0)
    dimensions = ("plane", "wave", "ky", "kx")
    data = xr.Dataset(
        {part: (dimensions, random.random(SHAPE, np.float32)) for part in ("real", "imaginary")}
    )
    print(f"{data.nbytes / 1e6:.0f} MB of random numbers; best of {REPEATS}")
    with TemporaryDirectory() as folder:
        checked, bare = Path(folder) / "checked.nc", Path(folder) / "bare.nc"
        pairs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "write": (lambda: save_netcdf(data, checked), lambda: data.to_netcdf(bare)),
            "open": (lambda: open_netcdf(checked, "file").close(), lambda: plain(bare).close()),
            "read": (lambda: open_netcdf(checked, "file").load(), lambda: plain(bare).load()),
        }
        for name, (with_them, without) in pairs.items():
            times = np.array([[seconds(with_them), seconds(without)] for _ in range(REPEATS)])
            best, usual = times.min(axis=0)
            print(f"{name}: {best:.3f} s with, {usual:.3f} s without, {best / usual:.1f} x")
        sizes = [path.stat().st_size for path in (checked, bare)]
        print(f"size: {sizes[0] - sizes[1]} bytes more, {100 * (sizes[0] / sizes[1] - 1):.4f} %")


if __name__ == "__main__":
    main()
