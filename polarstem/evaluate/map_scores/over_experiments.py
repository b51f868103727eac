# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers of all maps of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from polarstem.errors import PolarstemError
from polarstem.evaluate.map_scores.cells_and_walls import score_map
from polarstem.evaluate.map_scores.defects_found import score_defects
from polarstem.evaluate.map_scores.displacements_beside_truth import displacement_entries
from polarstem.evaluate.map_scores.reality_ladder import over_all, reality_entries
from polarstem.evaluate.summary.entries import Entry, entry
from polarstem.files import atomic_path, open_netcdf
from polarstem.maps.outputs import MAP_FILE

STRONG = ("antiphase_boundary", "ruddlesden_popper", "edge_dislocation", "b_antisite")
"""Kinds of scenes whose defects change the columns themselves."""
CONTROLS = ("tilt_ramp", "a_cluster")
"""Kinds of scenes that are disturbed without a defect."""
_UNIFORM_MRAD = 0.1  # a tilt that varies less is one


def summarise_maps(
    maps: Mapping[str, Path | str],
    truths: Mapping[str, Path | str],
    output_json: Path | str,
    confidence: float,
    reality: Mapping[str, str] | None = None,
    displacements: Mapping[str, Path | str] | None = None,
) -> None:
    """Collect what the maps say, and how right those of virtual experiments are.

    Parameters
    ----------
    maps : mapping of str to path
        Folder of each experiment's map.
    truths : mapping of str to path
        ``truth.nc`` of the experiments that have one.
    output_json : path
        ``{maps.<experiment>.<number>: entry}``, and over all experiments
        ``maps.strong_defects_auroc``, ``maps.controls_flagged``, ``maps.confidently_wrong``,
        ``maps.cells_answered`` and ``maps.scans_confidently_wrong``; of the ladder of reality
        ``maps.reality.<factor>.<number>``, see `polarstem.evaluate.map_scores.reality_ladder`.
    confidence : float
        Level of the intervals of what several scans say together.
    reality : mapping of str to str, optional
        Factor of each experiment that belongs to the ladder of reality.
    displacements : mapping of str to path, optional
        ``displacements.nc`` of each experiment whose displacements were fitted.

    Raises
    ------
    PolarstemError
        If a map is incomplete, or does not belong to its truth.
    """
    found: dict[str, Entry] = {}
    kinds: dict[str, str] = {}
    for name, folder in maps.items():
        numbers = _of_map(Path(folder))
        if name in truths:
            scores = score_map(Path(folder) / MAP_FILE, truths[name])
            scores |= score_defects(Path(folder) / MAP_FILE, truths[name])
            with open_netcdf(truths[name], "truth") as truth:
                kinds[name] = str(truth.attrs["kind"])
                numbers |= scores | _against(Path(folder), truth)
        if fitted := (displacements or {}).get(name):
            numbers |= displacement_entries(fitted, Path(folder) / MAP_FILE, truths.get(name))
        found |= {f"maps.{name}.{number}": value for number, value in numbers.items()}
    for key, score, chosen, worst, meaning in (
        ("strong_defects_auroc", "defect_auroc", STRONG, min, "Least AUROC of the strong defects"),
        (
            "controls_flagged",
            "control_flagged",
            CONTROLS,
            max,
            "Largest fraction of flagged unit cells where a scene is disturbed without a defect",
        ),
    ):
        names = [name for name, kind in kinds.items() if kind in chosen]
        values = [v["value"] for n in names if (v := found.get(f"maps.{n}.{score}")) is not None]
        if values:
            text = f"{meaning} ({', '.join(names)})"
            found[f"maps.{key}"] = entry(worst(values), "1", text, n=len(values))
    scored = {name: factor for name, factor in (reality or {}).items() if name in kinds}
    found |= over_all(found, list(kinds), confidence)
    found |= reality_entries(found, scored, confidence)
    with atomic_path(output_json) as path:
        text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False)
        path.write_text(text + "\n", encoding="utf-8")


def read_summary(folder: Path) -> dict[str, Any]:
    """What a map says of itself.

    Raises
    ------
    PolarstemError
        If the folder holds no finished map.
    """
    try:
        summary: dict[str, Any] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PolarstemError(
            f"{folder} holds no finished map; delete it and run the same command again."
        ) from error
    return summary


