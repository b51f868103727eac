# SPDX-License-Identifier: GPL-3.0-or-later
# Adapter of the rule adapt_predictions.
from pathlib import Path

from polarstem.evaluate.scores.write_predictions import Adaptation, predict_patterns
from polarstem.logs import job_log
from polarstem.models.calibration_split import CalibrationPatterns
from polarstem.seeds import derive_seed

with job_log(snakemake.log[0]):
    wildcards, params = snakemake.wildcards, snakemake.params
    if params.stream:
        from polarstem.data.stream import PatternStream

        calibration = CalibrationPatterns.of_stream(
            PatternStream(
                params.stream,
                {Path(path).stem: path for path in snakemake.input.matrices},
                params.class_names,
                params.class_directions,
                derive_seed(params.seed, wildcards.source, wildcards.seed),
            )
        )
    else:
        calibration = CalibrationPatterns.of_data_sets(snakemake.input.sources)
    predict_patterns(
        snakemake.input.model,
        snakemake.input.datasets,
        snakemake.output.nc,
        model=wildcards.adapted,
        source=wildcards.source,
        seed=int(wildcards.seed),
        adaptation=Adaptation(**params.adaptation),
        calibration=calibration,
    )
