# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields whose configurations sample the aperture at offsets of their own."""

from __future__ import annotations

import numpy as np
import pytest
from scattering_cases import microscope, relative

from polarstem.config.accuracy import field_error
from polarstem.simulate.abtem_settings import abtem_settings
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.multislice.abtem_run import scan_patterns
from polarstem.simulate.multislice.probes import Sampling, on_camera, probe_of
from polarstem.simulate.multislice.windows import Field, Window
from polarstem.simulate.potential.projection import projected_slices
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.simulate.wave.plane_waves import spread_offsets, spread_stride

NM = [10.0]
POSITIONS = np.random.default_rng(1).random((6, 2)) * 4
ABERRATIONS = {"C10": -50.0, "C12": 30.0, "phi12": 0.4}


@pytest.mark.parametrize("count", [2, 3, 4, 5, 8, 12, 16])
def test_offsets_cancel_the_nearest_copies(count):
    """The mean of exp(2 pi i d n) over the offsets, for copies n fields away."""
    offsets = spread_offsets(count)
    assert offsets.shape == (count, 2)
    assert np.abs(offsets).max() < 0.5
    order = np.arange(-4, 5)
    n = np.stack(np.meshgrid(order, order, indexing="ij"), axis=-1).reshape(-1, 2)
    n = n[np.any(n != 0, axis=1)]
    left = np.abs(np.exp(2j * np.pi * n @ offsets.T).mean(axis=1))
    # what stays is as far away as copies of a field sqrt(count) times as large, or nearly
    assert np.hypot(*n[left > 1e-9].T).min() > 0.8 * np.sqrt(count)
    assert spread_stride(count) < count


def test_one_configuration_has_no_offset():
    assert spread_offsets(1).tolist() == [[0, 0]]


def test_offsets_stand_for_a_larger_field(crystal):
    """Four cells and eight offsets against one of fourteen; without offsets they are far off."""
    specimen = crystal("RU", cells=(1, 1), thickness_nm=0.4)
    settings = microscope(pixels_per_cell=24, detector={"pixels": 32, "mrad_per_pixel": 3.0})

    def patterns(cells: int, count: int) -> np.ndarray:
        found = []
        for y, x in spread_offsets(count).tolist():
            matrix = compute_scattering_matrix(
                specimen,
                NM,
                settings,
                cells=(cells, cells),
                thermal_scale=1.0,
                offset=(y, x),
                ensemble=count,
            )
            eye = VirtualMicroscope(matrix, settings.detector)
            found.append(eye.measure(POSITIONS, NM, Optics(24.0))[0].numpy())
        return np.mean(found, axis=0)

    def error(cells: int, count: int) -> float:
        return float((np.abs(patterns(cells, count) - best).sum((1, 2)) / best.sum((1, 2))).mean())

    best = patterns(7, 4)
    assert error(4, 8) < 0.01
    assert error(4, 1) > 0.025
    # the rule says so, too
    length = 4 * specimen.cell[0]
    many = settings.model_copy(
        update={"phonons": settings.phonons.model_copy(update={"configurations": 8})}
    )
    assert field_error(many, length, NM[0]) < 0.01
    assert field_error(settings, length, NM[0]) > 0.025


@pytest.mark.parametrize("number", [1, 6])
@pytest.mark.parametrize("tilted", [False, True])
def test_abtem_samples_as_the_matrix_does(crystal, number, tilted):
    """One offset of eight, with aberrations, and a tilt of one sample of the aperture."""
    specimen, cells = crystal("RU", cells=(4, 4), thickness_nm=4.0), 4
    settings = microscope(pixels_per_cell=24, slices="atoms")
    sampling = Sampling.of(specimen.atoms.cell.lengths(), 200.0, number, 8)
    step = np.array(sampling.step_mrad) * tilted
    x, y = (1e3 * np.arctan(step / 1e3) * (1, -1)).tolist()
    optics = Optics(24.0, ABERRATIONS, (x, y))
    offset = sampling.offset[::-1]
    matrix = compute_scattering_matrix(
        specimen, [4.0], settings, cells=(4, 4), margin_mrad=3.0, offset=offset, ensemble=8
    )
    places = POSITIONS + specimen.cell[0]
    camera = Camera.of(settings.detector)
    ours = VirtualMicroscope(matrix, camera).measure(places, [4.0], optics)[0].numpy()
    with abtem_settings("cpu", 1):
        slab = projected_slices(specimen, specimen.atoms, settings, [specimen.repeats[2]])
        probe = probe_of(200.0, optics, sampling=sampling)
        theirs = on_camera(scan_patterns(probe, slab, places, 1)[0], sampling, camera)
        field = Field(slab, 200.0, cells * 24)
        window = Window((0, 0), np.arange(len(places)), places)
        whole = on_camera(field.scan(window, field.illuminate(probe)), sampling, camera)
        plain = Sampling.of(specimen.atoms.cell.lengths(), 200.0)
        without = scan_patterns(probe_of(200.0, optics), slab, places, 1)[0]
    assert relative(whole, theirs) < 1e-5
    # abTEM's anti-aliasing aperture moves with the disc, ours stays with the crystal
    assert relative(ours, theirs) < 5e-3
    assert relative(on_camera(without, plain, camera), theirs) > 0.03
