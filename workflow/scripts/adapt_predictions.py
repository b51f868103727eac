# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule adapt_predictions.
from polarstem.evaluate.predict import Adaptation, predict_patterns
from polarstem.logs import job_log

with job_log(snakemake.log[0]):
    predict_patterns(
        snakemake.input.model,
        snakemake.input.datasets,
        snakemake.output.nc,
        model=snakemake.wildcards.adapted,
        source=snakemake.wildcards.source,
        seed=int(snakemake.wildcards.seed),
        adaptation=Adaptation(**snakemake.params.adaptation),
    )
