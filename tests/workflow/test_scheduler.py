# SPDX-License-Identifier: GPL-3.0-or-later
"""Snakemake's own process stays idle while jobs run, and a job that fails gets more."""

from __future__ import annotations

import ast
import threading
import time
from types import SimpleNamespace

from runs import ROOT
from snakemake.scheduling.job_scheduler import JobScheduler


def test_each_attempt_asks_for_more():
    tree = ast.parse((ROOT / "workflow" / "rules" / "needs.smk").read_text(encoding="utf-8"))
    (grows,) = (each for each in tree.body if getattr(each, "name", None) == "grows")
    known: dict = {}
    exec(compile(ast.Module([grows], []), "needs.smk", "exec"), known)
    assert [known["grows"](300)(None, attempt) for attempt in (1, 2, 3)] == [300, 600, 900]
    assert known["grows"](lambda wildcards: 10 * wildcards)(7, 2) == 140


def test_one_timer_at_a_time_and_another_after_it(monkeypatch):
    # what the file replaces is put back after the test
    monkeypatch.setattr(
        JobScheduler, "_schedule_reevalutation", JobScheduler._schedule_reevalutation
    )
    exec((ROOT / "workflow" / "rules" / "scheduler.smk").read_text(encoding="utf-8"), {})
    looks = threading.Semaphore(0)
    scheduler = SimpleNamespace(_open_jobs=looks)
    for _ in range(5):  # as after five finished jobs
        JobScheduler._schedule_reevalutation(scheduler, 0.05)
    assert looks.acquire(timeout=5)
    assert not looks.acquire(timeout=0.3)
    # the look that the timer caused asks for the next one, and gets it
    JobScheduler._schedule_reevalutation(scheduler, 0.05)
    started = time.monotonic()
    assert looks.acquire(timeout=5)
    assert time.monotonic() - started >= 0.03
