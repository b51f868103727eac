# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine on which the run would lose work is told before the first job."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from runs import copy_sources, snakemake

pytestmark = pytest.mark.slow

TARGET = "results/structures/specimens.csv"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy_sources(tmp_path / "polarstem")
    return tmp_path / "polarstem"


def test_files_of_the_future(folder: Path) -> None:
    """Snakemake itself tells of it when the job has ended, and throws its results away."""
    crystals = folder / "resources" / "crystals.yaml"
    os.utime(crystals, (time.time() + 7200,) * 2)
    text = snakemake(folder, TARGET, "--cores", "1", succeeds=False).stdout
    told = [line for line in text.splitlines() if "ahead of this machine's clock" in line]
    assert len(told) == 1, text
    assert told[0].startswith("resources/crystals.yaml is dated 7")
    assert "Traceback" not in text
    assert "rule build_structures:" not in text
    assert not (folder / TARGET).exists()


def test_a_folder_that_is_read_only(folder: Path) -> None:
    bind = ["mount", "--bind", str(folder), str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(bind, capture_output=True).returncode == 0
    if os.geteuid() == 0 and not mounted:
        pytest.skip("root writes everywhere, and may not mount here")
    try:
        if mounted:
            only = ["mount", "-o", "remount,ro,bind", str(folder)]
            subprocess.run(only, check=True)
        else:
            folder.chmod(0o555)
        text = snakemake(folder, TARGET, "--cores", "1", succeeds=False).stdout
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)
        else:
            folder.chmod(0o755)
    assert f"The folder {folder} may not be written to; ask for the right to" in text
    assert "Traceback" not in text
