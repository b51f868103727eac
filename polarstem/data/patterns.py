# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of labelled patterns, read from data sets in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import netCDF4
import numpy as np
from numpy.typing import ArrayLike, NDArray

from polarstem.checked_netcdf import told_if_damaged
from polarstem.data.cells import group_index
from polarstem.data.dataset_file import SPLITS
from polarstem.errors import PolarstemError
from polarstem.files import open_netcdf

_LABELS = ("class_index", "thickness", "cell_y", "cell_x", "scan_y", "scan_x")


class PatternSet:
    """Labelled diffraction patterns, in memory or in files.

    Labels are held in memory; patterns are read when asked for.

    Attributes
    ----------
    n : int
        Number of patterns.
    shape : tuple of int
        Pixels of a pattern (ky, kx).
    class_index : ndarray, shape (n,), int
        True class of each pattern.
    class_names : list of str
        Name of each class.
    class_directions : ndarray, shape (classes,)
        Direction of each class [degree], counter-clockwise from right, y up.
    thickness : ndarray, shape (n,)
        Nominal thickness [nm].
    cell_y, cell_x : ndarray, shape (n,)
        Probe position in the projected cell, as a fraction, y down.
    scan_y, scan_x : ndarray, shape (n,), int
        Scan row and column.
    dose : ndarray, shape (n,)
        Electrons per pattern; inf where none were counted, nan where it is not known.
    specimen, domain : ndarray of str, shape (n,)
        Where the pattern comes from.
    """

    def __init__(
        self,
        sources: Sequence[Any],
        owner: NDArray[np.intp],
        row: NDArray[np.intp],
        labels: dict[str, NDArray[Any]],
        class_names: Sequence[str],
        class_directions: ArrayLike,
    ) -> None:
        self._sources = list(sources)
        self._owner, self._row, self._labels = owner, row, labels
        self.class_names = [str(name) for name in class_names]
        self.class_directions = np.asarray(class_directions, float)
        self.shape: tuple[int, int] = tuple(self._sources[0].shape[1:])
        self.n = len(row)
        self.class_index = labels["class_index"]
        self.thickness = labels["thickness"]
        self.cell_y, self.cell_x = labels["cell_y"], labels["cell_x"]
        self.scan_y, self.scan_x = labels["scan_y"], labels["scan_x"]
        self.dose = labels["dose"]
        self.specimen, self.domain = labels["specimen"], labels["domain"]

    @classmethod
    def open(cls, paths: Sequence[Path | str], split: str | None = None) -> Self:
        """Open data sets as one set.

        Parameters
        ----------
        paths : sequence of path
            Data sets with the same classes and detector.
        split : {"train", "validation", "test"} or None
            Keep only the patterns of this split.

        Raises
        ------
        PolarstemError
            If a file is unreadable, or classes or detectors differ.
        """
        sources, owners, rows = [], [], []
        collected: dict[str, list[NDArray[Any]]] = {}
        first: tuple[list[str], tuple[int, ...]] | None = None
        directions: NDArray[Any] = np.empty(0)
        for position, path in enumerate(paths):
            with open_netcdf(path, "data set") as data:
                names = [str(name) for name in data["class_name"].values]
                shape = data["intensity"].shape[1:]
                if first is None:
                    first, directions = (names, shape), data["class_direction"].values
                elif first != (names, shape):
                    raise PolarstemError(
                        f"{path} and {paths[0]} have different classes or detector pixels and "
                        "cannot be used together."
                    )
                keep = np.arange(data.sizes["pattern"])
                if split is not None:
                    keep = np.flatnonzero(data["split"].values == SPLITS.index(split))
                columns = {key: data[key].values[keep] for key in _LABELS}
                columns["class_index"] = columns["class_index"].astype(np.int64)
                unknown = np.full(len(keep), np.nan, np.float32)
                columns["dose"] = data["dose"].values[keep] if "dose" in data else unknown
                specimen = data["specimen_index"].values[keep]
                columns["specimen"] = data["specimen_name"].values.astype(str)[specimen]
                columns["domain"] = np.full(len(keep), data.attrs["data_domain"])
            for key, values in columns.items():
                collected.setdefault(key, []).append(values)
            variable = netCDF4.Dataset(path)["intensity"]
            variable.set_auto_mask(False)
            sources.append(variable)
            owners.append(np.full(len(keep), position, np.intp))
            rows.append(keep.astype(np.intp))
        if first is None:
            raise PolarstemError("No data set was named; give at least one data domain.")
        labels = {key: np.concatenate(values) for key, values in collected.items()}
        owner, row = np.concatenate(owners), np.concatenate(rows)
        return cls(sources, owner, row, labels, first[0], directions)

    @classmethod
    def from_arrays(
        cls,
        intensity: NDArray[np.float32],
        class_index: ArrayLike,
        class_names: Sequence[str],
        class_directions: ArrayLike,
        **labels: ArrayLike,
    ) -> Self:
        """Make a set of patterns in memory.

        Parameters
        ----------
        intensity : ndarray, shape (n, ky, kx)
            Patterns.
        class_index : array_like, shape (n,)
            True classes.
        class_names, class_directions : sequence
            The class table, directions in degrees.
        **labels : array_like, shape (n,)
            Any of the other labels; absent ones are zero, nan or "unknown".
        """
        n = len(intensity)
        full: dict[str, NDArray[Any]] = {key: np.zeros(n) for key in _LABELS}
        full |= {key: np.zeros(n, int) for key in ("scan_y", "scan_x")}
        full["dose"] = np.full(n, np.nan)
        full |= {key: np.full(n, "unknown") for key in ("specimen", "domain")}
        full |= {key: np.asarray(values) for key, values in labels.items()}
        full["class_index"] = np.asarray(class_index, np.int64)
        zeros = np.zeros(n, np.intp)
        patterns = np.asarray(intensity, np.float32)
        return cls([patterns], zeros, np.arange(n), full, class_names, class_directions)

    @property
    def scan(self) -> NDArray[np.int64]:
        """Scan of each pattern, shape (n,): a specimen at one thickness in one data domain."""
        return group_index(self.domain, self.specimen, self.thickness)

    def read(self, which: slice | NDArray[Any]) -> NDArray[np.float32]:
        """Read patterns.

        Parameters
        ----------
        which : slice or ndarray of int, shape (m,)
            Which patterns, in this order.

        Returns
        -------
        ndarray, shape (m, ky, kx), float32
            Intensities as fractions of the incident beam.
        """
        owner, row = self._owner[which], self._row[which]
        patterns = np.empty((len(row), *self.shape), np.float32)
        for position, source in enumerate(self._sources):
            mine = np.flatnonzero(owner == position)
            if not len(mine):
                continue
            # files are read in ascending order without repeats, as HDF5 wants it
            unique, inverse = np.unique(row[mine], return_inverse=True)
            run = unique[-1] - unique[0] + 1 == len(unique)
            with told_if_damaged(self._path(source), "data set"):
                block = source[unique[0] : unique[-1] + 1] if run else source[unique]
            patterns[mine] = block[inverse]
        return patterns

    @staticmethod
    def _path(source: Any) -> str:
        return source.group().filepath() if isinstance(source, netCDF4.Variable) else "in memory"

    def batches(self, size: int) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield the patterns in order, `size` at a time, with their slice of the set."""
        for start in range(0, self.n, size):
            part = slice(start, min(start + size, self.n))
            yield part, self.read(part)

    def select(self, which: NDArray[Any]) -> PatternSet:
        """Keep the patterns of a mask or of indices; files stay shared with this set."""
        labels = {key: values[which] for key, values in self._labels.items()}
        owner, row = self._owner[which], self._row[which]
        return PatternSet(
            self._sources, owner, row, labels, self.class_names, self.class_directions
        )

    def with_shuffled_labels(self, seed: int) -> PatternSet:
        """The same patterns, whose specimens have exchanged their classes at random."""
        changed = self.select(np.arange(self.n))
        names, first, index = np.unique(self.specimen, return_index=True, return_inverse=True)
        order = np.random.default_rng(seed).permutation(len(names))
        changed.class_index = self.class_index[first][order][index]
        changed._labels["class_index"] = changed.class_index
        return changed

    def close(self) -> None:
        """Close the files."""
        for source in self._sources:
            if isinstance(source, netCDF4.Variable) and source.group().isopen():
                source.group().close()

    def __len__(self) -> int:
        return self.n

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
