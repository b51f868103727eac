# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule train_model.
from pathlib import Path

from polarstem.logs import job_log
from polarstem.models.train import train_model
from polarstem.seeds import derive_seed

with job_log(snakemake.log[0]):
    wildcards, params = snakemake.wildcards, snakemake.params
    output = Path(snakemake.output.model)
    stream = None
    if params.stream:
        from polarstem.data.stream import PatternStream

        stream = PatternStream(
            params.stream,
            {Path(path).stem: path for path in snakemake.input.matrices},
            params.class_names,
            params.class_directions,
            derive_seed(params.seed, wildcards.source, wildcards.seed),
        )
    train_model(
        wildcards.model,
        params.options,
        snakemake.input.datasets,
        output,
        # beside the output, which Snakemake removes after a kill; training goes on from here
        workdir=output.with_name(f".{output.name}.work"),
        seed=derive_seed(params.seed, wildcards.model, wildcards.source, wildcards.seed),
        threads=snakemake.threads,
        device=params.device,
        memory_mb=params.memory_mb,
        stream=stream,
        shuffled_labels=params.shuffled_labels,
        trained_for=params.trained_for,
    )
