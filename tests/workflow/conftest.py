# SPDX-License-Identifier: GPL-3.0-or-later
"""One finished run of the tiny configuration, shared by all tests of the workflow."""

from __future__ import annotations

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
    folder = tmp_path_factory.mktemp("tiny") / "polarstem"
    copy_sources(folder)
    start = time.monotonic()
    done = snakemake(folder, "--cores", "2")
    return SimpleNamespace(folder=folder, seconds=time.monotonic() - start, text=done.stdout)


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
