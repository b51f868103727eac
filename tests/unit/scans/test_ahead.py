# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of a scan are worked on in threads, and told in their order."""

from __future__ import annotations

import time
from functools import partial
from threading import Lock

import numpy as np
import pytest

from polarstem.scans.ahead import ahead
from polarstem.scans.calibration.sample import read
from polarstem.scans.scan import ArrayScan


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_order_and_no_more_run_than_threads(threads):
    begun, done, most, alone = 0, 0, 0, Lock()

    def calls():
        nonlocal begun
        for number in range(12):
            begun += 1
            yield partial(work, number)

    def work(number: int) -> int:
        nonlocal done, most
        time.sleep(0.003 * (number % 3 == 0))
        with alone:
            most = max(most, begun - done)
            done += 1
        return number

    assert list(ahead(calls(), threads)) == list(range(12))
    assert most <= threads


def test_what_a_call_raises_is_raised():
    def broken() -> int:
        raise ValueError("this one")

    with pytest.raises(ValueError, match="this one"):
        list(ahead([lambda: 1, broken, lambda: 2], 2))


@pytest.mark.parametrize("threads", [1, 3])
def test_a_sample_is_read_in_order_whatever_the_threads(monkeypatch, threads):
    patterns = np.arange(6 * 5 * 2 * 3, dtype=np.uint16).reshape(6, 5, 2, 3)
    index = np.array([0, 4, 7, 13, 22, 29])
    monkeypatch.setattr("polarstem.scans.calibration.sample.READ_MB", 1e-4)
    blocks = list(read(ArrayScan(patterns), index, lambda where, p: (where, p), threads))
    assert len(blocks) > 3
    assert np.array_equal(np.concatenate([where for where, _ in blocks]), index)
    found = np.concatenate([p for _, p in blocks])
    assert np.array_equal(found, patterns.reshape(30, 2, 3)[index])
