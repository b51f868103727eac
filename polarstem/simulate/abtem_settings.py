# SPDX-License-Identifier: GPL-3.0-or-later
"""How abTEM is run: device, threads, plans."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import abtem
import dask


@contextmanager
def abtem_settings(device: str, threads: int) -> Iterator[None]:
    """Run abTEM with set threads, quietly, and with the same FFT plans each time.

    Where no plans have been recalled (`recall_plans`), FFTW estimates them: measured ones depend
    on the machine's mood.
    """
    with (
        abtem.config.set(
            {
                "device": device,
                "fftw.threads": threads,
                "fftw.planning_effort": "FFTW_ESTIMATE",
                "diagnostics.progress_bar": False,
                "diagnostics.task_progress": False,
            }
        ),
        dask.config.set(scheduler="synchronous"),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", module="abtem")
        yield
