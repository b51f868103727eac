# SPDX-License-Identifier: GPL-3.0-or-later
"""No crystal is named in the code: names of kinds, settings and functions fit every material."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from ase.data import atomic_names

from polarstem.structures.crystals import CRYSTALS

ROOT = Path(__file__).resolve().parents[3]
TABLE = "polarstem/structures/elements.py"
# of ABO3 every crystal has the one, and amorphous layers may be of the other
ALLOWED = {"oxygen", "carbon"}
# "lead" is a verb, KNN the nearest neighbours of a model, NB and na are other libraries' words
OTHER_MEANINGS = {"lead", "LOCK_NB", "keep_default_na", "pca_knn", "PcaKnnModel", "PcaKnnOptions"}
DEFAULT = ("polarstem/config/physics.py", "KNN")  # of `structures.material`, as documented


def words() -> set[str]:
    """Names of elements and of the library's crystals, and symbols of two letters in these."""
    library = yaml.safe_load(CRYSTALS.read_text(encoding="utf-8"))
    found = {name.lower() for name in atomic_names if name} | {name.lower() for name in library}
    for material in library.values():
        for site in (material["a_site"], material["b_site"]):
            found |= {e.lower() for e in ([site] if isinstance(site, str) else site)}
    return {word for word in found if len(word) > 1} - ALLOWED


def identifiers(text: str) -> Iterator[str]:
    """Names in a module's code, and its texts that are one word, as kinds and keys are."""
    for node in ast.walk(ast.parse(text)):
        for key in ("id", "attr", "arg", "name", "asname"):
            if isinstance(name := getattr(node, key, None), str):
                yield name
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node.value.isidentifier()
        ):
            yield node.value


def parts(name: str) -> set[str]:
    return {part.lower() for part in re.split(r"_|(?<=[a-z0-9])(?=[A-Z])", name)}


def test_names_in_the_package_name_no_crystal() -> None:
    named, forbidden = set(), words()
    assert {"nb", "na", "ti", "niobium", "knn"} <= forbidden
    for path in sorted((ROOT / "polarstem").rglob("*.py")):
        where = path.relative_to(ROOT).as_posix()
        if where == TABLE:
            continue
        for name in set(identifiers(path.read_text(encoding="utf-8"))) - OTHER_MEANINGS:
            if parts(name) & forbidden:
                named.add((where, name))
    assert named == {DEFAULT}


def test_the_search_finds_what_it_is_for() -> None:
    text = 'kind = "nb_antisite"\ndef k_na_cluster(): ...\nNIOBIUM = 41\nx.knnPhase\nf(ti=1)'
    found = {name for name in identifiers(text) if parts(name) & words()}
    assert found == {"nb_antisite", "k_na_cluster", "NIOBIUM", "knnPhase", "ti"}
