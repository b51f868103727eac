# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading prediction files, data domain by data domain."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from polarstem.errors import PolarstemError
from polarstem.evaluate.scores.metrics import FloatArray
from polarstem.files import open_netcdf
from polarstem.models.calibration import PREFIX, Calibration

RUN_ATTRIBUTES = ("model", "family", "head", "source", "seed")


@dataclass(frozen=True)
class DomainPredictions:
    """Predictions of one model for the test patterns of one data domain.

    Attributes
    ----------
    run : dict of str to str
        model, family, head, source and seed.
    domain : str
        Name of the data domain.
    class_names : list of str
    class_directions : ndarray, shape (classes,)
        Directions [deg].
    probability : ndarray, shape (patterns, classes)
    class_index, specimen : ndarray of int, shape (patterns,)
        True class; index into `specimen_names`.
    specimen_names : list of str
        The specimens of this domain, sorted.
    thickness : ndarray, shape (patterns,)
        Thickness [nm].
    cell_y, cell_x : ndarray, shape (patterns,)
        Position in the projected cell, as fractions.
    scan_y, scan_x : ndarray of int, shape (patterns,)
        Row and column of the scan.
    calibration : Calibration
        How the probabilities were made, and the thresholds of conformal sets.
    dose : ndarray, shape (patterns,), or None
        Electrons per pattern; inf where none were counted, nan or None where it is not known.
    """

    run: dict[str, str]
    domain: str
    class_names: list[str]
    class_directions: FloatArray
    probability: NDArray[np.float32]
    class_index: NDArray[np.int64]
    specimen: NDArray[np.int64]
    specimen_names: list[str]
    thickness: FloatArray
    cell_y: FloatArray
    cell_x: FloatArray
    scan_y: NDArray[np.int64]
    scan_x: NDArray[np.int64]
    calibration: Calibration
    dose: FloatArray | None = None

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Most probable class, shape (patterns,)."""
        return self.probability.argmax(axis=1)


def classes_of_specimens(part: DomainPredictions) -> NDArray[np.int64]:
    """Class of each specimen, shape (specimens,)."""
    return part.class_index[np.unique(part.specimen, return_index=True)[1]]


def read_run(path: Path | str) -> dict[str, str]:
    """Model, family, head, source and seed of a prediction file; raises as `read_predictions`."""
    with open_netcdf(path, "predictions") as file:
        return _run(file, path)


def read_specimens(path: Path | str) -> dict[str, tuple[tuple[str, ...], NDArray[np.int64]]]:
    """Specimens of each data domain of a prediction file, sorted, and their classes.

    Raises as `read_predictions`.
    """
    found = {}
    with open_netcdf(path, "predictions") as file:
        try:
            names = np.asarray(file["specimen_name"].values, dtype=str)
            domains = [str(name) for name in file["domain_name"].values]
            columns = [
                file[name].values.astype(np.int64)
                for name in ("domain_index", "specimen_index", "class_index")
            ]
        except KeyError as error:
            raise _lacking(path, error) from error
    rows = np.unique(np.stack(columns, axis=1), axis=0)
    for index, domain in enumerate(domains):
        here = rows[rows[:, 0] == index]
        here = here[np.argsort(names[here[:, 1]])]
        if len(here):
            found[domain] = tuple(map(str, names[here[:, 1]])), here[:, 2]
    return found


def read_predictions(
    path: Path | str, only: Collection[str] | None = None
) -> Iterator[DomainPredictions]:
    """Read one prediction file.

    Parameters
    ----------
    path : path
        A file written by `polarstem.evaluate.scores.write_predictions.predict_patterns`.
    only : collection of str or None
        Data domains to read; None for all.

    Yields
    ------
    DomainPredictions
        One per data domain with patterns, in the file's order.

    Raises
    ------
    PolarstemError
        If the file is unreadable or lacks a variable or attribute.
    """
    with open_netcdf(path, "predictions") as file:
        try:
            calibration = Calibration.from_mapping(file.attrs, PREFIX)
            run = _run(file, path)
            class_names = [str(name) for name in file["class_name"].values]
            directions = np.asarray(file["class_direction"].values, dtype=float)
            all_names = np.asarray(file["specimen_name"].values, dtype=str)
            domain_index = file["domain_index"].values
            domain_names = [str(name) for name in file["domain_name"].values]
            for index, domain in enumerate(domain_names):
                rows = np.flatnonzero(domain_index == index)
                if not rows.size or (only is not None and domain not in only):
                    continue
                part = file.isel(pattern=_slice_if_contiguous(rows))
                names, specimen = np.unique(
                    all_names[part["specimen_index"].values], return_inverse=True
                )
                yield DomainPredictions(
                    run=run,
                    domain=domain,
                    class_names=class_names,
                    class_directions=directions,
                    probability=part["probability"].values,
                    class_index=part["class_index"].values.astype(np.int64),
                    specimen=specimen,
                    specimen_names=[str(name) for name in names],
                    thickness=part["thickness"].values.astype(float),
                    cell_y=part["cell_y"].values.astype(float),
                    cell_x=part["cell_x"].values.astype(float),
                    scan_y=part["scan_y"].values.astype(np.int64),
                    scan_x=part["scan_x"].values.astype(np.int64),
                    calibration=calibration,
                    dose=part["dose"].values.astype(float) if "dose" in part else None,
                )
        except KeyError as error:
            raise _lacking(path, error) from error


def _run(file: xr.Dataset, path: Path | str) -> dict[str, str]:
    try:
        return {name: str(file.attrs[name]) for name in RUN_ATTRIBUTES}
    except KeyError as error:
        raise _lacking(path, error) from error


def _lacking(path: Path | str, error: KeyError) -> PolarstemError:
    return PolarstemError(
        f"The predictions file {path} lacks {error}; it was written by another version: "
        "delete it and run the same command again."
    )


def _slice_if_contiguous(rows: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """A slice reads a netCDF variable in one go; a list of rows would read it point by point."""
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first + 1 == len(rows) else rows
