# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input through the real command line: one clear sentence, no traceback, nothing written."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from runs import ROOT, command, environment, existing, snakemake

pytestmark = pytest.mark.slow


def refused(folder: Path, config: str) -> list[str]:
    """Problems that a dry run in an empty folder lists; nothing may be written."""
    snakefile = str(ROOT / "Snakefile")
    text = snakemake(folder, "-n", "-s", snakefile, config=config, succeeds=False).stdout
    assert "Traceback" not in text
    assert [path for path in folder.iterdir() if path.name != ".snakemake"] == []
    lines = [line.strip() for line in text.splitlines()]
    problems = [line.removeprefix("- ") for line in lines if line.startswith("- ")]
    assert f"The configuration has {len(problems)} problem" in text
    return problems


def test_wrong_keys_are_listed_all_at_once(
    other_config: Callable[..., str], tmp_path: Path
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    config = other_config(
        ("semiangle_mrad: 24", "semiangel_mrad: 24"),
        ("energy_kv: 200", "energy_kv: high"),
        ("pixels_per_cell: 32", "pixels_per_cell: 31"),
        ("thicknesses_nm: [5, 10]", "thicknesses_nm: [-5, 10]"),
    )
    problems = refused(folder, config)
    wanted = {
        "simulate.semiangel_mrad": "did you mean `semiangle_mrad`?",
        "simulate.energy_kv": "'high'",
        "simulate.pixels_per_cell": "must be even",
        "specimens.tiny.thicknesses_nm[0]": "greater than 0",
    }
    assert len(problems) == len(wanted)
    for where, what in wanted.items():
        assert [p for p in problems if p.startswith(f"{where}: ") and what in p], (where, problems)


def test_wrong_work_is_listed_all_at_once(other_config: Callable[..., str], tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    config = other_config(
        ("train: 1, validation: 1, test: 1", "train: 1, validation: 1"),
        ("resnet10t", "resnet10tt"),
        ("sources: [both]", "sources: [bth]"),
    )
    problems = refused(folder, config)
    assert any("specimens.tiny.per_class.test: is 0" in p for p in problems), problems
    assert any("not known to timm; did you mean `resnet10t`?" in p for p in problems), problems
    assert any("no source 'bth'; did you mean `both`?" in p for p in problems), problems


def test_impossible_physics_is_listed_all_at_once(
    other_config: Callable[..., str], tmp_path: Path
) -> None:
    """What used to fail in a job, some of it after hours."""
    folder = tmp_path / "work"
    folder.mkdir()
    config = other_config(
        ("mrad_per_pixel: 3.0", "mrad_per_pixel: 6.0"),
        ("thicknesses_nm: [5, 10]", "thicknesses_nm: [5, 10, 10.1]"),
        ("source_fwhm_angstrom: [0.6, 1.0]", "source_fwhm_angstrom: [0.2, 1.0]"),
        ("phase: T, a_site: virtual", "phase: T, end_on: true, a_site: ordered"),
    )
    problems = refused(folder, config)
    wanted = {
        "structures.cells (for specimens.tiny)": "an odd number of cells along x, 3,",
        "structures.end_on (for": "END looks exactly like tiny_cubic",
        "simulate.detector (for specimens.tiny)": "the largest tilt reach 98 mrad, but 32 pixels",
        "simulate.detector (for specimens.tiny_phonons": "reaches 96 mrad, but 32 pixels",
        "specimens.tiny.thicknesses_nm": "10 and 10.1 nm are the same number of 0.399 nm periods",
        "specimens.tiny_emulated.conditions.source_fwhm_angstrom": "may be 0.2 Å, but on 12 x 12",
    }
    for where, what in wanted.items():
        assert [p for p in problems if p.startswith(where) and what in p], (where, problems)


def test_broken_yaml_is_told_in_words(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    config = tmp_path / "broken.yaml"
    config.write_text("seed: [1\n", encoding="utf-8")
    snakefile = str(ROOT / "Snakefile")
    done = snakemake(folder, "-n", "-s", snakefile, config=str(config), succeeds=False)
    assert "not valid JSON or YAML" in done.stdout
    assert "Traceback" not in done.stdout


def test_value_on_the_command_line(tmp_path: Path) -> None:
    done = snakemake(
        tmp_path, "-n", "-s", str(ROOT / "Snakefile"), "--config", "seeed=3",
        config=str(ROOT / "tests" / "configs" / "tiny.yaml"), succeeds=False,
    )  # fmt: skip
    assert "seeed: unknown key; did you mean `seed`?" in done.stdout
    assert "Traceback" not in done.stdout


def test_truncated_files_are_named(copy_of_tiny: Path) -> None:
    results = copy_of_tiny / "results"
    compared = "1.000000"  # stands for all in the information limit and is in no data set
    matrices = results.glob("scattering/tiny-*.nc")
    matrix = next(path for path in matrices if compared not in path.name).relative_to(results)
    for broken, target in (
        ("datasets/warm.nc", "datasets/manifest.json"),
        ("simulations/tiny_phonons-LM-test-0.nc", "datasets/warm.nc"),
        (str(matrix), "datasets/thin.nc"),
    ):
        path = results / broken
        whole, state = path.read_bytes(), path.stat()
        os.truncate(path, state.st_size // 2)
        before = existing(results)
        text = snakemake(copy_of_tiny, f"results/{target}", "--cores", "1", succeeds=False).stdout
        assert "Traceback" not in text
        told = [line for line in text.splitlines() if "Error: The " in line]
        assert told, text
        assert f"results/{broken}" in told[0]
        assert "delete it and run the same command again" in told[0]
        # Snakemake removes what is out of date before it makes it anew; nothing else may change
        before.pop(Path(target))
        assert existing(results) == before
        path.write_bytes(whole)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def test_full_disk_keeps_nothing_half_written(tmp_path: Path, tiny: SimpleNamespace) -> None:
    """A file size limit fails a write halfway, as a full disk does; a real one where we may."""
    folder = tmp_path / "full"
    shutil.copytree(tiny.folder, folder, ignore=shutil.ignore_patterns("results", ".snakemake"))
    results = folder / "results"
    results.mkdir()
    (results / "keep").touch()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(results)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        if not mounted:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    try:
        (results / "keep").touch()  # Snakemake would remove an empty folder
        done = subprocess.run(
            command("results/simulations/tiny_phonons-LM-test-0.nc", "--cores", "1"),
            cwd=folder,
            env=environment(),
            preexec_fn=limit,
            capture_output=True,
            text=True,
        )
        left = {str(path) for path in existing(results)}
        hidden = [path for path in results.rglob(".*") if path.is_file()]
    finally:
        if mounted:
            subprocess.run(["umount", str(results)], check=True)
    text = done.stdout + done.stderr
    assert done.returncode != 0, text
    assert "Traceback" not in text, text
    assert "Error: The disk is full: results/simulations/tiny_phonons-LM-test-0.nc" in text
    assert left == {"keep"}
    assert not hidden
