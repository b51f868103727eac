# SPDX-License-Identifier: GPL-3.0-or-later
"""The limit of real patterns: geometry, symmetry, orders of magnitude, and the file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import abtem
import numpy as np
import pytest
import xarray as xr

from polarstem.config import check, jobs, load, plan
from polarstem.config.limit import ideal_domains, limit_crystals, limit_settings
from polarstem.config.physics import Detector, Simulate
from polarstem.data.chernoff import chernoff_information
from polarstem.errors import PolarstemError
from polarstem.evaluate.limit.bayes_accuracy import class_information, electrons_needed
from polarstem.evaluate.limit.crystal_information import class_patterns, compute_information
from polarstem.evaluate.limit.efficiency import limit_entries, read_information
from polarstem.simulate.jobs.compute_scattering_matrix import compute_matrix
from polarstem.simulate.jobs.measure_patterns import measure_specimen
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.structures.build import build_specimen, write_specimen
from polarstem.structures.recipes import make_recipe

ROOT = Path(__file__).parents[3]
RECIPE = {
    **{"material": "KNN", "zone_axis": (0, 0, 1), "a_site": "virtual", "thickness_nm": 30.0},
    **{"name": "test", "specimen_set": "test", "split": "test", "seed": 1, "cells": (1, 1)},
    **{"class_index": 0, "class_name": "RM", "direction_deg": 0.0},
}


def electrons_between_signs(matrix, crystal, nm):
    """Electrons for 1 % error between +x and -x, at 6 x 6 positions in the cell."""
    eye = VirtualMicroscope(matrix, Detector(pixels=50, mrad_per_pixel=2.2))
    both = [
        eye.measure(in_the_cell(crystal), nm, Optics(20.0), turn=((sign, 0), (0, 1)))
        for sign in (1, -1)
    ]
    patterns = np.stack([images.flatten(2).numpy() for images in both])
    return electrons_needed(class_information(patterns)[0, 1])


def in_the_cell(crystal):
    cell = np.arange(6) / 6 * crystal.cell[0]
    return np.stack(np.meshgrid(cell, cell), axis=-1).reshape(-1, 2)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The tiny config, its matrices, and the limit computed from them."""
    folder = tmp_path_factory.mktemp("limit")
    config = load(ROOT / "tests" / "configs" / "plain.yaml")
    matrices = []
    for crystal in plan.all_crystals(config):
        if crystal.name in limit_crystals(config):
            matrices.append(folder / f"{crystal.name}.nc")
            compute_matrix(matrices[-1], jobs.matrix_settings(config, crystal))
    settings = limit_settings(config)
    compute_information(matrices, settings, folder / "information.nc")
    return SimpleNamespace(config=config, matrices=matrices, settings=settings, folder=folder)


@pytest.mark.parametrize("name", ["RM", "MU"])
def test_patterns_are_those_of_the_specimens(tiny, tmp_path, name):
    """A scan of the specimen with its grid in the middle of the bins gives the same patterns."""
    compared = plan.limit_specimens(tiny.config)
    specimen = next(s for s in compared if s.name == f"tiny-{name}-test-0")
    recipe = jobs.structure_settings(tiny.config, specimen)
    write_specimen(build_specimen(make_recipe(**recipe)), tmp_path / "s.xyz")
    settings = jobs.simulation_settings(tiny.config, specimen)
    settings["simulate"]["scan"]["offset"] = "centre"
    measure_specimen(tmp_path / "s.xyz", tiny.matrices[0], tmp_path / "s.nc", settings)
    with xr.open_dataset(tmp_path / "s.nc") as simulation:
        expected = simulation["intensity"].values
    group = tiny.settings["groups"][0]
    (member,) = [m for m in group if m["class_name"] == name]
    paths = {path.stem: path for path in tiny.matrices}
    found = class_patterns([member], paths, tiny.settings)[0]
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-4, atol=1e-8)


