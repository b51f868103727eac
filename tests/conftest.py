# SPDX-License-Identifier: GPL-3.0-or-later
"""Habits of all tests: one thread per library, an empty working directory that stays empty."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

# a busy machine is slow, not wrong; the same examples every time, so that red means broken
settings.register_profile("polarstem", deadline=None, derandomize=True)
settings.load_profile("polarstem")

# before numpy and torch are imported; more threads than cores make small work slow
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the file that takes longest, then those that share the tiny run."""

    def later(item: pytest.Item) -> tuple[bool, bool]:
        return item.path.name != "test_interruption.py", "tiny" not in getattr(
            item, "fixturenames", ()
        )

    items.sort(key=later)


@pytest.fixture(scope="session")
def root() -> Path:
    """Root of the repository."""
    return ROOT


@pytest.fixture(scope="session", autouse=True)
def _clean_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Run in an empty folder, and fail if a test leaves something there."""
    folder = tmp_path_factory.mktemp("cwd")
    before = Path.cwd()
    os.chdir(folder)
    yield
    os.chdir(before)
    assert not list(folder.iterdir()), "a test wrote into the working directory; use tmp_path"


@pytest.fixture(scope="session")
def unavailable() -> Callable[[str], NoReturn]:
    """Skip for want of something outside, or fail where POLARSTEM_REQUIRE_ALL is set."""

    def stop(reason: str) -> NoReturn:
        if os.environ.get("POLARSTEM_REQUIRE_ALL"):
            pytest.fail(reason)
        pytest.skip(reason)

    return stop
