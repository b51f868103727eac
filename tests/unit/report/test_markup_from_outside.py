# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a scan, a model or a file says of itself, the page of its map shows it as text."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import pytest

from polarstem.report.map_page import write_map_page
from tests.corpus.mutate import SCRIPT
from tests.unit.maps import synthetic_map as synthetic

NAMES = [SCRIPT, '"><img src=x onerror=alert(1)>', "</script><script>alert(1)</script>", "a\nb\0c"]
NAMES += ["../../outside", "{{ 7 * 7 }}", "x" * 10_000, "<!--", "javascript:alert(1)"]


class Elements(HTMLParser):
    """Counts of elements, and attributes that run something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, int] = {}
        self.running: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[tag] = self.found.get(tag, 0) + 1
        self.running += [name for name, _ in attrs if name.startswith("on")]


def renamed(data: Any, name: str) -> Any:
    """Nested data with a name in place of all free text."""
    if isinstance(data, dict):
        kept = {"unit", "origin", "status", "counted"}
        return {k: v if k in kept else renamed(v, name) for k, v in data.items()}
    if isinstance(data, list):
        return [renamed(value, name) for value in data]
    return name if isinstance(data, str) else data


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_text_stays_text(tmp_path, name):
    folder = tmp_path / "map"
    folder.mkdir()
    synthetic.write_map(folder, cells=4, steps=4, forced=True)
    plain = Elements(write_map_page(folder).read_text(encoding="utf-8"))
    path = folder / "summary.json"
    summary = json.loads(path.read_text())
    path.write_text(json.dumps(renamed(summary, name)))
    before = sorted(folder.iterdir())
    page = write_map_page(folder).read_text(encoding="utf-8")
    changed = Elements(page)
    assert changed.found == plain.found
    assert changed.running == plain.running
    assert sorted(folder.iterdir()) == before
    assert sorted(tmp_path.iterdir()) == [folder]
    assert "{{ 7 * 7 }}" in page or name != "{{ 7 * 7 }}"