def test_map_has_the_symmetry_of_the_cell(tiny):
    data = read_information(tiny.folder / "information.nc")
    for name in ("electrons", "electrons_opposite"):
        needed = data[name].values
        for other in (needed[:, ::-1], needed[:, :, ::-1], needed.swapaxes(1, 2)):
            np.testing.assert_allclose(other, needed, rtol=2e-3)
        assert needed.max() > 1.5 * needed.min()
    # a single class has one mirror only: up and down for RM, which points right
    right = data["chernoff"].sel(true="RM", other="LM").isel(group=0).values
    np.testing.assert_allclose(right[:, ::-1], right, rtol=2e-3)
    assert np.abs(right[:, :, ::-1] / right - 1).max() < 2e-3  # of the pair, both mirrors
    alike = data["chernoff"].sel(true="RM", other="MU").isel(group=0).values
    assert np.abs(alike[:, ::-1] / alike - 1).max() > 0.01


def test_file_says_what_it_holds(tiny):
    data = read_information(tiny.folder / "information.nc")
    assert dict(data.sizes) == {
        **{"group": 1, "thickness": 2, "true": 4, "other": 4, "cell_y": 6, "cell_x": 6},
        **{"knowledge": 3, "dose": len(tiny.settings["doses"])},
    }
    assert {"title", "assumptions", "seed"} <= set(data.attrs)
    for name in data.variables:
        assert {"units", "long_name"} <= set(data[name].attrs), name
    mean = data["accuracy"].mean(("cell_y", "cell_x"))
    assert (mean.diff("dose") > -0.02).all()
    assert (mean > 0.25).all()
    certain = data["drawn"] == 0
    assert certain.any()
    assert not certain.all()
    assert (data["accuracy"].where(certain, 1) == 1).all()
    # the information says the same as the accuracy: less of it, less often right
    dose = data.sel(dose=100, knowledge="known")["accuracy"].values.ravel()
    assert np.corrcoef(dose, np.log(data["electrons"].values.ravel()))[0, 1] < -0.7


def test_missing_matrix_is_one_sentence(tiny, tmp_path):
    with pytest.raises(PolarstemError, match="scattering matrix of crystal tiny-"):
        compute_information([], tiny.settings, tmp_path / "i.nc")
    assert not list(tmp_path.iterdir())


def test_specimens_that_do_not_repeat_have_no_limit(tiny, tmp_path):
    raw = json.loads(tiny.config.model_dump_json())
    raw["structures"]["a_site"] = "random"
    config = check(raw)
    assert limit_crystals(config) == []
    compute_information([], limit_settings(config), tmp_path / "i.nc")
    assert read_information(tmp_path / "i.nc") is None


def test_ideal_domains_differ_in_thickness_or_dose_alone():
    domains = {
        "base": {"specimens": "a", "thicknesses_nm": [20], "dose_electrons": None},
        "thick": {"specimens": "a", "thicknesses_nm": [30], "factor": "thickness", "severity": 30},
        "counted": {"specimens": "a", "thicknesses_nm": [20], "dose_electrons": 1e4},
        "dose_100": {
            **{"specimens": "a", "thicknesses_nm": [20], "factor": "dose", "severity": 100},
            "conditions": {"dose_electrons": 100},
        },
        "tilt_1": {"specimens": "a", "thicknesses_nm": [20], "factor": "tilt", "severity": 1},
        "hidden": {"specimens": "a", "thicknesses_nm": [20], "conditions": {"tilt_mrad": 1}},
        "mixed": {"specimens": "a", "thicknesses_nm": [20, 30], "dose_electrons": None},
        "all": {"specimens": "a", "thicknesses_nm": None},
        "other": {"specimens": "b", "thicknesses_nm": [20], "dose_electrons": None},
        "untested": {"specimens": "a", "thicknesses_nm": [10], "dose_electrons": None},
    }
    config = {
        "specimens": {"a": {"thicknesses_nm": [10, 20, 30]}},
        "domains": domains,
        "evaluate": {
            "reference_domain": "base",
            "domains": [name for name in domains if name != "untested"],
        },
    }
    assert ideal_domains(config) == {
        "base": (20, None),
        "thick": (30, None),
        "counted": (20, 1e4),
        "dose_100": (20, 100),
    }


