# SPDX-License-Identifier: GPL-3.0-or-later
"""The worked scripts run and say what is so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image

from polarstem.scans.files.writers import write_hspy
from tests.unit.maps import small_scan

ROOT = Path(__file__).resolve().parents[3]
TRIED = ("simulate_and_look", "train_and_compare", "map_and_plot")


def run(name: str, folder: Path, *arguments: str) -> str:
    """What a script prints, run elsewhere."""
    command = [sys.executable, str(ROOT / "examples" / f"{name}.py"), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def drawn(path: Path) -> bool:
    """Whether a figure holds something."""
    with Image.open(path) as image:
        low, high = image.convert("L").getextrema()
        return min(image.size) > 300 and low < 100 and high == 255


def test_all_are_tried():
    assert {path.stem for path in (ROOT / "examples").glob("*.py")} == set(TRIED)


@pytest.mark.slow
def test_simulate_and_look(tmp_path):
    told = run("simulate_and_look", tmp_path, "--figure", "out.png")
    shares = [float(s) for s in re.findall(r"changes ([\d.]+)% of the pattern", told)]
    assert len(shares) == 4
    assert 0.5 < max(shares) < 60
    assert drawn(tmp_path / "out.png")


@pytest.mark.slow
def test_train_and_compare(tmp_path):
    told = run("train_and_compare", tmp_path)
    rows = re.findall(r"^(\w+) +(\d+)% +(\d+)%$", told, re.MULTILINE)
    assert [name for name, _, _ in rows] == ["linear", "template", "pca_knn"]
    assert int(rows[0][1]) > 80  # by chance 25
    assert int(rows[0][1]) > int(rows[0][2]) + 20  # another thickness is another matter
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_map_and_plot(tmp_path):
    counts, _, step = small_scan.scan(cells=5)
    small_scan.model().save(tmp_path / "model")
    write_hspy(
        tmp_path / "scan.hspy",
        counts,
        step_nm=(step, step),
        mrad_per_pixel=small_scan.DETECTOR_MRAD,
        energy_kv=small_scan.ENERGY_KV,
        semiangle_mrad=small_scan.SEMIANGLE_MRAD,
    )
    sheet = {"detector_rotation_deg": 0, "crystal_rotation_deg": 0, "off": ["thickness", "tilt"]}
    (tmp_path / "sheet.yaml").write_text(yaml.safe_dump(sheet), encoding="utf-8")
    told = run("map_and_plot", tmp_path, "scan.hspy", "model", "--sheet", "sheet.yaml")
    counted = {int(d): int(n) for d, n in re.findall(r"(\d+) degrees: (\d+) unit cells", told)}
    assert set(counted) == {0, 90, 180, 270}
    none, cells = map(int, re.search(r"no answer: (\d+) of (\d+)", told).groups())
    assert sum(counted.values()) + none == cells
    assert none < cells / 3
    assert drawn(tmp_path / "vectors.png")
