# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule calibrate_anomaly.
import logging
from pathlib import Path

from polarstem.logs import job_log
from polarstem.maps.anomaly_fit import fit_anomaly, scan_of_map
from polarstem.models.saved import read_description

with job_log(snakemake.log[0]):
    directions = read_description(snakemake.input.model)["class_directions_deg"]
    scans = [scan_of_map(Path(folder) / "map.nc") for folder in snakemake.input.maps]
    reference = fit_anomaly(scans, directions)
    reference.save(Path(snakemake.output.npz).parent)
    logging.getLogger("polarstem").info("%s", reference.sentence)
