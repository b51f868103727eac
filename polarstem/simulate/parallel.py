# SPDX-License-Identifier: GPL-3.0-or-later
"""Threads for loops outside torch: as many as torch may use."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from threading import Lock, local
from typing import Any

from threadpoolctl import ThreadpoolController

_here = local()
_lock = Lock()
_limits: list[Any] = []  # one for each thread inside `one_blas_thread`; the first one's is real


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_parts(work: Callable[[int, int], object], length: int) -> None:
    """Share a loop that releases Python's lock among torch's number of threads.

    A loop within such a loop is not shared again.

    Parameters
    ----------
    work : callable
        Called with the first and one past the last index of each part.
    length : int
        Number of indices.
    """
    import torch  # which takes seconds

    threads = min(torch.get_num_threads(), length)
    if threads <= 1 or getattr(_here, "shared", False):
        work(0, length)
        return
    edges = [length * part // threads for part in range(threads + 1)]
    pool = _pool(threads, os.getpid())

    def run(first: int, last: int) -> None:
        _here.shared = True
        work(first, last)

    for part in [pool.submit(run, *edge) for edge in pairwise(edges)]:
        part.result()


@cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Threads that stay; those of a process do not live on in its forks."""
    return ThreadPoolExecutor(threads)


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")


def _limit_blas() -> None:
    with _lock:
        _limits.append(None if _limits else _blas().limit(limits=1))


def _release_blas() -> None:
    with _lock:
        # the last one out restores what the first one found
        if len(_limits) == 1:
            _limits[0].restore_original_limits()
            _limits.clear()
        else:
            _limits.pop()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep numpy's BLAS to one thread: for small products, which are shared out as a whole."""
    _limit_blas()
    try:
        yield
    finally:
        _release_blas()


@contextmanager
def one_torch_thread_each(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Give threads in each of which torch computes alone; its own number stays as it was."""
    import torch

    with (
        torch_threads(torch.get_num_threads()),
        ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        yield pool


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Compute with so many threads of torch, and set back what was."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def one_blas_thread_for(owner: object) -> None:
    """Keep numpy's BLAS to one thread as long as an object lives.

    Set back and forth for every product, OpenBLAS's threads would wait for work all the time, which
    they do at full speed.
    """
    _limit_blas()
    weakref.finalize(owner, _release_blas)