def with_slices(slices, **structures):
    """O phase of one test specimen for each class, on a grid that a test can afford."""
    raw = json.loads(load(ROOT / "tests" / "configs" / "plain.yaml").model_dump_json())
    raw["structures"] |= {"phase": "O", "cells": [3, 3], **structures}
    raw["simulate"] |= {"slices": slices, "pixels_per_cell": 32}
    raw["simulate"]["scan"]["positions"] = [2, 2]
    raw["specimens"]["tiny_phonons"]["classes"] = None
    raw["specimens"]["tiny"]["thicknesses_nm"] = [3, 6]
    raw["domains"]["thin"]["thicknesses_nm"] = [3]
    raw["domains"]["thick"]["thicknesses_nm"] = [6]
    return check(raw)


def limit_of(config, folder):
    """Settings and information of a configuration, its matrices computed."""
    folder.mkdir()
    matrices = {}
    for crystal in plan.all_crystals(config):
        if crystal.name in limit_crystals(config):
            matrices[crystal.name] = folder / f"{crystal.name}.nc"
            compute_matrix(matrices[crystal.name], jobs.matrix_settings(config, crystal))
    assert set(matrices) == set(limit_crystals(config))
    settings = limit_settings(config)
    compute_information(list(matrices.values()), settings, folder / "i.nc")
    return settings, read_information(folder / "i.nc")


def test_planes_hide_the_sign_along_the_beam(tmp_path):
    """With no matrix more than without, and no number of electrons is enough."""
    config = with_slices("planes")
    settings, data = limit_of(config, tmp_path / "x")
    assert {name.split("-")[1] for name in limit_crystals(config)} == {"110", "101"}
    pairs = [m for m in settings["groups"][0] if "other_sign" in m]
    assert {m["class_name"] for m in pairs} == {"RM", "MU", "LM", "MD"}
    assert data["electrons_beam_sign"].dims == ("pair", "thickness", "cell_y", "cell_x")
    assert data["electrons_beam_sign"].shape == (4, 2, 2, 2)
    assert np.isinf(data["electrons_beam_sign"]).all()
    entries = limit_entries(data, config.model_dump(mode="json"))
    for name in ("min", "median", "max"):
        found = entries[f"learning.limit.beam_sign_electrons.6.{name}"]
        assert (found["value"], found["n"]) == (None, 4)
        assert "none are enough: with planes as slices" in found["meaning"]


def test_one_crystal_stands_for_two_that_have_the_same_matrix():
    """To the last bit, so that nothing is lost where planes share a matrix."""
    simulate = Simulate.model_validate({"pixels_per_cell": 24, "slices": "planes"})
    up, down = (
        compute_scattering_matrix(oblique(sign), [3.0, 6.0], simulate, cells=(3, 3))
        for sign in (1, -1)
    )
    np.testing.assert_array_equal(up.array, down.array)
    np.testing.assert_array_equal(up.overlap, down.overlap)


def oblique(sign):
    return Crystal.build(RECIPE | {"phase": "O", "variant": (1, 0, sign)})


