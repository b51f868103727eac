# SPDX-License-Identifier: GPL-3.0-or-later
"""Displacements of the specimens of a data set: each scan by its own conditions."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from displaced_cases import TRAINED_FOR, raster

from polarstem.data.patterns import PatternSet
from polarstem.displacements import specimen_displacements
from polarstem.displacements.cell_displacement import CellFit
from polarstem.displacements.displaced_crystals import DisplacedCrystals
from polarstem.displacements.microscope_conditions import NAMES, at_start
from polarstem.displacements.specimen_displacements import fit_specimens
from polarstem.displacements.verdicts import Untold, probability_polar
from polarstem.errors import PolarstemError

SHIFTS = {"right": (12.0, 1.0), "up": (-2.0, 9.0), "none": (0.0, 0.0), "unknown": (5.0, 5.0)}
TILTS = {"right": (0.4, 0.0), "up": (0.0, -0.6), "none": (-0.3, 0.3), "unknown": (0.0, 0.0)}
POSITIONS, DOSE = 30, 4e5


@pytest.fixture(scope="module")
def found(
    crystals: DisplacedCrystals, directly: Any, halos: Any, tmp_path_factory: Any
) -> xr.Dataset:
    nm, pixels = float(crystals.thickness_nm[2]), TRAINED_FOR["pixels"]
    fractions, parts, names = raster(8), [], []
    rng = np.random.default_rng(2)
    for number, (name, shift) in enumerate(SHIFTS.items()):
        conditions = at_start(np.array(TILTS[name]), nm)
        conditions[NAMES.index("C10")] = 12.0 * number - 12.0
        conditions[NAMES.index("rotation")] = 0.4
        expected = directly(shift, fractions, conditions)
        parts.append(rng.poisson(DOSE * expected) / DOSE)
        names += [name] * len(fractions)
    patterns = PatternSet.from_arrays(
        np.concatenate(parts).reshape(-1, pixels, pixels).astype(np.float32),
        np.zeros(len(names)),
        ["RM"],
        [0.0],
        specimen=np.array(names),
        thickness=np.full(len(names), nm),
        dose=np.full(len(names), DOSE),
        cell_y=np.tile(fractions[:, 0], len(SHIFTS)),
        cell_x=np.tile(fractions[:, 1], len(SHIFTS)),
    )

    class Fitter:
        """A library that is off by a little, and knows nothing of one specimen."""

        model = SimpleNamespace(halos=halos)

        def __init__(self, _: Any) -> None:
            self.seen = iter(sorted(SHIFTS))

        def fit(self, mean: Any, *, rotation_deg: float, electrons: float) -> Any:
            name = next(self.seen)
            assert mean.shape == (pixels, pixels)
            assert electrons == pytest.approx(64 * DOSE)
            if name == "unknown":
                return SimpleNamespace(thickness=None, tilt=None)
            tilt = np.array(TILTS[name]) + 0.2
            return SimpleNamespace(
                thickness=SimpleNamespace(value=nm + 0.2), tilt=SimpleNamespace(value=tilt)
            )

    patch = pytest.MonkeyPatch()
    patch.setattr(specimen_displacements, "PacbedFitter", Fitter)
    patch.setattr(specimen_displacements.Library, "open", lambda _: None)
    patch.setattr(specimen_displacements.PatternSet, "open", lambda *_, **__: patterns)
    patch.setattr(specimen_displacements, "MARGIN_NM", 0.9)
    path = tmp_path_factory.mktemp("fitted") / "free.nc"
    fit_specimens("free.nc", "library.nc", TRAINED_FOR, path, POSITIONS, 2)
    with pytest.raises(PolarstemError, match="has 64 patterns, fewer than a unit cell of 65"):
        fit_specimens("free.nc", "library.nc", TRAINED_FOR, path, 65)
    patch.undo()
    with xr.open_dataset(path) as data:
        return data.load()


def test_each_specimen_has_its_own_displacement_and_conditions(found: xr.Dataset) -> None:
    specimens = found["specimen"].values.astype(str).tolist()
    assert sorted(specimens) == sorted(SHIFTS)
    owner = found["cell_specimen"].values
    assert np.bincount(owner).tolist() == [2] * 4  # of 64 positions, 60 make two cells
    for row, name in enumerate(specimens):
        cells = found.isel(cell=owner == row)
        if name == "unknown":
            assert (cells["cell_reason"] == Untold.BY_THE_MAP).all()
            assert np.isnan(cells["cell_ux"]).all()
            assert np.isnan(found["conditions"].values[row]).all()
            continue
        error = np.stack([cells["cell_ux"], cells["cell_uy"]], 1) - SHIFTS[name]
        assert np.abs(error).max() < 1.0, (name, error)
        sigma = np.stack([cells["cell_sigma_x"], cells["cell_sigma_y"]], 1)
        assert (np.abs(error) < 4 * sigma).all()
        assert sigma.max() < 1.5
        told = dict(
            zip(found["condition"].values.tolist(), found["conditions"].values[row], strict=True)
        )
        assert told["tilt_x"] == pytest.approx(TILTS[name][0], abs=0.12)
        assert told["tilt_y"] == pytest.approx(TILTS[name][1], abs=0.12)
        assert told["rotation"] == pytest.approx(0.4, abs=0.1)
        polar = cells["cell_p_polar"].values
        assert (polar < 0.01).all() if name == "none" else (polar > 0.99).all()


def test_columns_of_each_scan_are_beside_the_fits(found: xr.Dataset) -> None:
    """A thin crystal deflects the beam as its columns lie; the exchanged ones would not."""
    specimens = found["specimen"].values.astype(str).tolist()
    columns = found["columns"].sel(column_feature="bright field B - A").values
    assert np.isfinite(found["columns"].values).all()
    right, up, none = (columns[specimens.index(name)] for name in ("right", "up", "none"))
    assert np.abs(none).max() < 0.5 * np.abs(right - none).max()
    assert abs((right - none)[0]) > 2 * abs((right - none)[1])
    assert abs((up - none)[1]) > 2 * abs((up - none)[0])
    told = found["measured_tilt_x"].values[specimens.index("right")]
    assert told == pytest.approx(0.4 + 0.2)
    assert np.isnan(found["measured_tilt_y"].values[specimens.index("unknown")])


def test_single_patterns_tell_less_than_a_cell(found: xr.Dataset) -> None:
    specimens = found["specimen"].values.astype(str).tolist()
    owner = found["pattern_specimen"].values
    assert np.bincount(owner).tolist() == [64] * 4
    for row, name in enumerate(specimens):
        one = found.isel(pattern=owner == row)
        if name == "unknown":
            assert np.isnan(one["pattern_ux"]).all()
            continue
        told = one["pattern_reason"].values == Untold.TOLD
        assert told.mean() > 0.9
        cells = found.isel(cell=found["cell_specimen"].values == row)
        errors = [
            np.stack([some[f"{kind}_ux"], some[f"{kind}_uy"]], 1) - SHIFTS[name]
            for kind, some in (("pattern", one.isel(pattern=told)), ("cell", cells))
        ]
        alone, together = (float(np.sqrt((error**2).mean())) for error in errors)
        assert 2 * together < alone < 3.0


def test_conditions_that_were_not_found_leave_a_reason() -> None:
    nothing = np.zeros(0)
    fit = CellFit(np.array([0.5, 0.5]), np.eye(2), 1.0, 9.0, nothing, nothing, nothing)
    reasons = [
        specimen_displacements._table([fit], 1.0, np.eye(2), settled)["reason"].tolist()
        for settled in (True, False)
    ]
    assert reasons == [[Untold.TOLD], [Untold.NO_CONDITIONS]]


def test_a_short_vector_is_polar_by_chance() -> None:
    at_the_limit = np.array([[5.0, 0.0], [0.0, 0.0], [15.0, 0.0]])
    found = probability_polar(at_the_limit, np.tile(0.01 * np.eye(2), (3, 1, 1)), 20.0)
    assert found == pytest.approx([0.5, 0.0, 1.0], abs=0.01)


def test_fits_come_near_the_bound_and_not_below_it(found: xr.Dataset) -> None:
    specimens = found["specimen"].values.astype(str).tolist()
    known = [row for row, name in enumerate(specimens) if name != "unknown"]
    bound, reached = (found[name].values[known] for name in ("bound", "reached"))
    np.testing.assert_allclose(bound[:, 0], 10 * bound[:, 1])
    assert found["recount_dose"].values.tolist() == [1e3, 1e4]
    share = np.sqrt(bound.mean(0) / reached.mean(0))
    assert (share > 0.75).all()
    assert (share < 1.35).all(), "of 48 numbers each"
    # electrons of all 30 positions, and a displacement of picometres
    assert 0.05 < float(np.sqrt(bound[:, 1].mean())) < 1.0
