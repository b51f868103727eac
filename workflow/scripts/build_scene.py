# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule build_scene.
from polarstem.logs import job_log
from polarstem.structures.build import write_specimen
from polarstem.structures.scenes.build import build_scene
from polarstem.structures.scenes.recipe import make_scene

with job_log(snakemake.log[0]):
    write_specimen(build_scene(make_scene(snakemake.params.scene)), snakemake.output.xyz)
