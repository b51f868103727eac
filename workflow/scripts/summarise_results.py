# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule summarise_results.
import yaml

from polarstem.evaluate.summary.headlines import summarise_results
from polarstem.logs import job_log

with job_log(snakemake.log[0]):
    with open(snakemake.input.config, encoding="utf-8") as file:
        config = yaml.safe_load(file)
    summarise_results(
        snakemake.input.metrics,
        snakemake.input.confusion,
        config,
        snakemake.params.benchmarks,
        snakemake.output.json,
        model_dirs=snakemake.input.models,
        limit_json=snakemake.input.limit,
        claims_json=snakemake.input.claims,
        accuracy_json=snakemake.input.accuracy,
        manifest_json=snakemake.input.manifest,
        maps_json=next(iter(snakemake.input.maps), None),
        displacements_json=next(iter(snakemake.input.displacements), None),
    )
