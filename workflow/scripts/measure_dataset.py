# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule measure_dataset.
from polarstem.data.measured import measure_dataset
from polarstem.logs import job_log

with job_log(snakemake.log[0]):
    measure_dataset(
        snakemake.wildcards.domain,
        snakemake.params.settings,
        dict(zip(snakemake.params.crystals, snakemake.input.matrices, strict=True)),
        snakemake.params.class_names,
        snakemake.params.class_directions,
        snakemake.output.nc,
        snakemake.params.seed,
    )
