# SPDX-License-Identifier: GPL-3.0-or-later
"""Displacements of the unit cells of a finished map, in picometres, with their uncertainty."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from polarstem.displacements.cell_displacement import CellPatterns
from polarstem.displacements.displaced_crystals import DisplacedCrystals, between_places
from polarstem.displacements.microscope_conditions import NAMES
from polarstem.displacements.scan_displacements import (
    Displacements,
    ScanCells,
    fit_scan,
    random_error,
)
from polarstem.displacements.verdicts import (
    MARGIN_MRAD,
    MARGIN_NM,
    POLAR_SHARE,
    UNTOLD_MEANINGS,
    Untold,
    probability_polar,
    verdict,
)
from polarstem.errors import PolarstemError
from polarstem.files import open_netcdf
from polarstem.maps.outputs import MAP_FILE, stamp_lines
from polarstem.maps.withheld import MEANINGS, Reason
from polarstem.models.saved import read_description
from polarstem.provenance import provenance
from polarstem.scans.specimen.diffuse_halos import DiffuseHalos
from polarstem.scans.specimen.turns import PlaneTurn
from polarstem.simulate.parallel import available_cores
from polarstem.simulate.pattern_library import FILE_NAME, Library
from polarstem.structures.crystals import load_material
from polarstem.structures.polar_mode import PolarMode, displacements
from polarstem.structures.templates import polarization
from polarstem.structures.variants import phase_variants

LEAST_POSITIONS = 9
"""Of a cell: fewer leave the displacement to chance."""
LEAST_CELLS = 9
"""Of a scan: fewer leave its conditions to chance."""
_WORSE = 2.5  # times the median misfit: the cell is another crystal
_NOTHING_TOLD = (
    *(Reason.NOT_MEASURED, Reason.VACUUM, Reason.NOT_LINEAR),
    *(Reason.NOT_THIS_CRYSTAL, Reason.TURN_UNKNOWN),
)
"""What takes displacements away as well, and not answers alone."""


def measure_displacements(
    map_folder: Path | str, model: Path | str, *, threads: int | None = None, seed: int = 0
) -> xr.Dataset:
    """Fit the displacement of every unit cell of a map.

    Parameters
    ----------
    map_folder : path
        Folder of a map of at most 20,000 positions, which keeps its patterns.
    model : path
        The model that it was made with, its library beside it.
    threads : int, optional
        All cores by default.
    seed : int
        Of the sample of cells that the conditions are fitted to.

    Returns
    -------
    Dataset
        Of each cell of the map: ``ux``, ``uy`` (displacement of B against its oxygens, to the
        right and up in the scan), ``sigma_x``, ``sigma_y`` [pm], ``correlation``, ``p_polar``,
        ``polarization`` [µC/cm^2], ``misfit``, and ``reason`` (0 where it is told).

    Raises
    ------
    PolarstemError
        If the map has no patterns, no lattice, no thickness or no cells, or the model no library.
    """
    threads = threads or available_cores()
    trained_for = read_description(Path(model)).get("trained_for")
    if not trained_for:
        raise PolarstemError(
            f"The model {model} does not say what crystal and microscope it was trained for; train "
            "it anew."
        )
    if not (Path(model) / FILE_NAME).exists():
        raise PolarstemError(
            f"The model {model} has no library beside it ({FILE_NAME}); displacements need one."
        )
    library = Library.open(model)
    with open_netcdf(Path(map_folder) / MAP_FILE, "map") as opened:
        found = opened.load()
    _check(found, map_folder, trained_for)
    turn = PlaneTurn(float(found.attrs["crystal_rotation_deg"]))
    kept, scan = _cells_of(found, turn)
    if len(kept) < LEAST_CELLS:
        raise PolarstemError(
            f"The map {map_folder} has {len(kept)} unit cells of {LEAST_POSITIONS} positions or "
            f"more with a thickness; displacements need {LEAST_CELLS} such cells."
        )
    reach = float(np.hypot(*scan.tilt_mrad.T).max()) + MARGIN_MRAD
    span = scan.thickness_nm.min() - MARGIN_NM, scan.thickness_nm.max() + MARGIN_NM
    crystals = DisplacedCrystals(trained_for, span, reach, threads)
    halos = DiffuseHalos(library.pixels, library.mrad_per_pixel)
    fitted = fit_scan(crystals, scan, halos, seed)
    own = _per_cell(found, kept, fitted, crystals.reach_pm, turn)
    return _data(found, own, trained_for, dict(zip(NAMES, fitted.conditions.tolist(), strict=True)))


def said(data: xr.Dataset) -> str:
    """What was found, in a sentence or two."""
    reason = data["reason"].values
    told = reason == 0
    count = f"Displacements of {told.sum()} of {len(told)} unit cells"
    others = [
        f"{(reason == number).sum()}: {text}"
        for number, text in UNTOLD_MEANINGS.items()
        if number and (reason == number).any()
    ]
    rest = f" (not told: {'; '.join(others)})" if others else ""
    forced = "".join(f" {text}." for text in stamp_lines(data))
    if not told.any():
        return f"{count}{rest}.{forced}"
    length = np.hypot(data["ux"].values[told], data["uy"].values[told])
    squares = data["sigma_x"].values[told] ** 2 + data["sigma_y"].values[told] ** 2
    return (
        f"{count}{rest}: median length {np.median(length):.1f} pm, standard deviation of a "
        f"component {np.sqrt(squares.mean() / 2):.1f} pm.{forced}"
    )


def _check(found: xr.Dataset, folder: Path | str, trained_for: Mapping[str, Any]) -> None:
    """Refuse maps that displacements cannot be fitted to."""
    if list(trained_for["zone_axis"]) != [0, 0, 1]:
        raise PolarstemError(
            f"The map {folder} is one along {list(trained_for['zone_axis'])}, but displacements "
            "were tested along [0, 0, 1] alone; they are not fitted here."
        )
    if "pattern" not in found:
        raise PolarstemError(
            f"The map {folder} keeps no patterns, as scans of more than 20,000 positions do not; "
            "map a region of the scan (`region` in its sheet)."
        )
    if not np.isfinite(found["cell_y"].values).any():
        raise PolarstemError(
            f"The map {folder} has no lattice, so that nobody knows where in the unit cell its "
            "patterns were taken; displacements need a scan that resolves the cell."
        )
    if "cell_thickness" not in found or not np.isfinite(found["cell_thickness"].values).any():
        raise PolarstemError(
            f"The map {folder} has no thickness, without which no pattern can be simulated; map "
            "the scan with a model that has a library, and without `off: [thickness]`."
        )
    withheld = found["cell_withheld"].values
    if len(withheld) and _nothing_told(found).all():
        why = MEANINGS[Reason(int(np.bincount(withheld).argmax()))]
        raise PolarstemError(
            f"The map {folder} gives no answer in any cell, for one reason: {why}. Displacements "
            "would be wrong for the same reason; see its summary.json for what to do."
        )
    if found.sizes["ky"] != trained_for["pixels"]:
        raise PolarstemError(
            f"The map {folder} has patterns of {found.sizes['ky']} pixels, the model one of "
            f"{trained_for['pixels']}; give the model that the map was made with."
        )


def _cells_of(found: xr.Dataset, turn: PlaneTurn) -> tuple[list[int], ScanCells]:
    """Numbers of the cells of a map that can be fitted, and what is fitted."""
    patterns = found["pattern"].values
    patterns = patterns.reshape(found["cell"].size, -1).astype(np.float32)
    # how many electrons a position sends to the detector tells of its place in the cell, too
    total = found["total"].values.ravel()
    patterns *= (total / np.median(total[total > 0]))[:, None]
    measured = np.isfinite(patterns).all(1)
    number = found["cell"].values.ravel()
    fractions = np.stack([found[f"cell_{axis}"].values.ravel() for axis in "yx"], axis=1)
    seen = np.stack([found["cell_tilt_x"].values, found["cell_tilt_y"].values], axis=1)
    tilt, thickness = turn.inverse().vectors(seen), found["cell_thickness"].values.astype(float)
    known = np.isfinite(thickness) & np.isfinite(tilt).all(1) & ~_nothing_told(found)
    kept, cells = [], []
    for cell in np.flatnonzero(known).tolist():
        met = np.flatnonzero((number == cell) & measured)
        if len(met) >= LEAST_POSITIONS:
            kept.append(cell)
            cells.append(CellPatterns(between_places(fractions[met]), patterns[met]))
    return kept, ScanCells(cells, tilt[kept], thickness[kept])


def _nothing_told(found: xr.Dataset) -> NDArray[np.bool_]:
    """Cells of which the map says why nothing can be told, whatever the classes."""
    return np.isin(found["cell_withheld"].values, _NOTHING_TOLD)


def _per_cell(
    found: xr.Dataset,
    kept: list[int],
    fitted: Displacements,
    reach_pm: float,
    turn: PlaneTurn,
) -> dict[str, NDArray[Any]]:
    """Displacements in the frame of the scan, and why there is none."""
    to_scan = reach_pm * turn.matrix
    count = found.sizes["cell"]
    shift = np.full((count, 2), np.nan)
    covariance = np.full((count, 2, 2), np.nan)
    misfit, reason = np.full(count, np.nan), np.full(count, Untold.TOO_FEW, np.int8)
    reason[_nothing_told(found)] = Untold.BY_THE_MAP
    typical = float(np.median([fit.misfit for fit in fitted.fits]))
    for cell, fit in zip(kept, fitted.fits, strict=True):
        shift[cell] = to_scan @ fit.shift
        covariance[cell] = to_scan @ fit.covariance @ to_scan.T
        misfit[cell] = fit.misfit / typical
        foreign = misfit[cell] > _WORSE
        reason[cell] = Untold.NOT_THIS_CRYSTAL if foreign else verdict(fit)
        if not fitted.settled:
            reason[cell] = Untold.NO_CONDITIONS
    shift[reason > 0] = np.nan
    inside = np.where(found["cell_at_wall"].values[:, None].astype(bool), np.nan, shift)
    scatter = random_error(inside, found["cell_row"].values, found["cell_column"].values)
    told = covariance[reason == 0]
    if not np.isfinite(scatter) and len(told):
        scatter = float(np.nanstd(shift, axis=0).max())  # what walls do is in it
    if len(told):
        # what the crystals lack (disorder, thermal motion) errs alike in both components
        own = float(np.trace(told, axis1=1, axis2=2).mean() / 2)
        covariance += max(0.0, scatter**2 - own) * np.eye(2)
    covariance += to_scan @ fitted.common @ to_scan.T
    covariance[reason > 0] = np.nan
    return {"shift": shift, "covariance": covariance, "misfit": misfit, "reason": reason}


def _data(
    found: xr.Dataset,
    own: Mapping[str, NDArray[Any]],
    trained_for: Mapping[str, Any],
    conditions: Mapping[str, float],
) -> xr.Dataset:
    """The data set, with units everywhere."""
    shift, covariance = own["shift"], own["covariance"]
    sigma = np.sqrt(np.stack([covariance[:, 0, 0], covariance[:, 1, 1]], axis=1))
    material, phase = load_material(trained_for["material"]), trained_for["phase"]
    full = PolarMode.of(material, phase).full_pm
    polar = probability_polar(shift, covariance, full)
    moved = displacements(material, phase, phase_variants(phase)[0])
    charge = np.linalg.norm(polarization(material, moved, material.cell_volume(phase))) / full
    values = {
        "row": (found["cell_row"].values, "1", "row of the unit cell in the lattice"),
        "column": (found["cell_column"].values, "1", "its column"),
        "centre_x": (found["cell_centre_x"].values, "nm", "middle of the unit cell, to the right"),
        "centre_y": (found["cell_centre_y"].values, "nm", "middle of the unit cell, downwards"),
        "ux": (shift[:, 0], "pm", "displacement of B against its oxygens, to the right"),
        "uy": (shift[:, 1], "pm", "displacement of B against its oxygens, upwards"),
        "sigma_x": (sigma[:, 0], "pm", "standard deviation of ux"),
        "sigma_y": (sigma[:, 1], "pm", "standard deviation of uy"),
        "correlation": (covariance[:, 0, 1] / sigma.prod(1), "1", "correlation of ux and uy"),
        "p_polar": (polar, "1", f"probability of more than {POLAR_SHARE:g} of the full vector"),
        "polarization": (
            np.hypot(*shift.T) * charge,
            "uC cm-2",
            "projected polarization by Born charges",
        ),
        "misfit": (own["misfit"], "1", "squared deviations over the median of all cells"),
        "reason": (own["reason"], "1", "why there is no displacement; 0 where there is one"),
    }
    kept = ("scan", "model", "crystal_rotation_deg", "forced")
    variables: dict[str, Any] = {
        name: ("cell", array, {"units": units, "long_name": text})
        for name, (array, units, text) in values.items()
    }
    variables["reason"][2].update(
        flag_values=np.array(list(Untold), np.int8),
        flag_meanings=" ".join(text.replace(" ", "_") for text in UNTOLD_MEANINGS.values()),
    )
    return xr.Dataset(
        variables,
        attrs={
            **{name: found.attrs[name] for name in kept if name in found.attrs},
            "full_vector_pm": full,
            "cell_nm": [length / 10 for length in trained_for["cell_angstrom"]],
            "conditions": json.dumps(conditions),
            **provenance(dict(trained_for)),
        },
    )
