# SPDX-License-Identifier: GPL-3.0-or-later
"""A seeded part of the corpus of damaged inputs; ``python -m tests.corpus`` tries all of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polarstem.errors import LONGEST, PolarstemError
from tests.corpus.attempt import REFUSED, WORKS, attempt, sentence_problem
from tests.corpus.kinds import COUNTS, KINDS

PART = {"configs": 24, "sheets": 12, "scans": 26, "models": 14, "structures": 12}
"""Inputs of each kind that are tried here."""


@pytest.mark.parametrize("name", PART)
def test_each_works_or_ends_in_a_sentence(name):
    kind = KINDS[name]()
    outcomes = [attempt(kind, seed) for seed in range(PART[name])]
    assert [o for o in outcomes if not o.good] == []
    ends = {o.end for o in outcomes}
    assert REFUSED in ends


def test_the_corpus_is_as_large_as_promised():
    assert COUNTS["configs"] >= 500
    assert COUNTS["sheets"] >= 200
    assert COUNTS["scans"] >= 300
    assert min(COUNTS["models"], COUNTS["structures"]) >= 100
    assert set(PART) == set(COUNTS) == set(KINDS)


class Misbehaved:
    """A kind of inputs whose use does what must be noticed."""

    name = "misbehaved"

    def __init__(self, use: Any) -> None:
        self.use = use

    def prepare(self) -> None:
        pass

    def make(self, folder: Path, seed: int) -> str:
        return "nothing"

    def attempt(self, folder: Path) -> None:
        self.use(folder)


def _raise(error: Exception) -> None:
    raise error


def _told_of_memory(_: Path) -> None:
    try:
        np.ones(10**9)
    except MemoryError as error:
        raise PolarstemError("It cannot be read.") from error


@pytest.mark.parametrize(
    ("use", "end"),
    [
        (lambda folder: None, WORKS),
        (lambda folder: _raise(PolarstemError("It is broken; copy it again.")), REFUSED),
        (lambda folder: _raise(KeyError("x")), "traceback"),
        (lambda folder: _raise(PolarstemError("KeyError")), "no sentence (no end)"),
        (lambda folder: np.ones(10**9), "memory"),
        (_told_of_memory, "memory"),
        (lambda folder: (folder / "x").write_text(""), "does what it must not"),
        (lambda folder: (folder.parent / "x").mkdir(), "does what it must not"),
        (lambda folder: os.system("true"), "does what it must not"),
        (lambda folder: subprocess.run(["true"], check=True), "does what it must not"),
        # what unpickling a class announces
        (lambda folder: sys.audit("pickle.find_class", "pathlib", "Path"), "does what it must not"),
        (lambda folder: os._exit(3), "killed"),
        (lambda folder: time.sleep(30), "hang"),
    ],
)
def test_what_must_not_be_is_noticed(use, end):
    assert attempt(Misbehaved(use), 0, seconds=2 if end == "hang" else 60).end == end


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("It is broken; copy it again.", ""),
        ("The sheet has 1 problem:\n  - a: is missing", ""),
        ("", "empty"),
        ("It is\nbroken.", "several lines"),
        ("It is \x1b[31mbroken.", "characters that do not print"),
        ("<Node object at 0x7f00> is broken.", "speaks of the program's insides"),
    ],
)
def test_sentences(text, problem):
    assert sentence_problem(text) == problem


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\nb", "a b"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\0b", "a\\x00b"),
        ("5\u00a0Å ≤ 名", "5\u00a0Å ≤ 名"),
    ],
)
def test_a_name_from_outside_cannot_write_on_the_terminal(name, shown):
    assert str(PolarstemError(f"There is no {name}.")) == f"There is no {shown}."


def test_a_name_of_any_length_leaves_beginning_and_end_of_a_sentence():
    text = str(PolarstemError(f"There is no {'x' * 100_000}; check the path."))
    assert len(text) <= LONGEST + 3
    assert text.startswith("There is no x")
    assert text.endswith("x; check the path.")
