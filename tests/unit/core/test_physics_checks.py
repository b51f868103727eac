# SPDX-License-Identifier: GPL-3.0-or-later
"""The check tells before the first job what would fail in one."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from polarstem.config import ConfigError, check, jobs, plan
from polarstem.config.model import merge
from polarstem.config.physics import Simulate
from polarstem.config.specimens import SOURCE_STEPS
from polarstem.errors import PolarstemError
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.multislice.abtem_run import check_band
from polarstem.simulate.potential.crystal import Crystal, exit_periods
from polarstem.simulate.wave.antialias import antialias_angle

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
PLAIN, TINY = (
    yaml.safe_load((CONFIGS / name).read_text(encoding="utf-8"))
    for name in ("plain.yaml", "tiny.yaml")
)
BATIO3 = {
    "a_site": {"Ba": 1.0},
    "b_site": "Ti",
    "lattice": {"T": {"a": 3.9925, "c": 4.0365}},
    "template": {"T": {"A": 5.0, "O_parallel": 14.0, "O_perpendicular": 9.0}},
    "born_charges": {"Ba": 2.7, "Ti": 7.2, "O_parallel": -5.7, "O_perpendicular": -2.1},
    "debye_waller_rms_angstrom": {"Ba": 0.06, "Ti": 0.06, "O": 0.07},
}


def changed(changes: dict[str, Any], base: dict[str, Any] = PLAIN) -> dict[str, Any]:
    return merge(copy.deepcopy(base), copy.deepcopy(changes))


def problems(changes: dict[str, Any], base: dict[str, Any] = PLAIN) -> list[str]:
    try:
        check(changed(changes, base))
    except ConfigError as error:
        return error.problems
    return []


def of_tiny(**sections: Any) -> dict[str, Any]:
    return {"specimens": {"tiny": sections}}


def emulated(conditions: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """An emulated experiment on 12 x 12 positions, 0.33 Å apart."""
    simulate = {"phonons": {"configurations": 4}, "scan": {"positions": [12, 12]}}
    simulate = merge(simulate, settings.pop("simulate", {}))
    made = {"thicknesses_nm": {"between": [3, 6]}, "structures": {"a_site": "random"}}
    made |= {"simulate": simulate, "conditions": conditions, **settings}
    made = {"per_class": {"test": 1}, "classes": ["RM"], **made}
    return {
        "specimens": {"seen": made},
        "domains": {"seen": {"specimens": "seen"}},
        "evaluate": {"domains": [*PLAIN["evaluate"]["domains"], "seen"]},
    }


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param(
            {"simulate": {"detector": {"pixels": 64}}},
            "simulate.detector (for specimens.tiny, specimens.tiny_phonons): detector reaches 96 "
            "mrad, but 32 pixels per cell simulate angles up to 67.1 mrad only; raise "
            "simulate.pixels_per_cell to 46, or choose a smaller detector",
            id="wide detector",
        ),
        pytest.param(
            {"simulate": {"pixels_per_cell": 16}},
            "simulate.detector (for specimens.tiny, specimens.tiny_phonons): detector reaches 48 "
            "mrad, but 16 pixels per cell simulate angles up to 33.6 mrad only; raise "
            "simulate.pixels_per_cell to 24, or",
            id="coarse grid",
        ),
        pytest.param(
            {"specimens": {"tiny_phonons": {"simulate": {"pixels_per_cell": 20}}}},
            "simulate.detector (for specimens.tiny_phonons): detector reaches 48 mrad, but 20 "
            "pixels",
            id="coarse grid of one set",
        ),
        pytest.param(
            {"simulate": {"semiangle_mrad": 70}},
            "simulate.semiangle_mrad (for specimens.tiny, specimens.tiny_phonons): aperture "
            "reaches 70 mrad, but 32 pixels per cell simulate angles up to 67.1 mrad only; raise "
            "simulate.pixels_per_cell to 34, or choose a smaller aperture",
            id="wide aperture",
        ),
        pytest.param(
            of_tiny(simulate={"tilt_mrad": [15, -14]}),
            "simulate.detector (for specimens.tiny): detector and the largest tilt reach 68.52 "
            "mrad, but",
            id="tilt",
        ),
        pytest.param(
            {
                "domains": {"thin": {"conditions": {"rotation_deg": [0, 90]}}},
                "train": {
                    "sources": {"thin": ["thick"], "both": ["thick"]},
                },
            },
            "simulate.detector (for specimens.tiny): detector reaches 67.88 mrad, but 32 pixels",
            id="turned detector",
        ),
        pytest.param(
            {"simulate": {"energy_kv": 1500, "detector": {"pixels": 512}}},
            "simulate angles up to 17.1 mrad only; choose a smaller detector",
            id="no grid is fine enough",
        ),
        pytest.param(
            of_tiny(thicknesses_nm=[5, 10, 10.1]),
            "specimens.tiny.thicknesses_nm: 10 and 10.1 nm are the same number of 0.399 nm "
            "periods along the beam; keep them a period apart",
            id="thicknesses of one period",
        ),
        pytest.param(
            of_tiny(thicknesses_nm=[0.1, 0.3, 5, 10]),
            "specimens.tiny.thicknesses_nm: 0.1 and 0.3 nm are the same number",
            id="thicknesses below one period",
        ),
        pytest.param(
            {
                "specimens": {
                    "more": {
                        "per_class": {"test": 1},
                        "thicknesses_nm": {"between": [5, 7], "count": 40},
                    }
                }
            },
            "nm periods along the beam; draw fewer, or from a wider range",
            id="drawn thicknesses",
        ),
        pytest.param(
            {"structures": {"material": BATIO3, "a_site": "ordered", "cells": [4, 4]}},
            "structures.a_site (for specimens.tiny): 'ordered' alternates two elements in equal "
            "shares, which BaTiO3 does not have; use random or virtual",
            id="order of one element",
        ),
        pytest.param(
            of_tiny(structures={"a_site": "ordered", "cells": [4, 3]}),
            "structures.cells (for specimens.tiny): an odd number of cells along y, 3, breaks the "
            "rock-salt order of a_site 'ordered'; use 4",
            id="order of an odd field",
        ),
        pytest.param(
            of_tiny(
                structures={"a_site": "ordered", "cells": [5, 4]}, simulate={"engine": "multislice"}
            ),
            "structures.cells (for specimens.tiny): an odd number of cells along x, 5,",
            id="order of an odd field by multislice",
        ),
        pytest.param(
            {"structures": {"defect": {"kind": "antisite_column", "site": "O"}}},
            "structures.defect: {'kind': 'antisite_column', 'site': 'O'}: an antisite exchanges "
            "cations; use site A or B, or `vacancy_column`",
            id="antisite on oxygen",
        ),
        pytest.param(
            of_tiny(structures={"defect": {"kind": "antisite_column", "site": "O"}}),
            "specimens.tiny.structures.defect: ",
            id="antisite on oxygen in a set",
        ),
        pytest.param(
            {"simulate": {"scan": {"cells": [4, 1]}}},
            "simulate.scan.cells (for specimens.tiny, specimens.tiny_phonons): asks for 4 cells "
            "along y, but the field has 3; enlarge structures.cells or scan fewer cells",
            id="scan beyond the field",
        ),
        pytest.param(
            emulated({"source_fwhm_angstrom": [0.4, 1]}),
            "specimens.seen.conditions.source_fwhm_angstrom: may be 0.4 Å, but on 12 x 12 probe "
            "positions a source joins neighbours only from 0.50 Å on; raise "
            "simulate.scan.positions to [15, 15], or use a wider source or 0",
            id="narrow source",
        ),
        pytest.param(
            emulated({"source_fwhm_angstrom": [0, 1]}),
            "may be 0 Å, but on 12 x 12 probe positions a source joins neighbours only from 0.50 Å "
            "on; use a wider source or 0",
            id="source drawn from nothing on",
        ),
        pytest.param(
            emulated({}, thicknesses_nm=[3, 6]),
            "specimens.seen.thicknesses_nm: an emulated experiment has one thickness, not 2; use",
            id="thicknesses of an experiment",
        ),
        pytest.param(
            emulated({"camera_length_error": [-0.1, 0.5]}),
            "simulate.detector (for specimens.seen): detector reaches 72 mrad, but 32 pixels",
            id="long camera",
        ),
        pytest.param(
            emulated({"defocus_spread_angstrom": 20}, simulate={"phonons": {"configurations": 1}}),
            "specimens.seen.conditions.defocus_spread_angstrom: is sampled by the thermal "
            "configurations, but simulate.phonons.configurations is 1; use 8, say",
            id="spread of the defocus without configurations",
        ),
        pytest.param(
            emulated({"camera_length_error": [-1, 0]}),
            "specimens.seen.conditions.camera_length_error: [-1, 0]: must be more than -1: a pixel "
            "covers some angle",
            id="no camera length",
        ),
        pytest.param(
            emulated({"dead_fraction": [0, 1]}),
            "specimens.seen.conditions.dead_fraction: [0, 1]: must be less than 1: some pixels",
            id="dead detector",
        ),
        pytest.param(
            {"specimens": {"tiny_phonons": {"simulate": {"engine": "thermal_matrices"}}}},
            "domains.warm.specimens: 'tiny_phonons' are thermal matrices (simulate.engine), which "
            "a stream of train.sources measures; name another set",
            id="thermal matrices as a data domain",
        ),
        pytest.param(
            {"specimens": {"tiny_phonons": {"simulate": {"detector": {"pixels": 24}}}}},
            "simulate.detector.pixels (for specimens.tiny_phonons): is 24, but specimens.tiny "
            "have 32; models need patterns of one size, so make them the same",
            id="detectors of two sizes",
        ),
        pytest.param({"seed": 2**63}, "seed: 9223372036854775808: should be less than", id="seed"),
    ],
)
def test_what_would_fail_in_a_job_is_told(changes: dict[str, Any], told: str) -> None:
    (found,) = problems(changes)
    assert "\n" not in found
    assert told in found


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param(
            {"specimens": {"tiny_thermal": {"structures": {"defect": {"kind": "vacancy_column"}}}}},
            "simulate.engine (for specimens.tiny_thermal): thermal matrices are of columns one "
            "cell wide, so that structures.defect would be in every cell; use `multislice`",
            id="defect in every cell",
        ),
        pytest.param(
            {"specimens": {"tiny_thermal": {"conditions": {"psf_pixels": 1}}}},
            "simulate.engine (for specimens.tiny_thermal): thermal matrices are measured under the "
            "conditions of a stream, so that specimens.tiny_thermal.conditions mean nothing",
            id="conditions of a set of matrices",
        ),
        pytest.param(
            {"specimens": {"tiny_thermal_cubic": {"simulate": {"tilt_mrad": [1, 0]}}}},
            "train.sources.endless.specimens: 'tiny_thermal' and 'tiny_thermal_cubic' differ in "
            "simulate.tilt_mrad, but one microscope measures both; make it the same",
            id="two microscopes",
        ),
        pytest.param(
            {"train": {"sources": {"endless": {"conditions": {"tilt_mrad": [0, 20]}}}}},
            "simulate.detector (for specimens.tiny_thermal, specimens.tiny_thermal_cubic): "
            "detector and the largest tilt reach 68.83 mrad, but",
            id="tilts of a stream",
        ),
        pytest.param(
            {
                "specimens": {
                    name: {"simulate": {"detector": {"mrad_per_pixel": 3.9}}}
                    for name in ("tiny_thermal", "tiny_thermal_cubic")
                }
            },
            "evaluate.recommended: the library that scans are placed by tilts by 6 mrad: detector "
            "and the largest tilt reach 68.4 mrad, but 32 pixels per cell",
            id="library beyond the grid",
        ),
        pytest.param(
            {
                "specimens": {
                    name: {"thicknesses_nm": {"between": [1, 1.1], "count": 1}}
                    for name in ("tiny_thermal", "tiny_thermal_cubic")
                }
            },
            "evaluate.recommended: the library that scans are placed by has 0.6 and 0.877 nm, the "
            "same number of 0.399 nm periods along the beam; train on thicker specimens",
            id="library of one period",
        ),
    ],
)
def test_what_would_fail_in_training_or_mapping_is_told(changes: dict[str, Any], told: str) -> None:
    (found,) = problems(changes, TINY)
    assert told in found


def end_on(**changes: Any) -> dict[str, Any]:
    """T along [001] with its class END, and unpolar test specimens beside it."""
    control = {"classes": ["RM"], "structures": {"amplitude": 0, "amplitude_spread": 0}}
    return merge({"structures": {"end_on": True}, "specimens": {"tiny_phonons": control}}, changes)


def test_a_class_that_looks_unpolar_is_not_told_from_the_control() -> None:
    (told,) = problems(end_on())
    assert told.startswith(
        "structures.end_on (for specimens.tiny): with simulate.slices `planes` a polarization "
        "along the beam cannot be seen, so that the class END looks exactly like tiny_phonons, "
        "whose amplitude is 0; use slices `atoms`"
    )
    assert problems(end_on(simulate={"slices": "atoms"})) == []
    assert problems(end_on(structures={"end_on": False})) == []
    # a control that nothing uses
    assert problems(end_on(evaluate={"domains": ["thin", "thick"]})) == []
    # polar specimens of the other classes alone
    others = {"structures": {"end_on": False}}
    assert problems(end_on(specimens={"tiny": others})) == []


def test_what_is_right_is_not_refused() -> None:
    assert problems({}) == problems({}, TINY) == []
    for conditions in ({}, {"source_fwhm_angstrom": 0}, {"source_fwhm_angstrom": [0.51, 2]}):
        assert problems(emulated(conditions)) == []
    # a tilt needs room in a matrix, not in a multislice
    tilted = {"simulate": {"tilt_mrad": [15, -14]}}
    assert problems({"specimens": {"tiny_phonons": tilted}}) == []
    # a stream's field is no smaller than its scan, which it does not have
    thermal = {"specimens": {"tiny_thermal": {"simulate": {"scan": {"cells": [3, 3]}}}}}
    assert problems(thermal, TINY) == []
    for zone, cells in (([0, 0, 1], [4, 2]), ([1, 1, 0], [3, 2])):
        data = changed({"structures": {"zone_axis": zone, "a_site": "ordered"}})
        data["structures"]["cells"] = cells
        del data["specimens"]["tiny_phonons"]["classes"]
        assert problems({}, data) == []


@pytest.mark.parametrize(
    "structures",
    [
        {},
        {"phase": "O", "metric": "phase"},
        {"phase": "R", "metric": "phase", "zone_axis": [1, 1, 0]},
        {"phase": "T", "metric": "phase", "end_on": True},
    ],
)
def test_the_band_is_that_of_the_engines(structures: dict[str, Any]) -> None:
    """A detector up to it is taken by the check and both engines, a wider one by none."""
    data = changed({"structures": structures})
    del data["specimens"]["tiny_phonons"]["classes"]
    config = check(data)
    specimens = plan.specimens_of(config, "tiny")
    crystals = [Crystal.build(jobs.structure_settings(config, one)) for one in specimens]
    samplings = [
        float((crystal.atoms.cell.lengths()[:2] / crystal.grid_points(32)).max())
        for crystal in crystals
    ]
    coarsest = int(np.argmax(samplings))
    band = antialias_angle(samplings[coarsest], 0.0250793)  # Å, at 200 kV
    for factor, taken in ((0.9999, True), (1.0001, False)):
        detector = {"pixels": 48, "mrad_per_pixel": factor * 2 * band / 48}
        data["simulate"] |= {"detector": detector}
        assert (problems({}, data) == []) == taken
        simulate = Simulate.model_validate({"pixels_per_cell": 32, "detector": detector})
        camera = Camera.of(simulate.detector)
        if taken:
            check_band(camera, crystals[coarsest], simulate)
        else:
            with pytest.raises(PolarstemError, match="simulate angles up to"):
                check_band(camera, crystals[coarsest], simulate)


@settings(max_examples=40, deadline=None)
@given(
    nm=st.lists(st.floats(0.05, 12), min_size=2, max_size=4, unique=True),
    metric=st.sampled_from(["cubic", "phase"]),
)
def test_thicknesses_are_those_that_the_engines_take(nm: list[float], metric: str) -> None:
    more = {"per_class": {"test": 1}, "thicknesses_nm": nm}
    changes = {"structures": {"metric": metric}, "specimens": {"more": more}}
    refused = problems(changes)
    assert all(told.startswith("specimens.more.thicknesses_nm: ") for told in refused)
    more["thicknesses_nm"] = [max(nm)]
    config = check(changed(changes))
    fails = False
    for specimen in plan.specimens_of(config, "more"):
        crystal = Crystal.build(jobs.structure_settings(config, specimen) | {"cells": [1, 1]})
        try:
            exit_periods(nm, crystal.cell[2], crystal.repeats[2])
        except PolarstemError:
            fails = True
    assert bool(refused) == fails


def test_sources_are_those_that_the_emulation_joins() -> None:
    """The limit, from the lattice constant of tetragonal KNN."""
    edge = (3.970**2 * 4.020) ** (1 / 3)
    for shape in ([12, 10], [9, 14]):
        least = SOURCE_STEPS * edge / min(shape)
        for factor, taken in ((1.0005, True), (0.9995, False)):
            changes = emulated(
                {"source_fwhm_angstrom": factor * least}, simulate={"scan": {"positions": shape}}
            )
            assert (problems(changes) == []) == taken
