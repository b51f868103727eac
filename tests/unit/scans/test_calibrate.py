# SPDX-License-Identifier: GPL-3.0-or-later
"""Calibration of a whole scan from its sample."""

from __future__ import annotations

import numpy as np
import pytest
from deflection import centre_of_mass
from measured_files import gold, merlin

from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError
from polarstem.scans.calibration.calibrate import calibrate
from polarstem.scans.calibration.resample import Resampler
from polarstem.scans.scan import ArrayScan
from polarstem.scans.sourced import Sourced

SEMIANGLE = Sourced(24.0, "mrad", "assumed")
GRID = (32, 3.0)
ROWS, COLUMNS = 18, 20
PIXELS, MRAD = 96, 1.1
CENTRE = (46.3, 49.2)
SLOPES = np.array([(0.02, -0.01), (0.03, 0.04)])  # pixels per position
LAST = (ROWS - 1) * COLUMNS  # first position of the last row
TURN = np.deg2rad(35)  # scan to detector


def invented_scan() -> ArrayScan:
    """A disc that leans towards columns of atoms, moves by descan, on a detector with faults."""
    rng = np.random.default_rng(15)
    rows, columns = np.indices((ROWS, COLUMNS))
    phase_y, phase_x = rows * 0.52, columns * 0.52
    deflection = np.stack([-np.sin(phase_x), np.sin(phase_y)], -1)  # x, y up
    turn = np.array([(np.cos(TURN), -np.sin(TURN)), (np.sin(TURN), np.cos(TURN))])
    right, up = np.moveaxis(deflection @ turn.T, -1, 0)[..., None, None]
    centre = CENTRE + np.stack([rows, columns], -1) @ SLOPES
    y, x = np.indices((PIXELS, PIXELS))
    y = y - centre[..., :1, None]
    x = x - centre[..., 1:, None]
    disc = 1 / (1 + np.exp((np.hypot(x, y) - 24 / MRAD) / 0.3))
    halo = 0.1 * np.exp(-(x**2 + y**2) / 2000)
    patterns = 6 * (disc * (1 + 0.006 * (right * x - up * y)) + halo)
    counts = rng.poisson(patterns).astype(np.uint16)
    counts[..., 50, 70] = 0
    counts[..., 80, 20] = 900
    return ArrayScan(counts, step_nm=(0.05, 0.05))


@pytest.fixture(scope="module")
def scan() -> ArrayScan:
    return invented_scan()


def test_everything_is_found(scan):
    found = calibrate(scan, Sheet(), SEMIANGLE)
    index = np.array([0, COLUMNS - 1, (ROWS - 1) * COLUMNS, ROWS * COLUMNS - 1])
    truth = CENTRE + np.stack(np.divmod(index, COLUMNS), 1) @ SLOPES
    np.testing.assert_allclose(found.centres(index), truth, atol=0.1)
    assert found.mrad_per_pixel == pytest.approx(MRAD, rel=0.01)
    low, high = found.settings["mrad_per_pixel"].interval
    assert low < found.mrad_per_pixel < high
    assert found.settings["mrad_per_pixel"].origin == "estimated"
    assert found.bad[50, 70]
    assert found.bad[80, 20]
    assert found.bad.sum() <= 5
    assert found.settings["ellipticity"].value < 0.005
    assert found.detector_rotation.value == pytest.approx(35, abs=4)
    assert [s.name for s in found.steps] == [
        "pixels", "linearity", "dose", "centring", "disc", "ellipticity", "vacuum", "rotation"
    ]  # fmt: skip
    assert {s.status for s in found.steps} == {"done"}
    assert any("180" in w for w in found.warnings)


def test_resampled_patterns_are_centred(scan):
    found = calibrate(scan, Sheet(), SEMIANGLE, threads=2)
    index = np.arange(ROWS * COLUMNS)
    patterns = scan.read(index)
    truth = Resampler((PIXELS, PIXELS), MRAD, 32, 3.0, bad=found.bad)
    images = (
        found.resampler(0.0, *GRID)(patterns, found.centres(index)),
        truth(patterns, CENTRE + np.stack(np.divmod(index, COLUMNS), 1) @ SLOPES),
    )
    off = centre_of_mass(images[0], 1.0) - centre_of_mass(images[1], 1.0)
    assert np.abs(off.mean(0)).max() < 0.03  # model pixels
    mean = found.mean_pattern(0.0, 64, 1.5)
    assert mean.shape == (64, 64)
    apart = np.hypot(*np.meshgrid(np.arange(64) - 31.5, np.arange(64) - 31.5)) * 1.5
    level = np.array([mean[np.abs(apart - r) < 1].mean() for r in (10, 24, 27)])
    assert level[1] / level[0] == pytest.approx(0.5, abs=0.12)
    assert level[2] / level[0] < 0.15


