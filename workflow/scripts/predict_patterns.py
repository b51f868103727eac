# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule predict_patterns.
from polarstem.evaluate.scores.write_predictions import predict_patterns
from polarstem.logs import job_log

with job_log(snakemake.log[0]):
    predict_patterns(
        snakemake.input.model,
        snakemake.input.datasets,
        snakemake.output.nc,
        model=snakemake.wildcards.model,
        source=snakemake.wildcards.source,
        seed=int(snakemake.wildcards.seed),
        code=snakemake.params.code,
    )
