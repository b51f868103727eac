# SPDX-License-Identifier: GPL-3.0-or-later
"""Displacements of the cells of a map: in the scan's frame, with their errors, or a reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from displaced_cases import TRAINED_FOR, raster
from matplotlib.image import imread
from rsciio.hspy import file_reader

from polarstem import cli
from polarstem.displacements import displacement_map
from polarstem.displacements.displaced_crystals import DisplacedCrystals
from polarstem.displacements.displacement_files import write_displacements
from polarstem.displacements.displacement_map import (
    Untold,
    measure_displacements,
    said,
)
from polarstem.displacements.microscope_conditions import NAMES, at_start
from polarstem.errors import PolarstemError
from polarstem.maps.withheld import Reason
from polarstem.report.figures.displacement_arrows import draw_displacements

SIDE, STEPS = 4, 6  # cells along the scan, positions along a cell
RIGHT, UP = (11.0, 0.0), (0.0, 11.0)  # in the crystal's frame: left and right half of the scan
TURNED_DEG = 90.0


@pytest.fixture(scope="module")
def scanned(crystals: DisplacedCrystals, directly: Any) -> xr.Dataset:
    """A map of two domains whose crystal lies at 90 degrees in the scan."""
    nm = float(crystals.thickness_nm[2])
    conditions = at_start(np.array([0.0, 0.6]), nm)
    conditions[NAMES.index("C10")] = 10.0
    fractions = raster(STEPS)
    n, pixels = SIDE * STEPS, TRAINED_FOR["pixels"]
    patterns = np.empty((n, n, pixels, pixels))
    rng = np.random.default_rng(0)
    for half, shift in enumerate((RIGHT, UP)):
        cell = directly(shift, fractions, conditions).reshape(STEPS, STEPS, pixels, pixels)
        place = np.s_[:, half * n // 2 : (half + 1) * n // 2]
        patterns[place] = np.tile(cell, (SIDE, SIDE // 2, 1, 1))
    counts = rng.poisson(2e5 * patterns).astype(float)
    total = counts.sum((2, 3))
    y, x = np.indices((n, n))
    cells = np.arange(SIDE**2)
    fraction = fractions.reshape(STEPS, STEPS, 2)
    per_cell = {
        "cell_row": cells // SIDE,
        "cell_column": cells % SIDE,
        "cell_centre_y": 0.4 * (cells // SIDE + 0.5),
        "cell_centre_x": 0.4 * (cells % SIDE + 0.5),
        "cell_thickness": np.full(len(cells), nm),
        # of the crystal's (0, 0.6), turned by 90 degrees
        "cell_tilt_x": np.full(len(cells), -0.6),
        "cell_tilt_y": np.zeros(len(cells)),
        "cell_at_wall": np.zeros(len(cells), bool),
        "cell_withheld": np.full(len(cells), Reason.AMBIGUOUS, np.int8),
    }
    return xr.Dataset(
        {
            "pattern": (("y", "x", "ky", "kx"), counts / total[..., None, None]),
            "total": (("y", "x"), total),
            "cell": (("y", "x"), (y // STEPS) * SIDE + x // STEPS),
            "cell_y": (("y", "x"), np.tile(fraction[..., 0], (SIDE, SIDE))),
            "cell_x": (("y", "x"), np.tile(fraction[..., 1], (SIDE, SIDE))),
            **{name: ("cell", values) for name, values in per_cell.items()},
        },
        attrs={"crystal_rotation_deg": TURNED_DEG, "scan": "a scan", "forced": "another voltage"},
    )


@pytest.fixture
def folders(tmp_path: Path, scanned: xr.Dataset, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A map's folder and its model's, of which the trained network does not matter."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "library.nc").write_bytes(b"")
    library = SimpleNamespace(
        pixels=TRAINED_FOR["pixels"], mrad_per_pixel=TRAINED_FOR["mrad_per_pixel"]
    )
    monkeypatch.setattr(displacement_map.Library, "open", lambda _: library)
    told = {"trained_for": TRAINED_FOR}
    monkeypatch.setattr(displacement_map, "read_description", lambda _: told)
    monkeypatch.setattr(displacement_map, "MARGIN_NM", 0.8)

    def written(data: xr.Dataset = scanned) -> tuple[Path, Path]:
        folder = tmp_path / "map"
        folder.mkdir()
        data.to_netcdf(folder / "map.nc")
        return folder, model

    return written


def test_displacements_are_told_in_the_frame_of_the_scan(folders: Any, tmp_path: Path) -> None:
    found = measure_displacements(*folders(), threads=2)
    assert (found["reason"].values == 0).all()
    left = np.arange(SIDE**2) % SIDE < SIDE // 2
    for name, there, other in (("ux", 0.0, -11.0), ("uy", 11.0, 0.0)):
        # the crystal's +x points up in the scan, its +y to the left
        np.testing.assert_allclose(found[name].values[left], there, atol=1.2)
        np.testing.assert_allclose(found[name].values[~left], other, atol=1.2)
    assert (found["p_polar"].values > 0.99).all()
    assert (found["sigma_x"].values < 2.5).all()
    expected = 11.0 * 51.31 / 20.0  # docs/crystals.md, docs/vector.md
    np.testing.assert_allclose(found["polarization"].values, expected, rtol=0.12)
    assert all(found[name].attrs["units"] for name in found.data_vars)
    assert "git_commit" in found.attrs or "provenance" in found.attrs
    assert said(found).startswith("Displacements of 16 of 16 unit cells: median length 1")

    write_displacements(found, tmp_path)
    draw_displacements(found, tmp_path / "displacements.png")
    text = (tmp_path / "displacements.csv").read_text(encoding="utf-8")
    assert text.startswith("# forced: another voltage\n")
    assert said(found).endswith("forced: another voltage.")
    plain = found.assign_attrs(forced="")
    draw_displacements(plain, tmp_path / "plain.png")
    stamped, bare = (imread(tmp_path / name) for name in ("displacements.png", "plain.png"))
    assert len(stamped) > len(bare) + 50, "there is room for the stamp"
    table = pd.read_csv(tmp_path / "displacements.csv", comment="#")
    assert {"cell", "ux_pm", "sigma_x_pm", "correlation", "reason", "centre_x_nm"} <= set(table)
    assert (table["reason"] == "told").all()
    assert imread(tmp_path / "displacements.png").std() > 0.05
    (signal,) = file_reader(tmp_path / "displacements.hspy")
    names = signal["metadata"]["Polarstem"]["layers"]
    np.testing.assert_allclose(
        signal["data"][names.index("ux")].ravel(), found["ux"], rtol=1e-6, err_msg="row by row"
    )
    assert [axis["units"] for axis in signal["axes"][1:]] == ["nm", "nm"]
    assert signal["axes"][1]["scale"] == pytest.approx(0.397)


def test_without_neighbours_errors_are_as_large_as_all_differences(
    folders: Any, scanned: xr.Dataset
) -> None:
    data = scanned.copy(deep=True)
    data["cell_at_wall"][:] = True
    found = measure_displacements(*folders(data), threads=2)
    apart = max(np.std(found[name].values) for name in ("ux", "uy"))
    assert apart == pytest.approx(5.5, rel=0.1), "half of the cells are 11 pm to either side"
    for name in ("sigma_x", "sigma_y"):
        np.testing.assert_allclose(found[name], apart, rtol=0.1)


def test_cells_of_another_crystal_have_a_reason_and_no_displacement(
    folders: Any, scanned: xr.Dataset
) -> None:
    data = scanned.copy(deep=True)
    data["cell_withheld"][7] = Reason.VACUUM
    foreign = data["cell"].values == 5
    patterns = data["pattern"].values
    patterns[foreign] = patterns[foreign][::-1]  # where they were not taken
    found = measure_displacements(*folders(data), threads=2)
    assert found["reason"].values[5] == Untold.NOT_THIS_CRYSTAL
    assert np.isnan(found["ux"].values[5])
    assert np.isnan(found["sigma_x"].values[5])
    assert found["reason"].values[7] == Untold.BY_THE_MAP
    assert np.isnan(found["uy"].values[7])
    assert (found["reason"].values == 0).sum() == 14
    assert "14 of 16" in said(found)


def test_nothing_is_told_under_conditions_that_were_not_found(
    folders: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = displacement_map.fit_scan
    monkeypatch.setattr(
        displacement_map, "fit_scan", lambda *given: replace(fit(*given), settled=False)
    )
    found = measure_displacements(*folders(), threads=2)
    assert (found["reason"].values == Untold.NO_CONDITIONS).all()
    assert np.isnan(found["ux"]).all()
    assert said(found).startswith(
        "Displacements of 0 of 16 unit cells (not told: 16: the conditions of the microscope were"
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda data: data.drop_vars("pattern"), "keeps no patterns"),
        (lambda data: data.assign(cell_y=data["cell_y"] * np.nan), "has no lattice"),
        (lambda data: data.drop_vars("cell_thickness"), "has no thickness"),
        (lambda data: data.isel(kx=slice(2, None), ky=slice(2, None)), "of 18 pixels"),
        (lambda data: data.isel(cell=slice(0, 5)), "has 5 unit cells"),
        (
            lambda data: data.assign(cell_withheld=0 * data["cell_withheld"] + Reason.TURN_UNKNOWN),
            "how the patterns are turned against the scan is unknown",
        ),
    ],
)
def test_maps_that_hold_too_little_are_refused(folders: Any, scanned: Any, change: Any, told: str):
    with pytest.raises(PolarstemError, match=told):
        measure_displacements(*folders(change(scanned)), threads=2)


def test_other_zone_axes_are_refused(folders: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    other = {"trained_for": {**TRAINED_FOR, "zone_axis": [1, 1, 0]}}
    monkeypatch.setattr(displacement_map, "read_description", lambda _: other)
    with pytest.raises(PolarstemError, match=r"along \[0, 0, 1\] alone"):
        measure_displacements(*folders(), threads=2)


def test_a_model_without_a_library_is_refused(folders: Any) -> None:
    map_folder, model = folders()
    (model / "library.nc").unlink()
    with pytest.raises(PolarstemError, match="no library beside it"):
        measure_displacements(map_folder, model)


def test_the_command_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["vectors", str(tmp_path), "--model", str(tmp_path), "--out", str(tmp_path)]
    assert cli.main(command) == 1
    assert "nothing is overwritten" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
