# SPDX-License-Identifier: GPL-3.0-or-later
"""A library of patterns against what it was measured from."""

from __future__ import annotations

import numpy as np
import pytest

from polarstem.config.library import library_settings
from polarstem.config.physics import Detector
from polarstem.errors import PolarstemError
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.pattern_library import FINER, TEMPLATE_EVERY, Library, turned_images
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.position_averaged import position_averaged
from polarstem.structures.symmetry import turns_of

TURNS = turns_of((0, 0, 1))
# the polar axes that all others are turns of, as the file sorts them
VARIANTS = ((1, 1, 0), (1, 0, 1))


@pytest.fixture(scope="module")
def library(small_library) -> Library:
    return small_library


def distance(ours, theirs) -> float:
    return float(np.abs(ours - theirs).sum() / np.abs(theirs).sum())


def test_what_the_file_holds(library, library_recipe):
    detector = library_recipe["simulate"]["detector"]
    assert library.pixels == detector["pixels"]
    assert library.mrad_per_pixel == detector["mrad_per_pixel"]
    assert library.semiangle_mrad == library_recipe["simulate"]["semiangle_mrad"]
    assert library.fold == 4
    # whole cells of 0.398 nm
    np.testing.assert_allclose(library.thickness_nm, library_recipe["thicknesses_nm"], atol=0.2)
    assert library.class_names == ("RM", "RU", "MU", "LU", "LM", "LD", "MD", "RD")
    np.testing.assert_array_equal(library.class_directions, np.arange(8) * 45.0)
    assert (library.pacbed.sum((-1, -2)) < 1).all()
    assert (library.pacbed.sum((-1, -2)) > 0.9).all()


@pytest.mark.parametrize("number", range(8))
def test_templates_of_a_class_are_its_patterns(library, library_recipe, column_matrix, number):
    """The turned crystal, measured as such."""
    # RM, MU, LM and MD are projections of <101>
    crystal = 1 if number % 2 == 0 else 0
    assert library.class_crystal[number] == crystal
    matrix = column_matrix(VARIANTS[crystal])
    eye = VirtualMicroscope(matrix, Detector(**library_recipe["simulate"]["detector"]))
    optics = Optics(library.semiangle_mrad, source_fwhm=library_recipe["source_fwhm_angstrom"])
    size, row, column = np.array(matrix.grid.size), 1, 2
    place = np.array([[column * size[1], -row * size[0]]]) / library_recipe["positions"]
    nominal = matrix.nominal_nm[TEMPLATE_EVERY]
    [[theirs]] = eye.measure(place, [nominal], optics, turn=library.class_turns[number]).numpy()
    ours = library.templates(library.template_thickness_nm[1])[:, row, column]
    assert distance(ours[number], theirs) < 1e-3
    assert min(range(8), key=lambda k: distance(ours[k], theirs)) == number


def test_position_averages_are_those_of_all_classes(library, column_matrix):
    chosen = int(np.hypot(*library.tilts.T).argmax())
    wanted = np.zeros_like(library.pacbed[-1, 0])
    camera = Camera(FINER * library.pixels, library.mrad_per_pixel / FINER)
    for variant in VARIANTS:
        matrix = column_matrix(variant)
        eye = VirtualMicroscope(matrix, camera)
        for turn in TURNS:
            # a crystal that is turned sees the beam turned back
            x, y = np.array(turn).T @ library.tilts[chosen]
            tilts = np.array([(x, y)])
            images = position_averaged(eye, camera, tilts, library.semiangle_mrad)
            wanted += turned_images(images[-1, 0], turn) / (2 * len(TURNS))
    assert distance(library.pacbed[-1, chosen], wanted) < 1e-3


def test_all_tilts_follow_by_symmetry(library, library_recipe):
    tilts, images = library.all_tilts
    side = np.arange(-2, 3) * library_recipe["tilt_step_mrad"]
    expected = {(x, y) for x in side for y in side if np.hypot(x, y) <= 3}
    assert {tuple(tilt) for tilt in tilts} == expected
    numbers = {tuple(tilt): number for number, tilt in enumerate(tilts.tolist())}
    quarter = images[-1, numbers[0.0, 1.5]]
    np.testing.assert_allclose(quarter, np.rot90(images[-1, numbers[1.5, 0.0]]), rtol=1e-3)
    # the beam tilted to the right is brighter on one side
    assert distance(images[-1, numbers[1.5, 0.0]], images[-1, numbers[-1.5, 0.0]]) > 0.02


def test_the_polynomial_gives_the_patterns_back(library):
    tilts, images = library.all_tilts
    found = np.einsum("tj,pjyx->ptyx", library.terms(tilts), library.coefficients)
    assert distance(found, images) < 0.01


def test_turned_images_turn_counter_clockwise():
    image = np.arange(16, dtype=np.float32).reshape(4, 4)
    np.testing.assert_array_equal(turned_images(image, ((0, -1), (1, 0))), np.rot90(image))
    np.testing.assert_array_equal(turned_images(image, ((1, 0), (0, -1))), image[::-1])
    # exchange of x and y (up)
    np.testing.assert_array_equal(turned_images(image, ((0, 1), (1, 0))), image[::-1, ::-1].T)


def test_thickness_is_interpolated(library):
    first, second = library.template_thickness_nm[:2]
    middle = library.templates((first + second) / 2)
    mean = (library.templates(first) + library.templates(second)) / 2
    np.testing.assert_allclose(middle, mean, rtol=1e-5, atol=1e-9)
    np.testing.assert_array_equal(library.templates(1e3), library.templates(1e9))


def test_settings_reach_beyond_what_a_model_knows():
    settings = library_settings(
        {
            "energy_kv": 200.0,
            "semiangle_mrad": 24.0,
            "pixels": 32,
            "mrad_per_pixel": 3.0,
            "pixels_per_cell": 32,
            "material": "KNN",
            "phase": "O",
            "zone_axis": [0, 0, 1],
            "cell_angstrom": [3.98, 3.98],
            "thickness_nm": [6.0, 43.0],
        }
    )
    nm = np.array(settings["thicknesses_nm"])
    assert nm[0] < 6
    assert nm[-1] > 43 * 1.2
    assert np.diff(nm).max() < 2
    assert settings["simulate"]["detector"] == {"pixels": 32, "mrad_per_pixel": 3.0}


def test_what_is_no_library_is_refused(tmp_path):
    with pytest.raises(PolarstemError, match=r"no pattern library file .*library\.nc"):
        Library.open(tmp_path)
    (tmp_path / "library.nc").write_bytes(b"CDF")
    with pytest.raises(PolarstemError, match="truncated or not netCDF"):
        Library.open(tmp_path)
