# SPDX-License-Identifier: GPL-3.0-or-later
"""Expected patterns of a crystal, and how they change with its polar vector and with all else.

Derivatives are differences of patterns that are simulated on both sides of a condition. Probe
position and defocus are measured on one scattering matrix, a thickness on its exit planes; polar
vector, crystal tilt and thermal amplitude are crystals of their own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarstem.config.physics import Simulate
from polarstem.config.vector_bound import PARAMETERS
from polarstem.evaluate.limit.crystal_information import cell_centres
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.potential.displaced_crystal import displaced_crystal
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.structures.recipes import whole_periods
from polarstem.structures.symmetry import Turn, inverse, turns_of

STEPS = {
    "ux": 1.0,
    "uy": 1.0,
    "tilt_x": 0.2,
    "tilt_y": 0.2,
    "defocus": 2.0,
    "x": 0.02,
    "y": 0.02,
    "thermal": 0.01,
}
"""Half the distance of the two sides of each difference, in the units of `PARAMETERS`."""
_OF_CRYSTAL = ("ux", "uy", "tilt_x", "tilt_y", "thermal")
_BESIDE = (-2, -1, 0, 1, 2)  # exit planes about a thickness [periods]


@dataclass(frozen=True)
class Expansion:
    """Expected patterns about one crystal and its conditions.

    Attributes
    ----------
    patterns : ndarray, shape (thickness, position, pixel)
        Fractions of the beam; positions row by row from the top of the cell.
    slopes, curvatures : ndarray, shape (parameter, thickness, position, pixel)
        First and second derivative with respect to each of `PARAMETERS`.
    """

    patterns: NDArray[np.float64]
    slopes: NDArray[np.float64]
    curvatures: NDArray[np.float64]


class DisplacedPatterns:
    """Measures a crystal of any polar vector under conditions next to those of a run.

    Crystals that a turn or mirror of the lattice maps onto one another share a matrix.

    Parameters
    ----------
    settings : mapping
        From `polarstem.config.vector_bound.vector_bound_settings`.
    thicknesses_nm : sequence of float, optional
        Others than in the settings [nm].
    """

    def __init__(
        self, settings: Mapping[str, Any], thicknesses_nm: Sequence[float] | None = None
    ) -> None:
        self.settings = settings
        self.simulate = Simulate.model_validate(settings["simulate"])
        zone = settings["structure"]["zone_axis"]
        nx, ny = settings["cells"]
        self.turns = turns_of(zone, square=nx == ny)
        self.cell = displaced_crystal(settings["structure"], (0.0, 0.0, 0.0)).cell
        period = self.cell[2]
        wanted = settings["thicknesses_nm"] if thicknesses_nm is None else thicknesses_nm
        self.periods = [whole_periods(t, period) for t in wanted]
        bins = settings["positions"]
        y, x = np.meshgrid(-cell_centres(bins), cell_centres(bins), indexing="ij")
        self.positions = np.stack([x.ravel(), y.ravel()], axis=1) * self.cell[:2]
        self._eyes: dict[Any, VirtualMicroscope] = {}

    def expected(
        self, vector_pm: Sequence[float], offsets: Mapping[str, float] | None = None
    ) -> NDArray[np.float64]:
        """Measure what is expected.

        Parameters
        ----------
        vector_pm : sequence of float
            Polar vector: right, up, along the beam [pm].
        offsets : mapping of str to float, optional
            What to add to some of `PARAMETERS`; to the thickness up to two whole periods [nm], if
            polar vector, tilt and thermal amplitude stay.

        Returns
        -------
        ndarray, shape (thickness, position, pixel)
            Fractions of the beam.
        """
        more = dict.fromkeys(PARAMETERS, 0.0) | dict(offsets or {})
        right, up, beam = vector_pm
        beside = round(10 * more["thickness"] / self.cell[2])
        eye, turn = self._eye(
            (right + more["ux"], up + more["uy"], beam),
            (more["tilt_x"], more["tilt_y"]),
            1 + more["thermal"],
            everywhere=not any(more[name] for name in _OF_CRYSTAL),
        )
        aberrations = dict(self.simulate.aberrations)
        aberrations["C10"] = aberrations.get("C10", 0.0) - more["defocus"]
        optics = Optics(self.simulate.semiangle_mrad, aberrations, self.simulate.tilt_mrad)
        places = self.positions + np.array([more["x"], more["y"]])
        nm = [self._nm(count + beside) for count in self.periods]
        images = eye.measure(places, nm, optics, turn=turn)
        return images.flatten(2).numpy().astype(np.float64)

    def expansion(self, vector_pm: Sequence[float], finer: float = 1.0) -> Expansion:
        """Measure patterns and their derivatives.

        Parameters
        ----------
        vector_pm : sequence of float
            Polar vector [pm].
        finer : float
            By which `STEPS` are divided. Thicknesses differ by whole periods whatever it is, and
            the difference is of fourth order instead.
        """
        middle = self.expected(vector_pm)
        slopes, curvatures = np.empty((2, len(PARAMETERS), *middle.shape))
        for row, name in enumerate(PARAMETERS):
            step = self.cell[2] / 10 if name == "thickness" else STEPS[name] / finer
            low, high = (self.expected(vector_pm, {name: sign * step}) for sign in (-1, 1))
            slopes[row] = (high - low) / (2 * step)
            curvatures[row] = (high - 2 * middle + low) / step**2
            if name == "thickness":
                low, high = (self.expected(vector_pm, {name: 2 * s * step}) for s in (-1, 1))
                slopes[row] += (slopes[row] - (high - low) / (4 * step)) / 3
        return Expansion(middle, slopes, curvatures)

    def forget(self) -> None:
        """Free the crystals' matrices, before those of another polar vector."""
        self._eyes.clear()

    def _nm(self, periods: int) -> float:
        return round(periods * self.cell[2] / 10, 9)

    def _eye(
        self,
        vector: tuple[float, ...],
        tilt: tuple[float, float],
        thermal: float,
        everywhere: bool,
    ) -> tuple[VirtualMicroscope, Turn]:
        """Microscope of a crystal, and how to turn that crystal; of turned ones all share one.

        `everywhere` is for planes beside the thicknesses as well.
        """
        right, up, beam = vector
        images = {
            (_turned(turn, (right, up)), _turned(turn, tilt)): turn for turn in self.turns[::-1]
        }
        chosen = max(images)
        key = (*chosen, beam, thermal, everywhere)
        if key not in self._eyes:
            self._eyes[key] = self._measured((*chosen[0], beam), chosen[1], thermal, everywhere)
        return self._eyes[key], inverse(images[chosen])

    def _measured(
        self,
        vector: tuple[float, ...],
        tilt: tuple[float, float],
        thermal: float,
        everywhere: bool,
    ) -> VirtualMicroscope:
        beside = _BESIDE if everywhere else (0,)
        exits = sorted({count + more for count in self.periods for more in beside})
        crystal = displaced_crystal(
            self.settings["structure"], vector, self._nm(exits[-1]) if any(tilt) else 0.1
        )
        optics = Optics(self.simulate.semiangle_mrad, tilt_mrad=self.simulate.tilt_mrad)
        nx, ny = self.settings["cells"]
        matrix = compute_scattering_matrix(
            _sheared(crystal, tilt),
            [self._nm(count) for count in exits],
            self.simulate,
            cells=(nx, ny),
            margin_mrad=float(np.hypot(*optics.centre_mrad)),
            thermal_scale=self.settings["thermal_scale"] * thermal,
            device="cuda" if self.simulate.device == "gpu" else "cpu",
        )
        return VirtualMicroscope(matrix, self.simulate.detector)


def _turned(turn: Turn, vector: tuple[float, float]) -> tuple[float, float]:
    x, y = (row[0] * vector[0] + row[1] * vector[1] + 0.0 for row in turn)
    return x, y


def _sheared(crystal: Crystal, tilt_mrad: tuple[float, float]) -> Crystal:
    """Tilt a crystal against the beam by a shift of each atomic plane.

    With the propagator of small angles this is a tilt of the beam: the wave of a tilted beam is
    displaced by the tangent of the tilt times the distance (E. J. Kirkland, Advanced Computing in
    Electron Microscopy, 2nd ed., 6.4). The samples of the aperture stay where they are, so that
    patterns follow small tilts smoothly.
    """
    if not any(tilt_mrad):
        return crystal
    atoms = crystal.atoms.copy()
    first = crystal.cell[2] / crystal.slices_per_period / 2  # height of the first plane
    tangent = [math.tan(angle / 1e3) for angle in tilt_mrad]
    atoms.positions[:, :2] -= np.outer(atoms.positions[:, 2] - first, tangent)
    return replace(crystal, atoms=atoms)
