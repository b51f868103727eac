# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule score_displacements.
from polarstem.evaluate.scores.vector_scores import score_vectors
from polarstem.logs import job_log

with job_log(snakemake.log[0]):
    score_vectors(
        snakemake.input.model,
        snakemake.input.datasets,
        snakemake.params.truth,
        snakemake.output.json,
        snakemake.params.positions,
        snakemake.params.confidence,
    )
