# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule compute_thermal_matrices.
from polarstem.logs import job_log
from polarstem.simulate.jobs.compute_thermal_matrices import compute_thermal_matrices

with job_log(snakemake.log[0]):
    compute_thermal_matrices(
        snakemake.output.nc, snakemake.params.settings, threads=snakemake.threads
    )
