# SPDX-License-Identifier: GPL-3.0-or-later
"""Displacements by fitting atom columns in virtual images, on the scans that are mapped.

``python -m benchmarks.columns results`` takes the virtual experiments of a finished run. From each
scan it makes the images that are used for this: annular dark field, annular bright field, and the
integrated centre of mass. In every unit cell Gaussians are fitted to the columns of A, B and
oxygen, as atomap and TEMUL do, and the deflection of the beam is averaged over the cell. Each
method is turned into picometres by a calibration of its own on all other scans, once as it is and
once with the tilt that the map measured. Printed are the error of a component of the displacement
(root mean square), its scatter within a domain, the share of cells whose nearest direction is the
true one, and beside it that of the map. Cells at walls and defects are left out.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from benchmarks.finished_run import run
from benchmarks.virtual_images import FloatArray, lattice_places, virtual_images
from polarstem.displacements.column_fit import IMAGES, WINDOW, fit_columns
from polarstem.evaluate.map_scores.beside_truth import (
    AWAY_CELLS,
    agrees,
    read_scored,
    truth_of_cells,
)
from polarstem.evaluate.map_scores.displacements_beside_truth import at_cells
from polarstem.scans.specimen.turns import PlaneTurn

DEFLECTION = "deflection"
METHODS = (*IMAGES, DEFLECTION)
LEAST_POSITIONS = 5  # along a cell: fewer do not tell the width of a column
_THICKNESS_NM = 20.0  # about which gains are linear in the thickness


@dataclass(frozen=True)
class Scene:
    """A virtual experiment, cell by cell.

    Attributes
    ----------
    name : str
    truth_pm : ndarray, shape (cell, 2)
        Displacement of B against its oxygens, right and up in the scan [pm].
    domain : ndarray of int, shape (cell,)
    tilt_mrad : ndarray, shape (cell, 2)
        As the map measured it, right and up.
    thickness_nm : ndarray, shape (cell,)
        As the map measured it.
    found : dict of str to ndarray, shape (cell, n, 2)
        By method, displacements between sorts of columns [cells], or the deflection [mrad].
    right_by_map : ndarray of bool, shape (cell,)
        Whether the map's answer is right.
    answered : ndarray of bool, shape (cell,)
        Whether it gave one.
    classes_deg : ndarray, shape (class,)
        Directions that the map knows.
    """

    name: str
    truth_pm: FloatArray
    domain: NDArray[np.int64]
    tilt_mrad: FloatArray
    thickness_nm: FloatArray
    found: dict[str, FloatArray]
    right_by_map: NDArray[np.bool_]
    answered: NDArray[np.bool_]
    classes_deg: FloatArray


@dataclass(frozen=True)
class Score:
    """How good displacements are.

    Attributes
    ----------
    rms_pm : float
        Root-mean-square error of a component.
    scatter_pm : float
        The same about the mean of each domain: what no better calibration takes away.
    right : float
        Share of cells whose nearest class is the true one.
    """

    rms_pm: float
    scatter_pm: float
    right: float


def read_scene(map_nc: Path, scans: Path) -> Scene | None:
    """Fit all cells of an experiment away from walls and defects.

    Parameters
    ----------
    map_nc : path
        Map of the experiment; its folder has the experiment's name.
    scans : path
        Folder of scans and truths.

    Returns
    -------
    Scene or None
        None if it is sampled too thinly, or has no such cells.
    """
    name = map_nc.parent.name
    found, truth = read_scored(map_nc, scans / f"{name}.truth.nc")
    places, middles = lattice_places(found)
    if len(places) < LEAST_POSITIONS**2 * np.prod(np.ptp(places, axis=0)):
        return None
    own = truth_of_cells(found, truth)
    away = own["wall_distance"] > AWAY_CELLS * float(truth.attrs["cell_nm"])
    away &= (own["class_index"] >= 0) & ~own["defect"]
    if not away.any():
        return None
    images = virtual_images(scans / f"{name}.hspy", found)
    turn = PlaneTurn(float(found.attrs["crystal_rotation_deg"]))
    deflection = np.stack([found["com_x"].values, found["com_y"].values], axis=-1).reshape(-1, 2)
    number = found["cell"].values.ravel()
    shifts: dict[str, list[FloatArray]] = {method: [] for method in METHODS}
    for cell in np.flatnonzero(away):
        apart = places - middles[cell]
        inside = (np.abs(apart) < WINDOW).all(1)
        for method, (sign, sites) in IMAGES.items():
            fitted = fit_columns(apart[inside], images[method].ravel()[inside], sign, sites)
            of_b = fitted[sites.index("B")]
            others = [of_b - fitted[k] for k, site in enumerate(sites) if site != "B"]
            shifts[method].append(turn.vectors(np.array(others)))
        shifts[DEFLECTION].append(deflection[number == cell].mean(0)[None])
    answered = found["cell_answered"].values.astype(bool)[away]
    told = found["cell_class_index"].values[away]
    return Scene(
        name,
        at_cells(found, truth)[away],
        own["domain"][away].astype(np.int64),
        _per_cell(found, ("cell_tilt_x", "cell_tilt_y"))[away],
        _per_cell(found, ("cell_thickness",))[away, 0],
        {method: np.array(values) for method, values in shifts.items()},
        agrees(found, told, own["direction"][away]) & answered,
        answered,
        found["class_direction"].values + turn.angle_deg,
    )


def _per_cell(found: xr.Dataset, names: Sequence[str]) -> FloatArray:
    return np.stack([found[name].values for name in names], axis=1).astype(float)


def features(scene: Scene, method: str, corrected: bool) -> FloatArray:
    """What a displacement is a sum of, each with a number in front, shape (cell, 2, feature).

    Parameters
    ----------
    scene : Scene
    method : str
        Of `METHODS`.
    corrected : bool
        Whether for thickness and tilt as the map measured them.
    """
    plain = scene.found[method].transpose(0, 2, 1)
    if not corrected:
        return plain
    thicker = (scene.thickness_nm[:, None, None] - _THICKNESS_NM) / 10
    tilt = scene.tilt_mrad[:, :, None]
    return np.concatenate([plain, plain * thicker, tilt, tilt * thicker], axis=2)


def estimated(scenes: Sequence[Scene], method: str, corrected: bool) -> list[FloatArray]:
    """Displacements of each scene's cells [pm], calibrated on all the other scenes."""
    made = [features(scene, method, corrected) for scene in scenes]
    told = []
    for left_out, own in enumerate(made):
        others = [k for k in range(len(scenes)) if k != left_out]
        design = np.concatenate([made[k].reshape(-1, own.shape[-1]) for k in others])
        wanted = np.concatenate([scenes[k].truth_pm.ravel() for k in others])
        whole = np.isfinite(design).all(1)
        gains, *_ = np.linalg.lstsq(design[whole], wanted[whole], rcond=None)
        told.append(own @ gains)
    return told


