# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of specimens."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ase

from polarstem.files import atomic_path
from polarstem.structures.build import read_specimen

_TEXT = (
    "specimen", "specimen_set", "split", "class_name", "class_index", "material", "phase",
    "a_site", "a_site_share", "b_site", "b_site_share", "metric", "amplitude", "direction_deg",
    "seed",
)  # fmt: skip


def table_row(atoms: ase.Atoms) -> dict[str, Any]:
    """Describe a specimen in one row; units stand in the column names."""
    info = atoms.info
    row = {key: info[key] for key in _TEXT}
    row["variant"] = _axis(info["variant"])
    row["zone_axis"] = _axis(info["zone_axis"])
    row["defect"] = json.dumps(info["defect"]) if info["defect"] else ""
    vectors = {
        "polarization_{}_uC_cm2": info["polarization_uC_cm2"],
        "box_{}_angstrom": atoms.cell.lengths(),
    }
    for name, vector in vectors.items():
        for axis, value in zip("xyz", vector, strict=True):
            row[name.format(axis)] = "" if math.isnan(value) else f"{value + 0.0:.4f}"
    row["n_atoms"] = len(atoms)
    return row


def _axis(vector: list[int]) -> str:
    return "[" + " ".join(str(v) for v in vector) + "]"


def write_table(specimens: Iterable[Path | str | ase.Atoms], out_csv: Path | str) -> None:
    """Write the table of specimens as CSV.

    Parameters
    ----------
    specimens : iterable of Path or str or ase.Atoms
        Specimen files, or specimens.
    out_csv : Path or str
        Table to write; replaced as a whole or not at all.
    """
    rows = (table_row(s if isinstance(s, ase.Atoms) else read_specimen(s)) for s in specimens)
    with atomic_path(out_csv) as temporary, temporary.open("w", newline="", encoding="utf-8") as f:
        writer: csv.DictWriter[str] | None = None
        for row in rows:
            if writer is None:
                writer = csv.DictWriter(f, fieldnames=list(row))
                writer.writeheader()
            writer.writerow(row)
