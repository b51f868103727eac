# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule draw_figures.
from pathlib import Path

import yaml

from polarstem.logs import job_log
from polarstem.report.figures.draw import draw_figures

with job_log(snakemake.log[0]):
    with open(snakemake.input.config, encoding="utf-8") as file:
        config = yaml.safe_load(file)
    folder = Path(snakemake.input.structures)
    draw_figures(
        structures=[folder / f"{name}.xyz" for name in snakemake.params.drawn],
        examples=snakemake.input.examples,
        model_dirs=snakemake.input.models,
        predictions=snakemake.input.predictions,
        metrics_csv=snakemake.input.metrics,
        confusion_nc=snakemake.input.confusion,
        summary_json=snakemake.input.summary,
        information_nc=snakemake.input.information,
        config=config,
        output_dir=Path(snakemake.output[0]).parent,
        vector_bound_nc=next(iter(snakemake.input.vector_bound), None),
        displacements_json=next(iter(snakemake.input.displacements), None),
    )
