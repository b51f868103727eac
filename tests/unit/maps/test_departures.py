# SPDX-License-Identifier: GPL-3.0-or-later
"""Scans that depart from what is usual: right, or no answer with a true sentence.

Each departure is made of the same four domains. Of all of them together no cell may be answered
and wrong.
"""

from __future__ import annotations

import json
from typing import Any

import library_scan
import numpy as np
import pytest
import xarray as xr
from library_scan import judged
from numpy.typing import NDArray
from scipy.ndimage import shift
from scipy.signal import fftconvolve

from polarstem.maps.withheld import Reason
from polarstem.simulate.microscope.camera import Camera

SIZE, MRAD = library_scan.DETECTOR, library_scan.DETECTOR_MRAD
DOSE = 3e4
_Y, _X = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
ANGLE = np.hypot(_Y, _X) * MRAD


def told(data: xr.Dataset) -> dict[str, Any]:
    return json.loads(data.attrs["summary"])


def said(data: xr.Dataset, *words: str) -> bool:
    """Whether one warning holds all the words."""
    return any(all(word in text for word in words) for text in told(data)["warnings"])


def all_right(data: xr.Dataset, truth: NDArray[np.int64], least: float = 1.0) -> None:
    """All cells of one domain are right, and so many of them answered."""
    cells, answered, wrong = judged(data, truth)
    assert wrong == 0
    assert cells > 0
    assert answered >= least * cells


def thickness_of(data: xr.Dataset) -> float | None:
    found = told(data)["thickness_nm"]
    return None if found is None else found["value"]


def right_thickness(data: xr.Dataset, make: Any, within: float = 1.0) -> bool:
    found = thickness_of(data)
    return found is not None and abs(found - library_scan.thickness_nm(make)) <= within


# how patterns lie against the scan


@pytest.mark.parametrize("columns", [48, 47, 44])
def test_a_detector_at_180_degrees_of_which_nobody_says_a_word(known_scan, columns):
    counts = known_scan.counts[:, :columns, ::-1, ::-1]
    data = known_scan.map(counts, detector_rotation_deg=None)
    all_right(data, known_scan.truth[:, :columns])
    turned = told(data)["settings"]["detector_rotation_deg"]["value"]
    assert abs((turned + 360) % 360 - 180) < 3


@pytest.mark.parametrize("turn", [90.0, 180.0, 270.0])
def test_a_sheet_that_is_wrong_by_quarter_turns(known_scan, turn):
    data = known_scan.map(known_scan.counts, detector_rotation_deg=turn)
    all_right(data, known_scan.truth)
    assert said(data, f"detector_rotation_deg is {turn:g}", "off: [handedness]")


def test_a_mirrored_detector(known_scan):
    data = known_scan.map(known_scan.counts[..., ::-1])
    all_right(data, known_scan.truth)
    assert said(data, "mirrored", "detector_flip_x")


def test_exchanged_axes(known_scan):
    data_or_text = _map_or_refusal(known_scan, known_scan.counts.transpose(2, 3, 0, 1))
    assert "exchange_axes" in data_or_text
    data = known_scan.map(known_scan.counts.transpose(2, 3, 0, 1), exchange_axes=True)
    all_right(data, known_scan.truth)


def _map_or_refusal(known_scan: Any, counts: NDArray[Any], **sheet: Any) -> str:
    """What is said, by an error or by warnings of a map without any answer."""
    from polarstem.errors import PolarstemError

    try:
        data = known_scan.map(counts, **sheet)
    except PolarstemError as error:
        return str(error)
    assert not data["answered"].any()
    assert not data["cell_answered"].any()
    return " ".join(told(data)["warnings"])


def test_one_frame_more_in_each_row(known_scan):
    counts = np.concatenate([known_scan.counts[:, -1:], known_scan.counts], axis=1)
    data = known_scan.map(counts, flyback_frames=1)
    all_right(data, known_scan.truth)
    data = known_scan.map(np.concatenate([known_scan.counts, known_scan.counts[:, -1:]], axis=1))
    _, _, wrong = judged(data, np.pad(known_scan.truth, ((0, 0), (0, 1)), "edge"))
    assert wrong == 0


# thickness


@pytest.mark.parametrize("given", [10.0, [6.0, 14.0]])
def test_the_sheets_thickness_is_a_prior(known_scan, given):
    data = known_scan.map(known_scan.counts, thickness_nm=given)
    all_right(data, known_scan.truth)
    assert right_thickness(data, known_scan.make)
    measured = told(data)["thickness_measured_nm"]["value"]
    assert measured == pytest.approx(library_scan.thickness_nm(known_scan.make), abs=0.6)


