# SPDX-License-Identifier: GPL-3.0-or-later
"""Try one input in a process of its own, and tell how that ended."""

from __future__ import annotations

import json
import os
import re
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

from polarstem.errors import PolarstemError

WORKS, REFUSED = "works", "refused"
SECONDS = 60
"""No input may take longer."""
MEMORY_MB = 512
"""No input may take more, beyond what the process had before."""
_LONGEST = 6000  # characters of a message, of however many problems
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# what changes a disk, as Python's audit events name it; `open` is looked at by its flags
_CHANGES = {
    *("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate"),
    *("os.chmod", "os.chown", "shutil.rmtree", "shutil.move", "shutil.copyfile"),
}
# what runs code or leaves the machine
_RUNS = {
    *("pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "subprocess.Popen"),
    *("socket.connect", "socket.getaddrinfo", "urllib.Request"),
}


class Kind(Protocol):
    """A kind of inputs: how one is made from a seed, and what a user does with it."""

    name: str

    def prepare(self) -> None:
        """Do what is done once: import, compile, write sound inputs."""

    def make(self, folder: Path, seed: int) -> str:
        """Write the input of a seed into an empty folder; say what is wrong with it."""

    def attempt(self, folder: Path) -> None:
        """Use it as the program does."""


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended.

    Attributes
    ----------
    kind, seed, what : str, int, str
        The input.
    end : str
        `WORKS`, `REFUSED`, or what should not have happened.
    detail : str
        The sentence, or where it broke.
    seconds, memory_mb : float
        What it took.
    """

    kind: str
    seed: int
    what: str
    end: str
    detail: str = ""
    seconds: float = 0.0
    memory_mb: float = 0.0

    @property
    def good(self) -> bool:
        """Whether it worked or ended in a sentence."""
        return self.end in (WORKS, REFUSED)


def attempt(
    kind: Kind, seed: int, seconds: float = SECONDS, memory_mb: float = MEMORY_MB
) -> Outcome:
    """Make an input and try it, in a forked process that is ended when it takes too long."""
    inside, outside = os.pipe()
    folder = Path(tempfile.mkdtemp(prefix="polarstem-corpus-"))
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(inside)
        _child(kind, seed, folder, memory_mb, outside)
    os.close(outside)
    found, ended = bytearray(), False
    while not ended and time.monotonic() - begun < seconds:
        if select.select([inside], [], [], 0.2)[0]:
            part = os.read(inside, 2**16)
            found += part
            ended = not part
    os.close(inside)
    if not ended:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    spent = time.monotonic() - begun
    shutil.rmtree(folder, ignore_errors=True)
    lines = found.decode().splitlines()
    what = json.loads(lines[0])["what"] if lines else "?"
    if not ended:
        return Outcome(kind.name, seed, what, "hang", f"no end after {spent:.0f} s", spent)
    if len(lines) < 2:
        return Outcome(kind.name, seed, what, "killed", f"wait status {status}", spent)
    return Outcome(kind.name, seed, what, seconds=spent, **json.loads(lines[1]))


def _child(kind: Kind, seed: int, folder: Path, memory_mb: float, pipe: int) -> NoReturn:
    """Make and try the input, tell both, and end without any clean-up of the parent's."""
    silence = os.open(os.devnull, os.O_RDWR)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    warnings.simplefilter("ignore")
    place = folder / "here"
    place.mkdir()
    os.chdir(place)
    try:
        what = kind.make(place, seed)
    except BaseException:
        os.write(pipe, _line({"what": f"not made: {traceback.format_exc()[-2000:]}"}))
        os._exit(1)
    os.write(pipe, _line({"what": _shown(what)}))
    before = _listing(folder)
    events: list[str] = []
    watching = [True]
    sys.addaudithook(lambda event, arguments: _watch(event, arguments, events, watching))
    started = _memory_mb("VmRSS")
    limit = int((_memory_mb("VmSize") + memory_mb) * 2**20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    end, detail = _tried(kind, place)
    watching[0] = False
    taken = max(0.0, _memory_mb("VmHWM") - started)
    if events:
        end, detail = "does what it must not", "; ".join(dict.fromkeys(events))
    elif end in (WORKS, REFUSED) and (changed := _listing(folder) ^ before):
        end, detail = "writes", str(sorted(changed)[:3])
    os.write(pipe, _line({"end": end, "detail": _shown(detail), "memory_mb": taken}))
    os._exit(0)


def _tried(kind: Kind, place: Path) -> tuple[str, str]:
    try:
        kind.attempt(place)
    except PolarstemError as error:
        if _is_memory(error):
            return "memory", str(error)
        text = str(error).replace(str(place), "")
        wrong = sentence_problem(text)
        return (f"no sentence ({wrong})", text) if wrong else (REFUSED, text)
    except MemoryError:
        return "memory", traceback.format_exc()[-2000:]
    except BaseException:
        return "traceback", traceback.format_exc()[-2000:]
    return WORKS, ""


def sentence_problem(text: str) -> str:
    """What keeps a message from being one clear sentence, or a list of them; empty if nothing."""
    if not text.strip():
        return "empty"
    if re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text):
        return "characters that do not print"
    if len(text) > _LONGEST:
        return f"{len(text)} characters"
    if re.search(r"Traceback|object at 0x|<class '", text):
        return "speaks of the program's insides"
    first, *others = text.split("\n")
    if others and not (first.endswith(":") and all(line.startswith("  - ") for line in others)):
        return "several lines"
    if not others and not text.endswith((".", "?", ")")):
        return "no end"
    return ""


def _is_memory(error: BaseException | None) -> bool:
    """Whether an error came of an allocation that was refused."""
    while error is not None:
        if isinstance(error, MemoryError) or re.search(r"[Aa]llocat|out of memory", str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def _watch(event: str, arguments: tuple[Any, ...], events: list[str], watching: list[bool]) -> None:
    if not watching[0]:
        return
    if event in _RUNS and not (event.startswith("pickle") and _of_itself()):
        events.append(f"{event} {str(arguments)[:200]}")
    changes = event in _CHANGES
    if event == "open":
        path, _, flags = arguments
        changes = bool((flags or 0) & _WRITING) and isinstance(path, str | bytes | os.PathLike)
        if changes and str(path) in (os.devnull, "/dev/null"):
            return
    if changes and "__pycache__" not in str(arguments):
        events.append(f"{event} {str(arguments)[:200]}")


def _of_itself() -> bool:
    """Whether a library reads pickles of its own: compiled code, or to compare objects."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals["__name__"] == __name__:
        frame = frame.f_back
    return frame.f_globals["__name__"].startswith(("numba.", "dask.tokenize"))


def _listing(folder: Path) -> set[tuple[str, int, int]]:
    def entries() -> Iterator[tuple[str, int, int]]:
        for path in folder.rglob("*"):
            about = path.lstat()
            yield str(path), about.st_size, 0 if path.is_dir() else about.st_mtime_ns

    return set(entries())


def _memory_mb(key: str) -> float:
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.findall(rf"{key}:\s+(\d+) kB", text)[0]) / 1024


def _shown(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")[:8000]


def _line(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry).encode() + b"\n"


def as_json(outcome: Outcome) -> str:
    """One line of an outcome."""
    return json.dumps(asdict(outcome))
