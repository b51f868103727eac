# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule tabulate_specimens.
from polarstem.logs import job_log
from polarstem.structures.table import write_table

with job_log(snakemake.log[0]):
    write_table(snakemake.input.xyz, snakemake.output.csv)
