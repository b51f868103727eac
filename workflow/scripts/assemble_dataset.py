# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule assemble_dataset.
from polarstem.data.assemble import assemble_dataset
from polarstem.logs import job_log

with job_log(snakemake.log[0]):
    assemble_dataset(
        snakemake.wildcards.domain,
        snakemake.params.settings,
        snakemake.input.simulations,
        snakemake.params.class_names,
        snakemake.params.class_directions,
        snakemake.output.nc,
        snakemake.params.seed,
    )
