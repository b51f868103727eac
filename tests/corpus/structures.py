# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged files of specimens, read as the table and the simulations read them."""

from __future__ import annotations

import json
import random
import re
import tempfile
from functools import cache
from pathlib import Path

from tests.corpus.mutate import damaged, damaged_text

ROOT = Path(__file__).resolve().parents[2]

name = "structure file"


@cache
def _text() -> str:
    """A specimen as `polarstem build` writes it."""
    from polarstem.config import load
    from polarstem.config.jobs import structure_settings
    from polarstem.config.plan import all_specimens
    from polarstem.structures.build import build_specimen, write_specimen
    from polarstem.structures.recipes import make_recipe

    config = load(ROOT / "tests" / "configs" / "plain.yaml")
    settings = structure_settings(config, all_specimens(config)[0])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "specimen.xyz"
        write_specimen(build_specimen(make_recipe(**settings)), path)
        return path.read_text(encoding="utf-8")


def prepare() -> None:
    """Build the specimen, and read it."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "specimen.xyz").write_text(_text(), encoding="utf-8")
        attempt(Path(folder))


def make(folder: Path, seed: int) -> str:
    """Write ``specimen.xyz``, damaged."""
    rng, path = random.Random(seed), folder / "specimen.xyz"
    found = re.search(r"(\w+)=\"_JSON (.*?)\"(?= |\n)", _text())
    if found and rng.random() < 0.6:
        described = json.loads(found[2].replace('\\"', '"'))
        info, told = damaged(described, rng, most=2)
        coded = json.dumps(info, default=str).replace("\\", "\\\\").replace('"', '\\"')
        path.write_bytes(_text().replace(found[2], coded).encode())
        return told
    data, told = damaged_text(_text(), rng)
    path.write_bytes(data)
    return told


def attempt(folder: Path) -> None:
    """Tabulate it, and lay out a simulation of it."""
    from polarstem.config import load
    from polarstem.config.jobs import simulation_settings
    from polarstem.config.plan import all_specimens
    from polarstem.simulate.jobs.specimen_patterns import Specimen
    from polarstem.structures.build import read_specimen
    from polarstem.structures.table import table_row

    config = load(ROOT / "tests" / "configs" / "plain.yaml")
    atoms = read_specimen(folder / "specimen.xyz")
    table_row(atoms)
    Specimen.read(atoms, simulation_settings(config, all_specimens(config)[0]))
