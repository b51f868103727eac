# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fitted displacement is off by where A, B and oxygen do not move as in the template.

``python -m benchmarks.wrong_template`` makes crystals whose B is displaced against the mean of
its oxygens by one template's length, but whose A site or oxygens go another way: A stays, or goes
twice as far; oxygens along their bond to B go farther or less far than those across. Eight
directions, seen along [001] with the standard microscope, patterns without noise, of the mean
wave. Displacements and conditions are fitted to 16 cells of 36 patterns as to those of a scan,
with the material's template. Printed for each thickness: length found over the true one, error of
a component, turn of the direction, and the misfit over that of the template itself, by which one
could tell.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from polarstem.config import jobs, load
from polarstem.config.check import STANDARD
from polarstem.displacements.cell_displacement import CellPatterns
from polarstem.displacements.displaced_crystals import DisplacedCrystals, between_places
from polarstem.displacements.microscope_conditions import reach_of
from polarstem.displacements.scan_displacements import ScanCells, fit_scan
from polarstem.scans.specimen.diffuse_halos import DiffuseHalos
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.parallel import available_cores
from polarstem.simulate.potential.displaced_crystal import displaced_crystal
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.structures.crystals import load_material
from polarstem.structures.polar_mode import PolarMode
from polarstem.structures.symmetry import turns_of

CELLS, PATTERNS = 16, 36
MARGIN_NM, TILT_MRAD, SOURCE = 1.6, 1.0, 0.8
CHANGES: Mapping[str, Mapping[str, float]] = {  # factors and pm, of the template's numbers
    "the template": {},
    "A stays with B": {"A": -1.0},
    "A goes twice as far": {"A": 1.0},
    "O along the bond 5 pm farther": {"O_parallel": 5.0, "O_perpendicular": -2.5},
    "O along the bond 5 pm less": {"O_parallel": -5.0, "O_perpendicular": 2.5},
}


@dataclass(frozen=True)
class Row:
    """One crystal at one thickness."""

    change: str
    thickness_nm: float
    length: float
    error_pm: float
    turn_deg: float
    misfit: float

    def __str__(self) -> str:
        return (
            f"{self.change:30s} {self.thickness_nm:4.0f} nm  length {self.length:5.3f}  "
            f"error {self.error_pm:4.1f} pm  turned {self.turn_deg:4.1f} deg  "
            f"misfit {self.misfit:6.1f}"
        )


def changed(material: str, phase: str, change: Mapping[str, float]) -> dict[str, Any]:
    """A material whose template of a phase has other numbers."""
    found = load_material(material).model_dump(mode="json", exclude_unset=True)
    numbers = found["template"][phase]
    for name, value in change.items():
        numbers[name] += value * numbers["A"] if name == "A" else value
    return found


def rows(trained_for: Mapping[str, Any], thicknesses_nm: list[float]) -> Iterator[Row]:
    """Fit the template to all crystals."""
    threads = available_cores()
    halos = DiffuseHalos(trained_for["pixels"], trained_for["mrad_per_pixel"])
    full = PolarMode.of(trained_for["material"], trained_for["phase"]).full_pm
    for nm in thicknesses_nm:
        span = (nm - MARGIN_NM, nm + MARGIN_NM)
        crystals = DisplacedCrystals(trained_for, span, TILT_MRAD, threads)
        plane = float(crystals.thickness_nm[np.abs(crystals.thickness_nm - nm).argmin()])
        usual = math.nan
        for name, change in CHANGES.items():
            material = changed(trained_for["material"], trained_for["phase"], change)
            true, cells = scanned(crystals, trained_for | {"material": material}, full, plane)
            scan = ScanCells(cells, np.zeros((CELLS, 2)), np.full(CELLS, plane))
            fits = fit_scan(crystals, scan, halos, 0).fits
            found = crystals.reach_pm * np.array([fit.shift for fit in fits])
            misfit = float(np.median([fit.misfit for fit in fits]))
            usual = usual if change else misfit
            turn = (found * [1, 1j]).sum(1) / (true * [1, 1j]).sum(1)
            yield Row(
                name,
                plane,
                float((found * true).sum() / (true**2).sum()),
                float(np.sqrt(np.square(found - true).mean())),
                float(np.degrees(np.abs(np.angle(turn)).max())),
                misfit / usual,
            )


def scanned(
    crystals: DisplacedCrystals, crystal: Mapping[str, Any], full_pm: float, plane_nm: float
) -> tuple[np.ndarray, list[CellPatterns]]:
    """Displacements [pm] and patterns of cells in all directions, at random places."""
    structure = {key: crystal[key] for key in ("material", "phase", "zone_axis")}
    random = np.random.default_rng(1)
    true, cells = [], []
    for direction in ((math.sqrt(0.5), math.sqrt(0.5)), (1.0, 0.0)):
        matrix = compute_scattering_matrix(
            displaced_crystal(structure, (*(full_pm * np.array(direction)), 0.0)),
            [plane_nm],
            crystals.simulate,
            cells=crystals.cells,
            reach_mrad=reach_of(crystals.simulate.detector),
            thermal_scale=1.0,
            mean_wave=True,
            threads=available_cores(),
        )
        eye = VirtualMicroscope(matrix, crystals.simulate.detector)
        optics = Optics(crystals.simulate.semiangle_mrad, {}, (0.0, 0.0), SOURCE)
        for turn in turns_of(structure["zone_axis"]):
            places = random.random((PATTERNS, 2))
            at = np.stack([places[:, 1], -places[:, 0]], axis=1) * crystals.cell
            patterns = eye.measure(at, [plane_nm], optics, turn=turn).numpy()[0]
            cells.append(CellPatterns(between_places(places), patterns.reshape(PATTERNS, -1)))
            true.append(full_pm * np.array(turn) @ direction)
    return np.array(true), cells


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--thickness", type=float, nargs="+", default=[10.0, 20.0, 40.0])
    given = parser.parse_args()
    config = load(STANDARD)
    recommended = config.evaluate.recommended
    if recommended is None:
        sys.exit("The standard configuration recommends no model.")
    for row in rows(jobs.trained_for(config, recommended.source), given.thickness):
        print(row, flush=True)
