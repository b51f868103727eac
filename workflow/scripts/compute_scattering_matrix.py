# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule compute_scattering_matrix.
from polarstem.logs import job_log
from polarstem.simulate.jobs.compute_scattering_matrix import compute_matrix

with job_log(snakemake.log[0]):
    compute_matrix(snakemake.output.nc, snakemake.params.settings, threads=snakemake.threads)
