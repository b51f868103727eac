# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule compute_metrics.
from polarstem.evaluate.scores.tables import compute_metrics
from polarstem.logs import job_log

with job_log(snakemake.log[0]):
    compute_metrics(
        snakemake.input.predictions,
        snakemake.output.csv,
        snakemake.output.confusion,
        confidence=snakemake.params.confidence,
        crystals=snakemake.params.crystals,
        controls=snakemake.params.controls,
        seed=snakemake.params.seed,
    )
