# SPDX-License-Identifier: GPL-3.0-or-later
"""One finished run of the tiny configuration, shared by all tests of the workflow."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from runs import copy_sources, snakemake


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A copy of the repository in which the tiny configuration has run; not to be changed.

    `folder` is the copy, `seconds` the time it took, `text` what Snakemake said.
    """
    base = tmp_path_factory.getbasetemp()
    # processes that share the tests have folders of their own within one
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, said = base / "tiny" / "polarstem", base / "tiny" / "said.json"
    with (base / "tiny.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the first runs it, the others wait
        if not said.exists():
            assert not folder.exists(), "the tiny run failed in another process"
            copy_sources(folder)
            start = time.monotonic()
            done = snakemake(folder, "--cores", "2")
            told = {"seconds": time.monotonic() - start, "text": done.stdout}
            said.write_text(json.dumps(told), encoding="utf-8")
    return SimpleNamespace(folder=folder, **json.loads(said.read_text(encoding="utf-8")))


@pytest.fixture
def copy_of_tiny(tiny: SimpleNamespace, tmp_path: Path) -> Iterator[Path]:
    """The finished run moved elsewhere, to be changed at will."""
    folder = tmp_path / "polarstem"
    shutil.copytree(tiny.folder, folder, symlinks=True)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def other_config(tmp_path: Path, root: Path) -> Callable[..., str]:
    """Maker of configuration files: the tiny one with some text replaced."""

    def write(*changes: tuple[str, str]) -> str:
        text = (root / "tests" / "configs" / "tiny.yaml").read_text(encoding="utf-8")
        for old, new in changes:
            assert text.count(old) >= 1, old
            text = text.replace(old, new, 1)
        path = tmp_path / "other.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write
