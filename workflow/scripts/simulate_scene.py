# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule simulate_scene.
from polarstem.logs import job_log
from polarstem.scans.virtual import write_scene
from polarstem.structures.build import write_specimen
from polarstem.structures.scenes.build import build_scene
from polarstem.structures.scenes.recipe import make_scene

with job_log(snakemake.log[0]):
    output, params = snakemake.output, snakemake.params
    write_specimen(build_scene(make_scene(params.scene)), output.structure)
    write_scene(output.structure, output.scan, output.truth, params.settings)
