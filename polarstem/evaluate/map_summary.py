# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers of all maps of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from polarstem.errors import PolarstemError
from polarstem.evaluate.defects import score_defects
from polarstem.evaluate.entries import Entry, entry
from polarstem.evaluate.maps import score_map
from polarstem.files import atomic_path, open_netcdf

STRONG = ("antiphase_boundary", "ruddlesden_popper", "edge_dislocation", "nb_antisite")
"""Kinds of scenes whose defects change the columns themselves."""
CONTROLS = ("tilt_ramp", "k_na_cluster")
"""Kinds of scenes that are disturbed without a defect."""
_UNIFORM_MRAD = 0.1  # a tilt that varies less is one


def summarise_maps(
    maps: Mapping[str, Path | str],
    truths: Mapping[str, Path | str],
    output_json: Path | str,
    confidence: float,
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
        ``maps.strong_defects_auroc`` and ``maps.controls_flagged``.
    confidence : float
        Level of the intervals.

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
            scores = score_map(Path(folder) / "map.nc", truths[name], confidence)
            scores |= score_defects(Path(folder) / "map.nc", truths[name], confidence)
            with open_netcdf(truths[name], "truth") as truth:
                kinds[name] = str(truth.attrs["kind"])
                numbers |= scores | _against(Path(folder), truth)
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
    """Errors of what was estimated of the specimen."""
    summary, numbers = read_summary(folder), {}
    thickness, tilt = summary.get("thickness_nm"), summary.get("tilt_mrad")
    if thickness is not None and thickness["origin"] == "estimated":
        error = abs(thickness["value"] - float(truth.attrs["thickness_nm"]))
        numbers["thickness_error_nm"] = entry(error, "nm", "Error of the estimated thickness")
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


def _rotation(truth: xr.Dataset) -> float:
    return float(truth.attrs.get("crystal_rotation_deg", 0.0))