def test_a_thickness_that_the_patterns_contradict_is_told(known_scan):
    data = known_scan.map(known_scan.counts, thickness_nm=[5.0, 6.0])
    assert said(data, "is given as", "nm")
    assert judged(data, known_scan.truth)[2] == 0


@pytest.mark.parametrize("share", [5, 10, 20, 40])
def test_electrons_scattered_diffusely(known_scan, share):
    kernel = np.exp(-ANGLE / 10.0)
    kernel /= kernel.sum()
    spread = fftconvolve(known_scan.intensity, kernel[None, None], mode="same", axes=(2, 3))
    mixed = (1 - share / 100) * known_scan.intensity + share / 100 * spread
    data = known_scan.map(library_scan.counted(np.clip(mixed, 0, None)))
    _, _, wrong = judged(data, known_scan.truth)
    assert wrong == 0
    if share <= 20:
        assert right_thickness(data, known_scan.make)
    else:
        assert thickness_of(data) is None or right_thickness(data, known_scan.make, 1.5)


# vacuum, the detector


def _vacuum(known_scan: Any, columns: int) -> NDArray[np.uint16]:
    disc = (ANGLE < library_scan.SEMIANGLE).astype(float)
    disc *= 1.02 * DOSE / disc.sum()
    counts = known_scan.counts.copy()
    shape = (counts.shape[0], columns, SIZE, SIZE)
    counts[:, counts.shape[1] - columns :] = np.random.default_rng(2).poisson(disc, size=shape)
    return counts


def test_vacuum_in_a_third_of_the_scan(known_scan):
    data = known_scan.map(_vacuum(known_scan, 16))
    vacuum = np.zeros(known_scan.truth.shape, bool)
    vacuum[:, -16:] = True
    assert (data["vacuum"].values == vacuum).mean() > 0.98
    assert not data["answered"].values[:, -15:].any()
    assert (data["withheld"].values[:, -14:] == Reason.VACUUM).all()
    cells, answered, wrong = judged(data, known_scan.truth)
    assert wrong == 0
    assert cells >= 20
    assert answered >= 0.75 * cells
    assert right_thickness(data, known_scan.make)


def test_vacuum_alone(known_scan):
    words = _map_or_refusal(known_scan, _vacuum(known_scan, 48))
    assert "vacuum" in words or "no crystal" in words


@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_dead_cross_between_the_chips_of_a_detector(known_scan, width):
    counts = known_scan.counts.copy()
    first = SIZE // 2 - width // 2
    counts[:, :, first : first + width] = 0
    counts[..., first : first + width] = 0
    data = known_scan.map(counts)
    all_right(data, known_scan.truth, 0.75)
    assert right_thickness(data, known_scan.make)


def test_a_wide_gap_on_a_finer_detector(known_scan):
    camera = Camera(4 * SIZE, MRAD / 4)
    intensity, truth = library_scan.intensities(known_scan.make, (5, 5), camera=camera)
    counts = library_scan.counted(intensity)
    middle = slice(2 * SIZE - 4, 2 * SIZE + 3)
    counts[:, :, middle] = 0
    counts[..., middle] = 0
    data = known_scan.map(counts, mrad_per_pixel=MRAD / 4)
    all_right(data, truth, 0.9)


def test_a_beam_stop(known_scan):
    counts = known_scan.counts.copy()
    counts[:, :, ANGLE < 6] = 0
    counts[:, :, np.abs(_Y * MRAD + 0 * _X) + 100 * (_X > 0) < 3] = 0
    data = known_scan.map(counts)
    assert judged(data, known_scan.truth)[2] == 0


def test_many_pixels_and_few_positions(known_scan):
    """Patterns too large for many of them to be read at once."""
    camera = Camera(5 * SIZE, MRAD / 5)
    intensity, truth = library_scan.intensities(known_scan.make, (4, 4), camera=camera)
    data = known_scan.map(library_scan.counted(intensity), mrad_per_pixel=MRAD / 5)
    all_right(data, truth)
    assert right_thickness(data, known_scan.make)
    turned = told(data)["settings"]["crystal_rotation_deg"]["value"]
    assert turned == pytest.approx(0, abs=2)


# positions


