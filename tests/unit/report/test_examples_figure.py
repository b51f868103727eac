# SPDX-License-Identifier: GPL-3.0-or-later
"""Figure of example patterns: which patterns of the data sets it shows."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest

from polarstem.data.dataset_file import DatasetWriter
from polarstem.errors import PolarstemError
from polarstem.report.figures import examples
from polarstem.report.figures.examples import draw_examples, read_examples
from tests.unit.evaluate import synthetic_results as synthetic

NAMES, DIRECTIONS = ["O", "MU", "RM"], [np.nan, 90.0, 0.0]
ANGLES = np.array([-3.0, -1.0, 1.0, 3.0])
CELL = np.array([0.65, 0.4, 0.7]), np.array([0.65, 0.9])


def write(path: Path, thicknesses, names=NAMES, splits=("train", "test", "test")):
    """Data set of random patterns; returns them by specimen and thickness."""
    rng = np.random.default_rng(len(path.stem))
    written = {}
    with netCDF4.Dataset(path, "w") as file:
        writer = DatasetWriter(file, ANGLES, NAMES, DIRECTIONS, len(names) * len(splits))
        for t in thicknesses:  # so that the patterns of a specimen do not follow each other
            for number, split in enumerate(splits):
                for name in names:
                    patterns = rng.random((3, 2, 4, 4), np.float32)
                    specimen = f"{name}-{number}"
                    direction = DIRECTIONS[NAMES.index(name)]
                    writer.add(specimen, name, direction, split, t, CELL, patterns)
                    written[specimen, t] = patterns
    return written


def test_first_specimens_at_the_thicknesses_of_the_files(tmp_path, monkeypatch):
    paths = [tmp_path / f"{name}.nc" for name in ("a", "bb")]
    written = write(paths[0], [20.0]) | write(paths[1], [12.3, 5.0])
    monkeypatch.setattr(examples, "BLOCK_BYTES", 4 * 64)  # four patterns at a time
    thicknesses, classes = read_examples(paths)
    assert thicknesses == [5.0, 12.3, 20.0]
    assert [c.name for c in classes] == ["RM", "MU", "O"]
    assert [c.direction_deg for c in classes] == pytest.approx([0, 90, np.nan], nan_ok=True)
    for c in classes:
        for column, thickness in enumerate(thicknesses):
            scan = written[f"{c.name}-0", thickness]
            # 0.9 is nearer 1.25 than 0.65 is to 0.25
            assert c.single[column] == pytest.approx(scan[1, 1])
            assert c.mean[column] == pytest.approx(scan.mean((0, 1)), rel=1e-6)
        assert c.edges == (-4, 4, 4, -4)


def test_patterns_keep_the_sense_of_their_axes(drawn):
    thicknesses, classes = read_examples(drawn.examples)
    assert thicknesses == list(synthetic.THICKNESSES)
    assert [c.name for c in classes] == synthetic.NAMES
    k = (np.arange(48) - 23.5) * 2
    cell_y, cell_x = (np.arange(8) + 0.3) / 8, (np.arange(6) + 0.1) / 6
    at_30 = [synthetic.pattern(45.0, 30.0, y, x, k) for y in cell_y for x in cell_x]
    assert classes[1].mean[2] == pytest.approx(np.mean(at_30, axis=0), abs=1e-8)
    near = synthetic.pattern(45.0, 10.0, cell_y[2], cell_x[1], k)
    assert classes[1].single[0] == pytest.approx(near, abs=1e-8)
    assert classes[1].edges == (-48, 48, 48, -48)


def test_four_thicknesses_at_most(tmp_path):
    write(tmp_path / "a.nc", [50.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0], NAMES[:1])
    thicknesses, classes = read_examples([tmp_path / "a.nc"])
    assert thicknesses == [10.0, 20.0, 30.0, 50.0]
    assert classes[0].single.shape == classes[0].mean.shape == (4, 4, 4)


def test_data_sets_without_common_classes_are_refused(tmp_path):
    write(tmp_path / "all.nc", [10.0])
    write(tmp_path / "two.nc", [20.0], NAMES[:2])
    with pytest.raises(PolarstemError, match=r"of the same classes.*\.nc"):
        draw_examples([tmp_path / f"{n}.nc" for n in ("all", "two")], 2.0, tmp_path / "e.png")
    assert not (tmp_path / "e.png").exists()
