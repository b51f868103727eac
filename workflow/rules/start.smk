# What must hold before the first job: a folder to write into, one run in it, and a true clock.
from polarstem.errors import PolarstemError
from polarstem.files import check_clock, check_writable, claim

if workflow.is_main_process:  # before Snakemake writes there itself
    try:
        check_writable(".")
    except PolarstemError as error:
        raise WorkflowError(str(error))


# Snakemake's own lock, off in profiles/, would outlive a kill.
onstart:
    try:
        claim(".snakemake/polarstem.lock")
        check_clock(
            file for job in workflow.dag.needrun_jobs() for file in job.input
        )
    except PolarstemError as error:
        raise WorkflowError(str(error))
