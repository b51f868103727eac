# SPDX-License-Identifier: GPL-3.0-or-later
"""What mapping needs, in one folder."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from polarstem.files import atomic_path, open_netcdf
from polarstem.maps.anomaly import FILE, AnomalyReference
from polarstem.models.saved import read_description, verify_files


def gather_mapping_model(
    model: Path | str, beside: Sequence[Path | str], output: Path | str
) -> None:
    """Copy a model, and what belongs beside it, once they are seen to be whole.

    Parameters
    ----------
    model : path
        Folder of a saved model.
    beside : sequence of path
        Its library and its anomaly reference.
    output : path
        The folder, written whole or not at all.

    Raises
    ------
    PolarstemError
        If one of them is damaged: named where it is, and not only in the copy.
    """
    verify_files(Path(model), read_description(model))
    paths = [Path(path) for path in beside]
    for path in paths:
        _verified(path)
    with atomic_path(output) as folder:
        shutil.copytree(model, folder)
        for path in paths:
            shutil.copy(path, folder)


def _verified(path: Path) -> None:
    """Read it, as whoever maps will."""
    if path.name == FILE:
        AnomalyReference.load(path.parent)
        return
    with open_netcdf(path, "pattern library") as data:
        data.load()
