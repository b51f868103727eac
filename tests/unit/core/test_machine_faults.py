# SPDX-License-Identifier: GPL-3.0-or-later
"""Full disks, want of memory and of rights: one sentence for each, and nothing lost."""

from __future__ import annotations

import errno
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from polarstem.cli import main
from polarstem.errors import PolarstemError
from polarstem.files import atomic_path, check_clock, check_writable
from polarstem.logs import job_log, logger
from polarstem.machine_faults import sentence_of

FAULTS: list[tuple[BaseException, str]] = [
    (MemoryError(), "The memory is used up; "),
    (
        MemoryError("Unable to allocate 9 TiB"),
        r"The memory is used up \(Unable to allocate 9 TiB\)",
    ),
    (
        RuntimeError("[enforce fail] DefaultCPUAllocator:\n can't allocate memory"),
        "memory is used up",
    ),
    (RuntimeError("CUDA out of memory. Tried to allocate"), "The memory is used up"),
    (OSError(errno.ENOMEM, "no"), "The memory is used up"),
    (OSError(errno.ENOSPC, "no", "a.log"), r"disk is full: a\.log could not be written \(No space"),
    (OSError(errno.EDQUOT, "no"), "disk is full: a file could not be written"),
    (
        OSError(errno.EROFS, "no", Path("b/c.nc")),
        r"b/c\.nc may not be .* by you \(Read-only file sy",
    ),
    (PermissionError(errno.EACCES, "no", "x"), "x may not be read or written by you"),
    (OSError(errno.EIO, "no", b"x"), r"disk or the network failed at x \(Input/output error"),
    (OSError(errno.ESTALE, "no", "x"), "disk or the network failed at x"),
    (OSError(errno.EMFILE, "no", "x"), "Too many files are open"),
]


@pytest.mark.parametrize(("error", "words"), FAULTS)
def test_jobs_end_with_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], error: BaseException, words: str
) -> None:
    log, target = tmp_path / "a.log", tmp_path / "a.txt"
    target.write_text("old")

    def job() -> None:
        with job_log(log), atomic_path(target) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(SystemExit) as stop:
        job()
    assert stop.value.code == 1
    for text in (log.read_text(), capsys.readouterr().err):
        (line,) = text.splitlines()
        # where the file is known its writing tells of a full disk by its own name
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        expected = rf"disk is full: {target} could not be written" if full else words
        assert "Error: " in line
        assert re.search(expected, line), line
    assert target.read_text() == "old"
    assert sorted(tmp_path.iterdir()) == [log, target]


@pytest.mark.parametrize(("error", "words"), FAULTS)
def test_sentences(error: BaseException, words: str) -> None:
    told = sentence_of(error)
    assert told is not None
    assert re.search(words, told), told
    assert "\n" not in told
    assert told.endswith(".")


@pytest.mark.parametrize(
    "error",
    [ValueError("memory"), RuntimeError("no"), FileNotFoundError(errno.ENOENT, "x"), OSError("x")],
)
def test_other_errors_keep_their_traceback(tmp_path: Path, error: Exception) -> None:
    assert sentence_of(error) is None
    with pytest.raises(type(error)), job_log(tmp_path / "a.log"):
        raise error
    assert "Traceback" in (tmp_path / "a.log").read_text()


def test_a_log_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "logs").write_text("a file where a folder is wanted")
    handlers = list(logger.handlers)
    with pytest.raises(FileExistsError), job_log(tmp_path / "logs" / "a.log"):
        pytest.fail("the job ran without a log")
    assert logger.handlers == handlers

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "no", "logs")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "mkdir", refuse)
        with pytest.raises(SystemExit), job_log(tmp_path / "other" / "a.log"):
            pytest.fail("the job ran without a log")
    assert "Error: logs may not be read or written by you" in capsys.readouterr().err
    assert logger.handlers == handlers


JOB = """
import sys
import numpy as np
from polarstem.files import atomic_path
from polarstem.logs import job_log, logger
with job_log("job.log"), atomic_path("out.npy") as temporary:
    for _ in range(int(sys.argv[1])):
        logger.info("at work")
    {body}
"""


def run(folder: Path, body: str, lines: int, limit: Callable[[], None]) -> tuple[int, str]:
    code = JOB.format(body=body)
    done = subprocess.run(
        [sys.executable, "-c", code, str(lines)],
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": str(Path(__file__).parents[3]), "OPENBLAS_NUM_THREADS": "1"},
        preexec_fn=limit,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stderr


def small_files() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))


def little_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """Also for the log, which says so much that it does not fit itself."""
    code, text = run(tmp_path, "np.save(temporary, np.ones(5000))", 2000, small_files)
    assert code == 1
    assert "Traceback" not in text
    assert text.splitlines()[-1].endswith(
        "Error: The disk is full: out.npy could not be written and nothing was kept of it; free "
        "some space and run the same command again."
    )
    assert [path.name for path in tmp_path.iterdir()] == ["job.log"]


@pytest.mark.skipif(sys.platform != "linux", reason="no limit of memory elsewhere")
def test_memory_that_is_used_up(tmp_path: Path) -> None:
    code, text = run(tmp_path, "np.save(temporary, np.ones(2**28))", 0, little_memory)
    assert code == 1
    (line,) = text.splitlines()
    assert "Error: The memory is used up (Unable to allocate 2.00 GiB" in line
    assert [path.name for path in tmp_path.iterdir()] == ["job.log"]


def test_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> None:
        raise OSError(errno.EROFS, "no", "docs")

    monkeypatch.setattr("polarstem.cli._docs", fail)
    assert main(["docs"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "docs may not be read or written by you (Read-only file system)" in line


def test_files_dated_in_the_future(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    path.touch()
    now = path.stat().st_mtime
    check_clock([path, tmp_path / "absent"], now - 4)
    check_clock([path])
    told = rf"{path} is dated 3600 s ahead of this machine's clock.* `touch` the file"
    with pytest.raises(PolarstemError, match=told):
        check_clock([tmp_path / "absent", path], now - 3600)
    with pytest.raises(PolarstemError, match="dated 6 s ahead"):
        check_clock([path], now - 6)


def test_a_folder_that_may_not_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_writable(tmp_path)
    monkeypatch.setattr(os, "access", lambda _, mode: not mode & os.W_OK)
    with pytest.raises(PolarstemError, match=f"The folder {tmp_path} may not be written to; "):
        check_writable(tmp_path)
