# SPDX-License-Identifier: GPL-3.0-or-later
"""Sums over thermal configurations, kept beside a job's output: a restarted job goes on with them.

They are whole after each configuration and added to in a fixed order, so a job that was stopped
and started again ends with the bits of one that was not.
"""

from __future__ import annotations

import hashlib
import logging
import zipfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import ase
import numpy as np
from numpy.typing import NDArray

import polarstem
from polarstem.config.physics import Phonons
from polarstem.errors import PolarstemError
from polarstem.files import atomic_path
from polarstem.logs import progress
from polarstem.provenance import config_hash, versions
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.potential.frozen_phonons import thermal_configurations

logger = logging.getLogger("polarstem")


class RunningSums:
    """What a job has added up so far.

    Parameters
    ----------
    path : path, optional
        npz file of the sums; without it they are not kept.
    depends_on : str
        Name of all that the sums depend on; what was kept under another one is left alone.
    """

    def __init__(self, path: Path | None = None, depends_on: str = "") -> None:
        self.path = path
        self._depends_on = depends_on

    @classmethod
    def beside(
        cls, output: Path | str, atoms: ase.Atoms, settings: Mapping[str, Any]
    ) -> RunningSums:
        """Keep them beside an output, for these atoms, settings, versions and code only."""
        output = Path(output)
        box = atoms.cell.array
        content = (atoms.numbers.tobytes(), atoms.positions.tobytes(), box.tobytes())
        told = {
            "structure": hashlib.sha256(b"".join(content)).hexdigest(),
            "described": atoms.info,
            "settings": settings,
            "versions": versions(),
            "code": _code(),
        }
        return cls(output.with_name(f".{output.stem}.partial.npz"), config_hash(told))

    def configurations(
        self, crystal: Crystal, phonons: Phonons, seed: int, **sums: NDArray[np.float32]
    ) -> Iterator[tuple[int, ase.Atoms]]:
        """Go through the thermal configurations that are not yet in the sums.

        Parameters
        ----------
        crystal, phonons, seed
            As for `thermal_configurations`.
        **sums : ndarray
            Zeros, to which the caller adds each configuration before it asks for the next. They
            are first filled with what was kept, and kept after each configuration.

        Yields
        ------
        number : int
        atoms : ase.Atoms
        """
        count = max(1, phonons.configurations)
        done = self._recall(sums)
        if done:
            logger.info("goes on after configuration %d of %d, from %s", done, count, self.path)
        thermal = thermal_configurations(crystal, phonons, seed)
        for number, atoms in enumerate(progress(thermal, count, "configurations")):
            if number < done:
                continue
            yield number, atoms
            if count > 1:
                self._keep(number + 1, sums)

    def forget(self) -> None:
        """Remove the file: the output is complete."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _recall(self, sums: Mapping[str, NDArray[np.float32]]) -> int:
        """Fill in what was kept; return how many configurations it holds."""
        if self.path is None or not self.path.is_file():
            return 0
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                if str(kept["depends_on"]) != self._depends_on:
                    return 0
                found = {name: kept[name] for name in sums}
                done = int(kept["configurations"])
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            return 0  # cut short, or no file of ours
        for name, array in sums.items():
            array[...] = found[name]
        return done

    def _keep(self, done: int, sums: Mapping[str, NDArray[np.float32]]) -> None:
        if self.path is None:
            return
        try:
            with atomic_path(self.path) as temporary:
                about = {"configurations": np.array(done), "depends_on": self._depends_on}
                np.savez(temporary, **about, **sums)  # type: ignore[arg-type]
        except (OSError, PolarstemError) as error:
            logger.warning("what was simulated so far cannot be kept for a restart: %s", error)


@cache
def _code() -> str:
    """Hash of this package's source."""
    files = sorted(Path(polarstem.__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
