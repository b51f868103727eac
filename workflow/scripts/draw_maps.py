# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule draw_maps.
from pathlib import Path

from polarstem.logs import job_log
from polarstem.report.figures.map_overview import draw_maps

with job_log(snakemake.log[0]):
    maps = {Path(folder).name: folder for folder in snakemake.input.maps}
    truths = {Path(path).name.removesuffix(".truth.nc"): path for path in snakemake.input.truths}
    draw_maps(maps, snakemake.output.png, truths)
    draw_maps(dict(list(maps.items())[:1]), snakemake.output.first, truths)
