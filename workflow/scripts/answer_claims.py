# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule answer_claims.
import yaml

from polarstem.evaluate.claims.answers import answer_claims
from polarstem.logs import job_log

with job_log(snakemake.log[0]):
    with open(snakemake.input.config, encoding="utf-8") as file:
        config = yaml.safe_load(file)
    answer_claims(
        snakemake.input.predictions,
        snakemake.input.models,
        config,
        snakemake.output.json,
        information_nc=snakemake.input.information,
    )
