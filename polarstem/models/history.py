# SPDX-License-Identifier: GPL-3.0-or-later
"""The course of a network's training, as a table."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Epoch(NamedTuple):
    """One pass over the training patterns; `seconds` is its wall time."""

    epoch: int
    train_loss: float
    validation_loss: float
    validation_accuracy: float
    seconds: float


def write_history(path: Path, history: Sequence[Epoch]) -> None:
    """Write epochs as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(Epoch._fields)
        writer.writerows(history)


def read_history(path: Path) -> list[Epoch]:
    """Read what `write_history` wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    return [Epoch(int(row[0]), *map(float, row[1:])) for row in rows]
