# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule map_scan.
from functools import partial

from polarstem.logs import job_log
from polarstem.maps.mapper import map_scan
from polarstem.report.map_page import finish_map

with job_log(snakemake.log[0]):
    map_scan(
        snakemake.input.scan,
        snakemake.input.model,
        snakemake.output.map,
        snakemake.input.sheet or snakemake.params.sheet,
        force=snakemake.params.force,
        threads=snakemake.threads,
        finish=partial(finish_map, model=snakemake.input.model),
    )
