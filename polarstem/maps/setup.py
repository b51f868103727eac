# SPDX-License-Identifier: GPL-3.0-or-later
"""What a map is made of: the scan, the models and what lies beside them, and whether they fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError
from polarstem.maps.anomaly import FILE as ANOMALY_FILE
from polarstem.maps.anomaly import AnomalyReference
from polarstem.maps.trained import differences, trained_for
from polarstem.models import load_model
from polarstem.models.base import Model
from polarstem.scans.files.readers import open_scan
from polarstem.scans.scan import ArrayScan, Scan
from polarstem.scans.sheet import load_sheet
from polarstem.scans.sourced import Sourced
from polarstem.simulate.pattern_library import FILE_NAME as LIBRARY_FILE
from polarstem.simulate.pattern_library import Library
from polarstem.structures.symmetry import turns_of

ScanSource = Path | str | NDArray[Any] | Scan
ModelSource = Path | str | Sequence[Path | str]
_NEEDED = {
    "step_nm": "distance of probe positions [nm]",
    "energy_kv": "accelerating voltage [kV]",
    "semiangle_mrad": "convergence semi-angle [mrad]",
}


@dataclass
class Setup:
    """A scan and the models that are to be brought together.

    Attributes
    ----------
    scan : Scan
        The scan.
    sheet : Sheet
        What is known of it beside its file.
    models : list of Model
        The models, of the same classes and on the same grid.
    trained : dict
        What patterns the first model was trained for.
    library : Library or None
        Simulated patterns, where the first model has them and the sheet does not switch off what
        they are needed for.
    reference : AnomalyReference or None
        What defect-free scans look like, where the first model has it.
    settings : dict of str to Sourced
        What is known of the scan, by name of the sheet.
    warnings : list of str
        What a user should know, a sentence each.
    forced : str
        Why a model should not be used for the scan; empty if all may.
    """

    scan: Scan
    sheet: Sheet
    models: list[Model]
    trained: dict[str, Any]
    library: Library | None
    reference: AnomalyReference | None
    settings: dict[str, Sourced]
    warnings: list[str] = field(default_factory=list)
    forced: str = ""

    @property
    def model(self) -> Model:
        """The first of the models."""
        return self.models[0]

    @property
    def step_nm(self) -> tuple[float, float]:
        """Distance of positions along y and x [nm]."""
        y, x = self.settings["step_nm"].value
        return float(y), float(x)

    @property
    def period_deg(self) -> float:
        """After which turn the projected lattice is itself again [degrees]."""
        zone = tuple(self.trained["zone_axis"])
        return 360 / (len(turns_of(zone)) // 2)

    def given(self, name: str) -> Sourced | None:
        """A setting of the sheet."""
        found = self.settings.get(name)
        return found if found is not None and found.origin == "sheet" else None

    def wants(self, step: str) -> bool:
        """Whether the sheet leaves a step switched on."""
        return step not in self.sheet.off


def set_up(
    scan: ScanSource,
    model: ModelSource,
    sheet: Path | str | Mapping[str, Any] | Sheet | None = None,
    *,
    force: bool = False,
) -> Setup:
    """Open a scan and models, and check that one is for the other.

    Parameters
    ----------
    scan : path, array or Scan
        Detector file or folder, counts (ny, nx, ky, kx), or what `open_scan` gave.
    model : path or sequence of paths
        Saved models.
    sheet : path, mapping, Sheet or None
        What is known of the scan beside its file.
    force : bool
        Go on with models that were trained for something else.

    Raises
    ------
    PolarstemError
        If something cannot be read, the scan's optics are unknown, the models do not belong
        together, or were not trained for the scan.
    """
    checked = load_sheet(sheet)
    directories = [Path(model)] if isinstance(model, Path | str) else [Path(m) for m in model]
    models = [load_model(directory) for directory in directories]
    trained = [trained_for(*pair) for pair in zip(models, directories, strict=True)]
    _check_alike(models, trained, directories)
    if isinstance(scan, Path | str):
        opened = open_scan(scan, checked)
    else:
        opened = scan if isinstance(scan, Scan) else ArrayScan(scan, checked)
    settings = dict(opened.settings)
    missing = [name for name in _NEEDED if name not in settings]
    if missing:
        told = ", ".join(f"`{name}` ({_NEEDED[name]})" for name in missing)
        raise PolarstemError(
            f"{opened.path} does not say, and neither does a scan sheet: {told}; give it in the "
            "sheet (--sheet)."
        )
    note = "that of the model"
    settings.setdefault("zone_axis", Sourced(tuple(trained[0]["zone_axis"]), "", "assumed", note))
    needed = [settings[name] for name in ("energy_kv", "semiangle_mrad", "zone_axis")]
    against = list(dict.fromkeys(text for each in trained for text in differences(each, *needed)))
    if against and not force:
        raise PolarstemError(
            f"The model {directories[0]} does not serve {opened.path}. {' '.join(against)} Train a "
            "model for this scan, correct the scan sheet, or go on with --force: every output is "
            "then stamped."
        )
    forced = " ".join(against)
    setup = Setup(opened, opened.sheet, models, trained[0], None, None, settings, forced=forced)
    _load_company(setup, directories[0])
    return setup


def _check_alike(
    models: Sequence[Model], trained: Sequence[Mapping[str, Any]], directories: Sequence[Path]
) -> None:
    """Refuse models that do not look at the same patterns or tell the same classes."""
    for model, own, directory in zip(models[1:], trained[1:], directories[1:], strict=True):
        same = list(model.class_names) == list(models[0].class_names)
        for name in ("pixels", "mrad_per_pixel", "semiangle_mrad"):
            same &= bool(own[name] == trained[0][name])
        if not same:
            raise PolarstemError(
                f"The models {directories[0]} and {directory} do not look at the same grid or do "
                "not tell the same classes; map with one of them, or with models of one run."
            )


def _check_library(setup: Setup, directory: Path) -> None:
    """Refuse the library of another model."""
    library, trained = setup.library, setup.trained
    assert library is not None
    own = {
        "pixels": library.pixels,
        "mrad_per_pixel": library.mrad_per_pixel,
        "semiangle_mrad": library.semiangle_mrad,
    }
    unknown = set(setup.model.class_names) - set(library.class_names)
    if unknown or any(abs(value - trained[name]) > 1e-5 for name, value in own.items()):
        raise PolarstemError(
            f"{directory / LIBRARY_FILE} is the library of another model than the one beside it: "
            "its classes, pixels or convergence semi-angle are others; take the one that was made "
            "with the model."
        )


def _load_company(setup: Setup, directory: Path) -> None:
    """Read what lies beside the model."""
    if {"thickness", "tilt"} - set(setup.sheet.off):
        if (directory / LIBRARY_FILE).exists():
            setup.library = Library.open(directory)
            _check_library(setup, directory)
        else:
            setup.warnings.append(
                f"Thickness, tilt and orientation were not measured: the model {directory} has no "
                f"{LIBRARY_FILE}."
            )
    if not setup.wants("anomaly"):
        return
    if (directory / ANOMALY_FILE).exists():
        setup.reference = AnomalyReference.load(directory)
    else:
        setup.warnings.append(
            f"Anomalies were not looked for: the model {directory} has no {ANOMALY_FILE}."
        )
