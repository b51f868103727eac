# SPDX-License-Identifier: GPL-3.0-or-later
"""Families of models that pass for what they are not."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_NETWORK = "polarstem/models/network.py"
_NEW = "tests/unit/project/test_new_family.py"
_FAMILY = "polarstem/models/family"
_TRUE = "tests/unit/models/test_family.py::test_what_a_family_says_of_itself_is_true"
_LIGHT = "tests/unit/models/test_family.py::test_asking_imports_nothing_that_computes"

MUTATIONS = [
    Mutation(
        "a network that is none",
        _NETWORK,
        "    is_network = True\n",
        "",
        f"{_TRUE}[cnn]",
    ),
    Mutation(
        "a network that turns with the pattern and does not know it",
        f"{_FAMILY}/equivariant.py",
        "    respects_symmetry = True\n",
        "",
        f"{_TRUE}[equivariant]",
    ),
    Mutation(
        "neighbours in components of which nobody knows",
        f"{_FAMILY}/pca_knn.py",
        "    on_principal_components = True\n",
        "",
        "tests/unit/models/test_family.py::test_which_families_do_what",
    ),
    Mutation(
        "the default of another option",
        f"{_FAMILY}/pca_knn.py",
        'settings.get("neighbours", PcaKnnOptions.neighbours)',
        'settings.get("neighbours", PcaKnnOptions.components)',
        f"{_TRUE}[pca_knn]",
    ),
    Mutation(
        "torch for a word",
        f"{_FAMILY}/cnn.py",
        "CHANNELS = (16, 32, 64)\n",
        "CHANNELS = (16, 32, 64)\nimport torch  # noqa: E402\n",
        _LIGHT,
    ),
    Mutation(
        "modules that import each other",
        "polarstem/models/saved.py",
        "    path = Path(directory) / MODEL_FILE\n",
        "    import polarstem.models.base\n\n    path = Path(directory) / MODEL_FILE\n",
        "tests/unit/models/test_family.py::test_no_two_modules_import_each_other",
    ),
    Mutation(
        "a stream that is learned from on all threads by a family of one",
        "polarstem/models/base.py",
        "return self.fit(train, validation, replace(job, threads=1))",
        "return self.fit(train, validation, job)",
        "tests/unit/models/test_family.py::test_a_stream_is_a_set_of_patterns_on_one_thread",
    ),
    Mutation(
        "patterns that are kept in memory whatever their number",
        "polarstem/models/arrays.py",
        'patterns = stage(train, job.workdir / "train.npy", job.memory_mb)',
        'patterns = stage(train, job.workdir / "train.npy", 1500)',
        "tests/unit/models/test_baselines.py"
        "::test_nothing_changes_where_patterns_are_read_from_disk[linear]",
    ),
    Mutation(
        "whatever is best is the best network",
        "polarstem/evaluate/summary/headlines.py",
        'for name in pooled["family"].unique() if model_class(name).is_network]',
        'for name in pooled["family"].unique()]',
        f"{_NEW}::test_the_summary_has_its_scores_and_takes_it_for_no_network",
    ),
    Mutation(
        "scaled as most are",
        "polarstem/report/describe.py",
        'settings.get("preprocessing", {"scaling": "none"})',
        'settings.get("preprocessing", {"scaling": "standardise"})',
        f"{_NEW}::test_the_report_says_what_it_is",
    ),
    Mutation(
        "a line whose options nobody may set",
        "polarstem/config/families.py",
        "        fields[key] = (kind, Field(default, description=meaning))",
        "        del kind, default, meaning",
        f"{_NEW}::test_the_config_checks_and_documents_it",
    ),
]
