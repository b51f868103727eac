# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule compare_with_limit.
import yaml

from polarstem.evaluate.limit.efficiency import compare_with_limit
from polarstem.logs import job_log

with job_log(snakemake.log[0]):
    with open(snakemake.input.config, encoding="utf-8") as file:
        config = yaml.safe_load(file)
    compare_with_limit(
        snakemake.input.information,
        snakemake.input.metrics,
        snakemake.input.predictions,
        config,
        snakemake.output.json,
        vector_bound_nc=next(iter(snakemake.input.vector_bound), None),
    )
