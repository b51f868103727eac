# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule train_model.
from pathlib import Path

from polarstem.logs import job_log
from polarstem.models.train import train_model
from polarstem.seeds import derive_seed

with job_log(snakemake.log[0]):
    wildcards = snakemake.wildcards
    output = Path(snakemake.output.model)
    train_model(
        wildcards.model,
        snakemake.params.options,
        snakemake.input.datasets,
        output,
        # beside the output, which Snakemake removes after a kill; training goes on from here
        workdir=output.with_name(f".{output.name}.work"),
        seed=derive_seed(snakemake.params.seed, wildcards.model, wildcards.source, wildcards.seed),
        threads=snakemake.threads,
        device=snakemake.params.device,
        memory_mb=snakemake.params.memory_mb,
    )
