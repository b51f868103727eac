# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong physics of the simulation."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_CODE = "polarstem/simulate"
_TESTS = "tests/unit/simulate"


def _broken(what: str, file: str, old: str, new: str, test: str) -> Mutation:
    return Mutation(what, f"{_CODE}/{file}", old, new, f"{_TESTS}/{test}")


MUTATIONS = [
    # potential
    _broken(
        "atoms are mirrored",
        "potential/projection.py",
        "np.exp(-2j * np.pi / points",
        "np.exp(2j * np.pi / points",
        "test_projection.py::test_a_slice_is_the_direct_sum_over_its_atoms",
    ),
    _broken(
        "the last frequency has one sign",
        "potential/projection.py",
        "= phases[:, points // 2].real",
        "= phases[:, points // 2]",
        "test_projection.py::test_a_slice_is_the_direct_sum_over_its_atoms",
    ),
    _broken(
        "atoms are shared among pixels",
        "potential/projection.py",
        "projection = ExactProjection if",
        "projection = AveragedAtoms if",
        "test_projection.py::test_a_shift_by_part_of_a_pixel_turns_phases_alone",
    ),
    _broken(
        "the standard grid is not converged",
        "potential/projection.py",
        "projection = ExactProjection if",
        "projection = AveragedAtoms if",
        "test_convergence.py::test_standard_grid_is_converged",
    ),
    _broken(
        "Debye-Waller factor with half its exponent",
        "potential/projection.py",
        "np.exp(-2 * (np.pi * element",
        "np.exp(-1 * (np.pi * element",
        "test_projection.py::test_smearing_is_the_factor_of_debye_and_waller",
    ),
    _broken(
        "a virtual site is half of each element",
        "potential/projection.py",
        "total += share * of_element(squared)",
        "total += of_element(squared) / len(element.shares)",
        "test_projection.py::test_a_virtual_site_is_the_weighted_mean_of_pure_crystals",
    ),
    _broken(
        "frozen phonons sqrt(3) too wide",
        "potential/frozen_phonons.py",
        "+= normal * sigma[:, None]",
        "+= normal * sigma[:, None] * 3**0.5",
        "test_frozen_phonons.py::test_effective_b_is_the_one_asked_for",
    ),
    _broken(
        "frozen phonons sqrt(3) too wide, seen in amplitudes",
        "potential/frozen_phonons.py",
        "+= normal * sigma[:, None]",
        "+= normal * sigma[:, None] * 3**0.5",
        "test_thermal_matrices.py::test_real_displacements_damp_as_debye_and_waller_say",
    ),
    _broken(
        "atoms move along the diagonal",
        "potential/frozen_phonons.py",
        "size=(len(atoms), 2))",
        "size=(len(atoms), 1))",
        "test_frozen_phonons.py::test_displacements_have_the_width_asked_for_and_leave_the_height",
    ),
    _broken(
        "one seed for all configurations",
        "potential/frozen_phonons.py",
        'derive_seed(seed, "phonon", number)',
        'derive_seed(seed, "phonon")',
        "test_frozen_phonons.py::test_every_configuration_is_another",
    ),
    _broken(
        "one seed for all columns",
        "potential/frozen_phonons.py",
        'derive_seed(structure["seed"], "column", number)',
        'derive_seed(structure["seed"], "column")',
        "test_frozen_phonons.py::test_every_column_is_another",
    ),
    _broken(
        "a virtual atom moves as its first element",
        "potential/frozen_phonons.py",
        "found[next(iter(crystal.occupancy))] = mean",
        "found[next(iter(crystal.occupancy))] *= 1",
        "test_frozen_phonons.py::test_a_virtual_atom_moves_as_its_composition_does_on_average",
    ),
    _broken(
        "slices in reverse",
        "potential/slices.py",
        "np.diff(distinct, append=distinct[0] + period)",
        "np.diff(distinct, append=distinct[0] + period)[::-1]",
        "test_slices.py::test_every_atom_is_in_one_slice_of_its_own_height",
    ),
    _broken(
        "planes cut through the middle of slices",
        "potential/slices.py",
        "np.floor(heights / step + 1e-9)",
        "np.rint(heights / step)",
        "test_slices.py::test_every_atom_is_in_one_slice_of_its_own_height",
    ),
    _broken(
        "atoms that move leave their slice",
        "potential/projection.py",
        "slab.positions[:, 2] = middle[",
        "slab.positions[:, 2] += 0 * middle[",
        "test_slices.py::test_frozen_phonons_never_change_the_slice",
    ),
    # wave
    _broken(
        "band too wide by the taper",
        "wave/antialias.py",
        "clip((frequency - cutoff + taper) / taper, 0, 1)",
        "clip((frequency - cutoff) / taper, 0, 1)",
        "test_engines_agree.py::test_patterns_equal_abtem",
    ),
    _broken(
        "even fields lose the edge of the detector",
        "wave/plane_waves.py",
        "(n - n // 2 - 0.5)",
        "(n / 2)",
        "test_scattering_matrix.py::test_kept_samples_cover_the_detector_on_both_sides",
    ),
    # engines
    _broken(
        "propagation backwards",
        "scattering_matrix/plane_wave_multislice.py",
        "phases = -np.pi *",
        "phases = np.pi *",
        "test_slices.py::test_beams_are_those_of_a_multislice_by_hand",
    ),
    _broken(
        "the distance of the slice before",
        "scattering_matrix/loops.py",
        "multiply(flat, propagators[multislice.distance[piece]])",
        "multiply(flat, propagators[multislice.distance[piece - 1]])",
        "test_slices.py::test_beams_are_those_of_a_multislice_by_hand",
    ),
    _broken(
        "atoms of a scattering matrix are never smeared",
        "scattering_matrix/propagate.py",
        "settings, [mz], thermal_scale)",
        "settings, [mz], 0 * thermal_scale)",
        "test_thermal_matrices.py::test_real_displacements_damp_as_debye_and_waller_say",
    ),
    _broken(
        "symmetry that is not there",
        "scattering_matrix/equivalent.py",
        "_SAME = 1e-5",
        "_SAME = 0.5",
        "test_scattering_matrix.py::test_displaced_atoms_leave_no_turn",
    ),
    _broken(
        "the crystal turns the other way",
        "scattering_matrix/measure.py",
        "fractions = turned(places, inverse(turn))",
        "fractions = turned(places, turn)",
        "test_measuring.py::test_a_turned_matrix_is_a_turned_crystal",
    ),
    _broken(
        "position averages of amplitudes",
        "scattering_matrix/position_averaged.py",
        "np.abs(incident_waves(grid, grid.indices, optics)) ** 2",
        "np.abs(incident_waves(grid, grid.indices, optics))",
        "test_position_averaged.py::test_equals_the_mean_over_positions",
    ),
    _broken(
        "probes of windows on the other side",
        "multislice/windows.py",
        "np.exp(-2j * np.pi * np.outer(places,",
        "np.exp(2j * np.pi * np.outer(places,",
        "test_scene_scan.py::test_a_window_of_the_whole_field_gives_the_patterns_of_abtem",
    ),
    _broken(
        "more offsets of the aperture than a source joins",
        "multislice/scene_scan.py",
        "number % offsets, offsets)",
        "number, count)",
        "test_scene_scan.py::test_the_number_of_configurations_alone_changes_nothing",
    ),
    _broken(
        "windows propagate by the first distance alone",
        "multislice/windows.py",
        "multiply(flat, propagators[distance])",
        "multiply(flat, propagators[0 * distance])",
        "test_slices.py::test_windows_agree_on_slices_of_unequal_thickness",
    ),
    _broken(
        "the middle of abTEM's patterns half a pixel off",
        "multislice/probes.py",
        "(np.arange(n) - n // 2) * step",
        "(np.arange(n) - n / 2) * step",
        "test_camera.py::test_one_bright_sample_lands_where_it_should",
    ),
    _broken(
        "x and y exchanged on the camera",
        "multislice/probes.py",
        'np.meshgrid(*along, indexing="ij")',
        "np.meshgrid(*along)",
        "test_camera.py::test_one_bright_sample_lands_where_it_should",
    ),
    # microscope
    _broken(
        "aberrations with the other sign",
        "microscope/optics.py",
        "waves *= np.exp(-1j * chi)",
        "waves *= np.exp(1j * chi)",
        "test_engines_agree.py::test_patterns_equal_abtem",
    ),
    _broken(
        "hard aperture",
        "microscope/optics.py",
        "(semiangle_mrad - alpha) / width + 0.5",
        "(semiangle_mrad - alpha) / width * 1e6",
        "test_engines_agree.py::test_patterns_equal_abtem",
    ),
    _broken(
        "tilt to the other side",
        "microscope/optics.py",
        "return 1e3 * np.tan(np.array(self.tilt_mrad[::-1]) / 1e3)",
        "return -1e3 * np.tan(np.array(self.tilt_mrad[::-1]) / 1e3)",
        "test_engines_agree.py::test_tilt_equals_that_of_abtem",
    ),
    _broken(
        "defocus spread doubled",
        "microscope/coherence.py",
        "phase = np.pi * wavelength * spread",
        "phase = 2 * np.pi * wavelength * spread",
        "test_measuring.py::test_defocus_spread_is_a_sum_over_defoci",
    ),
    _broken(
        "defocus spread of emulated experiments times 10",
        "jobs/emulate_specimen.py",
        "/ count) * optics.defocus_spread",
        "/ count) * 10 * optics.defocus_spread",
        "test_emulate_specimen.py::test_defocus_spreads_over_the_configurations",
    ),
    _broken(
        "defocus spread of scenes times 10",
        "multislice/scene_scan.py",
        "/ count) * optics.defocus_spread",
        "/ count) * 10 * optics.defocus_spread",
        "test_scene_scan.py::test_defocus_spreads_over_the_configurations_of_a_scene",
    ),
    _broken(
        "source sqrt(2) too narrow",
        "microscope/coherence.py",
        "np.exp(-2 * (np.pi * SIGMA_PER_FWHM",
        "np.exp(-1 * (np.pi * SIGMA_PER_FWHM",
        "test_measuring.py::test_source_size_is_a_sum_over_positions",
    ),
    _broken(
        "source of emulated experiments sqrt(2) too narrow",
        "jobs/emulate_specimen.py",
        "/ (2 * sigma**2))",
        "/ (1 * sigma**2))",
        "test_emulate_specimen.py::test_emulated_patterns_are_those_of_the_scattering_matrix",
    ),
    _broken(
        "source of scenes sqrt(2) too narrow",
        "multislice/scene_scan.py",
        "np.exp(-(apart**2) / 2)",
        "np.exp(-(apart**2) / 1)",
        "test_scene_scan.py::test_the_source_joins_samples_to_what_it_is_defined_as",
    ),
    _broken(
        "camera turns clockwise",
        "microscope/camera.py",
        "np.array([(cosine, -sine), (sine, cosine)])",
        "np.array([(cosine, sine), (-sine, cosine)])",
        "test_camera.py::test_geometry_moves_the_pattern_as_told",
    ),
    _broken(
        "the camera upside down",
        "microscope/camera.py",
        "(matrix.T * (1, -1)) + middle",
        "(matrix.T * (1, 1)) + middle",
        "test_camera.py::test_one_bright_sample_lands_where_it_should",
    ),
    _broken(
        "gain divides",
        "microscope/camera.py",
        "images *= torch.from_numpy(self.gain)",
        "images /= torch.from_numpy(self.gain)",
        "test_camera.py::test_background_counting_and_faults_in_order",
    ),
    _broken(
        "the whole background in every pixel",
        "microscope/camera.py",
        "images += self.background / self.pixels**2",
        "images += self.background",
        "test_camera.py::test_background_counting_and_faults_in_order",
    ),
    _broken(
        "counts with less than their noise",
        "microscope/noise.py",
        "_RECIPROCALS[step]",
        "_RECIPROCALS[step + 1]",
        "test_camera.py::test_counts_are_poisson",
    ),
    _broken(
        "overfocus drawn as underfocus",
        "microscope/drawn_conditions.py",
        '- one("defocus_angstrom")',
        '+ one("defocus_angstrom")',
        "test_drawn_conditions.py::test_draws_keep_to_their_ranges_and_fill_them",
    ),
    _broken(
        "the scan runs upwards",
        "microscope/probe_positions.py",
        "y = (top_row - down) * cell[1]",
        "y = (top_row - cells[0] + down) * cell[1]",
        "test_probe_positions.py::test_probe_grid_covers_the_central_cell",
    ),
]
