# SPDX-License-Identifier: GPL-3.0-or-later
"""What a mutation is, where they are listed, and whether the lists are up to date.

To add some, append to a file ``of_*.py`` of this folder, or add such a file with a list
``MUTATIONS``.
"""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class Mutation(NamedTuple):
    """One broken line.

    Attributes
    ----------
    what : str
        What is wrong then.
    file : str
        Where, from the root of the project.
    old, new : str
        Text that occurs once in the file, and what takes its place.
    test : str
        The test that must fail: file and function, without parameters or with them.
    """

    what: str
    file: str
    old: str
    new: str
    test: str

    def __str__(self) -> str:
        return f"{self.what} ({self.file}; {self.test})"


def load() -> list[Mutation]:
    """All that are listed."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("of_*.py"))
    modules = [importlib.import_module(f"tests.mutants.{name}") for name in names]
    return [mutation for module in modules for mutation in module.MUTATIONS]


def problems(mutations: list[Mutation]) -> list[str]:
    """What is out of date: a sentence for each text or test that is not there."""
    found = []
    for mutation in mutations:
        count = (ROOT / mutation.file).read_text(encoding="utf-8").count(mutation.old)
        if count != 1:
            found.append(f"{mutation}: its text occurs {count} times, not once")
        if mutation.old == mutation.new:
            found.append(f"{mutation}: it changes nothing")
        path, _, name = mutation.test.partition("::")
        if name.partition("[")[0] not in _functions(ROOT / path):
            found.append(f"{mutation}: there is no such test")
    return found


def _functions(path: Path) -> set[str]:
    if not path.is_file():
        return set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