def _of_map(folder: Path) -> dict[str, Entry]:
    summary = read_summary(folder)
    n, counted = int(summary[summary["counted"]]), summary["counted"]
    numbers = {
        "answered": entry(
            summary["answered"], "fraction", f"Fraction of the {counted} that have an answer", n=n
        ),
        "mean_confidence": entry(
            summary["mean_confidence"],
            "1",
            f"Mean probability of the most probable class over the {counted}",
            n=n,
        ),
        "flagged": entry(
            summary["anomalies"]["share"], "fraction", f"Fraction of flagged {counted}", n=n
        ),
    }
    thickness = summary.get("thickness_nm")
    if thickness is not None and isinstance(thickness["value"], float):
        low, high = thickness["interval"] or (None, None)
        meaning = f"Thickness of the specimen ({thickness['origin']})"
        numbers["thickness_nm"] = entry(thickness["value"], "nm", meaning, low=low, high=high)
    return numbers


def _against(folder: Path, truth: xr.Dataset) -> dict[str, Entry]:
    """Errors of what was estimated of the specimen, and how it was scanned."""
    summary, numbers = read_summary(folder), _scanned(truth)
    thickness, tilt = summary.get("thickness_nm"), summary.get("tilt_mrad")
    if thickness is not None and thickness["origin"] == "estimated":
        error = abs(thickness["value"] - float(_thickness(truth).mean()))
        meaning = "Error of the estimated thickness, against the mean over the scan"
        numbers["thickness_error_nm"] = entry(error, "nm", meaning)
    with open_netcdf(folder / MAP_FILE, "map") as found:
        errors = thickness_errors(found, truth)
    if errors is not None:
        low, median, high = np.quantile(errors, [0.05, 0.5, 0.95])
        text = "Median error of the thickness from place to place; 5 % and 95 % of the places"
        numbers["thickness_map_error_nm"] = entry(
            float(median), "nm", text, low=float(low), high=float(high), n=len(errors)
        )
    true = np.stack([truth["tilt_x"].values, truth["tilt_y"].values], axis=-1)
    uniform = np.ptp(true, axis=(0, 1)).max() < _UNIFORM_MRAD
    if tilt is not None and tilt["origin"] == "estimated" and uniform:
        # both in the frame of the scan: a crystal has four equal axes
        turns = summary["settings"]["crystal_rotation_deg"]["value"], _rotation(truth)
        found, real = (
            complex(*pair) * np.exp(1j * np.deg2rad(turn))
            for pair, turn in zip((tilt["value"], true[0, 0]), turns, strict=True)
        )
        text = "Error of the estimated tilt of the beam"
        numbers["tilt_error_mrad"] = entry(float(abs(found - real)), "mrad", text)
    return numbers


def thickness_errors(found: xr.Dataset, truth: xr.Dataset) -> NDArray[np.float64] | None:
    """How far a map of the thickness is off at each of its places [nm].

    Parameters
    ----------
    found : Dataset
        A map. ``cell_thickness`` (cell) or else ``thickness``, on a grid whose coordinates are
        y and x in the scan [nm], is its thickness [nm]; NaN where it has none.
    truth : Dataset
        Truth on the positions of the scan, with ``thickness`` (y, x) or one for all of them.

    Returns
    -------
    ndarray, shape (place,), or None
        Absolute errors; None without such a map.
    """
    if "cell_thickness" in found:
        values = found["cell_thickness"].values
        y, x = found["cell_centre_y"].values, found["cell_centre_x"].values
    elif "thickness" in found and found["thickness"].ndim == 2:
        values = found["thickness"].values
        y, x = np.meshgrid(*(found[d].values for d in found["thickness"].dims), indexing="ij")
    else:
        return None
    rows, columns = (
        np.abs(np.subtract.outer(place, truth[name].values)).argmin(-1)
        for place, name in ((y, "y"), (x, "x"))
    )
    errors = np.abs(values - _thickness(truth)[rows, columns])
    known = np.isfinite(errors)
    return errors[known] if known.any() else None


def _thickness(truth: xr.Dataset) -> NDArray[np.float64]:
    """True thickness at each position (y, x) [nm]."""
    if "thickness" in truth:
        return truth["thickness"].values.astype(float)
    return np.full(truth["defect"].shape, float(truth.attrs["thickness_nm"]))


def _scanned(truth: xr.Dataset) -> dict[str, Entry]:
    """Probe positions per unit cell, and electrons per pattern where the truth tells them."""
    axes = [axis for axis in "yx" if truth.sizes[axis] > 1]
    steps = [np.ptp(truth[axis].values) / (truth.sizes[axis] - 1) for axis in axes]
    count = (float(truth.attrs["cell_nm"]) / float(np.mean(steps))) ** 2
    text = "Probe positions per unit cell of the scan"
    numbers = {"positions_per_cell": entry(count, "1", text)}
    dose = json.loads(truth.attrs.get("conditions", "{}")).get("dose_electrons")
    if dose is not None:
        numbers["dose_electrons"] = entry(dose, "1", "Electrons per pattern, as drawn for the scan")
    return numbers


def _rotation(truth: xr.Dataset) -> float:
    return float(truth.attrs.get("crystal_rotation_deg", 0.0))
