# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule draw_reality.
import json
from pathlib import Path

from polarstem.logs import job_log
from polarstem.report.figures.reality import draw_reality

with job_log(snakemake.log[0]):
    scores = json.loads(Path(snakemake.input.scores).read_text(encoding="utf-8"))
    draw_reality(scores, [snakemake.output.png, snakemake.output.svg])
