# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule fit_displacements.
import torch

from polarstem.displacements.specimen_displacements import fit_specimens
from polarstem.logs import job_log

with job_log(snakemake.log[0]):
    torch.set_num_threads(snakemake.threads)
    fit_specimens(
        snakemake.input.dataset,
        snakemake.input.library,
        snakemake.params.trained_for,
        snakemake.output.nc,
        snakemake.params.positions,
        snakemake.threads,
    )
