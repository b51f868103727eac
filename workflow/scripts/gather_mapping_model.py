# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule gather_mapping_model.
from polarstem.logs import job_log
from polarstem.maps.gather import gather_mapping_model

with job_log(snakemake.log[0]):
    gather_mapping_model(snakemake.input.model, snakemake.input.beside, snakemake.output.model)
