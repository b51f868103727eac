# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule measure_accuracy.
from polarstem.evaluate.summary.simulation_accuracy import measure_accuracy
from polarstem.logs import job_log

with job_log(snakemake.log[0]):
    measure_accuracy(snakemake.params.settings, snakemake.output.json)
