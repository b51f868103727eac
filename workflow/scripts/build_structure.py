# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule build_structure.
from polarstem.logs import job_log
from polarstem.structures.build import build_specimen, write_specimen
from polarstem.structures.recipes import make_recipe

with job_log(snakemake.log[0]):
    atoms = build_specimen(make_recipe(**snakemake.params.settings))
    write_specimen(atoms, snakemake.output.xyz)
