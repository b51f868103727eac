# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress on a terminal or in a log file, and the log of a workflow job."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from polarstem.errors import PolarstemError
from polarstem.machine_faults import sentence_of

T = TypeVar("T")
logger = logging.getLogger("polarstem")


def progress(
    items: Iterable[T], total: int, description: str, every_seconds: float = 10.0
) -> Iterator[T]:
    """Iterate with a progress bar on a terminal, or with log lines elsewhere.

    Parameters
    ----------
    items : iterable
        What to iterate over.
    total : int
        How many there are.
    description : str
        What is being counted.
    every_seconds : float
        The least time between two log lines [s].
    """
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, total=total, desc=description)
        return
    start = last = time.monotonic()
    for count, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if count == total or now - last >= every_seconds:
            last = now
            logger.info("%s: %d of %d (%.0f s)", description, count, total, now - start)


@contextmanager
def job_log(path: str | os.PathLike[str] | None) -> Iterator[None]:
    """Send a workflow job's messages to its log file and to standard error.

    A `PolarstemError`, and what the machine is to blame for (`polarstem.machine_faults`), end the
    job with one sentence and exit code 1; any other exception is logged with its traceback.

    Parameters
    ----------
    path : path or None
        The log file, or None for standard error alone.
    """
    handlers: list[logging.Handler] = []
    logger.setLevel(logging.INFO)
    try:
        _add(logging.StreamHandler(sys.stderr), handlers)
        if path is not None:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            _add(_LogFile(path, mode="w", encoding="utf-8"), handlers)
        yield
        if path is not None:
            logger.info("done")
    except PolarstemError as error:
        logger.error("Error: %s", error)
        sys.exit(1)
    except Exception as error:
        told = sentence_of(error)
        if told is None:
            logger.exception("Unexpected error")
            raise
        logger.error("Error: %s", told)
        sys.exit(1)
    finally:
        for handler in handlers:
            logger.removeHandler(handler)
            with suppress(OSError):  # a log on a full disk
                handler.close()


class _LogFile(logging.FileHandler):
    """A log that stops on a full disk, where tracebacks of its own would bury the job's error."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Leave it: standard error tells the same."""


def _add(handler: logging.Handler, handlers: list[logging.Handler]) -> None:
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    handlers.append(handler)
    logger.addHandler(handler)
