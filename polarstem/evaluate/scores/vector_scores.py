# SPDX-License-Identifier: GPL-3.0-or-later
"""How near the displacements that a model gives are to the true ones, and how sure it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from polarstem.data.cells import group_index
from polarstem.data.patterns import PatternSet
from polarstem.errors import PolarstemError
from polarstem.evaluate.summary.entries import Entry, entry
from polarstem.files import atomic_path
from polarstem.logs import progress
from polarstem.models import load_model
from polarstem.models.displacement_calibration import DisplacementCalibration
from polarstem.models.displacement_grid import moments
from polarstem.provenance import provenance

Floats = NDArray[np.float64]

SCORED = (0.3, 1.2)
"""Amplitudes of the crystals whose components are scored."""
ANGLES = {"1": (0.85, 1.15), "0.5": (0.4, 0.6)}
"""Vectors whose direction is scored: their length as seen, over that of the template."""
_LEVELS = (68, 95)  # per cent
_BATCH = 1024
_DRAWS = 2000


@runtime_checkable
class MeasuresDisplacements(Protocol):
    """A model of the family vector, or what else gives densities."""

    def displacement_density(self, patterns: NDArray[Any], /) -> NDArray[np.float32]:
        """Densities of patterns (n, ky, kx) on the nodes of the grid, shape (n, node)."""
        ...


class Cells(NamedTuple):
    """Displacements of unit cells.

    Attributes
    ----------
    domain, specimen : ndarray of str, shape (n,)
        Where a cell comes from.
    thickness : ndarray, shape (n,)
        [nm].
    amplitude : ndarray, shape (n,)
        Length of the crystal's polar vector over that of the template.
    true, mean : ndarray, shape (n, 2)
        To the right and up [pm].
    covariance : ndarray, shape (n, 2, 2)
        Of what the model knows [pm^2].
    p_polar : ndarray, shape (n,)
        Probability to be polar.
    """

    domain: NDArray[np.str_]
    specimen: NDArray[np.str_]
    thickness: Floats
    amplitude: Floats
    true: Floats
    mean: Floats
    covariance: Floats
    p_polar: Floats


def score_vectors(
    model_dir: Path | str,
    dataset_paths: Sequence[Path | str],
    truth: Mapping[str, Mapping[str, Sequence[float]]],
    output: Path | str,
    positions: int,
    confidence: float,
    device: str = "auto",
) -> None:
    """Measure the displacements of test specimens, cell by cell.

    Parameters
    ----------
    model_dir : path
        A saved model of the family vector.
    dataset_paths : sequence of path
        Data sets, one per data domain.
    truth : mapping
        Data domain -> specimen -> polar vector to the right and up, and amplitude, over the length
        of the template's.
    output : path
        JSON file: ``scores``, entries of the summary, and ``cells``, a row each.
    positions : int
        Patterns that are joined to a cell, drawn at random from those of a scan.
    confidence : float
        Level of the intervals, which are over specimens.
    device : {"auto", "cpu", "gpu"}
        Where the network computes.

    Raises
    ------
    PolarstemError
        If the model gives no displacements.
    """
    model = load_model(model_dir, device=device)
    calibration = DisplacementCalibration.of(model.info)
    if calibration is None or not isinstance(model, MeasuresDisplacements):
        raise PolarstemError(
            f"The model {model_dir} gives no displacements; name one of the family vector "
            "(evaluate.displacements)."
        )
    unit = calibration.template_pm
    parts = []
    for path in progress(dataset_paths, len(dataset_paths), "measuring displacements"):
        with PatternSet.open([path], split="test") as patterns:
            cell = random_cells(patterns.scan, positions)
            patterns = patterns.select(np.flatnonzero(cell >= 0))
            cell = cell[cell >= 0]
            density = np.concatenate(
                [model.displacement_density(some) for _, some in patterns.batches(_BATCH)]
            )
            found = moments(calibration.pool(density, cell, patterns.dose))
            first = np.unique(cell, return_index=True)[1]
            domain, specimen = patterns.domain[first], patterns.specimen[first]
            known = np.array([truth[str(d)][str(s)] for d, s in zip(domain, specimen, strict=True)])
            parts.append(
                Cells(
                    domain.astype(str),
                    specimen.astype(str),
                    patterns.thickness[first].astype(float),
                    known[:, 2],
                    unit * known[:, :2],
                    unit * found.mean,
                    unit**2 * found.covariance,
                    found.p_polar,
                )
            )
    cells = Cells(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    told = {
        "scores": entries(cells, unit, confidence),
        "cells": [_row(cells, n) for n in range(len(cells.domain))],
        "template_pm": unit,
        "positions": positions,
        "provenance": provenance({"positions": positions, "confidence": confidence}),
    }
    with atomic_path(output) as temporary:
        temporary.write_text(json.dumps(told, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def random_cells(scan: NDArray[np.int64], positions: int) -> NDArray[np.int64]:
    """Deal the patterns of each scan into cells of so many, at random; -1 for what is left."""
    random = np.random.default_rng(0)
    order = random.permutation(len(scan))
    order = order[np.argsort(scan[order], kind="stable")]
    place = np.empty(len(scan), np.int64)
    place[order] = np.arange(len(scan)) - np.searchsorted(scan[order], scan[order])
    number = place // positions
    whole = number < (np.bincount(scan) // positions)[scan]
    found = np.full(len(scan), -1, np.int64)
    found[whole] = group_index(scan[whole], number[whole])
    return found


def entries(cells: Cells, unit: float, confidence: float) -> dict[str, Entry]:
    """Numbers of the summary, by key.

    Parameters
    ----------
    cells : Cells
        Measured.
    unit : float
        Length of the template's polar vector [pm].
    confidence : float
        Level of the intervals over specimens, by the bootstrap.
    """
    error = cells.mean - cells.true
    seen = np.hypot(*cells.true.T) / unit
    polar = cells.amplitude > 0
    low, high = SCORED
    scored = (cells.amplitude >= low) & (cells.amplitude <= high)
    turned = np.angle(np.exp(1j * (_angle(cells.mean) - _angle(cells.true))))
    distance = np.einsum("ni,nij,nj->n", error, np.linalg.inv(cells.covariance), error)

    def over(
        chosen: NDArray[np.bool_],
        values: NDArray[Any],
        statistic: Callable[[Sequence[Floats]], float],
        unit: str,
        meaning: str,
    ) -> Entry:
        rows = np.flatnonzero(chosen)
        owner = group_index(cells.domain[rows], cells.specimen[rows])
        members = [values[rows[owner == n]].astype(float) for n in range(owner.max(initial=-1) + 1)]
        return _entry(members, statistic, unit, meaning, confidence)

    found = {
        "vector.rms_pm": over(
            scored,
            error**2,
            lambda parts: float(np.sqrt(np.concatenate(parts).mean())),
            "pm",
            "Root mean square error of a component of the displacement of a unit cell, crystals "
            f"of {low:g} to {high:g} of the displacements",
        ),
        "vector.bias_pm": over(
            ~polar,
            cells.mean,
            lambda parts: float(np.mean([np.hypot(*each.mean(axis=0)) for each in parts])),
            "pm",
            "Mean length of the mean displacement of a specimen that has none",
        ),
    }
    for name, (shortest, longest) in ANGLES.items():
        found[f"vector.angle_deg.{name}"] = over(
            (seen >= shortest) & (seen <= longest),
            np.degrees(np.abs(turned)),
            lambda parts: float(np.median(np.concatenate(parts))),
            "degree",
            "Median error of the direction of the displacement of a unit cell, of vectors seen "
            f"{shortest:g} to {longest:g} as long as the template's",
        )
    for percent in _LEVELS:
        found[f"vector.coverage_{percent}"] = over(
            polar,
            distance <= -2 * np.log(1 - percent / 100),  # chi squared, two degrees of freedom
            lambda parts: float(np.concatenate(parts).mean()),
            "fraction",
            f"Share of unit cells whose displacement lies inside the {percent} % ellipse that the "
            "model gives",
        )
    return found


def _entry(
    members: Sequence[Floats],
    statistic: Callable[[Sequence[Floats]], float],
    unit: str,
    meaning: str,
    confidence: float,
) -> Entry:
    """A statistic of specimens, with an interval over them."""
    count = len(members)
    if not count:
        return entry(np.nan, unit, meaning, n=0)
    value = statistic(members)
    if count < 3:
        return entry(value, unit, meaning, n=count)
    random = np.random.default_rng(0)
    draws = [
        statistic([members[n] for n in random.integers(count, size=count)]) for _ in range(_DRAWS)
    ]
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return entry(value, unit, meaning, low=float(low), high=float(high), n=count)


def _angle(vectors: Floats) -> Floats:
    return np.asarray(np.arctan2(vectors[:, 1], vectors[:, 0]))


def _row(cells: Cells, n: int) -> dict[str, Any]:
    (xx, xy), (_, yy) = cells.covariance[n]
    return {
        "domain": str(cells.domain[n]),
        "specimen": str(cells.specimen[n]),
        "thickness_nm": round(float(cells.thickness[n]), 3),
        "amplitude": round(float(cells.amplitude[n]), 6),
        "true_pm": np.round(cells.true[n], 4).tolist(),
        "mean_pm": np.round(cells.mean[n], 4).tolist(),
        "variance_pm2": np.round([xx, yy], 4).tolist(),
        "correlation": round(float(xy / np.sqrt(xx * yy)), 4),
        "p_polar": round(float(cells.p_polar[n]), 4),
    }
