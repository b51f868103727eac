# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule gather_mapping_model.
import shutil

from polarstem.files import atomic_path
from polarstem.logs import job_log

with job_log(snakemake.log[0]), atomic_path(snakemake.output.model) as folder:
    shutil.copytree(snakemake.input.model, folder)
    for path in snakemake.input.beside:
        shutil.copy(path, folder)
