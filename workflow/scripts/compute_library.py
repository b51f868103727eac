# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule compute_library.
from polarstem.logs import job_log
from polarstem.simulate.jobs.compute_library import write_library

with job_log(snakemake.log[0]):
    write_library(snakemake.output.nc, snakemake.params.settings, snakemake.threads)
