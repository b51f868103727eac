# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong specimens that are not ideal, and wrong scans of them."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_ATOMS = "tests/unit/structures/test_imperfections.py"
_SCANS = "tests/unit/structures/test_distorted_scans.py"
_SCENES = "tests/unit/simulate/test_imperfect_scenes.py"
_SPECIMENS = "tests/unit/simulate/test_imperfect_specimens.py"
_CONFIG = "tests/unit/core/test_imperfect_conditions.py"
_LOCAL = "polarstem/structures/local_displacements.py"
_AMORPHOUS = "polarstem/structures/amorphous.py"
_ALONG_110 = "tests/unit/structures/test_scenes_along_110.py"
_SCAN_110 = "tests/unit/simulate/test_scene_scan_along_110.py"
_FRAME = "polarstem/structures/scenes/scan_frame.py"
_DRAWS = "polarstem/config/experiment_conditions.py"

MUTATIONS = [
    # static disorder
    Mutation(
        "every element is displaced alike",
        _LOCAL,
        "[rms[symbol] for symbol in symbols]",
        "[rms['Nb'] for symbol in symbols]",
        f"{_ATOMS}::test_atoms_are_displaced_by_as_much_as_their_element",
    ),
    Mutation(
        "disorder along x alone",
        _LOCAL,
        "random.normal(size=(len(sigma), 3)) * sigma[:, None]",
        "random.normal(size=(len(sigma), 3)) * sigma[:, None] * [1, 0, 0]",
        f"{_ATOMS}::test_atoms_are_displaced_by_as_much_as_their_element",
    ),
    Mutation(
        "pairs of atoms move together",
        _LOCAL,
        "random.normal(size=(len(sigma), 3)) * sigma[:, None]",
        "np.resize(random.normal(size=(5 * 160, 3)), (len(sigma), 3)) * sigma[:, None]",
        f"{_ATOMS}::test_each_atom_is_displaced_independently_of_its_column_and_its_neighbours",
    ),
    Mutation(
        "disorder without the specimen's seed",
        _LOCAL,
        'derive_seed(seed, "static disorder")',
        'derive_seed("static disorder")',
        f"{_ATOMS}::test_the_seed_of_the_specimen_makes_the_disorder",
    ),
    Mutation(
        "disorder of scenes left out",
        "polarstem/structures/scenes/build.py",
        "    if recipe.disorder:",
        "    if False:",
        f"{_ATOMS}::test_atoms_are_displaced_by_as_much_as_their_element",
    ),
    Mutation(
        "thermal motion starts anew from the ideal places",
        "polarstem/simulate/potential/frozen_phonons.py",
        "    atoms.positions[:, :2] += normal * sigma[:, None]",
        "    atoms.positions[:, :2] = np.round(atoms.positions[:, :2]) + normal * sigma[:, None]",
        f"{_SCENES}::test_disorder_is_the_same_in_every_thermal_configuration_and_layers_rest",
    ),
    # octahedral tilts
    Mutation(
        "neighbours turn alike",
        _LOCAL,
        "sense = 1 - 2 * (cells @ steps % 2)",
        "sense = 1 + 0 * (cells @ steps % 2)",
        f"{_ATOMS}::test_neighbours_across_the_axis_turn_in_opposite_senses_and_along_it_in_the_same",
    ),
    Mutation(
        "tilts alternate along their axis",
        "polarstem/structures/glazer.py",
        "(sum(vector) - (sign == 1) * step) % 2",
        "sum(vector) % 2",
        f"{_ATOMS}::test_neighbours_across_the_axis_turn_in_opposite_senses_and_along_it_in_the_same",
    ),
    Mutation(
        "octahedra are sheared, not turned",
        _LOCAL,
        "found[:, second] -= size * (site == _FIRST_O + first)",
        "found[:, second] += size * (site == _FIRST_O + first)",
        f"{_ATOMS}::test_octahedra_turn_as_rigid_bodies_and_their_bonds_bend_by_twice_the_tilt",
    ),
    Mutation(
        "half the tilt",
        _LOCAL,
        "edge / 2 * np.tan",
        "edge / 4 * np.tan",
        f"{_ATOMS}::test_octahedra_turn_as_rigid_bodies_and_their_bonds_bend_by_twice_the_tilt",
    ),
    Mutation(
        "tilts about the beam along any zone axis",
        "polarstem/structures/build.py",
        "cubic = quarters @ axes // 4",
        "cubic = quarters // 4",
        f"{_ATOMS}::test_octahedra_turn_as_rigid_bodies_and_their_bonds_bend_by_twice_the_tilt",
    ),
    Mutation(
        "tilts that do not fit the box",
        "polarstem/structures/recipes.py",
        "if self.octahedral_tilt_deg:",
        "if False:",
        f"{_ATOMS}::test_tilts_need_an_even_number_of_cells",
    ),
    # amorphous layers
    Mutation(
        "layers as dense as the crystal",
        _AMORPHOUS,
        "DENSITY_SHARE = 0.9",
        "DENSITY_SHARE = 1.0",
        f"{_ATOMS}::test_amorphous_layers_have_their_thickness_density_and_composition",
    ),
    Mutation(
        "carbon as dense as diamond",
        _AMORPHOUS,
        "CARBON_DENSITY = 0.1003",
        "CARBON_DENSITY = 0.1760",
        f"{_ATOMS}::test_amorphous_layers_have_their_thickness_density_and_composition",
    ),
    Mutation(
        "new atoms may stand in those that are there",
        _AMORPHOUS,
        "new = new[~(distance < apart)]",
        "new = new[~(distance < 0)]",
        f"{_ATOMS}::test_amorphous_layers_have_their_thickness_density_and_composition",
    ),
    Mutation(
        "new atoms may stand in one another",
        _AMORPHOUS,
        "np.delete(new, late, axis=0)",
        "new",
        f"{_ATOMS}::test_amorphous_layers_have_their_thickness_density_and_composition",
    ),
    Mutation(
        "layers reach into the crystal",
        _AMORPHOUS,
        "gap = min(apart / 2, height / 4)",
        "gap = 0.0",
        f"{_ATOMS}::test_amorphous_layers_have_their_thickness_density_and_composition",
    ),
    Mutation(
        "layers of the two sides exchanged",
        _AMORPHOUS,
        "return crystal, Layers(entrance, exit_)",
        "return crystal, Layers(exit_, entrance)",
        f"{_ATOMS}::test_amorphous_layers_have_their_thickness_density_and_composition",
    ),
    Mutation(
        "the exit layer is left out",
        "polarstem/simulate/potential/projection.py",
        "whole += entrance + exit_",
        "whole += entrance",
        f"{_SCENES}::test_layers_stand_before_and_behind_the_slices_of_the_crystal",
    ),
    Mutation(
        "a layer in one slice",
        "polarstem/structures/imperfections.py",
        "LAYER_SLICE = 2.0",
        "LAYER_SLICE = 20.0",
        f"{_SCENES}::test_layers_stand_before_and_behind_the_slices_of_the_crystal",
    ),
    Mutation(
        "an emulated exit lies before the layer",
        "polarstem/simulate/potential/projection.py",
        "        last[-1] = len(thickness)\n",
        "",
        f"{_SPECIMENS}::test_an_emulated_specimen_has_its_layers_disorder_and_tilts",
    ),
    # wedges
    Mutation(
        "a wedge of half its size",
        "polarstem/structures/scenes/build.py",
        "along *= recipe.wedge * periods / farthest",
        "along *= recipe.wedge * periods / farthest / 2",
        f"{_SCANS}::test_a_wedge_changes_the_thickness_by_its_share_from_corner_to_corner",
    ),
    Mutation(
        "a wedge turns with the crystal",
        "polarstem/structures/scenes/build.py",
        "along = np.exp(-1j * np.radians(recipe.crystal_rotation_deg)) * direction",
        "along = direction.copy() * 1",
        f"{_SCANS}::test_a_wedge_changes_the_thickness_by_its_share_from_corner_to_corner",
    ),
    Mutation(
        "walls are seen through the whole box",
        "polarstem/structures/scenes/truth.py",
        "shares += there * ((number < periods) / periods)[:, None]",
        "shares += there / most",
        f"{_SCANS}::test_an_inclined_wall_shares_the_local_thickness_of_a_wedge",
    ),
    Mutation(
        "a wedge that no electron sees",
        "polarstem/simulate/multislice/scene_scan.py",
        "left_out += crystal.repeats[2] - crystal.wedge.periods_at(places)",
        "left_out += 0",
        f"{_SCENES}::test_a_wedge_shows_the_patterns_of_uniform_scenes_of_the_local_thickness",
    ),
    Mutation(
        "thin places lose their exit layer",
        "polarstem/simulate/multislice/windows.py",
        "met = np.r_[: end - left_out, end : len(self.slices)]",
        "met = np.r_[: len(self.slices) - left_out]",
        f"{_SCENES}::test_a_wedge_shows_the_patterns_of_uniform_scenes_of_the_local_thickness",
    ),
    Mutation(
        "a window has the thickness of its first position",
        "polarstem/simulate/multislice/scene_scan.py",
        "        for number in np.unique(thinner).tolist():\n            own = thinner == number",
        "        for number in thinner[:1].tolist():\n            own = thinner > -1",
        f"{_SCENES}::test_a_wedge_shows_the_patterns_of_uniform_scenes_of_the_local_thickness",
    ),
    # distorted scans
    Mutation(
        "drift the other way along the slow axis",
        _FRAME,
        "down + self.drift[1] * late",
        "down - self.drift[1] * late",
        f"{_SCANS}::test_drift_shears_and_stretches_about_the_middle_row",
    ),
    Mutation(
        "the first row is where it should be",
        _FRAME,
        "late = down - down.mean()",
        "late = down - down[0]",
        f"{_SCANS}::test_drift_shears_and_stretches_about_the_middle_row",
    ),
    Mutation(
        "rows move without bound",
        _FRAME,
        "_MOST_JITTER = 3.0",
        "_MOST_JITTER = 30.0",
        f"{_SCANS}::test_rows_jitter_along_the_fast_axis_alone",
    ),
    Mutation(
        "truth of the places that were wanted",
        "polarstem/structures/scenes/truth.py",
        "places = frame.positions().reshape(-1, 2)",
        "places = frame.places(*frame.along()).reshape(-1, 2)",
        f"{_SCANS}::test_the_truth_is_that_of_the_places_where_probes_are",
    ),
    Mutation(
        "walls drawn with the drift added",
        _FRAME,
        "late = (down - middle) / (1 + self.drift[1])",
        "late = (down - middle) * (1 + self.drift[1])",
        f"{_SCANS}::test_walls_are_drawn_where_the_distorted_scan_shows_them",
    ),
    Mutation(
        "point sources stay where they were wanted",
        "polarstem/simulate/multislice/scene_scan.py",
        "places = frame.positions().reshape(-1, 2)",
        "places = places.copy()",
        f"{_SCENES}::test_in_a_drifting_scan_patterns_are_those_of_the_places_where_probes_are",
    ),
    Mutation(
        "sources stay where they were wanted",
        "polarstem/simulate/multislice/scene_scan.py",
        "    if frame.is_distorted:",
        "    if False:",
        f"{_SCENES}::test_a_source_joins_samples_around_the_places_where_probes_are",
    ),
    Mutation(
        "emulated point sources drift upwards",
        "polarstem/simulate/jobs/emulate_specimen.py",
        "np.stack([right, -down], axis=-1)",
        "np.stack([right, down], axis=-1)",
        f"{_SPECIMENS}::test_patterns_of_a_drifting_scan_are_those_of_the_places_where_probes_are",
    ),
    Mutation(
        "emulated sources do not drift",
        "polarstem/simulate/jobs/emulate_specimen.py",
        "_source(axis + moved, step",
        "_source(axis + 0 * moved, step",
        f"{_SPECIMENS}::test_patterns_of_a_drifting_scan_are_those_of_the_places_where_probes_are",
    ),
    # what is drawn and what is refused
    Mutation(
        "both surfaces have one layer",
        _DRAWS,
        'one("amorphous_nm", side)',
        'one("amorphous_nm")',
        f"{_CONFIG}::test_each_specimen_draws_its_own_imperfections_within_their_ranges",
    ),
    Mutation(
        "always the largest",
        _DRAWS,
        "low + (high - low) * derive_share(*seed, key, *which)",
        "high",
        f"{_CONFIG}::test_each_specimen_draws_its_own_imperfections_within_their_ranges",
    ),
    Mutation(
        "emulated specimens stay ideal",
        "polarstem/config/jobs.py",
        "config.seed, plan.name) if conditions else {}",
        "config.seed, plan.name) if False else {}",
        f"{_CONFIG}::test_the_recipes_of_specimens_and_scenes_have_what_was_drawn",
    ),
    Mutation(
        "scenes stay ideal",
        "polarstem/config/map_jobs.py",
        '        **drawn_imperfections(scene.conditions, config.seed, "scene", experiment),\n',
        "",
        f"{_CONFIG}::test_the_recipes_of_specimens_and_scenes_have_what_was_drawn",
    ),
    Mutation(
        "an odd number of tilted cells",
        "polarstem/config/model.py",
        'if structures.a_site == "ordered" or tilted:',
        'if structures.a_site == "ordered":',
        f"{_CONFIG}::test_cells_of_tilted_crystals_are_made_even",
    ),
    Mutation(
        "margins without drift",
        "polarstem/config/scene_limits.py",
        "drift = conditions.drift[1] * height / 2",
        "drift = 0.0",
        f"{_CONFIG}::test_margins_hold_the_windows_of_distorted_scans",
    ),
    Mutation(
        "domains along [110] are not turned to the screen",
        "polarstem/structures/scenes/domains.py",
        "found: Floats = self._along_cubic_axes() @ screen_rotation(self.recipe.zone_axis).T",
        "found: Floats = self._along_cubic_axes()",
        f"{_ALONG_110}::test_a_single_domain_is_the_specimen_of_its_class",
    ),
    Mutation(
        "polarization along [110] is not turned to the screen",
        "polarstem/structures/scenes/domains.py",
        "return np.array(found) @ screen_rotation(recipe.zone_axis).T",
        "return np.array(found)",
        f"{_ALONG_110}::test_a_single_domain_is_the_specimen_of_its_class",
    ),
    Mutation(
        "walls along [110] are turned as along [001]",
        "polarstem/structures/scenes/domains.py",
        "first, second = variants @ screen_rotation(recipe.zone_axis).T",
        "first, second = variants",
        f"{_ALONG_110}::test_walls_have_the_angle_and_the_charge_of_their_name",
    ),
    Mutation(
        "four planes in a period are placed as two",
        "polarstem/structures/scenes/build.py",
        "places[:, 2] += lengths[2] / planes / 2",
        "places[:, 2] += a / 4",
        f"{_ALONG_110}::test_a_single_domain_is_the_specimen_of_its_class",
    ),
    Mutation(
        "octahedra along [110] turn about the screen axes",
        "polarstem/structures/scenes/build.py",
        "return octahedral_tilts(*given) @ rotation.T",
        "return octahedral_tilts(*given)",
        f"{_ALONG_110}::test_a_single_domain_is_the_specimen_of_its_class",
    ),
    Mutation(
        "octahedra of domains along [110] turn about the screen axes",
        "polarstem/structures/scenes/build.py",
        "return np.asarray(found @ rotation.T)",
        "return found",
        f"{_ALONG_110}::test_octahedra_that_turn_with_the_domains_are_those_of_specimens",
    ),
    Mutation(
        "cells of the truth are square",
        "polarstem/structures/scenes/truth.py",
        "cell = (before + origin[:2]) / edges",
        "cell = (before + origin[:2]) / edges[1]",
        f"{_ALONG_110}::test_truth_knows_where_the_a_columns_are",
    ),
    Mutation(
        "oblong cells have points that transforms are slow for",
        "polarstem/structures/cell_metric.py",
        "while points != pixels_per_cell and not _is_fast(points):",
        "while False:",
        "tests/unit/structures/test_cell_points.py::test_points_are_even_and_fast",
    ),
    Mutation(
        "a grid that is asked for is another",
        "polarstem/structures/cell_metric.py",
        "while points != pixels_per_cell and not _is_fast(points):",
        "while not _is_fast(points):",
        "tests/unit/structures/test_cell_points.py::test_points_are_even_and_fast",
    ),
    Mutation(
        "a cell along [110] has the atoms of one along [001]",
        "polarstem/config/needs.py",
        "units = sum(map(abs, recipe.zone_axis)) * nx * ny  # formula",
        "units = nx * ny  # formula",
        "tests/unit/core/test_needs.py::test_a_thicker_scene_needs_its_slices_and_atoms_more",
    ),
    Mutation(
        "windows of the error budget are square",
        "polarstem/config/error_budget.py",
        '"cells": list(sides),',
        '"cells": [max(sides)] * 2,',
        "tests/unit/core/test_mapper_recipe.py"
        "::test_the_error_budget_along_110_has_the_windows_of_its_scenes",
    ),
    Mutation(
        "the error budget takes a field that is wide along one edge",
        "polarstem/config/error_budget.py",
        "wider = shared and all(w >= 0.9 * e for",
        "wider = shared and any(w >= 0.9 * e for",
        "tests/unit/core/test_mapper_recipe.py"
        "::test_the_error_budget_along_110_has_the_windows_of_its_scenes",
    ),
    Mutation(
        "windows are told the other way round",
        "polarstem/config/scene_limits.py",
        'return f"{x}" if x == y else f"{x} x {y}"',
        'return f"{x}" if x == y else f"{y} x {x}"',
        f"{_SCAN_110}::test_the_margin_that_is_asked_for_holds_the_windows",
    ),
    Mutation(
        "the step follows the longer edge",
        "polarstem/structures/scenes/recipe.py",
        "step = min(x, y) / positions_per_cell",
        "step = max(x, y) / positions_per_cell",
        f"{_ALONG_110}::test_the_scan_has_one_step_and_covers_the_cells",
    ),
    Mutation(
        "as many cells of a window along the longer edge",
        "polarstem/config/scene_limits.py",
        "return math.ceil(side / x - 1e-9), math.ceil(side / y - 1e-9)",
        "return math.ceil(side / y - 1e-9), math.ceil(side / y - 1e-9)",
        f"{_SCAN_110}::test_windows_are_as_wide_along_both_edges",
    ),
    Mutation(
        "windows of oblong cells start at the wrong place",
        "polarstem/simulate/multislice/windows.py",
        "places[own] - first * np.asarray(cell)",
        "places[own] - first * np.min(cell)",
        f"{_SCAN_110}::test_a_scan_is_what_the_scattering_matrix_measures",
    ),
    Mutation(
        "the sheet of a scene says [001]",
        "polarstem/scans/virtual.py",
        '"zone_axis": list(recipe.zone_axis),',
        '"zone_axis": [0, 0, 1],',
        "tests/unit/scans/test_virtual.py::test_a_scene_along_110_says_so_in_its_sheet",
    ),
    Mutation(
        "scenes are seen along [001] whatever the config says",
        "polarstem/config/map_jobs.py",
        'include={"material", "phase", "zone_axis"}',
        'include={"material", "phase"}',
        "tests/unit/core/test_mapper_recipe.py"
        "::test_along_110_anomalies_are_known_from_the_same_scenes",
    ),
    Mutation(
        "a scene along [110] has as many slices in a period",
        "polarstem/config/needs.py",
        "slices = periods * sum(map(abs, recipe.zone_axis)) * _slices_per_unit",
        "slices = periods * _slices_per_unit",
        "tests/unit/core/test_needs.py::test_a_scene_counts_slices_and_points_as_its_scan_has_them",
    ),
    Mutation(
        "a Bloch wall turns out of its plane",
        "polarstem/structures/scenes/domains.py",
        "np.cross(first / np.linalg.norm(first), normal)",
        "normal",
        "tests/unit/structures/test_polarization_fields.py"
        "::test_polarization_turns_within_a_wall_and_keeps_its_length",
    ),
    Mutation(
        "a Néel wall is as long as what is left along its axis",
        "polarstem/structures/scenes/domains.py",
        "np.sqrt(1 - (2 * risen - 1) ** 2)",
        "1 - (2 * risen - 1) ** 2",
        "tests/unit/structures/test_polarization_fields.py"
        "::test_polarization_turns_within_a_wall_and_keeps_its_length",
    ),
    Mutation(
        "true displacements are told in the frame of the crystal",
        "polarstem/structures/scenes/truth.py",
        "moved_b = np.exp(1j * np.radians(turn)) * (",
        "moved_b = (",
        "tests/unit/structures/test_polarization_fields.py"
        "::test_displacements_are_in_the_frame_of_the_scan",
    ),
    Mutation(
        "a gradient begins in the middle",
        "polarstem/structures/scenes/domains.py",
        "places[:, :1] / length + 0.5",
        "places[:, :1] / length",
        "tests/unit/structures/test_polarization_fields.py"
        "::test_a_gradient_grows_from_nothing_along_x",
    ),
]
