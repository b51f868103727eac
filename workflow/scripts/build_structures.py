# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule build_structures.
from polarstem.files import atomic_path
from polarstem.logs import job_log, progress
from polarstem.structures.build import build_specimen, write_specimen
from polarstem.structures.recipes import make_recipe
from polarstem.structures.table import write_table


def built(folder):
    plans = snakemake.params.settings
    for settings in progress(plans, len(plans), "specimens"):
        atoms = build_specimen(make_recipe(**settings))
        write_specimen(atoms, folder / f"{settings['name']}.xyz")
        yield atoms


with job_log(snakemake.log[0]), atomic_path(snakemake.output.xyz) as folder:
    folder.mkdir()
    write_table(built(folder), snakemake.output.csv)
