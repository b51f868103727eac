# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule write_report.
from pathlib import Path

from polarstem.logs import job_log
from polarstem.provenance import versions
from polarstem.report.html import write_report

with job_log(snakemake.log[0]):
    figures = {}
    for path in map(Path, snakemake.input.figures):
        # of a figure in several formats the first stands on the page
        figures.setdefault(path.stem, path)
    bench = {Path(path).name: path for path in snakemake.input.bench}
    write_report(
        snakemake.input.summary,
        snakemake.input.metrics,
        figures,
        snakemake.input.config,
        versions(),
        snakemake.output.html,
        bench.get("bench.json"),
        bench.get("scaling.svg"),
        {Path(path).stem: path for path in snakemake.input.maps},
        snakemake.params.warnings,
        bench.get("error_time.svg"),
    )
