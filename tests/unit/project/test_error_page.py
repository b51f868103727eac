# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of messages quotes what the code says."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
QUOTED = [row[1] for row in re.finditer(r"^\| (.+?) \| .+ \| .+ \|$", PAGE, re.MULTILINE)]
QUOTED = [text for text in QUOTED if text != "it says"]


@cache
def sentences() -> list[str]:
    """All texts of the package, `…` where something is filled in."""
    found = []
    for path in sorted((ROOT / "polarstem").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [getattr(part, "value", None) for part in node.values]
                found.append("".join(p if isinstance(p, str) else "…" for p in parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


def test_there_are_messages_and_each_once():
    assert len(QUOTED) == len(set(QUOTED)) > 30


@pytest.mark.parametrize("quoted", QUOTED, ids=lambda text: text[:40])
def test_the_code_says_it(quoted):
    assert any(quoted in sentence for sentence in sentences())