def test_the_sheet_has_the_last_word(scan):
    sheet = Sheet(centre=(45, 50), mrad_per_pixel=1.2, detector_rotation_deg=80)
    given = ArrayScan(
        scan.read(np.arange(ROWS * COLUMNS)).reshape(scan.shape), sheet, step_nm=(0.05, 0.05)
    )
    found = calibrate(given, sheet, SEMIANGLE)
    np.testing.assert_array_equal(found.centres([0, LAST]), [(45, 50), (45, 50)])
    assert found.mrad_per_pixel == 1.2
    assert found.detector_rotation.value == 80
    assert {s.name for s in found.steps if s.status == "given"} == {"centring", "disc", "rotation"}
    told = " ".join(found.warnings)
    assert "gives 1.2 mrad" in told  # mrad per pixel by the disc
    assert "turned by 80 degrees" in told


def test_steps_that_are_off(scan):
    steps = ("pixels", "linearity", "centring", "disc", "ellipticity", "vacuum", "rotation")
    with pytest.raises(PolarstemError, match="`mrad_per_pixel`, `disc_radius_pixels`"):
        calibrate(scan, Sheet(off=("disc",)), SEMIANGLE)
    sheet = Sheet(off=steps)
    patterns = scan.read(np.arange(ROWS * COLUMNS)).reshape(scan.shape)
    given = ArrayScan(patterns, mrad_per_pixel=MRAD)
    found = calibrate(given, sheet, SEMIANGLE)
    assert {s.name for s in found.steps if s.status == "off"} == set(steps)
    assert not found.bad.any()
    np.testing.assert_array_equal(found.centres([5]), [(47.5, 47.5)])
    assert found.settings["centre"].origin == "assumed"
    assert found.detector_rotation is None


def test_masked_positions_are_not_sampled(scan):
    other = ArrayScan(
        scan.read(np.arange(ROWS * COLUMNS)).reshape(scan.shape).copy(), step_nm=(0.05, 0.05)
    )
    other.included[:, 12:] = False
    truth = calibrate(scan, Sheet(), SEMIANGLE).centres([LAST])
    np.testing.assert_allclose(
        calibrate(other, Sheet(), SEMIANGLE).centres([LAST]), truth, atol=0.3
    )
    other.included[:] = np.indices((ROWS, COLUMNS)).sum(0) % 5 == 0  # no tile is whole
    found = calibrate(other, Sheet(), SEMIANGLE)
    assert found.mrad_per_pixel == pytest.approx(MRAD, rel=0.02)
    assert found.detector_rotation is None


def test_beam_beyond_the_detector_is_refused():
    cut = merlin("001_4x2_6bit")
    with pytest.raises(PolarstemError, match="lies beyond the detector"):
        calibrate(ArrayScan(cut, maximum=63), Sheet(), SEMIANGLE)


def test_centre_beyond_the_detector_is_refused(scan):
    with pytest.raises(PolarstemError, match=r"\[130.0, 64.0\].*beyond the detector"):
        calibrate(scan, Sheet(centre=(130, 64)), SEMIANGLE)


def test_flat_patterns_are_refused():
    flat = ArrayScan(np.ones((3, 3, 40, 40), np.uint16))
    with pytest.raises(PolarstemError, match="no bright-field disc"):
        calibrate(flat, Sheet(), SEMIANGLE)


def test_saturation_is_warned_of(scan):
    full = np.minimum(scan.read(np.arange(ROWS * COLUMNS)).reshape(scan.shape), 7).astype(np.uint8)
    found = calibrate(ArrayScan(full, maximum=7), Sheet(), SEMIANGLE)
    assert any("saturated" in w for w in found.warnings)


