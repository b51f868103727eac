# SPDX-License-Identifier: GPL-3.0-or-later
"""What a map is made of: the scan, the model and what lies beside it, and whether they fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError
from polarstem.maps.anomaly import FILE as ANOMALY_FILE
from polarstem.maps.anomaly import AnomalyReference
from polarstem.maps.trained import differences, trained_for
from polarstem.models import load_model
from polarstem.models.base import Model
from polarstem.scans.files.readers import open_scan
from polarstem.scans.scan import Scan
from polarstem.scans.sheet import load_sheet
from polarstem.scans.sourced import Sourced
from polarstem.simulate.pattern_library import FILE_NAME as LIBRARY_FILE
from polarstem.simulate.pattern_library import Library

_NEEDED = {
    "step_nm": "distance of probe positions [nm]",
    "energy_kv": "accelerating voltage [kV]",
    "semiangle_mrad": "convergence semi-angle [mrad]",
}


@dataclass
class Setup:
    """A scan and a model that are to be brought together.

    Attributes
    ----------
    scan : Scan
        The scan.
    sheet : Sheet
        What is known of it beside its file.
    model : Model
        The model.
    trained : dict
        What patterns the model was trained for.
    library : Library or None
        Simulated patterns, where the model has them and the sheet does not switch off what they
        are needed for.
    reference : AnomalyReference or None
        What defect-free scans look like, where the model has it.
    settings : dict of str to Sourced
        What is known of the scan, by name of the sheet.
    warnings : list of str
        What a user should know, a sentence each.
    forced : str
        Why the model should not be used for the scan; empty if it may.
    """

    scan: Scan
    sheet: Sheet
    model: Model
    trained: dict[str, Any]
    library: Library | None
    reference: AnomalyReference | None
    settings: dict[str, Sourced]
    warnings: list[str] = field(default_factory=list)
    forced: str = ""

    @property
    def step_nm(self) -> tuple[float, float]:
        """Distance of positions along y and x [nm]."""
        y, x = self.settings["step_nm"].value
        return float(y), float(x)

    def given(self, name: str) -> Sourced | None:
        """A setting of the sheet."""
        found = self.settings.get(name)
        return found if found is not None and found.origin == "sheet" else None

    def wants(self, step: str) -> bool:
        """Whether the sheet leaves a step switched on."""
        return step not in self.sheet.off


def set_up(
    scan_path: Path | str,
    model_dir: Path | str,
    sheet: Path | str | Mapping[str, Any] | Sheet | None,
    *,
    force: bool = False,
) -> Setup:
    """Open a scan and a model, and check that one is for the other.

    Parameters
    ----------
    scan_path : path
        Detector file or folder.
    model_dir : path
        Saved model.
    sheet : path, mapping, Sheet or None
        What is known of the scan beside its file.
    force : bool
        Go on with a model that was trained for something else.

    Raises
    ------
    PolarstemError
        If something cannot be read, the scan's optics are unknown, or the model was not trained
        for them.
    """
    checked = load_sheet(sheet)
    model = load_model(model_dir, device="cpu")
    trained = trained_for(model, model_dir)
    scan = open_scan(scan_path, checked)
    settings = dict(scan.settings)
    missing = [name for name in _NEEDED if name not in settings]
    if missing:
        told = ", ".join(f"`{name}` ({_NEEDED[name]})" for name in missing)
        raise PolarstemError(
            f"{scan_path} does not say, and neither does a scan sheet: {told}; give it in the "
            "sheet (--sheet)."
        )
    note = "that of the model"
    settings.setdefault("zone_axis", Sourced(tuple(trained["zone_axis"]), "", "assumed", note))
    against = differences(
        trained, settings["energy_kv"], settings["semiangle_mrad"], settings["zone_axis"]
    )
    if against and not force:
        raise PolarstemError(
            f"The model {model_dir} does not serve {scan_path}. {' '.join(against)} Train a model "
            "for this scan, correct the scan sheet, or go on with --force: every output is then "
            "stamped."
        )
    setup = Setup(scan, checked, model, trained, None, None, settings, forced=" ".join(against))
    _load_company(setup, Path(model_dir))
    return setup


def _load_company(setup: Setup, directory: Path) -> None:
    """Read what lies beside the model."""
    if {"thickness", "tilt"} - set(setup.sheet.off):
        if (directory / LIBRARY_FILE).exists():
            setup.library = Library.open(directory)
        else:
            setup.warnings.append(
                f"Thickness, tilt and orientation were not measured: the model {directory} has no "
                f"{LIBRARY_FILE}."
            )
    if (directory / ANOMALY_FILE).exists():
        setup.reference = AnomalyReference.load(directory)
    else:
        setup.warnings.append(
            f"Anomalies were not looked for: the model {directory} has no {ANOMALY_FILE}."
        )
