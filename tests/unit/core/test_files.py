# SPDX-License-Identifier: GPL-3.0-or-later
"""Files are whole or absent."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr

from polarstem.errors import PolarstemError
from polarstem.files import atomic_path, claim, open_netcdf


def fail_halfway(target: Path, error: BaseException | type[BaseException]) -> None:
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"half")
        raise error


def test_success_replaces_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.txt"
    for text in ("first", "second"):
        with atomic_path(target) as temporary:
            assert temporary.parent == target.parent
            assert temporary.suffix == ".txt"
            temporary.write_text(text)
            assert not target.exists() or target.read_text() == "first"
        assert target.read_text() == text
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt, SystemExit])
def test_failure_keeps_the_old_file(tmp_path: Path, stop: type[BaseException]) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(stop):
        fail_halfway(target, stop)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_directories_are_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "model"
    for name in ("first", "second"):
        with atomic_path(target) as temporary:
            temporary.mkdir()
            (temporary / name).touch()
        assert [path.name for path in target.iterdir()] == [name]

    def fail() -> None:
        with atomic_path(target) as temporary:
            temporary.mkdir()
            (temporary / "third").touch()
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    assert [path.name for path in target.iterdir()] == ["second"]
    assert list(tmp_path.iterdir()) == [target]


KILLED = """
import os, sys
import polarstem.files as files

target, exchanged, stop = sys.argv[1], sys.argv[2] == "exchanged", int(sys.argv[3])
calls = 0

def deadly(function):
    def call(*arguments, **options):
        global calls
        calls += 1
        if calls == stop:
            os.kill(os.getpid(), 9)
        return function(*arguments, **options)
    return call

with files.atomic_path(target) as temporary:
    temporary.mkdir()
    for name in ("new", "other"):
        (temporary / name).touch()
    exchange = files._exchange if exchanged else lambda *_: False
    files._exchange = deadly(exchange)
    files.os.rename, files.shutil.rmtree = deadly(os.rename), deadly(files.shutil.rmtree)
"""


@pytest.mark.parametrize("stop", range(1, 6))
@pytest.mark.parametrize(
    "how",
    [
        pytest.param(
            "exchanged", marks=pytest.mark.skipif(sys.platform != "linux", reason="Linux")
        ),
        "set aside",
    ],
)
def test_a_kill_while_folders_are_replaced_loses_none(tmp_path: Path, how: str, stop: int) -> None:
    target = tmp_path / "model.v1"
    target.mkdir()
    for name in ("old", "other"):
        (target / name).touch()
    command = [sys.executable, "-c", KILLED, str(target), how, str(stop)]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], check=False)
    # exchange, removal; or exchange, two renamings and a removal
    assert done.returncode == (-9 if stop <= {"exchanged": 2, "set aside": 4}[how] else 0)
    if how == "exchanged":
        assert target.is_dir(), "at no moment there is none"
    with pytest.raises(ValueError, match="stop"):
        fail_halfway(target, ValueError("stop"))
    found = sorted(path.name for path in target.iterdir())
    replaced = stop > {"exchanged": 1, "set aside": 3}[how]
    assert found == (["new", "other"] if replaced else ["old", "other"])
    assert list(tmp_path.iterdir()) == [target]


def test_written_out_before_it_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a power cut leaves an empty file under the final name."""
    done: list[int] = []
    fsync, replace = os.fsync, os.replace

    def written(descriptor: int) -> None:
        done.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    def renamed(old: Path, new: Path) -> None:
        done.append(0)
        replace(old, new)

    monkeypatch.setattr(os, "fsync", written)
    monkeypatch.setattr(os, "replace", renamed)
    with atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("x")
    with atomic_path(tmp_path / "b") as temporary:
        (temporary / "c").mkdir(parents=True)
        (temporary / "c" / "d.txt").write_text("x")
        (temporary / "link").symlink_to("nowhere")
    a, b, c, d = (
        tmp_path.joinpath(name).stat().st_ino for name in ("a.txt", "b", "b/c", "b/c/d.txt")
    )
    assert done[:2] == [a, 0]
    assert sorted(done[2:5]) == sorted([b, c, d])
    assert done[5:] == [0]


def test_leftover_of_a_killed_run_is_cleared(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    code = (
        "import os, sys; from polarstem.files import atomic_path\n"
        "with atomic_path(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), 9)\n"
    )
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", code, str(target)], cwd=root, check=False)
    assert not target.exists()
    assert len(list(tmp_path.iterdir())) == 1
    with atomic_path(target) as temporary:
        assert not temporary.exists()
        temporary.write_text("whole")
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_full_disk_is_one_sentence(tmp_path: Path, code: int) -> None:
    with pytest.raises(PolarstemError, match=r"disk is full: .*a\.nc could not be written"):
        fail_halfway(tmp_path / "a.nc", OSError(code, os.strerror(code)))
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_seen_behind_hdf5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    target = tmp_path / "a.nc"
    hdf5 = RuntimeError("NetCDF: HDF error")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", lambda *_: None)
        patch.setattr(Path, "open", full)
        with pytest.raises(PolarstemError, match="disk is full"):
            fail_halfway(target, hdf5)


def test_other_hdf5_errors_are_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="HDF"):
        fail_halfway(tmp_path / "a.nc", RuntimeError("NetCDF: HDF error"))
    assert list(tmp_path.iterdir()) == []


def test_open_netcdf(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    xr.Dataset({"a": ("x", [1.0, 2.0] * 2000)}).to_netcdf(path)
    with open_netcdf(path, "simulation") as data:
        assert data["a"].shape == (4000,)
    for size in (0, 10, path.stat().st_size // 2):
        os.truncate(path, size)
        with pytest.raises(PolarstemError, match=rf"simulation file .*a\.nc \({size} bytes\)"):
            open_netcdf(path, "simulation")
    with pytest.raises(PolarstemError, match=r"no data set file .*b\.nc"):
        open_netcdf(tmp_path / "b.nc", "data set")


def test_claim_ends_with_its_process(tmp_path: Path) -> None:
    lock = tmp_path / "run" / "lock"
    code = (
        "import os, sys; from polarstem.files import claim\n"
        "claim(sys.argv[1]); print('held', flush=True); sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(lock)],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(PolarstemError, match="Another run is at work"):
            claim(lock)
        process.kill()
    claim(lock)
