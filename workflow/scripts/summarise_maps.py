# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule summarise_maps.
from pathlib import Path

from polarstem.evaluate.map_scores.over_experiments import summarise_maps
from polarstem.logs import job_log

with job_log(snakemake.log[0]):
    summarise_maps(
        {Path(folder).name: folder for folder in snakemake.input.maps},
        {Path(path).name.removesuffix(".truth.nc"): path for path in snakemake.input.truths},
        snakemake.output.json,
        snakemake.params.confidence,
        snakemake.params.reality,
        {
            Path(folder).name: Path(folder) / "displacements.nc"
            for folder in snakemake.input.displacements
        },
    )
