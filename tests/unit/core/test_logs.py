# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs of jobs and progress."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from polarstem import logs
from polarstem.errors import PolarstemError
from polarstem.logs import job_log, progress


def test_messages_go_to_file_and_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "rule" / "a.log"
    with job_log(log):
        logs.logger.info("half way")
    for text in (log.read_text(), capsys.readouterr().err):
        assert [line.split(" ", 1)[1] for line in text.splitlines()] == ["half way", "done"]
    assert not logs.logger.handlers, "a second job would write into the first one's log"


def test_bad_input_is_one_sentence_and_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "a.log"
    with pytest.raises(SystemExit) as stop, job_log(log):
        raise PolarstemError("The file x is broken; delete it.")
    assert stop.value.code == 1
    text = log.read_text()
    assert text.endswith("Error: The file x is broken; delete it.\n")
    assert len(text.splitlines()) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_unexpected_errors_leave_their_traceback(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    with pytest.raises(ZeroDivisionError), job_log(log):
        _ = 1 / 0
    assert "Traceback" in log.read_text()
    assert "ZeroDivisionError" in log.read_text()


def test_log_file_is_optional(capsys: pytest.CaptureFixture[str]) -> None:
    with job_log(None):
        logs.logger.info("hello")
    assert "hello" in capsys.readouterr().err


def test_progress_writes_few_lines(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter(range(1000))
    monkeypatch.setattr(logs.time, "monotonic", lambda: float(next(now)))
    with caplog.at_level(logging.INFO, logger="polarstem"):
        assert list(progress(iter("abcdefghijklmno"), 15, "letters")) == list("abcdefghijklmno")
    counts = [record.args[1] for record in caplog.records]
    assert counts == [10, 15], "every ten seconds and at the end"


def test_progress_bar_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs.sys.stderr, "isatty", lambda: True)
    assert list(progress([1, 2], 2, "numbers")) == [1, 2]
    assert "numbers: 100%" in capsys.readouterr().err
