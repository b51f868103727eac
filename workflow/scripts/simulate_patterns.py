# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule simulate_patterns.
from polarstem.logs import job_log
from polarstem.simulate.jobs.simulate_patterns import simulate_specimen
from polarstem.structures.build import build_specimen
from polarstem.structures.recipes import make_recipe

with job_log(snakemake.log[0]):
    params = snakemake.params
    simulate = simulate_specimen
    if "conditions" in params.settings:
        from polarstem.simulate.jobs.emulate_specimen import emulate_specimen as simulate
    simulate(
        build_specimen(make_recipe(**params.structure)),
        snakemake.output.nc,
        params.settings,
        threads=snakemake.threads,
    )
