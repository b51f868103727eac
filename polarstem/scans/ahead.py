# SPDX-License-Identifier: GPL-3.0-or-later
"""Work on the parts of a scan in threads, with results in the order of the parts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(calls: Iterable[Callable[[], T]], threads: int = 1) -> Iterator[T]:
    """Yield what calls return, in their order, while the next ones run.

    Parameters
    ----------
    calls : iterable of callable
        Taken from it as they are begun.
    threads : int
        Calls that run or wait to be yielded at the same time.
    """
    if threads == 1:
        for call in calls:
            yield call()
        return
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for call in calls:
            waiting.append(pool.submit(call))
            if len(waiting) >= threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
