# SPDX-License-Identifier: GPL-3.0-or-later
"""Walls of known position and width, and what is no wall."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.image import imread

from polarstem.displacements.wall_profile import wall_profile
from polarstem.errors import PolarstemError
from polarstem.report.figures.wall_profile import draw_wall

CELL_NM = 0.397
BEFORE, AFTER = np.array([14.0, 14.0]), np.array([-14.0, 14.0])


def across(
    width_nm: float, angle_deg: float = 0.0, noise_pm: float = 1.0, seed: int = 0
) -> tuple[xr.Dataset, tuple[float, float], tuple[float, float]]:
    """Cells of a wall across 14 x 7 of them, and the ends of a line across it."""
    y, x = (CELL_NM * axis.ravel() for axis in np.indices((7, 14)))
    turn = np.exp(1j * np.radians(angle_deg))
    middle = 4.4 * CELL_NM
    rise = np.tanh(2 * (x - middle) / width_nm)
    shift = (BEFORE + AFTER) / 2 + np.outer(rise, AFTER - BEFORE) / 2
    shift = shift + np.random.default_rng(seed).normal(scale=noise_pm, size=shift.shape)
    shift[5] = np.nan
    known = np.where(np.arange(len(x)) == 5, np.nan, 1.0)
    places = turn * (x + 1j * y)
    data = xr.Dataset(
        {
            "centre_x": ("cell", places.real),
            "centre_y": ("cell", places.imag),
            "ux": ("cell", shift[:, 0]),
            "uy": ("cell", shift[:, 1]),
            "sigma_x": ("cell", 0.8 * noise_pm * known),
            "sigma_y": ("cell", 1.2 * noise_pm * known),
        }
    )
    ends = turn * (np.array([0.0, 13 * CELL_NM]) + 1j * CELL_NM)
    first, last = ((float(end.real), float(end.imag)) for end in ends)
    return data, first, last


@pytest.mark.parametrize("cells", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("angle_deg", [0.0, 33.0])
def test_position_and_width_are_found(cells: float, angle_deg: float) -> None:
    found = wall_profile(*across(cells * CELL_NM, angle_deg))
    assert abs(found.position_nm[0] - 4.4 * CELL_NM) < 0.1 * CELL_NM
    assert abs(found.width_nm[0] - cells * CELL_NM) < 0.3 * CELL_NM
    np.testing.assert_allclose(2 * found.half_pm, AFTER - BEFORE, atol=1.5)
    np.testing.assert_allclose(found.middle_pm, (BEFORE + AFTER) / 2, atol=1.0)
    assert found.scatter_pm == pytest.approx(1.0, rel=0.15)
    assert len(found.distance_nm) == 97
    slope = found.curve(np.array([found.position_nm[0] + found.width_nm[0] / 2]))
    assert slope[0] == pytest.approx(0.76 * np.hypot(*found.half_pm), rel=0.01)


def test_intervals_hold_the_truth_two_times_in_three() -> None:
    held = np.zeros(2)
    for seed in range(60):
        found = wall_profile(*across(2 * CELL_NM, noise_pm=2.0, seed=seed))
        for number, (interval, true) in enumerate(
            ((found.position_nm, 4.4 * CELL_NM), (found.width_nm, 2 * CELL_NM))
        ):
            held[number] += interval[1] <= true <= interval[2]
    assert (held / 60 > 0.5).all()
    assert (held / 60 < 0.85).all()


def test_a_wall_sharper_than_cells_can_tell_has_an_upper_bound() -> None:
    found = wall_profile(*across(0.02, noise_pm=2.0))
    assert found.width_nm[2] < 1.5 * CELL_NM
    assert "at most" in str(found)
    assert " nm wide (" in str(wall_profile(*across(4 * CELL_NM)))


def test_no_wall_no_line_and_few_cells_are_told() -> None:
    data, first, last = across(0.8)
    with pytest.raises(PolarstemError, match="has no length"):
        wall_profile(data, first, first)
    with pytest.raises(PolarstemError, match="lie 7 unit cells"):
        wall_profile(data, (0.0, 0.1), (0.1, 0.1))
    data["ux"][:], data["uy"][:] = np.random.default_rng(0).normal(size=(2, 98))
    with pytest.raises(PolarstemError, match="do not change as across a wall"):
        wall_profile(data, first, last)


def test_a_line_that_is_not_perpendicular_to_the_wall_is_refused() -> None:
    data, (x0, y0), (x1, y1) = across(0.8)
    slanted = (x0, y0 - 1.6), (x1, y1 + 1.6)
    with pytest.raises(PolarstemError, match=r"not by 1\.0 pm as their errors say; draw it"):
        wall_profile(data, *slanted)
    # ten degrees off is no matter
    few = 0.5 * (x1 - x0) * np.tan(np.radians(5.0))
    found = wall_profile(data, (x0, y0 - few), (x1, y1 + few))
    assert abs(found.width_nm[0] - 0.8) < 0.3 * CELL_NM


def test_it_is_drawn(tmp_path: Path) -> None:
    draw_wall(wall_profile(*across(0.8)), tmp_path / "wall.png")
    assert imread(tmp_path / "wall.png").std() > 0.05