def test_measured_scan_of_four_positions():
    found = calibrate(ArrayScan(gold()), Sheet(), SEMIANGLE)
    assert found.settings["centre"].value == pytest.approx((125.2, 128.7), abs=0.1)
    assert found.settings["disc_radius_pixels"].value == pytest.approx(5.2, abs=0.3)
    assert found.bad.sum() <= 20


def test_angles_beyond_the_detector_are_told_for_the_turn_that_is_taken(scan):
    """Turned by 45 degrees, four corners of the model's square stick out of the detector's."""
    found = calibrate(scan, Sheet(), SEMIANGLE)
    assert not any("beyond the detector" in text for text in found.warnings)
    assert found.unseen(0.0, *GRID) == []
    half, model = PIXELS * MRAD / 2, GRID[0] * GRID[1]
    share = 4 * (model / np.sqrt(2) - half) ** 2 / model**2
    (warning,) = found.unseen(45.0, *GRID)
    assert float(warning.split("%")[0]) / 100 == pytest.approx(share, abs=0.02)


def crystal(rows: int = 24, columns: int = 30, dose: float = 2e4, seed: int = 16) -> np.ndarray:
    """Counts of patterns that scatter beyond their disc, and change from place to place."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((64, 64)) - 31.5
    apart = np.hypot(y, x)
    down, right = np.indices((rows, columns))[..., None, None] * 1.05
    disc = 1 / (1 + np.exp((apart - 16) / 0.4))
    wave = 1 + 0.2 * np.cos(x / 3 + right) * np.cos(y / 4 + down)
    shares = disc * wave + 0.05 * np.exp(-apart / 25) * (1 + 0.3 * np.cos(right) * np.cos(down))
    return rng.poisson(dose * shares / shares.sum((2, 3), keepdims=True)).astype(np.uint16)


def vacuum(shape: tuple[int, ...], dose: float = 2e4) -> np.ndarray:
    y, x = np.indices((64, 64)) - 31.5
    disc = 1 / (1 + np.exp((np.hypot(y, x) - 16) / 0.2))
    counts = np.random.default_rng(17).poisson(dose * disc / disc.sum(), (*shape, 64, 64))
    return counts.astype(np.uint16)


def known(counts: np.ndarray, sheet: Sheet | None = None):
    sheet = sheet or Sheet()
    scan = ArrayScan(counts, sheet, step_nm=(0.05, 0.05), semiangle_mrad=24.0, mrad_per_pixel=1.5)
    return calibrate(scan, sheet)


def status_of(found) -> dict[str, str]:
    return {step.name: step.status for step in found.steps}


def test_vacuum_is_left_out_of_the_mean_and_told():
    counts = crystal()
    alone = known(counts[:, :20])
    counts[:, 20:] = vacuum((24, 10))
    found = known(counts)
    assert found.vacuum_share == pytest.approx(1 / 3, abs=0.035)
    assert found.part_counts.sum() == pytest.approx(24 * 20, abs=24)
    apart = np.abs(found.mean / found.mean.sum() - alone.mean / alone.mean.sum()).sum()
    assert apart < 0.015
    kept = known(counts, Sheet(off=("vacuum",)))
    assert np.abs(kept.mean / kept.mean.sum() - alone.mean / alone.mean.sum()).sum() > 0.05
    assert status_of(kept)["vacuum"] == "off"


def test_a_scan_of_vacuum_says_so():
    found = known(vacuum((24, 30)))
    assert any("vacuum, no crystal" in text for text in found.warnings)
    assert found.part_counts.sum() == 24 * 30
    assert not any("no crystal" in text for text in known(crystal()).warnings)


def test_dose_is_told_in_electrons_and_for_an_area():
    counts = crystal(dose=5e3)
    for gain in (1, 30):
        settings = known(counts * gain).settings
        assert settings["dose_electrons"].value == pytest.approx(5e3, rel=0.05)
        per_area = settings["dose_per_square_angstrom"].value
        assert per_area == pytest.approx(settings["dose_electrons"].value / 0.25)
    untold = known(counts.mean((0, 1), keepdims=True).repeat(3, 0).repeat(3, 1).astype(np.float32))
    assert "if a count is an electron" in untold.settings["dose_electrons"].note


def test_intensities_that_are_not_linear_are_warned_of():
    counts = crystal(dose=5e3)
    image = (255 * np.sqrt(counts / counts.max())).astype(np.uint8)
    found = known(image)
    assert found.linearity.gamma == 0.5
    assert any("not linear" in text and "`gamma: 0.5`" in text for text in found.warnings)
    assert "dose_electrons" not in found.settings
    undone = known(image, Sheet(gamma=0.5))
    assert status_of(undone)["linearity"] == "given"
    assert not any("not linear" in text for text in undone.warnings)
    assert status_of(known(image, Sheet(off=("linearity",))))["linearity"] == "off"


def test_axes_that_are_exchanged_are_refused_with_the_way_out():
    counts = crystal()
    with pytest.raises(PolarstemError, match="`exchange_axes: true`"):
        known(counts.transpose(2, 3, 0, 1))
    with pytest.raises(PolarstemError, match="remove `exchange_axes`"):
        known(counts, Sheet(exchange_axes=True))
    assert known(counts.transpose(2, 3, 0, 1), Sheet(exchange_axes=True)).shape == counts.shape


def test_descan_that_bends_is_undone_and_its_residual_told():
    counts = crystal(24, 24)
    for i in range(24):
        for j in range(24):
            by = [round(4 * (2 * n / 23 - 1) ** 2) for n in (i, j)]
            counts[i, j] = np.roll(counts[i, j], by, (0, 1))
    found = known(counts)
    index = np.arange(24 * 24)
    truth = 31.5 + 4 * (2 * np.stack(np.divmod(index, 24), 1) / 23 - 1) ** 2
    assert np.abs(found.centres(index) - truth).max() < 0.35
    step = next(step for step in found.steps if step.name == "centring")
    assert "curved" in step.sentence
    assert step.values["residual_pixels"] < 0.2
    assert not any("smooth surface" in text for text in found.warnings)
    rng = np.random.default_rng(18)
    for i in range(24):  # jumps that no surface follows
        jump = tuple(rng.integers(-3, 4, 2)) if i % 5 == 0 else jump  # noqa: F821
        counts[i] = np.roll(counts[i], jump, (1, 2))
    assert any("smooth surface" in text for text in known(counts).warnings)


def test_a_semiangle_that_nobody_knows_follows_from_the_disc():
    scan = ArrayScan(crystal(), step_nm=(0.05, 0.05), mrad_per_pixel=1.5)
    semiangle = calibrate(scan, Sheet()).settings["semiangle_mrad"]
    assert semiangle.origin == "estimated"
    assert semiangle.interval[0] < 24 < semiangle.interval[1]
    with pytest.raises(PolarstemError, match="`semiangle_mrad`"):
        calibrate(ArrayScan(crystal()), Sheet())


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (24, 1), (2, 2), (3, 3)])
def test_few_positions_are_calibrated_as_far_as_they_tell(shape):
    found = known(crystal(*shape))
    assert found.centres([0]) == pytest.approx(np.array([(31.5, 31.5)]), abs=0.3)
    assert status_of(found)["rotation"] == "impossible"


def test_as_many_positions_of_large_patterns_as_of_small_ones_cover_the_cell():
    """With 504 x 504 pixels, four neighbours were once all that was read of each tile."""
    counts = crystal(12, 12).repeat(8, 2).repeat(8, 3)[:, :, 4:508, 4:508]
    scan = ArrayScan(counts, step_nm=(0.05, 0.05), semiangle_mrad=24.0, mrad_per_pixel=1.5 / 8)
    found = calibrate(scan, Sheet(), cell_nm=0.3)
    every = counts.mean((0, 1))
    mean = found.mean / found.mean.sum() - every / every.sum()
    assert np.abs(mean).sum() < 0.02


def test_the_mean_is_that_of_all_positions():
    """Parts of a scan have unlike numbers of positions."""
    counts = crystal(7, 11)
    counts[:, 8:] += 5
    found = known(counts, Sheet(off=("vacuum",)))
    every = counts.mean((0, 1))
    np.testing.assert_allclose(found.mean[~found.bad], every[~found.bad], rtol=1e-4)
    grid = found.mean_pattern(0.0, 32, 2.4).sum()
    every_other = every[6:58, 6:58].sum()  # as much of the detector
    assert grid == pytest.approx(every_other, rel=0.03)
    assert len(set(found.part_counts)) > 1