@pytest.mark.parametrize(
    "part",
    [
        np.s_[:3, :3], np.s_[20:21], np.s_[20:23], np.s_[:, 20:21], np.s_[:, 20:22], np.s_[:2, :2],
        np.s_[3:4, :40],
    ],
    ids=["3x3", "1x48", "3x48", "48x1", "48x2", "2x2", "1x40"],
)  # fmt: skip
def test_few_positions(known_scan, part):
    data = known_scan.map(known_scan.counts[part])
    truth = known_scan.truth[part]
    assert judged(data, truth)[2] == 0
    assert thickness_of(data) is None
    assert said(data, "cover")


@pytest.mark.parametrize("every", [3, 6])
def test_steps_of_half_a_cell_and_more(known_scan, every):
    counts = known_scan.counts[::every, ::every]
    data = known_scan.map(counts, step_nm=every * known_scan.sheet["step_nm"])
    assert judged(data, known_scan.truth[::every, ::every])[2] == 0
    assert thickness_of(data) is None or right_thickness(data, known_scan.make)


@pytest.mark.parametrize("factor", [1.08, 0.85, 10.0])
def test_a_step_that_is_wrong(known_scan, factor):
    step = known_scan.sheet["step_nm"]
    data = known_scan.map(known_scan.counts, step_nm=factor * step)
    assert judged(data, known_scan.truth)[2] == 0
    assert said(data, "implies", "step_nm")
    implied = told(data)["implied_step_nm"]
    np.testing.assert_allclose(implied, step, rtol=0.01)


def test_a_region_keeps_its_place(known_scan):
    whole = known_scan.map(known_scan.counts)
    data = known_scan.map(known_scan.counts, region=[12, 48, 6, 42])
    np.testing.assert_allclose(data["y"], whole["y"][12:48])
    np.testing.assert_allclose(data["x"], whole["x"][6:42])
    all_right(data, known_scan.truth[12:48, 6:42], 0.9)
    # the same cells, where the whole map has them
    at = np.stack([data["cell_centre_y"], data["cell_centre_x"]], axis=1)
    there = np.stack([whole["cell_centre_y"], whole["cell_centre_x"]], axis=1)
    nearest = np.sqrt(((at[:, None] - there) ** 2).sum(-1)).min(1)
    assert np.median(nearest) < 0.3 * known_scan.sheet["step_nm"]


# intensities


@pytest.mark.parametrize("electrons", [1000, 100])
def test_few_electrons(known_scan, electrons):
    """Below what the model was trained for."""
    data = known_scan.map(library_scan.counted(known_scan.intensity, electrons))
    assert judged(data, known_scan.truth)[2] == 0
    assert said(data, "electrons", "trained")
    assert told(data)["dose_electrons"]["value"] == pytest.approx(electrons, rel=0.1)


@pytest.mark.parametrize("kind", ["gamma", "log"])
def test_intensities_that_are_no_counts(known_scan, kind):
    counts = library_scan.counted(known_scan.intensity, 3e3, seed=4).astype(float)
    most = counts.max()
    image = np.sqrt(counts / most) if kind == "gamma" else np.log1p(counts) / np.log1p(most)
    stored = (255 * image).astype(np.uint8)
    data = known_scan.map(stored)
    assert not data["cell_answered"].any()
    assert said(data, "not linear", "gamma")
    if kind == "gamma":
        undone = known_scan.map(stored, gamma=0.5)
        assert judged(undone, known_scan.truth)[2] == 0
        assert not said(undone, "not linear")


def test_a_clipped_detector(known_scan):
    most = known_scan.counts.max()
    clipped = np.minimum(known_scan.counts / (most / 180), 63).astype(np.uint8)
    data = known_scan.map(clipped)
    assert said(data, "saturated")
    assert judged(data, known_scan.truth)[2] == 0


def test_a_descan_that_bends(known_scan):
    rows, columns = known_scan.truth.shape
    moved = np.empty_like(known_scan.intensity)
    for i in range(rows):
        for j in range(columns):
            by = [3 * (2 * n / (size - 1) - 1) ** 2 for n, size in ((i, rows), (j, columns))]
            moved[i, j] = shift(known_scan.intensity[i, j], by, order=1, mode="nearest")
    base = known_scan.map(known_scan.counts)
    data = known_scan.map(library_scan.counted(moved))
    all_right(data, known_scan.truth, 0.9)
    more = data["cell_flagged"].values.mean() - base["cell_flagged"].values.mean()
    assert more <= 0.06
    steps = {step["name"]: step for step in told(data)["steps"]}
    assert "residual" in steps["centring"]["sentence"]
