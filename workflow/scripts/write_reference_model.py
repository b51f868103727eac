# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule write_reference_model.
import yaml

from polarstem.logs import job_log
from polarstem.report.card import write_reference_model

with job_log(snakemake.log[0]):
    with open(snakemake.input.config, encoding="utf-8") as file:
        config = yaml.safe_load(file)
    write_reference_model(
        snakemake.input.model,
        snakemake.input.predictions,
        config,
        snakemake.output.model,
    )
