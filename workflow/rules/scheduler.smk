# One timer of Snakemake's scheduler at a time; no rules here.
import threading

from snakemake.scheduling.job_scheduler import JobScheduler


def look_again(scheduler, delay):
    """Have the scheduler look at its queue in `delay` seconds, unless it will already.

    Snakemake (seen in 9.27) starts a timer after every look, also after one that a timer
    caused: each finished job leaves a look per second for good, and hundreds take a core.
    """

    def look():
        scheduler.timed = False  # before the look, which may ask for the next one
        scheduler._open_jobs.release()

    if not getattr(scheduler, "timed", False):
        scheduler.timed = True
        threading.Timer(delay, look).start()


if hasattr(JobScheduler, "_schedule_reevalutation"):
    JobScheduler._schedule_reevalutation = look_again
