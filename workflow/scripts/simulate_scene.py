# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule simulate_scene.
from polarstem.logs import job_log
from polarstem.scans.virtual import write_scene

with job_log(snakemake.log[0]):
    write_scene(
        snakemake.input.structure,
        snakemake.output.scan,
        snakemake.output.truth,
        snakemake.params.settings,
    )
