# SPDX-License-Identifier: GPL-3.0-or-later
"""FFTW's measured plans, kept from one process to the next.

A measured plan is up to ten times as fast as an estimated one, but which one wins depends on the
machine's mood, and another plan changes the last digits. So each layout is measured once on a
machine, and every later process takes the same plans.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyfftw

from polarstem.errors import PolarstemError
from polarstem.files import atomic_path

logger = logging.getLogger("polarstem")

EFFORT = "FFTW_MEASURE"

_recalled: set[str] = set()  # layouts that this process has plans of


def plans_file() -> Path:
    """File of the plans: in the user's cache, one for each kind of machine."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "polarstem" / f"fftw-plans-{platform.machine()}-{_processor()}.json"


def recall_plans(layout: str, rehearse: Callable[[], object]) -> None:
    """Make sure that the plans of a layout are those of every other process.

    Parameters
    ----------
    layout : str
        Name of a set of transforms: sizes, batches and threads.
    rehearse : callable
        Runs each of these transforms once with the planning effort `EFFORT`. Called only
        where the plans are not known yet, with all other processes waiting.
    """
    if layout in _recalled:
        return
    with _only_process() as file:
        known = _read(file)
        if known["plans"]:
            pyfftw.import_wisdom(tuple(text.encode() for text in known["plans"]))
        if layout not in known["layouts"]:
            rehearse()
            known["layouts"].append(layout)
            known["plans"] = [text.decode() for text in pyfftw.export_wisdom()]
            if file is not None:
                _keep(file, json.dumps(known))
    _recalled.add(layout)


def forget_plans() -> None:
    """Start afresh, as another process would."""
    pyfftw.forget_wisdom()
    _recalled.clear()


@contextmanager
def _only_process() -> Iterator[Path | None]:
    """Give the file while other processes wait; None where nothing can be kept."""
    lock = None
    try:
        file: Path | None = plans_file()
        assert file is not None
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        # not every file system has locks
        fcntl.flock(lock, fcntl.LOCK_EX)
    except (OSError, RuntimeError) as error:  # RuntimeError: the user has no home
        _tell(error)
        file = None
    try:
        yield file
    finally:
        if lock is not None:
            os.close(lock)


def _keep(file: Path, text: str) -> None:
    """Write the plans if they can be written."""
    try:
        with atomic_path(file) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except (OSError, PolarstemError) as error:
        _tell(error)


def _tell(error: Exception) -> None:
    if not _recalled:  # once is enough
        logger.warning(
            "FFTW's plans cannot be kept (%s): each process measures its own, and the last digits "
            "may differ; set XDG_CACHE_HOME to a folder that can be written and locked.",
            error,
        )


def _read(file: Path | None) -> dict[str, Any]:
    """Known layouts and plans; none in a file that is absent, broken or of another FFTW."""
    nothing: dict[str, Any] = {"fftw": pyfftw.fftw_version, "layouts": [], "plans": []}
    try:
        known: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file else nothing
        texts = [*known["plans"], *known["layouts"]]
        usable = known["fftw"] == nothing["fftw"] and all(isinstance(text, str) for text in texts)
        return known if usable else nothing
    except (OSError, ValueError, KeyError, TypeError):
        return nothing


def _processor() -> str:
    """A word for the instructions that the processor knows, which plans depend on."""
    try:
        flags = next(
            line for line in Path("/proc/cpuinfo").read_text().splitlines() if "flags" in line
        )
    except (OSError, StopIteration):
        return platform.processor() or "cpu"
    return next((name for name in ("avx512f", "avx2", "avx") if f" {name} " in flags), "cpu")
