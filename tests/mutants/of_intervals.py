# SPDX-License-Identifier: GPL-3.0-or-later
"""Intervals that are too narrow, or of specimens that are no crystals of their own."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_JACKKNIFE = "polarstem/evaluate/scores/jackknife.py"
_SAMPLE = "polarstem/evaluate/scores/sample.py"
_COUNTS = "polarstem/evaluate/scores/per_specimen.py"
_CELL = "polarstem/evaluate/scores/errors_over_cell.py"
_TABLES = "polarstem/evaluate/scores/tables.py"
_EVIDENCE = "polarstem/evaluate/claims/evidence.py"
_CRYSTALS = "polarstem/config/independence.py"
_TESTS = "tests/unit/evaluate/test_jackknife.py"
_LIMIT = "tests/unit/evaluate/test_efficiency.py"
_SHARED = (
    "tests/unit/core/test_independence.py"
    "::test_specimens_that_share_all_that_is_drawn_are_one_crystal"
)
_ADDED = f"{_TESTS}::test_crystals_and_seeds_add_their_variances"
_SCORES = f"{_TESTS}::test_scores_stay_between_their_bounds_and_are_skew"
_COUNTED = "tests/unit/evaluate/test_table_crystals.py::test_copies_of_a_crystal_count_once"
_SEEDS = "tests/unit/evaluate/test_table_crystals.py::test_the_mean_of_seeds_has_its_own_interval"
_PAIRED = "tests/unit/evaluate/test_evidence.py"

MUTATIONS = [
    Mutation(
        "a copy of the crystal left out stays",
        _JACKKNIFE,
        "rows.append(np.where(owner == left_out, 0.0, row)[None])",
        "rows.append(np.where(np.arange(len(owner)) == left_out, 0.0, row)[None])",
        f"{_TESTS}::test_copies_of_a_crystal_are_left_out_together",
    ),
    Mutation(
        "crystals of other classes take over the weight",
        _JACKKNIFE,
        "strata[alone] = len(sizes)",
        "strata[:] = len(sizes)",
        f"{_TESTS}::test_crystals_of_the_same_classes_take_over_the_weight",
    ),
    Mutation(
        "a lone crystal joins the largest stratum",
        _JACKKNIFE,
        "int(np.where(sizes > 0, sizes, n + 1).argmin())",
        "int(np.where(sizes <= n, sizes, 0).argmax())",
        f"{_TESTS}::test_lone_crystals_are_pooled",
    ),
    Mutation(
        "variances of replicates are not those of a mean",
        _SAMPLE,
        "here.sum() * (len(here) - 1) / len(here)",
        "here.sum() / len(here)",
        _ADDED,
    ),
    Mutation(
        "degrees of freedom are added up whatever the variances",
        _SAMPLE,
        "float(np.clip(pooled, least, most))",
        "float(most)",
        _ADDED,
    ),
    Mutation(
        "a stratum that shows no spread has none",
        _SAMPLE,
        "most / 2 if alike else 0.0",
        "0.0",
        f"{_TESTS}::test_strata_that_show_no_spread_have_some",
    ),
    Mutation(
        "strata and seeds are alike",
        _SAMPLE,
        "variance, freedom = _added(sources, alike=False)",
        "variance, freedom = _added(sources, alike=True)",
        _ADDED,
    ),
    Mutation(
        "few crystals have the quantile of many",
        _SAMPLE,
        "float(student_t.ppf((1 + confidence) / 2, freedom)) * error",
        "float(student_t.ppf((1 + confidence) / 2, 1000)) * error",
        "tests/unit/evaluate/test_coverage.py::test_intervals_hold_the_truth_as_often_as_they_say",
    ),
    Mutation(
        "a score has a symmetric interval",
        _SAMPLE,
        "if not edge <= share <= 1 - edge:",
        "if True:",
        _SCORES,
    ),
    Mutation(
        "perfect scores are certain",
        _SAMPLE,
        "        elif self.counted:\n",
        "        elif not self.bounds:\n",
        f"{_TESTS}::test_crystals_that_are_all_alike_leave_the_counting_error",
    ),
    Mutation(
        "an unknown spread is none",
        _SAMPLE,
        "or not np.isfinite(self.draws).all()",
        "or not np.isfinite(self.draws).any()",
        f"{_TESTS}::test_a_spread_that_is_unknown_gives_no_interval",
    ),
    Mutation(
        "one crystal has an interval",
        _SAMPLE,
        "if self.n < 2 or len(self.draws) < 3 or",
        "if",
        f"{_TESTS}::test_a_single_crystal_cannot_be_left_out",
    ),
    Mutation(
        "seeds are no source of spread",
        _SAMPLE,
        "mean: FloatArray = (array.sum() - array) / (len(array) - 1)",
        "mean: FloatArray = array * 0 + array.mean()",
        f"{_TESTS}::test_seeds_are_left_out_like_crystals",
    ),
    Mutation(
        "turned copies are crystals of their own",
        _CRYSTALS,
        "if random_site(structures) or moving or free or section.conditions is not None:",
        "if True:",
        _SHARED,
    ),
    Mutation(
        "a crystal that is the same for all is one for each tilt",
        _CRYSTALS,
        "if not drawn and config.domains[domain].conditions is not None:",
        "if config.domains[domain].conditions is not None:",
        _SHARED,
    ),
    Mutation(
        "a microscope alone makes no specimen",
        _CRYSTALS,
        "if not drawn and config.domains[domain].conditions is not None:",
        "if not drawn and config is None:",
        _SHARED,
    ),
    Mutation(
        "copies count as patterns",
        _TABLES,
        "scores[0].counted(metric) * left_out.n / scores[0].n",
        "scores[0].counted(metric)",
        _COUNTED,
    ),
    Mutation(
        "patterns are counted where cells should be",
        _COUNTS,
        "return float(self.confusion.sum() if share is None else share[1].sum())",
        "return float(self.confusion.sum())",
        _COUNTED,
    ),
    Mutation(
        "the interval of the mean is that of one seed",
        _TABLES,
        "mean, strata = over_seeds(values, left_out.strata)",
        "mean, strata = over_seeds(values[:1], left_out.strata)",
        _SEEDS,
    ),
    Mutation(
        "the same crystals under other names are other ones",
        _EVIDENCE,
        "                    if carried not in self._columns:\n",
        "                    if True:\n",
        f"{_PAIRED}::test_the_same_crystals_under_other_names_are_paired",
    ),
    Mutation(
        "seeds of a training are left out nowhere",
        _EVIDENCE,
        "            if len(paths) > 1:\n",
        "            if len(paths) > 99:\n",
        f"{_PAIRED}::test_seeds_are_those_of_each_training",
    ),
    Mutation(
        "a number of two data domains leaves a crystal out of one",
        _EVIDENCE,
        "here = [self._place(key) == (start, stop) for key in keys]",
        "here = [key is keys[0] for key in keys]",
        f"{_PAIRED}::test_data_domains_of_the_same_specimens_leave_them_out_together",
    ),
    Mutation(
        "rows and columns of the cell are exchanged",
        _CELL,
        "rows * bins + columns",
        "columns * bins + rows",
        f"{_LIMIT}::test_errors_that_follow_the_electrons_are_found_and_others_are_not",
    ),
    Mutation(
        "the source that serves a model best on the test is shown",
        "polarstem/report/figures/information.py",
        "for model, source in (pair for pair in contenders(config) if pair in runs):",
        "for model, source in sorted(runs):",
        "tests/unit/report/test_information_figure.py"
        "::test_no_source_is_chosen_by_the_patterns_that_are_shown",
    ),
]
