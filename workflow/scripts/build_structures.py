# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule build_structures.
from polarstem.logs import job_log, progress
from polarstem.structures.build import build_specimen, write_specimen
from polarstem.structures.recipes import make_recipe
from polarstem.structures.table import write_table


def built():
    pairs = list(zip(snakemake.params.settings, snakemake.output.xyz, strict=True))
    for settings, path in progress(pairs, len(pairs), "specimens"):
        atoms = build_specimen(make_recipe(**settings))
        write_specimen(atoms, path)
        yield atoms


with job_log(snakemake.log[0]):
    write_table(built(), snakemake.output.csv)