def test_heights_of_atoms_show_the_sign_along_the_beam(tmp_path):
    config = with_slices("atoms")
    settings, data = limit_of(config, tmp_path / "x")
    assert {name.split("-")[1] for name in limit_crystals(config)} == {"110", "101", "10m1"}
    needed = data["electrons_beam_sign"].values
    assert needed.shape == (4, 2, 2, 2)
    # the pairs are turns of one another: the same numbers, at turned positions
    np.testing.assert_allclose(
        np.sort(needed.reshape(4, 2, 4)),
        np.sort(needed.reshape(4, 2, 4)[:1]).repeat(4, 0),
        rtol=0.02,
    )
    # the first of them by hand
    (first, *_) = [m for m in settings["groups"][0] if "other_sign" in m]
    assert first["crystal"] != first["other_sign"]["crystal"]
    paths = {path.stem: path for path in (tmp_path / "x").glob("tiny*.nc")}
    one, two = (
        class_patterns([member], paths, settings)[0] for member in (first, first["other_sign"])
    )
    wanted = electrons_needed(chernoff_information(one, two)).reshape(2, 2, 2)
    np.testing.assert_allclose(needed[0], wanted, rtol=1e-6)
    entries = limit_entries(data, config.model_dump(mode="json"))
    for name in ("min", "median", "max"):
        found = entries[f"learning.limit.beam_sign_electrons.6.{name}"]
        assert found["value"] == pytest.approx(getattr(np, name)(needed[:, 1]))
        assert "none are enough" not in found["meaning"]
    assert found["n"] == 4


@pytest.mark.parametrize(
    ("zone_axis", "slices", "seen"),
    [([0, 0, 1], "atoms", True), ([1, 1, 0], "atoms", True), ([1, 1, 0], "planes", False)],
)
def test_signs_that_are_compared(zone_axis, slices, seen):
    """Along [110] planes tell their order, and not the sign; in-plane variants have none."""
    config = with_slices(slices, zone_axis=zone_axis, phase="T" if zone_axis[0] else "O")
    members = limit_settings(config)["groups"][0]
    oblique = {m["class_name"] for m in members if "other_sign" in m}
    if not seen:
        assert not oblique
    else:
        assert 0 < len(oblique) < len(members)


def test_without_displacements_there_is_no_sign():
    config = with_slices("atoms", amplitude=0.0, amplitude_spread=0.0)
    assert not [m for m in limit_settings(config)["groups"][0] if "other_sign" in m]
    assert len(limit_crystals(config)) == 1


@pytest.mark.slow
def test_orders_of_magnitude_of_a_tetragonal_crystal():
    """Electrons to tell +x from -x at 20 mrad and 200 kV, as computed with abTEM.

    With 36 positions in the cell and a detector up to 55 mrad: median 1390, 370, 178, 131 at
    5, 10, 20 and 30 nm for a similar template with potassium on the A site; fewest near the B
    column, most on the A column.

    Which column needs more is told by converged numbers: 527, 697, 506, 629 on the A column and
    532, 239, 295, 224 on the B column at 80 pixels per cell. At 5 nm they are alike.
    """
    nm = [5.0, 10.0, 20.0, 30.0]
    simulate = Simulate.model_validate(
        {
            "semiangle_mrad": 20,
            "pixels_per_cell": 64,
            "detector": {"pixels": 50, "mrad_per_pixel": 2.2},
        }
    )
    crystal = Crystal.build(RECIPE | {"phase": "T", "variant": (1, 0, 0)})
    matrix = compute_scattering_matrix(crystal, nm, simulate, cells=(6, 6))
    needed = electrons_between_signs(matrix, crystal, nm)
    for found, expected in (
        (np.median(needed, axis=1), (1390, 370, 178, 131)),
        (needed.max(1), (3982, 1238, 716, 413)),
        (needed.min(1), (113, 94, 79, 43)),
    ):
        ratio = found / expected
        assert (ratio > 1 / 3).all(), ratio
        assert (ratio < 3).all(), ratio
    # the A column stands at the origin, the B column in the middle
    a_column, b_column = needed[:, 0], needed[:, 21]
    np.testing.assert_allclose(a_column, (527, 697, 506, 629), rtol=0.05)
    np.testing.assert_allclose(b_column, (532, 239, 295, 224), rtol=0.05)
    assert (a_column[1:] > 1.5 * b_column[1:]).all()
    assert (needed[2:].argmax(1) == 0).all(), "thick crystals tell least on the A column"


def between_obliques(make):
    """Electrons for 1 % error between [101] and [10-1], whose patterns `make` gives."""
    both = np.stack([np.asarray(make(oblique(sign))) for sign in (1, -1)])
    return electrons_needed(chernoff_information(both[0], both[1]))


