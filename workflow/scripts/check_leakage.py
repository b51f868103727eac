# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule check_leakage.
from pathlib import Path

from polarstem.data.leakage import check_leakage
from polarstem.logs import job_log

with job_log(snakemake.log[0]):
    check_leakage(
        snakemake.input.datasets,
        snakemake.output.manifest,
        snakemake.params.separation,
        {Path(path).stem: path for path in snakemake.input.matrices},
    )
