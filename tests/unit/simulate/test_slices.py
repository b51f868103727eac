# SPDX-License-Identifier: GPL-3.0-or-later
"""Slices by planes and by every height of the atoms, and what propagates between them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from abtem.core.energy import energy2sigma, energy2wavelength
from potential_cases import direct_sum
from scattering_cases import both_engines, microscope, relative

from polarstem.config.physics import Phonons
from polarstem.simulate.abtem_settings import abtem_settings
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.multislice.abtem_run import scan_patterns
from polarstem.simulate.multislice.probes import Sampling, on_camera, probe_of
from polarstem.simulate.multislice.windows import Field, Window
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.potential.frozen_phonons import thermal_configurations
from polarstem.simulate.potential.projection import projected_potential, projected_slices
from polarstem.simulate.potential.slices import Slices
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix

OBLIQUE = {"class_name": "RM", "variant": (1, 0, 1)}
KINDS = ("planes", "atoms")


@pytest.fixture(scope="module")
def oblique(crystal) -> Crystal:
    """Two cells of 2 nm whose atoms stand at several heights of each plane."""
    return crystal(**OBLIQUE, cells=(2, 2), thickness_nm=2.0)


@pytest.mark.parametrize("kind", KINDS)
def test_every_atom_is_in_one_slice_of_its_own_height(oblique, kind):
    slices = Slices.of(oblique, kind)
    heights, period = oblique.atoms.positions[:, 2], oblique.cell[2]
    assert len(slices.thickness) == slices.per_period * oblique.repeats[2]
    assert slices.thickness.sum() == pytest.approx(oblique.atoms.cell[2, 2])
    assert (slices.thickness > 0).all()
    assert np.array_equal(np.unique(slices.members), np.arange(len(slices.thickness)))
    # the beam meets slices in the order of their heights
    assert (np.diff(slices.members[np.argsort(heights, kind="stable")]) >= 0).all()
    if kind == "planes":
        assert slices.per_period == 2
        assert slices.thickness == pytest.approx(period / 2)
        assert np.array_equal(slices.members, heights // (period / 2))
        return
    # A, B and two kinds of oxygen are displaced by different amounts along the beam
    assert slices.per_period == 5
    first = np.array([heights[slices.members == n][0] for n in range(len(slices.thickness))])
    for n, height in enumerate(first):
        assert np.ptp(heights[slices.members == n]) < 1e-6, height
    assert slices.thickness[:-1] == pytest.approx(np.diff(first))
    assert slices.thickness[-1] == pytest.approx(first[0] + period - first[-1] % period)


@pytest.mark.parametrize("kind", KINDS)
def test_slabs_hold_these_slices(oblique, kind):
    settings = microscope(slices=kind)
    slices = Slices.of(oblique, kind)
    slab = projected_potential(oblique, oblique.atoms, settings, [1, 3])
    theirs = projected_slices(oblique, oblique.atoms, settings, [1, 3])
    count = 3 * slices.per_period
    assert len(slab.array) == count
    assert slab.slice_thickness == pytest.approx(slices.thickness[:count])
    assert theirs.slice_thickness == pytest.approx(slices.thickness[:count])
    ends = [slices.per_period - 1, count - 1]
    assert [plane for plane in theirs.exit_planes if plane >= 0] == ends
    for n in (0, 1, count - 1):
        members = oblique.atoms[slices.members == n]
        expected = direct_sum(members, oblique.grid_points(24), oblique.occupancy)
        assert np.abs(slab.array[n] - expected).max() < 3e-6 * expected.max()


@pytest.mark.parametrize("kind", KINDS)
def test_frozen_phonons_never_change_the_slice(oblique, kind):
    """Nor would motion along the beam: an atom belongs to the slice that it rests in."""
    settings = microscope(slices=kind)
    [moved] = thermal_configurations(oblique, Phonons(configurations=1, scale=1.0), 3)
    far = moved.copy()
    far.positions[:, 2] += np.random.default_rng(0).normal(size=len(far)) * 3
    slices = Slices.of(oblique, kind)
    one, other = (
        projected_potential(oblique, atoms, settings, [4]).array for atoms in (moved, far)
    )
    np.testing.assert_allclose(one, other, rtol=0, atol=3e-6 * one.max())
    for n in (0, len(one) - 1):
        members = moved[slices.members == n]
        expected = direct_sum(members, oblique.grid_points(24), oblique.occupancy)
        assert np.abs(one[n] - expected).max() < 3e-6 * expected.max()


def test_planes_hide_the_component_along_the_beam(crystal):
    """[101] and [10-1] to the last bit; a slice for each height tells them apart."""
    found = {}
    for sign in (1, -1):
        specimen = crystal("RM", variant=(1, 0, sign), thickness_nm=8.0)
        for kind in KINDS:
            settings = microscope(slices=kind)
            _, theirs, _ = both_engines(specimen, settings, [8.0])
            found[kind, sign] = theirs
    np.testing.assert_array_equal(found["planes", 1], found["planes", -1])
    assert relative(found["atoms", 1], found["atoms", -1]) > 1e-3


@pytest.mark.parametrize("variant", [(1, 0, 1), (1, 0, -1)], ids=str)
def test_engines_agree_on_slices_of_unequal_thickness(crystal, variant):
    specimen = crystal("RM", variant=variant, thickness_nm=10.0)
    settings = microscope(slices="atoms", aberrations={"C10": -40.0})
    ours, theirs, _ = both_engines(specimen, settings, [4.0, 10.0])
    assert relative(ours, theirs) < 2e-5


def test_windows_agree_on_slices_of_unequal_thickness(crystal):
    specimen = crystal(**OBLIQUE, thickness_nm=4.0)
    settings = microscope(slices="atoms")
    places = np.array([(4.1, 5.0), (6.6, 3.3)])
    optics = Optics(24.0, {"C10": 40.0}, (2.0, 1.0))
    camera = Camera(26, 3.0)
    with abtem_settings("cpu", 1):
        slab = projected_slices(specimen, specimen.atoms, settings, [specimen.repeats[2]])
        theirs = scan_patterns(probe_of(200.0, optics), slab, places, 1)
        field = Field(slab, 200.0, slab.gpts[0])
        light = field.illuminate(probe_of(200.0, optics))
        ours = field.scan(Window((0, 0), np.arange(2), places), light)
        equal = Field(
            projected_slices(specimen, specimen.atoms, microscope(), [specimen.repeats[2]]),
            200.0,
            slab.gpts[0],
        )
        planes = equal.scan(Window((0, 0), np.arange(2), places), light_of(equal, optics))
    expected = on_camera(theirs[0], Sampling.of(field.lengths, 200.0), camera)
    assert relative(on_camera(ours, Sampling.of(field.lengths, 200.0), camera), expected) < 2e-5
    assert relative(on_camera(planes, Sampling.of(field.lengths, 200.0), camera), expected) > 1e-3


def light_of(field: Field, optics: Optics):
    return field.illuminate(probe_of(200.0, optics))


def by_hand(specimen: Crystal, pixels: int, turns: int) -> np.ndarray:
    """Intensity of each beam of a plane wave on axis at 200 kV, shape (kx, ky).

    Multislice in its plainest form: phase of each height, band limit, Fresnel's phase over the
    distance to the next height.
    """
    gpts = specimen.grid_points(pixels)
    size = specimen.atoms.cell.lengths()
    sampling = max(length / n for length, n in zip(size[:2], gpts, strict=True))
    squared = np.add.outer(
        *(np.fft.fftfreq(n, length / n) ** 2 for n, length in zip(gpts, size[:2], strict=True))
    )
    band = np.clip((np.sqrt(squared) * sampling - 1 / 3 + 0.01) / 0.01, 0, 1)
    aperture = (1 + np.cos(np.pi * band)) / 2
    heights = np.unique(specimen.atoms.positions[:, 2].round(5))
    functions = []
    for height in heights:
        layer = specimen.atoms[np.abs(specimen.atoms.positions[:, 2] - height) < 1e-4]
        potential = direct_sum(layer, gpts, specimen.occupancy)
        wave = np.exp(1j * energy2sigma(200e3) * potential)
        functions.append(np.fft.ifft2(np.fft.fft2(wave) * aperture))
    steps = np.diff([*heights, heights[0] + size[2]])
    wave = np.ones(gpts, complex)
    for _ in range(turns):
        for function, step in zip(functions, steps, strict=True):
            fresnel = np.exp(-1j * np.pi * energy2wavelength(200e3) * step * squared)
            wave = np.fft.ifft2(np.fft.fft2(wave * function) * fresnel * aperture)
    return np.abs(np.fft.fft2(wave, norm="forward")) ** 2


def test_beams_are_those_of_a_multislice_by_hand(crystal):
    specimen = crystal(**OBLIQUE, cells=(1, 1), thickness_nm=0.4)
    turns = 12
    nm = turns * specimen.cell[2] / 10
    settings = microscope(slices="atoms", semiangle_mrad=0.5)
    matrix = compute_scattering_matrix(specimen, [nm], settings, cells=(1, 1))
    row = np.flatnonzero((matrix.grid.indices == 0).all(1)).item()
    ours = np.abs(matrix.array[0, row]) ** 2
    ny, nx = matrix.grid.beams
    theirs = by_hand(specimen, 24, turns)[np.ix_(np.arange(-nx, nx + 1), np.arange(-ny, ny + 1))].T
    assert np.abs(ours - theirs).max() < 1e-5 * theirs.max()
    # upside down it is another crystal
    flipped = replace(specimen, atoms=specimen.atoms.copy())
    flipped.atoms.positions[:, 2] = specimen.cell[2] - specimen.atoms.positions[:, 2]
    other = by_hand(flipped, 24, turns)[np.ix_(np.arange(-nx, nx + 1), np.arange(-ny, ny + 1))].T
    assert np.abs(other - theirs).max() > 5e-4 * theirs.max()
