# SPDX-License-Identifier: GPL-3.0-or-later
"""Thickness, tilt and orientation of the specimen, from mean patterns of a scan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarstem.errors import PolarstemError
from polarstem.maps.pooling import cell_means
from polarstem.maps.setup import Setup
from polarstem.maps.withheld import Doubt, Reason
from polarstem.scans.calibration.calibrate import Calibration
from polarstem.scans.calibration.steps import Step
from polarstem.scans.sourced import Sourced
from polarstem.scans.specimen.cells import Cells, Lattice
from polarstem.scans.specimen.cover import EVEN, even_weights, uneven_cover
from polarstem.scans.specimen.pacbed import PacbedFitter
from polarstem.scans.specimen.pacbed_fit import PacbedFit
from polarstem.scans.specimen.pacbed_tiles import TileFits, fit_tiles

_FINER = 2  # pixels along one of the model's
_DISC = 0.88  # half of a square's edge that holds nine tenths of a disc of radius 1
_WIDER = 1.45  # than the model's grid: a turned one lies within
_MOST_TILES = 64
_LEAST_IN_TILE = 36  # positions
_BETTER = 0.02  # by which the residual elsewhere is less than where the crystal was expected
_NOT_ORIENTED = (
    "How the crystal lies is not known, as the positions do not cover the unit cell: no direction "
    "is given; give crystal_rotation_deg and detector_rotation_deg in the sheet."
)


class Specimen:
    """Compares mean patterns of a scan with the library of its model.

    Parameters
    ----------
    setup : Setup
        Scan and model; the sheet may switch thickness, tilt or both off.

    Attributes
    ----------
    fit : PacbedFit or None
        Of the mean pattern of the scan, once one was compared.
    tiles : TileFits or None
        Of its parts.
    seen : ndarray of bool, shape (ky, kx), or None
        Pixels of the model's grid, in the crystal's frame, that the detector sees; all if None.
    cannot : str
        Why thickness and tilt cannot be told; empty if they can.
    """

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.fit: PacbedFit | None = None
        self.tiles: TileFits | None = None
        self._tile_of_cell = np.empty(0, np.int64)
        self.seen: NDArray[np.bool_] | None = None
        self.cannot = ""
        self._first: PacbedFit | None = None
        self._expected = True  # how the crystal lies is known but for what its pattern shows
        self._fitter = None if setup.library is None else PacbedFitter(setup.library)
        given = setup.given("thickness_nm")
        self._known: float | tuple[float, float] | None = None
        if given is not None:
            low, high = float(np.min(given.value)), float(np.max(given.value))
            self._known = low if low == high else (low, high)

    def prepare(self) -> None:
        """Make ready what patterns are compared with."""
        if self._fitter is not None:
            self._fitter.prepare()

    def orientation(
        self, calibration: Calibration, near: tuple[float, float] | None, threads: int = 1
    ) -> Sourced | None:
        """Angle of a crystal axis on the detector [degrees], modulo 360 / fold; None if unknown.

        Parameters
        ----------
        calibration : Calibration
            Its sample's mean pattern is compared.
        near : (angle, within) or None
            Where it is expected [degrees].
        threads : int
            Orientations that are compared at the same time.
        """
        if self._fitter is None:
            return None
        self._expected = near is not None
        trained = self.setup.trained
        fine = trained["mrad_per_pixel"] / _FINER
        rows, columns = calibration.settings["centre"].value
        height, width = calibration.shape[2:]
        seen = min(rows, columns, height - 1 - rows, width - 1 - columns) + 0.5
        refuse_narrow(seen, calibration.settings, trained["semiangle_mrad"])
        wanted = _WIDER * trained["pixels"] * trained["mrad_per_pixel"] / 2
        half = int(min(seen * calibration.mrad_per_pixel, wanted) / fine)
        mean = calibration.mean_pattern(0.0, 2 * half, fine)
        options: dict[str, Any] = {"mrad_per_pixel": fine, "thickness_nm": self._known}
        options["threads"] = threads
        dose = calibration.settings.get("dose_electrons")
        if dose is not None:
            options["electrons"] = float(dose.value) * float(calibration.part_counts.sum())
        self._first = self._fitter.fit(mean, near_deg=near, **options)
        elsewhere = self._first.elsewhere
        if elsewhere is not None and elsewhere.clearly and elsewhere.better_by > _BETTER:
            # a mirror turns the crystal's axes the other way
            self._first = self._fitter.fit(mean, **options)
        return self._first.rotation

    def look(
        self, patterns: Any, total: NDArray[np.floating], lattice: Lattice, cells: Cells
    ) -> None:
        """Compare the mean pattern of a scan, in the crystal's frame, with the library.

        Parameters
        ----------
        patterns : callable
            Gives the mean pattern (ky, kx) by weights (n,).
        total : ndarray, shape (n,)
            Counts of the positions; 0 where they are to be left out.
        lattice, cells : Lattice, Cells
            Where in the cell they lie.
        """
        used = total > 0
        if self._fitter is None or not used.any():
            return
        weights = used.astype(float)
        places = np.stack([cells.y.ravel(), cells.x.ravel()], axis=1)
        if not lattice.found:
            places = self._assumed_places(lattice)
        known = used & np.isfinite(places).all(1)
        if lattice.found:
            even = even_weights(places[known], _parts(lattice))
            if even is not None:
                weights = np.zeros(len(total))
                weights[known] = even
        cover = uneven_cover(places[known], weights[known]) if known.any() else 1.0
        if cover > EVEN:
            self.cannot = (
                "The positions do not cover the unit cell evenly, so their mean is no "
                "position-averaged pattern: thickness and tilt cannot be told."
            )
        self.fit = self._fitter.fit(
            patterns(weights),
            rotation_deg=0.0,
            thickness_nm=self._known,
            electrons=float(total @ weights),
            seen=self.seen,
        )

    def _assumed_places(self, lattice: Lattice) -> NDArray[np.float64]:
        """Fractions of the cell where positions would lie in a lattice along the scan's axes."""
        cell = np.array(self.setup.trained["cell_angstrom"]) / 10
        rows, columns = self.setup.scan.shape[:2]
        y, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
        step = self.setup.step_nm
        places: NDArray[np.float64] = np.stack(
            [y.ravel() * step[0] / cell[0] % 1, x.ravel() * step[1] / cell[1] % 1], axis=1
        )
        return places

    def look_at_tiles(
        self,
        patterns: NDArray[np.floating],
        total: NDArray[np.floating],
        cell: NDArray[Any],
        row: NDArray[np.int64],
        column: NDArray[np.int64],
        *,
        threads: int = 1,
    ) -> None:
        """Compare the mean patterns of neighbouring cells with the library.

        Parameters
        ----------
        patterns : ndarray, shape (n, ky, kx)
            In the crystal's frame.
        total : ndarray, shape (n,)
            Counts.
        cell : ndarray of int, shape (n,)
            Cell of each position, -1 for none.
        row, column : ndarray of int, shape (cell,)
            Place of the cells in the lattice.
        threads : int
            In which they are compared.
        """
        fit = self.fit
        if self._fitter is None or fit is None or self.cannot or fit.thickness is None:
            return
        if not len(row) or fit.tilt is None:
            return
        side = max(1, int(np.ceil(np.sqrt(len(row) / _MOST_TILES))))
        while side**2 * np.median(np.bincount(cell[cell >= 0])) < _LEAST_IN_TILE:
            side += 1
        names = np.stack([row // side, column // side], axis=1)
        _, of_cell = np.unique(names, axis=0, return_inverse=True)
        of_cell = of_cell.ravel()
        tile = np.where(cell >= 0, of_cell[cell], -1)
        inside = tile >= 0
        electrons = np.bincount(tile[inside], total[inside]).astype(float)
        means = cell_means(patterns, tile)
        self.tiles = fit_tiles(
            self._fitter, means, fit, electrons=electrons, seen=self.seen, threads=threads
        )
        self._tile_of_cell = of_cell

    @property
    def doubts(self) -> list[Doubt]:
        """Why the scan's answers cannot be believed; empty if nothing speaks against them."""
        fit = self.fit or self._first
        if fit is None:
            return []
        if self.cannot:  # nor does it tell whether it is the crystal
            return [] if self._expected else [Doubt(Reason.TURN_UNKNOWN, _NOT_ORIENTED)]
        if fit.is_crystal is False:
            return [Doubt(Reason.NOT_THIS_CRYSTAL, f"{fit.about_crystal} No answer is given.")]
        measured = self.measured_nm
        if measured is None or measured.interval is None:
            return []
        low, high = self.setup.trained["thickness_nm"]
        if measured.interval[1] < low or measured.interval[0] > high:
            sentence = (
                f"The specimen is {measured.value:.3g} nm thick, but the model was trained for "
                f"{low:g} to {high:g} nm: no answer is given."
            )
            return [Doubt(Reason.THICKNESS, sentence)]
        return []

    def _told(self, name: str, step: str) -> Sourced | None:
        """What the fit found, where it may be believed and is asked for."""
        if self.fit is None or self.cannot or not self.setup.wants(step):
            return None
        found: Sourced | None = getattr(self.fit, name)
        return found

    @property
    def thickness_nm(self) -> Sourced | None:
        """Thickness by the patterns and what the sheet gives beforehand [nm]."""
        return self._told("thickness", "thickness")

    @property
    def measured_nm(self) -> Sourced | None:
        """Thickness by the patterns alone [nm]."""
        return self._told("measured_thickness", "thickness")

    @property
    def tilt_mrad(self) -> Sourced | None:
        """Tilt of the beam in the crystal's frame, x and y up [mrad], as measured."""
        return self._told("tilt", "tilt")

    @property
    def templates_nm(self) -> float | None:
        """One thickness for simulated patterns [nm]; None without a library."""
        if self.setup.library is None:
            return None
        fit = self.fit or self._first
        if fit is not None and fit.thickness is not None and not self.cannot:
            return float(fit.thickness.value)
        return float(np.mean(self._known or self.setup.trained["thickness_nm"]))

    def warnings(self) -> list[str]:
        """What the fit says against itself, the sheet or the model."""
        if self.cannot:
            return [self.cannot]
        if self.fit is None or not self.setup.wants("thickness"):
            return []
        found = list(self.fit.warnings)
        measured = self.measured_nm
        low, high = self.setup.trained["thickness_nm"]
        if measured is not None and not low <= measured.value <= high:
            found.append(
                f"The specimen seems to be {measured.value:.3g} nm thick, the model was trained "
                f"for {low:g} to {high:g} nm."
            )
        return found

    def of_cells(self, classes: Any, count: int) -> dict[str, NDArray[np.float32]]:
        """Thickness and tilt of each cell, in the frame of the scan, as variables of the map."""
        names = ("thickness", "thickness_low", "thickness_high", "tilt_x", "tilt_y", "tilt_error")
        if self.tiles is None or not count:
            return {}
        tilt = classes.vectors_in_scan(self.tiles.tilt_mrad)
        columns = (
            self.tiles.thickness_nm, *self.tiles.interval_nm.T, *tilt.T, self.tiles.tilt_error_mrad
        )  # fmt: skip
        return {
            name: column[self._tile_of_cell].astype(np.float32)
            for name, column in zip(names, columns, strict=True)
        }

    def steps(self) -> list[Step]:
        """What became of the two steps."""
        if self.fit is None:
            off = {"thickness", "tilt"} <= set(self.setup.sheet.off)
            why = "Switched off in the sheet." if off else "The model has no library."
            return [Step(n, "off" if off else "impossible", why) for n in ("thickness", "tilt")]
        fit, made = self.fit, []
        for name, found in (("thickness", self.thickness_nm), ("tilt", self.tilt_mrad)):
            if not self.setup.wants(name):
                made.append(Step(name, "off", "Switched off in the sheet."))
            elif found is None:
                made.append(Step(name, "impossible", self.cannot or fit.about_crystal))
            else:
                values = {"error_mrad": float(fit.tilt_error)}
                if name == "thickness":
                    values = {"thickness_nm": float(found.value)}
                made.append(Step(name, "done", f"Mean pattern: {found}.", values))
        diagnostics = {
            "nm": fit.thickness_nm,
            "residual": fit.residual,
            "measured": fit.measured,
            "simulated": fit.simulated,
        }
        made[0].diagnostics.update(diagnostics)
        return made


def _parts(lattice: Lattice) -> int:
    """Parts along the edge of a cell that each hold a position or more."""
    edges = np.abs(np.linalg.det(lattice.vectors)) / np.prod(lattice.step_nm)
    return int(np.clip(np.sqrt(edges), 3, 8))


def refuse_narrow(seen: float, settings: Mapping[str, Sourced], semiangle_mrad: float) -> None:
    """Refuse a scale by which the detector does not hold the central disc.

    Parameters
    ----------
    seen : float
        Distance of the beam from the nearest edge of the detector [pixels].
    settings : mapping of str to Sourced
        Of the scan: its ``mrad_per_pixel`` and ``disc_radius_pixels``, where known.
    semiangle_mrad : float
        Radius of the disc [mrad].

    Raises
    ------
    PolarstemError
        With the numbers that the file or the sheet gave.
    """
    scale, radius = settings["mrad_per_pixel"], settings.get("disc_radius_pixels")
    reach = seen * scale.value
    if reach >= _DISC * semiangle_mrad:
        return
    measured = ""
    if radius is not None:
        measured = (
            f"; by the radius of the disc it would be {semiangle_mrad / radius.value:.3g} mrad"
        )
    raise PolarstemError(
        f"With {scale.value:.4g} mrad per pixel, as the {scale.origin} gives it, the detector "
        f"reaches to {reach:.3g} mrad from the beam, less than the disc of {semiangle_mrad:g} mrad"
        f"{measured}: correct `mrad_per_pixel` or `centre` in the scan sheet."
    )
