# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule measure_patterns.
from polarstem.logs import job_log
from polarstem.simulate.jobs.measure_patterns import measure_specimen

with job_log(snakemake.log[0]):
    measure_specimen(
        snakemake.input.xyz,
        snakemake.input.matrix,
        snakemake.output.nc,
        snakemake.params.settings,
    )
