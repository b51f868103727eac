# SPDX-License-Identifier: GPL-3.0-or-later
"""How near fitted displacements are to the true ones, and how sure they are."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from polarstem.data.cells import group_index
from polarstem.evaluate.ellipses import covariances, inside
from polarstem.evaluate.scores.column_scores import beside_columns
from polarstem.evaluate.scores.crystal_chance import chance_at_one_nm
from polarstem.evaluate.scores.specimen_entries import mean, of_specimens
from polarstem.evaluate.summary.entries import Entry, entry
from polarstem.files import atomic_path, open_netcdf
from polarstem.provenance import provenance

Floats = NDArray[np.float64]

SCORED = (0.3, 1.2)
"""Amplitudes of the crystals whose components are scored."""
ANGLES = {"1": (0.85, 1.15), "0.5": (0.4, 0.6)}
"""Vectors whose direction is scored: their length as seen, over that of the template."""
CHANCE_NM = 20.0
"""Thickness of the crystal that ``vector.chance_pm`` is of [nm]."""
_EDGES: dict[str, Callable[[Fits], NDArray[np.bool_]]] = {
    "below_15_nm": lambda cells: cells.thickness < 15,
    "above_28_nm": lambda cells: cells.thickness > 28,
    "below_0.3": lambda cells: cells.amplitude < SCORED[0],
    "above_1.2": lambda cells: cells.amplitude > SCORED[1],
}  # of the ranges: ends of keys of `coverage`, thickness or amplitude
_LEVELS = (68, 95)  # per cent
_ALONG_DEG = 1.0


class Fits(NamedTuple):
    """Displacements of unit cells, or of single patterns.

    Attributes
    ----------
    domain, specimen : ndarray of str, shape (n,)
        Where one comes from.
    thickness : ndarray, shape (n,)
        [nm].
    amplitude : ndarray, shape (n,)
        Length of the crystal's polar vector over that of the template.
    class_deg : ndarray, shape (n,)
        Direction of the crystal's class [degree].
    true, found : ndarray, shape (n, 2)
        To the right and up [pm]; found is not a number where none is told.
    covariance : ndarray, shape (n, 2, 2)
        Of what was found [pm^2].
    p_polar : ndarray, shape (n,)
        Probability to be polar.
    """

    domain: NDArray[np.str_]
    specimen: NDArray[np.str_]
    thickness: Floats
    amplitude: Floats
    class_deg: Floats
    true: Floats
    found: Floats
    covariance: Floats
    p_polar: Floats

    def of(self, chosen: NDArray[np.bool_]) -> Fits:
        """Some of them."""
        columns: list[Any] = [column[chosen] for column in self]
        return Fits(*columns)

    @property
    def told(self) -> NDArray[np.bool_]:
        """Which have a displacement, shape (n,)."""
        return np.asarray(np.isfinite(self.found).all(axis=1))


def score_displacements(
    fitted: Mapping[str, Path | str],
    truth: Mapping[str, Mapping[str, Sequence[float]]],
    output: Path | str,
    confidence: float,
    apart: Sequence[str] = (),
) -> None:
    """Hold fitted displacements of test specimens against the true ones.

    Parameters
    ----------
    fitted : mapping
        Data domain -> file by `polarstem.displacements.specimen_displacements.fit_specimens`.
    truth : mapping
        Data domain -> specimen -> polar vector to the right and up, and amplitude, over the length
        of the template's.
    output : path
        JSON file: ``scores``, entries of the summary, and ``cells``, a row each.
    confidence : float
        Level of the intervals, which are over specimens.
    apart : sequence of str
        Data domains that are scored each by itself, under keys that end in its name.
    """
    cells, patterns = (
        _joined([_read(domain, path, truth[domain], kind) for domain, path in fitted.items()])
        for kind in ("cell", "pattern")
    )
    with open_netcdf(next(iter(fitted.values())), "displacements") as data:
        unit = float(data.attrs["full_vector_pm"])
    together = [np.isin(fits.domain, apart, invert=True) for fits in (cells, patterns)]
    scores = entries(cells.of(together[0]), patterns.of(together[1]), unit, confidence)
    for name in apart:
        own = entries(
            cells.of(cells.domain == name), patterns.of(patterns.domain == name), unit, confidence
        )
        scores |= {f"{key}.{name}": found for key, found in own.items() if found["n"]}
    of_all = [fitted[name] for name in fitted if name not in apart]
    scores |= bound_shares(of_all, confidence)
    scores |= beside_columns(cells.of(together[0]), of_all, SCORED, confidence)
    told = {
        "scores": scores,
        "cells": [_row(cells, n) for n in range(len(cells.domain))],
        "template_pm": unit,
        "provenance": provenance({"confidence": confidence}),
    }
    with atomic_path(output) as temporary:
        temporary.write_text(json.dumps(told, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _read(domain: str, path: Path | str, truth: Mapping[str, Sequence[float]], kind: str) -> Fits:
    with open_netcdf(path, "displacements") as data:
        unit = float(data.attrs["full_vector_pm"])
        owner = data[f"{kind}_specimen"].values
        specimen = data["specimen"].values.astype(str)[owner]
        known = np.array([truth[name] for name in specimen.tolist()], float).reshape(-1, 3)
        return Fits(
            np.full(len(owner), domain),
            specimen,
            data["thickness"].values[owner],
            known[:, 2],
            data["direction"].values[owner],
            unit * known[:, :2],
            np.stack([data[f"{kind}_u{axis}"].values for axis in "xy"], axis=1),
            covariances(
                *(data[f"{kind}_{n}"].values for n in ("sigma_x", "sigma_y", "correlation"))
            ),
            data[f"{kind}_p_polar"].values,
        )


def _joined(parts: Sequence[Fits]) -> Fits:
    columns: list[Any] = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Fits(*columns)


def entries(every: Fits, patterns: Fits, unit: float, confidence: float) -> dict[str, Entry]:
    """Numbers of the summary, by key.

    Parameters
    ----------
    every, patterns : Fits
        Of unit cells, and of single patterns.
    unit : float
        Length of the template's polar vector [pm].
    confidence : float
        Level of the intervals over specimens, by the bootstrap.
    """
    cells = every.of(every.told)
    error = cells.found - cells.true
    seen = np.hypot(*cells.true.T) / unit
    polar = cells.amplitude > 0
    low, high = SCORED
    scored = (cells.amplitude >= low) & (cells.amplitude <= high)
    turned = _apart(_angle(cells.found), np.degrees(_angle(cells.true)))
    owner = group_index(cells.domain, cells.specimen)
    chance = chance_at_one_nm(error, cells.covariance, cells.thickness, owner)
    by_chance = (chance[owner] / cells.thickness)[:, None, None] * np.eye(2)
    ellipses = {"": cells.covariance + by_chance, ".alone": cells.covariance}

    def over(
        fits: Fits,
        chosen: NDArray[np.bool_],
        values: NDArray[Any],
        statistic: Callable[[Sequence[Floats]], float],
        unit: str,
        meaning: str,
    ) -> Entry:
        rows = np.flatnonzero(chosen)
        owner = group_index(fits.domain[rows], fits.specimen[rows])
        members = [values[rows[owner == n]].astype(float) for n in range(owner.max(initial=-1) + 1)]
        return of_specimens(members, statistic, unit, meaning, confidence)

    found = {
        "vector.rms_pm": over(
            cells,
            scored,
            error**2,
            lambda parts: float(np.sqrt(np.concatenate(parts).mean())),
            "pm",
            "Root mean square error of a component of the displacement of a unit cell, crystals "
            f"of {low:g} to {high:g} of the displacements",
        ),
        "vector.bias_pm": over(
            cells,
            ~polar,
            cells.found,
            lambda parts: float(np.mean([np.hypot(*each.mean(axis=0)) for each in parts])),
            "pm",
            "Mean length of the mean displacement of a specimen that has none",
        ),
    }
    for name, (shortest, longest) in ANGLES.items():
        found[f"vector.angle_deg.{name}"] = over(
            cells,
            (seen >= shortest) & (seen <= longest),
            turned,
            lambda parts: float(np.median(np.concatenate(parts))),
            "deg",
            "Median error of the direction of the displacement of a unit cell, of vectors seen "
            f"{shortest:g} to {longest:g} as long as the template's",
        )
    for percent, (end, ellipse) in itertools.product(_LEVELS, ellipses.items()):
        held = inside(error, ellipse, percent / 100)
        whole = {end: polar}
        if not end:
            whole |= {f".{name}": polar & edge(cells) for name, edge in _EDGES.items()}
        for part, chosen in whole.items():
            found[f"vector.coverage_{percent}{part}"] = over(
                cells,
                chosen,
                held,
                mean,
                "fraction",
                f"Share of unit cells whose displacement lies inside the {percent} % ellipse that "
                "the fit gives"
                + ("" if end else ", with what chance does to one crystal")
                + (f" ({part[1:].replace('_', ' ')})" if part != end else ""),
            )
    found["vector.chance_pm"] = entry(
        float(np.sqrt(chance.mean() / CHANCE_NM)) if chance.any() else np.nan,
        "pm",
        "What the order of atoms and their thermal motion does to a component in all cells of a "
        f"specimen of {CHANCE_NM:g} nm, as each specimen's errors show it to the others",
        n=len(chance),
    )
    found["vector.told"] = over(
        every,
        np.full(len(every.told), True),
        every.told,
        mean,
        "fraction",
        "Share of unit cells that have a displacement",
    )
    for name, fits in {"cell": every, "pattern": patterns}.items():
        found[f"vector.class_right.{name}"] = over(
            fits,
            (fits.amplitude > 0) & (_apart(_angle(fits.true), fits.class_deg) < _ALONG_DEG),
            _nearest(_angle(fits.found), fits.class_deg) == fits.class_deg,
            mean,
            "fraction",
            f"Share of {name}s of crystals polar along a class whose displacement, fitted with the "
            "conditions of their scan, is nearest to that class; what is not told is wrong",
        )
    return found


def bound_shares(paths: Sequence[Path | str], confidence: float) -> dict[str, Entry]:
    """Bound over the error of fits to what was counted anew, at each dose."""
    parts = []
    for path in paths:
        with open_netcdf(path, "displacements") as data:
            doses = data["recount_dose"].values
            parts.append(np.stack([data["bound"].values, data["reached"].values], axis=-1))
    variances = np.concatenate(parts)
    known = variances[np.isfinite(variances).all((1, 2))]
    return {
        f"vector.bound_share.{dose:.0f}": of_specimens(
            list(known[:, number]),
            lambda members: float(np.sqrt(np.divide(*np.mean(members, axis=0)))),
            "1",
            "Smallest possible standard deviation of a component (Cramér-Rao) over the error of "
            f"fits to cells that were counted anew with {dose:g} electrons per pattern, all else "
            "known",
            confidence,
        )
        for number, dose in enumerate(doses.tolist())
    }


def _nearest(angle: Floats, class_deg: Floats) -> Floats:
    """Direction of the class that is nearest to each angle; not a number where there is none."""
    directions = np.unique(class_deg)
    apart = _apart(angle[:, None], directions)
    nearest: Floats = np.where(np.isnan(angle), np.nan, directions[np.argmin(apart, axis=1)])
    return nearest


def _apart(angle: Floats, degrees: Floats) -> Floats:
    """Between angles [radian] and others [degree], the short way round [degree]."""
    return np.asarray(np.abs((np.degrees(angle) - degrees + 180) % 360 - 180))


def _angle(vectors: Floats) -> Floats:
    return np.asarray(np.arctan2(vectors[:, 1], vectors[:, 0]))


def _row(cells: Fits, n: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        "domain": str(cells.domain[n]),
        "specimen": str(cells.specimen[n]),
        "thickness_nm": round(float(cells.thickness[n]), 3),
        "amplitude": round(float(cells.amplitude[n]), 6),
        "true_pm": np.round(cells.true[n], 4).tolist(),
    }
    if not cells.told[n]:
        return row | {"found_pm": None}
    (xx, xy), (_, yy) = cells.covariance[n]
    return row | {
        "found_pm": np.round(cells.found[n], 4).tolist(),
        "variance_pm2": np.round([xx, yy], 4).tolist(),
        "correlation": round(float(xy / np.sqrt(xx * yy)), 4),
        "p_polar": round(float(cells.p_polar[n]), 4),
    }
