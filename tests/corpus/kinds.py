# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of inputs, each made ready in this process so that its forks are quick."""

from __future__ import annotations

import importlib
import platform
from collections.abc import Callable
from functools import cache, partial

from tests.corpus.attempt import Kind

COUNTS = {"configs": 520, "sheets": 220, "scans": 371, "models": 140, "structures": 120}


@cache
def _ready(module: str) -> Kind:
    """Import what a kind needs, and do what is done once, before there are children."""
    platform.processor()  # asked for by libraries, of a program, once
    kind: Kind = importlib.import_module(f"tests.corpus.{module}")
    kind.prepare()
    return kind


KINDS: dict[str, Callable[[], Kind]] = {name: partial(_ready, name) for name in COUNTS}
