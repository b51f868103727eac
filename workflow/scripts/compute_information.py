# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule compute_information.
from polarstem.evaluate.limit.crystal_information import compute_information
from polarstem.logs import job_log

with job_log(snakemake.log[0]):
    compute_information(snakemake.input.matrices, snakemake.params.settings, snakemake.output.nc)
