# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule map_defect_free.
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from polarstem.logs import job_log
from polarstem.maps.mapper import map_scan

with job_log(snakemake.log[0]), TemporaryDirectory() as folder:
    model = Path(folder) / "model"
    shutil.copytree(snakemake.input.model, model)
    shutil.copy(snakemake.input.library, model)
    map_scan(snakemake.input.scan, model, snakemake.output.map, snakemake.input.sheet)
