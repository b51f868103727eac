# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule simulate_patterns.
from polarstem.logs import job_log
from polarstem.simulate.jobs.simulate_patterns import simulate_specimen

with job_log(snakemake.log[0]):
    simulate = simulate_specimen
    if "conditions" in snakemake.params.settings:
        from polarstem.simulate.jobs.emulate_specimen import emulate_specimen as simulate
    simulate(
        snakemake.input.xyz,
        snakemake.output.nc,
        snakemake.params.settings,
        threads=snakemake.threads,
    )