@pytest.mark.slow
def test_orders_of_magnitude_along_the_beam():
    """Millions of electrons, ten thousand times as many as for a sign in the plane.

    A component along the beam changes the distances that waves travel between atoms, by a twentieth
    of those between slices; beams of zero order feel it through the others alone.
    """
    nm = [5.0, 10.0, 20.0, 30.0]
    simulate = Simulate.model_validate(
        {
            **{"semiangle_mrad": 20, "pixels_per_cell": 64, "slices": "atoms"},
            "detector": {"pixels": 50, "mrad_per_pixel": 2.2},
        }
    )
    matrices = {}

    def patterns(crystal):
        matrix = compute_scattering_matrix(crystal, nm, simulate, cells=(6, 6))
        matrices[len(matrices)] = matrix
        eye = VirtualMicroscope(matrix, simulate.detector)
        return eye.measure(in_the_cell(crystal), nm, Optics(20.0)).flatten(2).numpy()

    along = np.median(between_obliques(patterns), axis=1)
    # with 48 pixels per cell, whose waves end before the first-order Laue zone at 112 mrad, the
    # thick ones need 6.7 and 9.3 million
    np.testing.assert_allclose(along, (8.0e6, 4.4e6, 4.6e6, 5.1e6), rtol=0.1)
    across = electrons_between_signs(matrices[0], oblique(1), nm)
    assert (along > 3e3 * np.median(across, axis=1)).all()


@pytest.mark.slow
def test_thin_slices_of_abtem_show_the_same_sign_along_the_beam():
    """abTEM, its atoms spread along the beam as they are, over sixteenths of a cell.

    Slices of half a cell show hundreds of times as much where atomic planes stand at their faces:
    displaced one way or the other, atoms change slices.
    """
    pixels, cells, nm = 32, 2, 4.0

    def measured(slices):
        simulate = Simulate.model_validate(
            {
                **{"semiangle_mrad": 20, "pixels_per_cell": pixels, "slices": slices},
                "detector": {"pixels": 24, "mrad_per_pixel": 4.4},
            }
        )

        def patterns(crystal):
            one = replace(crystal, occupancy={})
            matrix = compute_scattering_matrix(one, [nm], simulate, cells=(cells, cells))
            eye = VirtualMicroscope(matrix, simulate.detector)
            return eye.measure(positions, [nm], Optics(20.0))[0].flatten(1).numpy()

        return between_obliques(patterns)

    def of_abtem(shift, **how):
        def patterns(crystal):
            atoms = crystal.atoms[crystal.atoms.positions[:, 2] < nm * 10]
            edge, _, period = crystal.cell
            atoms.set_cell([edge, edge, round(10 * nm / period) * period])
            atoms = atoms[atoms.positions[:, 2] < atoms.cell[2, 2]] * (cells, cells, 1)
            atoms.positions[:, 2] = (atoms.positions[:, 2] - shift * period) % atoms.cell[2, 2]
            potential = abtem.Potential(atoms, gpts=pixels * cells, **how)
            probe = abtem.Probe(energy=200e3, semiangle_cutoff=20)
            detector = abtem.PixelatedDetector(max_angle=50)
            scan = abtem.CustomScan(positions)
            waves = probe.multislice(potential, scan=scan, detectors=detector)
            return waves.compute(progress_bar=False).array.reshape(len(positions), -1)

        return between_obliques(patterns)

    edge, _, period = oblique(1).cell
    positions = (in_the_cell(oblique(1))[::7] + 0.1 * edge) % edge
    ours = measured("atoms")
    theirs = of_abtem(0.0, projection="finite", slice_thickness=period / 16)
    hopping = of_abtem(0.25, projection="infinite", slice_thickness=period / 2)
    assert 0.5 < np.median(ours) / np.median(theirs) < 2.5
    assert np.corrcoef(np.log(ours), np.log(theirs))[0, 1] > 0.8
    assert np.median(hopping) < np.median(theirs) / 50
