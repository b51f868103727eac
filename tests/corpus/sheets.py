# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged scan sheets, used with a small scan."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.corpus.mutate import anything, as_yaml, damaged, damaged_text

SHEETS: tuple[dict[str, Any], ...] = (
    {"step_nm": 0.1, "energy_kv": 200, "semiangle_mrad": 24, "mrad_per_pixel": 5.3},
    {"scan_shape": [3, 4], "step_nm": [0.1, "2 Å"], "energy_kv": "200 kV", "flyback_frames": 0},
    {"raw": {"dtype": "uint16", "frame_shape": "16x18", "header_bytes": 128, "gap_bytes": 0},
     "scan_shape": "3 x 4", "semiangle_mrad": "24 mrad", "disc_radius_pixels": 4.5},
    {"reader": "npy", "exchange_axes": False, "camera_length_mm": 10.4, "pixel_um": 55,
     "centre": [7.5, 8.5], "detector_rotation_deg": 12, "off": ["lattice", "thickness"]},
    {"mask": "mask.png", "bad_pixels": [[0, 1], [2, 2]], "region": [0, 2, 1, 4], "gamma": "log",
     "dark": "dark.npy", "gain": "gain.npy", "invalid": "zero", "zone_axis": [0, 0, 1],
     "thickness_nm": [5, 40], "crystal_rotation_deg": -3.5, "scan_flip_x": True},
    {"experiments": {"mine": {"scan": "scan.npy", "sheet": {"semiangle_mrad": 24, "gamma": 0.5}}}},
)  # fmt: skip
FILES = ("mask.png", "dark.npy", "gain.npy", "scan.npy", "../scan.npy", "/dev/zero", "/etc/passwd")

name = "sheet"


def disc_scan() -> np.ndarray:
    """Mean counts of 3 x 4 patterns of 16 x 18 pixels with a disc."""
    y, x = np.mgrid[:16, :18]
    disc = np.where(np.hypot(y - 7.5, x - 8.5) < 4.5, 300.0, 2.0)
    return np.broadcast_to(disc, (3, 4, 16, 18))


def prepare() -> None:
    """Look at the scan without a sheet, which imports and compiles what that takes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, 0)
        (folder / "sheet.yaml").write_text(as_yaml(SHEETS[0]))
        attempt(folder)


def make(folder: Path, seed: int) -> str:
    """Write ``sheet.yaml`` beside a scan of 3 x 4 patterns and its references."""
    from PIL import Image

    rng, numbers = random.Random(seed), np.random.default_rng(0)
    np.save(folder / "scan.npy", numbers.poisson(disc_scan()).astype(np.uint16))
    np.save(folder / "dark.npy", np.zeros((16, 18)))
    np.save(folder / "gain.npy", np.ones((16, 18)))
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(folder / "mask.png")
    base = rng.randrange(len(SHEETS))
    sheet = dict(SHEETS[base])
    if rng.random() < 0.3:
        sheet |= {k: v for k, v in rng.choice(SHEETS).items() if rng.random() < 0.3}
    if rng.random() < 0.2:
        sheet[rng.choice(("mask", "dark", "gain", "bad_pixels"))] = rng.choice(FILES)
    if rng.random() < 0.2:
        data, told = damaged_text(as_yaml(sheet), rng)
    else:
        if rng.random() < 0.1:
            sheet[rng.choice(list(sheet))] = anything(rng)
        damage, told = damaged(sheet, rng, most=rng.choice((1, 1, 2)))
        data = as_yaml(damage).encode("utf-8", "surrogatepass")
    (folder / "sheet.yaml").write_bytes(data)
    return f"{base}: {told}"


def attempt(folder: Path) -> None:
    """Open the scan with it and look at it."""
    from polarstem.scans.inspection import inspect_scan

    list(inspect_scan(folder / "scan.npy", folder / "sheet.yaml", threads=1).sentences())
