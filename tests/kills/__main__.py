# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill a run at random moments, and compare what comes of it with an undisturbed one.

`python -m tests.kills` runs the tiny configuration twice, once in peace and once with SIGKILL to
all of its processes at moments drawn from a seed. After half of the kills the newest file is cut
short as well, as by a power cut on a disk that does not keep its promises. Where such a file
belongs to a finished job, the next run has to name it; it is deleted, as the message asks for. In
the end every array, table and model of both runs must be the same.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.workflow.runs import command, copy_sources, environment, same_models, same_numbers

_SHORTEST = 6.0  # seconds, in which Snakemake has started
# outputs of rules that are folders: how deep they lie
_FOLDERS = {"models": 3, "maps": 1, "defect_free": 1, "mapping_model": 0, "reference_model": 0}
_FOLDERS |= {"structures": 1}
_SAID = "damaged|broken|truncated|cannot be read|incomplete"
_OWN = {"seconds", "provenance", "created", "git_commit", "training_seconds"}


def main(arguments: list[str] | None = None) -> int:
    """Do it; the exit code tells whether both runs came out the same."""
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cores", default="2")
    chosen = parser.parse_args(arguments)
    dice = random.Random(chosen.seed)
    with tempfile.TemporaryDirectory() as name:
        calm, struck = Path(name) / "calm" / "polarstem", Path(name) / "struck" / "polarstem"
        for folder in (calm, struck):
            copy_sources(folder)
        begun = time.monotonic()
        ended, text = _run(calm, chosen.cores, None)
        if not ended:
            print(text[-3000:])
            return 1
        length = time.monotonic() - begun
        print(f"undisturbed: {length:.0f} s", flush=True)
        killed: Counter[str] = Counter()
        cut: list[Path] = []
        told = 0
        for number in range(chosen.kills):
            # so long that the run gets through all stages, with what kills cost
            moment = dice.uniform(_SHORTEST, 2 * _SHORTEST + 2 * length / chosen.kills)
            ended, text = _run(struck, chosen.cores, moment)
            told += _delete_named(text, cut)
            jobs = _in_progress(text)
            killed.update(jobs or ["none"])
            print(
                f"kill {number + 1} after {moment:.0f} s: {', '.join(jobs) or 'none'}", flush=True
            )
            if ended:
                _take_away(struck / "results", dice)
            elif dice.random() < 0.5 and (newest := _cut_newest(struck / "results", dice)):
                cut.append(newest)
                print(f"  cut short: {newest.relative_to(struck)}", flush=True)
        for _ in range(len(cut) + 1):
            ended, text = _run(struck, chosen.cores, None)
            if ended or not (named := _delete_named(text, cut)):
                break
            told += named
        if not ended:
            print(text[-3000:])
            return 1
        different = list(_differences(calm / "results", struck / "results"))
        print(
            f"{chosen.kills} kills, in {len(killed)} rules: {dict(killed)}; {len(cut)} files cut "
            f"short, of which {told} were named; {len(different)} results differ"
        )
        print("\n".join(different))
    return int(bool(different))


def _run(folder: Path, cores: str, seconds: float | None) -> tuple[bool, str]:
    """Run the workflow, for so long at most; whether it came to its end, and what it said."""
    log = folder / "run.log"
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            command("--cores", cores),
            cwd=folder,
            env=environment(),
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
    return code == 0, log.read_text(encoding="utf-8", errors="replace")


def _in_progress(text: str) -> list[str]:
    """Rules of the jobs that had begun and not ended."""
    heads = r"^(?:local)?rule (\w+):\n(?:    .*\n)*?    jobid: (\d+)"
    begun = {job: rule for rule, job in re.findall(heads, text, re.MULTILINE)}
    for job in re.findall(r"^Finished jobid: (\d+)", text, re.MULTILINE):
        begun.pop(job, None)
    return sorted(begun.values())


def _results(folder: Path) -> list[Path]:
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.parts[-4:])
    ]


def _cut_newest(results: Path, dice: random.Random) -> Path | None:
    """Take the end of the file that was written last."""
    files = [path for path in _results(results) if "benchmarks" not in path.parts]
    files = [path for path in files if path.stat().st_size > 1]
    if not files:
        return None
    newest = max(files, key=lambda path: path.stat().st_mtime_ns)
    times = newest.stat()
    os.truncate(newest, dice.randrange(newest.stat().st_size))
    os.utime(newest, ns=(times.st_atime_ns, times.st_mtime_ns))
    return newest


def _delete_named(text: str, cut: list[Path]) -> int:
    """Delete the cut files that a run names as damaged, as it asks for."""
    count = 0
    for path in cut:
        owner = _owner(path)
        name = re.escape(str(owner).partition("/struck/polarstem/")[2])
        if owner.exists() and re.search(rf"{name}[^\n]*({_SAID})", text):
            _delete(owner)
            count += 1
    return count


def _owner(path: Path) -> Path:
    """The output that a file belongs to, as some are folders: results/models/cnn/thin/0."""
    parts = path.parts
    start = len(parts) - 1 - parts[::-1].index("results")
    depth = _FOLDERS.get(parts[start + 1])
    return path if depth is None else Path(*parts[: start + 2 + depth])


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _take_away(results: Path, dice: random.Random) -> None:
    """Take a third of the results away from a run that has ended, so that there is more to kill."""
    outputs = sorted({_owner(path) for path in _results(results) if path.suffix != ".jsonl"})
    for path in dice.sample(outputs, len(outputs) // 3):
        _delete(path)


def _differences(first: Path, second: Path) -> list[str]:
    """What is not the same in both runs; times, and what tells when and where, may differ."""
    found = []
    for path in sorted(_results(first)):
        name = path.relative_to(first)
        other = second / name
        if name.parts[0] == "benchmarks":
            continue
        if not other.exists():
            found.append(f"{name} is missing")
            continue
        try:
            if path.suffix == ".nc":
                same_numbers(path, other)
            elif path.suffix == ".csv" and path.name != "history.csv":
                assert path.read_bytes() == other.read_bytes()
            elif path.suffix == ".json" and path.name != "summary.json":
                one, two = (_timeless(json.loads(p.read_text("utf-8"))) for p in (path, other))
                assert one == two
        except (AssertionError, OSError, ValueError) as error:
            found.append(f"{name} differs ({error!s:.200})")
    try:
        assert same_models(first / "models", second / "models")
    except (AssertionError, OSError) as error:
        found.append(f"models differ ({error!s:.200})")
    return found


def _timeless(told: Any) -> Any:
    """JSON without what tells when, how long and by which bytes."""
    if isinstance(told, dict):
        return {k: _timeless(v) for k, v in told.items() if k not in _OWN and "checksum" not in k}
    if isinstance(told, list):
        return [_timeless(each) for each in told]
    return told


if __name__ == "__main__":
    sys.exit(main())