def score(scene: Scene, told_pm: FloatArray) -> Score:
    """Compare displacements of cells (cell, 2) with the truth; those without a fit are wrong."""
    fitted = np.isfinite(told_pm).all(1)
    error = (told_pm - scene.truth_pm)[fitted]
    domain = scene.domain[fitted]
    about = error.copy()
    for each in np.unique(domain):
        about[domain == each] -= about[domain == each].mean(0)
    freedom = max(1, len(error) - len(np.unique(domain))) / max(1, len(error))
    right = np.zeros(len(fitted), bool)
    right[fitted] = nearest(scene, told_pm[fitted]) == nearest(scene, scene.truth_pm[fitted])
    return Score(
        float(np.sqrt(np.mean(error**2))),
        float(np.sqrt(np.mean(about**2) / freedom)),
        float(right.mean()),
    )


def nearest(scene: Scene, vectors: FloatArray) -> NDArray[np.int64]:
    """Class whose direction is nearest to vectors (n, 2)."""
    angle = np.degrees(np.arctan2(vectors[:, 1], vectors[:, 0]))
    apart = np.abs((angle[:, None] - scene.classes_deg + 180) % 360 - 180)
    return np.nan_to_num(apart, nan=np.inf).argmin(1)


@dataclass(frozen=True)
class Row:
    """A line of the table: a method on a scene, or on all cells of all scenes.

    Attributes
    ----------
    scene, method : str
    cells : int
    plain, corrected : Score
        Calibrated by numbers alone, and with the thickness and tilt that the map measured.
    map_right, map_answered : float
        Share of these cells that the map answered right, and answered.
    """

    scene: str
    method: str
    cells: int
    plain: Score
    corrected: Score
    map_right: float
    map_answered: float

    def __str__(self) -> str:
        numbers = "  ".join(
            f"{s.rms_pm:5.1f} {s.scatter_pm:5.1f} {s.right:6.1%}"
            for s in (self.plain, self.corrected)
        )
        return (
            f"{self.scene:20s} {self.method:12s} {self.cells:4d}  {numbers}  "
            f"{self.map_right:6.1%} of {self.map_answered:6.1%}"
        )


def table(scenes: Sequence[Scene]) -> Iterator[Row]:
    """Score every method on every scene, then on all cells together."""
    for method in METHODS:
        told = [estimated(scenes, method, corrected) for corrected in (False, True)]
        scored = [[score(s, t) for s, t in zip(scenes, way, strict=True)] for way in told]
        sizes = [len(scene.truth_pm) for scene in scenes]
        shares = [(float(s.right_by_map.mean()), float(s.answered.mean())) for s in scenes]
        for scene, size, plain, corrected, share in zip(
            scenes, sizes, *scored, shares, strict=True
        ):
            yield Row(scene.name, method, size, plain, corrected, *share)
        overall = (together(way, sizes) for way in scored)
        yield Row(
            "all cells", method, sum(sizes), *overall, *np.average(shares, axis=0, weights=sizes)
        )


def together(scores: Sequence[Score], sizes: Sequence[int]) -> Score:
    """The score of all cells of several scenes."""
    squares = [(s.rms_pm**2, s.scatter_pm**2, s.right) for s in scores]
    rms, scatter, right = np.average(squares, axis=0, weights=sizes)
    return Score(float(np.sqrt(rms)), float(np.sqrt(scatter)), float(right))


def rows(results: Path) -> list[Row]:
    """Fit and score all mapped experiments of a folder whose truth is known."""
    scans, scenes = results / "scans", []
    for path in sorted(results.glob("*/*/map.nc")):
        if (scans / f"{path.parent.name}.truth.nc").exists():
            print(path.parent, file=sys.stderr, flush=True)
            scenes.append(read_scene(path, scans))
    print(
        f"{'scene':20s} {'method':12s} cells  calibrated: rms, scatter [pm], right  "
        "and corrected: the same  map: right of answered"
    )
    return list(table([scene for scene in scenes if scene is not None]))


if __name__ == "__main__":
    run(__doc__ or "", rows)
