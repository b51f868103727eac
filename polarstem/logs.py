# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress on a terminal or in a log file, and the log of a workflow job."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from polarstem.errors import PolarstemError

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

    A `PolarstemError` ends the job with its one sentence and exit code 1; any other
    exception is logged with its traceback.

    Parameters
    ----------
    path : path or None
        The log file, or None for standard error alone.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if path is not None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(path, mode="w", encoding="utf-8"))
    formatter = logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S")
    for handler in handlers:
        handler.setFormatter(formatter)
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
        if path is not None:
            logger.info("done")
    except PolarstemError as error:
        logger.error("Error: %s", error)
        sys.exit(1)
    except Exception:
        logger.exception("Unexpected error")
        raise
    finally:
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()
