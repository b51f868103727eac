# SPDX-License-Identifier: GPL-3.0-or-later
"""Displacements of the test specimens of a data set, fitted as those of a map are.

Each scan goes over one unit cell. Its mean pattern is compared with the library, which gives
thickness and tilt; then its patterns are dealt into cells at random, and each is fitted by itself,
too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from polarstem.checked_netcdf import save_netcdf
from polarstem.config.physics import wavelength
from polarstem.data.patterns import PatternSet
from polarstem.displacements.bound_share import DOSES, Recounted, recounted
from polarstem.displacements.cell_displacement import CellFit, CellPatterns, Halos, fit_cell
from polarstem.displacements.column_fit import CELL_FEATURES, cell_columns
from polarstem.displacements.displaced_crystals import DisplacedCrystals, between_places
from polarstem.displacements.microscope_conditions import NAMES
from polarstem.displacements.scan_displacements import ScanCells, fit_scan
from polarstem.displacements.verdicts import (
    MARGIN_MRAD,
    MARGIN_NM,
    UNTOLD_MEANINGS,
    Untold,
    probability_polar,
    verdict,
)
from polarstem.errors import PolarstemError
from polarstem.logs import progress
from polarstem.provenance import provenance
from polarstem.scans.specimen.pacbed import PacbedFitter
from polarstem.simulate.pattern_library import Library
from polarstem.structures.polar_mode import PolarMode

_ALIKE_NM = 5.0  # specimens whose thickness differs by less share simulated crystals


def fit_specimens(
    dataset: Path | str,
    library: Path | str,
    trained_for: Mapping[str, Any],
    output: Path | str,
    positions: int,
    threads: int = 1,
) -> None:
    """Fit the displacements of all test specimens.

    Parameters
    ----------
    dataset : path
        A data set.
    library : path
        Of the same crystal and microscope.
    trained_for : mapping
        See `DisplacedCrystals`.
    output : path
        netCDF file to write: ``ux``, ``uy``, their errors and a ``reason`` of each cell; the same
        of each single pattern under the conditions of its scan; those conditions; and
        ``columns``, what fits of atom columns to each whole scan give.
    positions : int
        Patterns of a cell; those of a scan that do not fill one are left out.
    threads : int

    Raises
    ------
    PolarstemError
        If a scan has fewer patterns than a cell.
    """
    fitter = PacbedFitter(Library.open(library))
    with PatternSet.open([dataset], split="test") as patterns:
        scans = list(_looked_at(patterns, fitter, positions, trained_for))
        fits: dict[int, _Fitted] = {}
        for group in _alike(scans):
            nm = [scan.thickness_nm for scan in group]
            tilt = max(float(np.hypot(*scan.tilt_mrad)) for scan in group) + MARGIN_MRAD
            span = max(min(nm) - MARGIN_NM, 1.0), max(nm) + MARGIN_NM
            crystals = DisplacedCrystals(trained_for, span, tilt, threads)
            for scan in progress(group, len(group), "specimens"):
                fits[scan.number] = _fitted(patterns, scan, crystals, fitter.model.halos, positions)
    full = PolarMode.of(trained_for["material"], trained_for["phase"]).full_pm
    data = _data(scans, fits, positions, full)
    data.attrs.update(provenance({"trained_for": dict(trained_for), "positions": positions}))
    save_netcdf(data, output)


@dataclass(frozen=True)
class _Scan:
    """A scan, what its mean pattern says (no thickness where it says nothing), and columns."""

    number: int
    rows: NDArray[np.int64]
    specimen: str
    dose: float
    nominal_nm: float
    direction_deg: float
    tilt_mrad: NDArray[np.float64]
    thickness_nm: float
    columns: NDArray[np.float64]


@dataclass(frozen=True)
class _Fitted:
    """What was fitted to a scan: cells and single patterns in pm, and its conditions."""

    cells: Mapping[str, NDArray[Any]]
    patterns: Mapping[str, NDArray[Any]]
    conditions: NDArray[np.float64]
    recounted: Recounted


def _looked_at(
    patterns: PatternSet, fitter: PacbedFitter, positions: int, trained_for: Mapping[str, Any]
) -> Iterator[_Scan]:
    number = patterns.scan
    per_pixel = trained_for["mrad_per_pixel"]
    reflection = 1e3 * wavelength(trained_for["energy_kv"])  # mrad Å
    down, right = trained_for["cell_angstrom"]
    spacing = reflection / right / per_pixel, reflection / down / per_pixel
    for scan in progress(range(number.max() + 1), number.max() + 1, "mean patterns"):
        rows = np.random.default_rng(scan).permutation(np.flatnonzero(number == scan))
        specimen, first = str(patterns.specimen[rows[0]]), rows[0]
        if len(rows) < positions:
            raise PolarstemError(
                f"The scan of {specimen} has {len(rows)} patterns, fewer than a unit cell of "
                f"{positions} (evaluate.displacements.positions)."
            )
        dose = float(patterns.dose[first])
        electrons = dose * len(rows) if np.isfinite(dose) else None
        images = patterns.read(rows)
        found = fitter.fit(images.mean(0), rotation_deg=0.0, electrons=electrons)
        known = found.thickness is not None and found.tilt is not None
        yield _Scan(
            scan,
            rows,
            specimen,
            dose,
            float(patterns.thickness[first]),
            float(patterns.class_directions[patterns.class_index[first]]),
            np.asarray(found.tilt.value if known and found.tilt else (np.nan, np.nan), float),
            float(found.thickness.value) if known and found.thickness else float("nan"),
            cell_columns(
                images,
                _places(patterns, rows),
                per_pixel / trained_for["semiangle_mrad"],
                spacing,
            ),
        )


def _places(patterns: PatternSet, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.stack([patterns.cell_y[rows], patterns.cell_x[rows]], axis=1)


def _alike(scans: Sequence[_Scan]) -> Iterator[list[_Scan]]:
    """Scans of a thickness, in groups that share simulated crystals."""
    group: list[_Scan] = []
    known = [scan for scan in scans if np.isfinite(scan.thickness_nm)]
    for scan in sorted(known, key=lambda each: each.thickness_nm):
        if group and scan.thickness_nm > group[0].thickness_nm + _ALIKE_NM:
            yield group
            group = []
        group.append(scan)
    if group:
        yield group


def _fitted(
    patterns: PatternSet,
    scan: _Scan,
    crystals: DisplacedCrystals,
    halos: Halos,
    positions: int,
) -> _Fitted:
    images = patterns.read(scan.rows).reshape(len(scan.rows), -1)
    weights = between_places(_places(patterns, scan.rows))
    count = len(images) // positions
    cells = [
        CellPatterns(weights[part], images[part])
        for part in np.arange(count * positions).reshape(count, positions)
    ]
    own = ScanCells(cells, np.tile(scan.tilt_mrad, (count, 1)), np.full(count, scan.thickness_nm))
    found = fit_scan(crystals, own, halos, 0)
    surface = crystals.surface(found.conditions)
    single = [
        fit_cell(CellPatterns(weights[[n]], images[[n]]), surface, halos)
        for n in range(len(images))
    ]
    reach, common = crystals.reach_pm, found.common
    middle = np.mean([fit.shift for fit in found.fits], axis=0).clip(-1, 1)
    anew = recounted(surface, cells[0].weights, middle, halos, scan.number)
    anew = Recounted(*(reach**2 * variance for variance in anew))
    tables = [_table(fits, reach, common, found.settled) for fits in (found.fits, single)]
    return _Fitted(tables[0], tables[1], found.conditions, anew)


def _table(
    fits: Sequence[CellFit], reach_pm: float, common: NDArray[np.float64], settled: bool
) -> dict[str, NDArray[Any]]:
    reasons = [verdict(fit) if settled else Untold.NO_CONDITIONS for fit in fits]
    return {
        "shift": reach_pm * np.array([fit.shift for fit in fits]),
        "covariance": reach_pm**2 * np.array([fit.covariance + common for fit in fits]),
        "reason": np.array(reasons, np.int8),
    }


def _data(
    scans: Sequence[_Scan], fits: Mapping[int, _Fitted], positions: int, full_pm: float
) -> xr.Dataset:
    """All scans in one set, with units; those without a thickness have no displacements."""
    variables: dict[str, Any] = {}
    for kind in ("cell", "pattern"):
        owner, tables = [], []
        for scan in scans:
            count = len(scan.rows) // (positions if kind == "cell" else 1)
            owner.append(np.full(count, scan.number))
            fit = fits.get(scan.number)
            table = _untold(count) if fit is None else getattr(fit, f"{kind}s")
            tables.append(table)
        shift, covariance, reason = (
            np.concatenate([table[name] for table in tables]) for name in tables[0]
        )
        told = reason == Untold.TOLD
        shift[~told], covariance[~told] = np.nan, np.nan
        sigma = np.sqrt(np.stack([covariance[:, 0, 0], covariance[:, 1, 1]], axis=1))
        columns = {
            "specimen": (np.concatenate(owner), "1", "row of the specimen"),
            "ux": (shift[:, 0], "pm", "displacement of B against its oxygens, to the right"),
            "uy": (shift[:, 1], "pm", "displacement of B against its oxygens, upwards"),
            "sigma_x": (sigma[:, 0], "pm", "standard deviation of ux"),
            "sigma_y": (sigma[:, 1], "pm", "standard deviation of uy"),
            "correlation": (covariance[:, 0, 1] / sigma.prod(1), "1", "correlation of ux and uy"),
            "p_polar": (
                probability_polar(shift, covariance, full_pm),
                "1",
                "probability of more than a quarter of the template's vector",
            ),
            "reason": (reason, "1", "why there is no displacement; 0 where there is one"),
        }
        for name, (values, units, text) in columns.items():
            attributes = {"units": units, "long_name": text}
            variables[f"{kind}_{name}"] = (kind, values, attributes)
        variables[f"{kind}_reason"][2].update(
            flag_values=np.array(list(Untold), np.int8),
            flag_meanings=" ".join(text.replace(" ", "_") for text in UNTOLD_MEANINGS.values()),
        )
    nothing = np.full(len(NAMES), np.nan)
    conditions = [fits[s.number].conditions if s.number in fits else nothing for s in scans]
    of_scan = {
        "dose": ([scan.dose for scan in scans], "1", "electrons per pattern"),
        "thickness": ([scan.nominal_nm for scan in scans], "nm", "nominal thickness"),
        "direction": ([scan.direction_deg for scan in scans], "degree", "direction of the class"),
        "measured_thickness": (
            [scan.thickness_nm for scan in scans],
            "nm",
            "thickness by the mean pattern",
        ),
        **{
            f"measured_tilt_{axis}": (
                [float(scan.tilt_mrad[number]) for scan in scans],
                "mrad",
                f"tilt by the mean pattern, {way}",
            )
            for number, (axis, way) in enumerate({"x": "to the right", "y": "upwards"}.items())
        },
    }
    for name, (values, units, text) in of_scan.items():
        variables[name] = ("specimen", np.array(values), {"units": units, "long_name": text})
    text = "what the patterns of a scan share; units in polarstem.displacements"
    variables["conditions"] = (
        ("specimen", "condition"),
        np.array(conditions),
        {"units": "1", "long_name": text},
    )
    variables["columns"] = (
        ("specimen", "column_feature", "axis"),
        np.array([scan.columns for scan in scans]),
        {
            "units": "1",
            "long_name": "between columns [cells]; deflection [semi-angles]; Friedel pairs",
        },
    )
    unknown = Recounted(*(np.full(len(DOSES), np.nan) for _ in range(2)))
    variances = [fits[s.number].recounted if s.number in fits else unknown for s in scans]
    for name, text in {
        "bound": "smallest variance of a component of a cell at known conditions (Cramér-Rao)",
        "reached": "mean squared error of a component of cells that were counted anew",
    }.items():
        values = np.array([getattr(each, name) for each in variances])
        variables[name] = (("specimen", "recount"), values, {"units": "pm2", "long_name": text})
    variables["recount_dose"] = (
        "recount",
        np.array(DOSES),
        {"units": "1", "long_name": "electrons per pattern that were counted anew"},
    )
    coordinates = {
        "specimen": [scan.specimen for scan in scans],
        "condition": list(NAMES),
        "column_feature": list(CELL_FEATURES),
        "axis": ["right", "up"],
    }
    return xr.Dataset(variables, coordinates, {"full_vector_pm": full_pm})


def _untold(count: int) -> dict[str, NDArray[Any]]:
    return {
        "shift": np.full((count, 2), np.nan),
        "covariance": np.full((count, 2, 2), np.nan),
        "reason": np.full(count, Untold.BY_THE_MAP, np.int8),
    }
