# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong counts, conditions, limits and restarts of the simulating jobs, and wrong requests."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_CODE = "polarstem"
_COUNTS = "unit/scans/test_virtual_counts.py::test_gain_loses_no_electrons_and_shows"
_ADDED = "unit/simulate/test_drawn_with_set_aberrations.py::test_phases_add_up"
_BAND = "unit/simulate/test_detector_band.py"
_SUMS = "unit/simulate/test_running_sums.py"
_SAME = f"{_SUMS}::test_a_stopped_job_goes_on_to_the_same_bits"
_NEEDS = "unit/core/test_needs.py"
_TRAINS = "unit/core/test_config.py::test_a_run_trains_as_it_says_whatever_model_says"
_KEPT = "unit/evaluate/test_predict.py::test_answers_that_stand_there_are_taken_over"
_DRAWN = "simulate/microscope/drawn_conditions.py"
_RUNNING = "simulate/multislice/running_sums.py"
_EMULATED = "simulate/jobs/emulate_specimen.py"


def _broken(what: str, file: str, old: str, new: str, test: str) -> Mutation:
    return Mutation(what, f"{_CODE}/{file}", old, new, f"tests/{test}")


_ROUNDED = "kept[:] = below + (random.random(row.shape, np.float32) < row - below)"

MUTATIONS = [
    _broken("counts are cut off", "scans/virtual.py", _ROUNDED, "kept[:] = row", _COUNTS),
    _broken(
        "few counts lose their gain",
        "scans/virtual.py",
        _ROUNDED,
        "kept[:] = np.rint(row)",
        _COUNTS,
    ),
    _broken(
        "drawn aberrations replace set ones",
        _DRAWN,
        "if aberrations.get(coefficient):",
        "if False:",
        _ADDED,
    ),
    _broken(
        "the azimuth of a sum is not that of its pattern",
        _DRAWN,
        "cmath.phase(total) / symmetry",
        "cmath.phase(total)",
        _ADDED,
    ),
    _broken(
        "windows beyond a scene's far sides",
        "simulate/multislice/scene_scan.py",
        "beyond = max(-int(first.min()),",
        "beyond = min(-int(first.min()),",
        "unit/simulate/test_scene_windows.py::test_every_side_counts",
    ),
    _broken(
        "the nearest edge of a detector counts",
        "simulate/multislice/abtem_run.py",
        "camera.edges_mrad.max()",
        "camera.edges_mrad.min()",
        f"{_BAND}::test_all_that_moves_an_edge_counts",
    ),
    _broken(
        "scenes take any detector",
        "simulate/multislice/scene_scan.py",
        "    check_band(camera, crystal, simulate)\n",
        "",
        f"{_BAND}::test_scenes_refuse_it_and_hold_what_they_accept",
    ),
    _broken(
        "emulated experiments take any detector",
        _EMULATED,
        "    check_band(camera, crystal, simulate)\n",
        "",
        f"{_BAND}::test_an_emulated_experiment_goes_by_the_drawn_camera",
    ),
    _broken(
        "a wide source ends at three cells",
        _EMULATED,
        "reach = 3 + int(5 * sigma / period)",
        "reach = 3",
        "unit/simulate/test_emulated_source.py"
        "::test_a_source_wider_than_the_cell_sees_all_positions_alike",
    ),
    _broken(
        "done configurations are simulated again",
        _RUNNING,
        "            if number < done:\n                continue\n",
        "",
        _SAME,
    ),
    _broken(
        "the last configuration is added twice",
        _RUNNING,
        "self._keep(number + 1, sums)",
        "self._keep(number, sums)",
        _SAME,
    ),
    _broken("kept sums are lost", _RUNNING, "array[...] = found[name]", "array[...] = 0", _SAME),
    _broken(
        "visits are counted anew",
        _EMULATED,
        "totals=totals, visits=visits",
        "totals=totals",
        _SAME,
    ),
    _broken(
        "sums of other settings are taken up",
        _RUNNING,
        '"settings": settings,',
        "",
        f"{_SUMS}::test_other_settings_start_afresh",
    ),
    _broken(
        "sums of other code are taken up",
        _RUNNING,
        '"code": _code(),',
        "",
        f"{_SUMS}::test_other_code_or_a_broken_file_start_afresh",
    ),
    _broken(
        "sums that cannot be kept end jobs",
        _RUNNING,
        "except (OSError, PolarstemError) as error:",
        "except PolarstemError as error:",
        f"{_SUMS}::test_sums_that_cannot_be_kept_end_no_job",
    ),
    _broken(
        "every batch makes the potential anew",
        "simulate/multislice/abtem_run.py",
        "if len(batches) > 1 and 4e-6",
        "if len(batches) > 9 and 4e-6",
        f"{_SUMS}::test_potentials_are_kept_where_they_fit",
    ),
    _broken(
        "all thermal matrices at once in memory",
        "simulate/scattering_matrix/thermal_matrices.py",
        "enumerate(matrices):",
        "enumerate(list(matrices)):",
        "unit/simulate/test_compute_thermal_matrices.py::test_one_configuration_at_a_time",
    ),
    _broken(
        "half of a kept potential is asked for",
        "config/needs.py",
        "potential = 4e-6 * slices",
        "potential = 2e-6 * slices",
        f"{_NEEDS}::test_a_potential_counts_where_batches_share_it",
    ),
    _broken(
        "half of a scene's transmission functions are asked for",
        "config/needs.py",
        "field = 8e-6 * slices",
        "field = 4e-6 * slices",
        f"{_NEEDS}::test_a_scene_counts_its_transmission_functions",
    ),
    _broken(
        "a run trains as its stream says",
        "config/model.py",
        "settings = merge(settings, run.training)",
        "settings = merge(run.training, settings)",
        _TRAINS,
    ),
    _broken(
        "every run of a model trains as one of them",
        "config/model.py",
        "if model in run.models and source in run.sources:",
        "if model in run.models:",
        _TRAINS,
    ),
    _broken(
        "one training is planned in two ways",
        "config/cross_checks.py",
        "if all(shared) and run.training != other.training:",
        "if all(shared) and run.training is other.training:",
        _TRAINS,
    ),
    _broken(
        "answers to other patterns are taken over",
        "evaluate/scores/write_predictions.py",
        "digest.update(np.ascontiguousarray(data[name].values).tobytes())",
        "pass",
        _KEPT,
    ),
    _broken(
        "answers of another model are taken over",
        "evaluate/scores/write_predictions.py",
        'answering = f"{code} {checksum}"',
        'answering = f"{code}"',
        _KEPT,
    ),
    _broken(
        "answers that stand there are mixed up",
        "evaluate/scores/write_predictions.py",
        "key: probability[domain == names.index(name)]",
        "key: probability[domain == 0]",
        _KEPT,
    ),
    _broken(
        "answers of a model without a checksum are taken over",
        "evaluate/scores/write_predictions.py",
        "if checksum is not None:",
        "if True:",
        _KEPT,
    ),
    _broken(
        "answers to patterns that are not told are taken over",
        "evaluate/scores/write_predictions.py",
        "if key and key in keys",
        "if key in keys",
        _KEPT,
    ),
]
