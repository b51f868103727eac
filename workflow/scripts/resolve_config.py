# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule resolve_config.
from polarstem.config.docs import write_resolved
from polarstem.logs import job_log

with job_log(snakemake.log[0]):
    write_resolved(snakemake.params.config, snakemake.output.yaml)
