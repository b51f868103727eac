# SPDX-License-Identifier: GPL-3.0-or-later
"""What fitting a model needs beside patterns: where to work, with what, and the seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FitJob:
    """How a model is fitted; no model has to use all of it.

    Attributes
    ----------
    workdir : Path
        Folder for working files. Left as it is after a kill, the same job goes on from there.
    seed : int
        Seed of all that is random.
    threads : int
        Threads of the numerical libraries; on a stream, processes.
    device : {"auto", "cpu", "gpu"}
        Where networks compute; "auto" takes a GPU if torch sees one.
    progress : bool
        Whether to draw a progress bar; else there is a log line per epoch.
    memory_mb : int
        Larger sets of patterns are read from a file in `workdir` [MB].
    """

    workdir: Path
    seed: int
    threads: int = 1
    device: str = "auto"
    progress: bool = False
    memory_mb: int = 1500
