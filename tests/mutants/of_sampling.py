# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong sampling of the aperture, and wrong rules of grid and field."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_OFFSETS = "tests/unit/simulate/test_offsets.py"
_RULES = "tests/unit/core/test_accuracy_rules.py"
_PROBES = "polarstem/simulate/multislice/probes.py"
_WAVES = "polarstem/simulate/wave/plane_waves.py"
_ACCURACY = "polarstem/config/accuracy.py"

MUTATIONS = [
    Mutation(
        "offsets lie on one line",
        _WAVES,
        "number * spread_stride(count) % count]",
        "number]",
        f"{_OFFSETS}::test_offsets_cancel_the_nearest_copies",
    ),
    Mutation(
        "a sample of several stands for all of its step",
        _WAVES,
        "self.mrad_per_sample / np.sqrt(self.ensemble)",
        "self.mrad_per_sample",
        f"{_OFFSETS}::test_offsets_stand_for_a_larger_field",
    ),
    Mutation(
        "offsets do not reach the aperture",
        _WAVES,
        "(m + np.array(self.offset)) * self.mrad_per_sample",
        "m * self.mrad_per_sample",
        f"{_OFFSETS}::test_offsets_stand_for_a_larger_field",
    ),
    Mutation(
        "the crystal is tilted the wrong way under offset samples",
        _PROBES,
        "- sampling.centre_mrad / 1e3",
        "+ sampling.centre_mrad / 1e3",
        f"{_OFFSETS}::test_abtem_samples_as_the_matrix_does",
    ),
    Mutation(
        "the aperture is not moved back",
        _PROBES,
        "(np.fft.fftfreq(n, 1 / n) + offset) * step",
        "np.fft.fftfreq(n, 1 / n) * step",
        f"{_OFFSETS}::test_abtem_samples_as_the_matrix_does",
    ),
    Mutation(
        "the optic axis stays on a sample of the detector",
        _PROBES,
        "np.diag(steps) / np.sqrt(sampling.ensemble)\n    footprint = camera.footprint("
        "samples[inside], boxes, centre=sampling.centre_mrad)",
        "np.diag(steps) / np.sqrt(sampling.ensemble)\n    footprint = camera.footprint("
        "samples[inside], boxes)",
        f"{_OFFSETS}::test_abtem_samples_as_the_matrix_does",
    ),
    Mutation(
        "thermal motion does not damp the grid's error",
        _ACCURACY,
        "- damping + thicker",
        "+ thicker",
        f"{_RULES}::test_grid_rule_is_near_what_was_measured",
    ),
    Mutation(
        "the probe does not spread with the thickness",
        _ACCURACY,
        "math.exp(min(1.3 * spread, 700.0))",
        "1.0",
        f"{_RULES}::test_field_rule_is_near_what_was_measured",
    ),
    Mutation(
        "configurations do not enlarge a field",
        _ACCURACY,
        "length *= math.sqrt(max(1, simulate.phonons.configurations))",
        "length *= 1.0",
        f"{_RULES}::test_field_rule_is_near_what_was_measured",
    ),
]
