# The configuration: a whole one stands by itself, a part of one changes the standard benchmark.
from polarstem.config import check, is_whole, laid_over, read_standard
from polarstem.config.accuracy_warnings import accuracy_warnings
from polarstem.errors import PolarstemError
from snakemake.logging import logger

if not is_whole(config):

    configfile: "config.yaml"


if not is_whole(config):  # of a `module:`, where Snakemake passes over `configfile:`
    config = laid_over(read_standard(), config)

try:
    CONFIG = check({key: config[key] for key in config if key != "pathvars"})
except PolarstemError as error:
    raise WorkflowError(str(error))

WARNINGS = accuracy_warnings(CONFIG)
if workflow.is_main_process:  # not again in every job
    for warning in WARNINGS:
        logger.warning(warning)
    from polarstem.config.estimate import sentence
    from polarstem.config.work import all_jobs

    asked = workflow.resource_settings
    logger.info(sentence(all_jobs(CONFIG), None if asked.nodes else asked.cores))
