# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule compute_vector_bound.
from polarstem.evaluate.limit.displacement_limit import compute_vector_bound
from polarstem.logs import job_log

with job_log(snakemake.log[0]):
    compute_vector_bound(snakemake.params.settings, snakemake.output.nc)
