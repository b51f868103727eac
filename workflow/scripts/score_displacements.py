# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule score_displacements.
from polarstem.evaluate.scores.vector_scores import score_displacements
from polarstem.logs import job_log

with job_log(snakemake.log[0]):
    score_displacements(
        dict(zip(snakemake.params.domains, snakemake.input.fitted, strict=True)),
        snakemake.params.truth,
        snakemake.output.json,
        snakemake.params.confidence,
        snakemake.params.apart,
    )
