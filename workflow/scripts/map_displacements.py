# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule map_displacements.
import torch

from polarstem.displacements.displacement_map import measure_displacements
from polarstem.logs import job_log
from polarstem.report.displacement_page import write_displacement_folder

with job_log(snakemake.log[0]):
    torch.set_num_threads(snakemake.threads)
    write_displacement_folder(
        measure_displacements(
            snakemake.input.map, snakemake.input.model, threads=snakemake.threads
        ),
        snakemake.output.displacements,
    )
