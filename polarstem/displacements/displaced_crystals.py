# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns of crystals with displacements on a grid, under any conditions.

Of crystals that a turn or mirror of the lattice maps onto one another, one is propagated. In
between, a pattern is a polynomial of the displacement and a Fourier series of the probe position.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarstem.config.accuracy import least_repeats
from polarstem.config.physics import Simulate
from polarstem.displacements.microscope_conditions import (
    NAMES,
    OF_CAMERA,
    OF_OPTICS,
    Conditions,
    camera_of,
    farther,
    optics_of,
    reach_of,
    within,
)
from polarstem.logs import progress
from polarstem.simulate.microscope.coherence import SIGMA_PER_FWHM
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.potential.displaced_crystal import displaced_crystal
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.structures.phase_numbers import MOST_AMPLITUDE
from polarstem.structures.polar_mode import PolarMode
from polarstem.structures.recipes import whole_periods
from polarstem.structures.symmetry import Turn, inverse, turns_of

PLACES = 12
"""Probe positions along each edge of the cell that patterns are simulated at."""
DEGREE = 4
"""Of the polynomial in the displacement."""
GRID = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
"""Displacements along each axis, in units of `DisplacedCrystals.reach_pm`."""
_COARSE = (0, 2, 4)  # of the grid, for derivatives
_PLANE_NM = 0.8  # between exit planes, from which a thickness is interpolated
_LONGEST = 0.96  # of what a template may be scaled to, at the corners of the grid
Images = NDArray[np.float32]


def powers(shift: NDArray[np.floating], degree: int = DEGREE) -> NDArray[np.float64]:
    """Products of powers of displacements (..., 2), of a total degree or less, shape (..., n)."""
    x, y = np.moveaxis(np.asarray(shift, float), -1, 0)
    found = [x**i * y**j for i in range(degree + 1) for j in range(degree + 1 - i)]
    return np.stack(found, axis=-1)


def slopes(shift: NDArray[np.floating], degree: int = DEGREE) -> NDArray[np.float64]:
    """Derivatives of `powers` along x and y, shape (..., 2, n)."""
    x, y = np.moveaxis(np.asarray(shift, float), -1, 0)
    terms = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
    along_x = [i * x ** max(i - 1, 0) * y**j for i, j in terms]
    along_y = [j * x**i * y ** max(j - 1, 0) for i, j in terms]
    return np.stack([np.stack(along_x, axis=-1), np.stack(along_y, axis=-1)], axis=-2)


def between_places(fractions: NDArray[np.floating]) -> Images:
    """Weights of the simulated places in positions (n, 2), shape (n, PLACES**2).

    Parameters
    ----------
    fractions : ndarray, shape (n, 2)
        y (down) and x in the cell, as fractions from the A column.
    """
    harmonics = np.arange(1 - PLACES // 2, PLACES // 2)
    down, right = (
        np.exp(2j * np.pi * np.subtract.outer(f, np.arange(PLACES) / PLACES)[..., None] * harmonics)
        .sum(-1)
        .real
        / PLACES
        for f in np.asarray(fractions, float).T
    )
    return np.einsum("ni,nj->nij", down, right).reshape(len(down), -1).astype(np.float32)


class DisplacedCrystals:
    """Scattering matrices of displaced crystals.

    Parameters
    ----------
    trained_for : mapping
        What a model was trained for (`polarstem.config.jobs.trained_for`): crystal, microscope and
        detector.
    thickness_nm : (float, float)
        Thinnest and thickest crystal [nm].
    tilt_mrad : float
        Largest tilt [mrad].
    threads : int

    Attributes
    ----------
    reach_pm : float
        Largest component of a displacement [pm].
    thickness_nm : ndarray, shape (plane,)
        Simulated thicknesses [nm].
    tilt_mrad : float
        Largest simulated tilt [mrad].

    Raises
    ------
    PolarstemError
        If the material has no polar mode.
    """

    def __init__(
        self,
        trained_for: Mapping[str, Any],
        thickness_nm: tuple[float, float],
        tilt_mrad: float,
        threads: int = 1,
    ) -> None:
        structure = {key: trained_for[key] for key in ("material", "phase", "zone_axis")}
        kept = ("energy_kv", "semiangle_mrad", "pixels_per_cell", "accuracy", "slices")
        grid = ("pixels", "mrad_per_pixel")
        self.simulate = Simulate.model_validate(
            {key: trained_for[key] for key in kept if key in trained_for}
            | {"detector": {key: trained_for[key] for key in grid}}
        )
        mode = PolarMode.of(structure["material"], structure["phase"])
        self.reach_pm = _LONGEST * MOST_AMPLITUDE * mode.full_pm / np.sqrt(2)
        first = displaced_crystal(structure, (0.0, 0.0, 0.0))
        self.cell = np.array(first.cell[:2])
        period = first.cell[2]
        low, high = thickness_nm
        count = max(2, 1 + int(np.ceil((high - low) / _PLANE_NM)))
        periods = sorted({whole_periods(t, period) for t in np.linspace(low, high, count)})
        planes = [round(n * period / 10, 9) for n in periods]
        cells = [least_repeats(self.simulate, length, high) for length in self.cell.tolist()]
        self.cells = cells[0], cells[1]
        square = cells[0] == cells[1]
        self._where = _shared(turns_of(structure["zone_axis"], square))
        self._eyes: dict[tuple[float, float], VirtualMicroscope] = {}
        nodes = sorted({kept for kept, _ in self._where.values()})
        for node in progress(nodes, len(nodes), "displaced crystals"):
            right, up = (float(part) * self.reach_pm for part in node)
            matrix = compute_scattering_matrix(
                displaced_crystal(structure, (right, up, 0.0)),
                planes,
                self.simulate,
                cells=self.cells,
                reach_mrad=reach_of(self.simulate.detector),
                margin_mrad=1e3 * float(np.tan(tilt_mrad / 1e3)) + 1e-6,
                thermal_scale=1.0,
                mean_wave=True,
                threads=threads,
            )
            eye = self._eyes[node] = VirtualMicroscope(matrix, self.simulate.detector)
            eye.matrix = replace(matrix, array=matrix.array[:, :0].copy())  # its factors are copies
        self.thickness_nm, self.tilt_mrad = np.array(planes), tilt_mrad
        place = np.arange(PLACES) / PLACES
        down, right = np.meshgrid(place, place, indexing="ij")
        self._positions = np.stack([right.ravel(), -down.ravel()], axis=1) * self.cell

    def surface(self, conditions: Conditions, coarse: bool = False) -> Images:
        """How patterns depend on the displacement under these conditions.

        Parameters
        ----------
        conditions : Conditions
            Thicknesses and tilts beyond those simulated are taken for the nearest.
        coarse : bool
            Take every other displacement of the grid, and a polynomial of degree 2.

        Returns
        -------
        ndarray, shape (term, place, pixel), float32
            Factors of `powers`: fractions of the beam.
        """
        nodes = _nodes(coarse)
        images = np.stack([self._patterns(node, conditions) for node in nodes])
        return _fitted(nodes, images, coarse)

    def derivatives(self, conditions: Conditions) -> Images:
        """By how much coarse surfaces change with each condition.

        The patterns' Fourier series says it of the place and the source (whose Gaussian makes
        ``image' = s laplacian(image)``, s its standard deviation); the planes, of the thickness;
        all cameras share one propagation. What changes the waves is measured at the nearest plane.

        Parameters
        ----------
        conditions : Conditions

        Returns
        -------
        ndarray, shape (condition, term, place, pixel), float32
            By a unit of each condition, in the order of `NAMES`.
        """
        nodes = _nodes(coarse=True)
        changes = np.stack([self._changes(node, conditions) for node in nodes])
        return _fitted(nodes, changes, coarse=True).swapaxes(0, 1)

    def _patterns(self, node: tuple[float, float], conditions: Conditions) -> Images:
        """Patterns at all places, shape (place, pixel)."""
        two, share = self._planes(conditions)
        camera = camera_of(conditions, self.simulate.detector)
        kept, turn = self._where[node]
        images = self._eyes[kept].measure(
            self._places(conditions), two, self._optics(conditions), turn=turn, camera=camera
        )
        return _between(images.flatten(2).numpy(), share)

    def _changes(self, node: tuple[float, float], conditions: Conditions) -> Images:
        """Derivatives of patterns, shape (condition, place, pixel)."""
        two, share = self._planes(conditions)
        places, optics = self._places(conditions), self._optics(conditions)
        kept, turn = self._where[node]
        eye, detector = self._eyes[kept], self.simulate.detector
        settings = [conditions, *(farther(conditions, *each) for each in OF_CAMERA.items())]
        cameras = [camera_of(each, detector) for each in settings]
        exposed = [
            camera.expose(images, None).flatten(2).numpy()
            for camera, images in zip(
                cameras, eye.before_counting(places, two, optics, cameras, turn), strict=True
            )
        ]
        here, nearest = exposed[0], round(share)
        image = _between(here, share)
        found = {"thickness": (here[1] - here[0]) / (two[1] - two[0])}
        right, down, found["source"] = self._along(image, optics.source_fwhm)
        found["place_x"], found["place_y"] = right, -down
        for (name, step), images in zip(OF_CAMERA.items(), exposed[1:], strict=True):
            found[name] = (_between(images, share) - image) / step
        for name, step in OF_OPTICS.items():
            other = self._optics(farther(conditions, name, step))
            moved = eye.measure(places, [two[nearest]], other, turn=turn, camera=cameras[0])
            found[name] = (moved[0].flatten(1).numpy() - here[nearest]) / step
        return np.stack([found[name] for name in NAMES])

    def _along(self, image: Images, source_fwhm: float) -> list[Images]:
        """Derivatives of (place, pixel) by the place to the right and down, and by the source."""
        order = np.fft.fftfreq(PLACES, 1 / PLACES)
        order[PLACES // 2] = 0  # `between_places` has no such wave
        down, right = np.meshgrid(
            *(2 * np.pi * order / length for length in self.cell[::-1]), indexing="ij"
        )
        waves = np.fft.fft2(image.reshape(PLACES, PLACES, -1), axes=(0, 1))
        source = -(SIGMA_PER_FWHM**2) * source_fwhm * (down**2 + right**2)
        changed = [
            np.fft.ifft2(factor[..., None] * waves, axes=(0, 1)).real
            for factor in (1j * right, 1j * down, source)
        ]
        return [each.astype(np.float32).reshape(image.shape) for each in changed]

    def _planes(self, conditions: Conditions) -> tuple[list[float], float]:
        """The two planes about the thickness, and the share of the second."""
        known = self.thickness_nm
        nm = float(np.clip(conditions[NAMES.index("thickness")], known[0], known[-1]))
        below = int(np.clip(np.searchsorted(known, nm) - 1, 0, len(known) - 2))
        share = (nm - known[below]) / (known[below + 1] - known[below])
        return known[below : below + 2].tolist(), float(share)

    def _places(self, conditions: Conditions) -> NDArray[np.float64]:
        first = NAMES.index("place_x")
        return self._positions + conditions[first : first + 2]

    def _optics(self, conditions: Conditions) -> Optics:
        return optics_of(within(conditions, self.tilt_mrad), self.simulate.semiangle_mrad)


def _nodes(coarse: bool) -> list[tuple[float, float]]:
    chosen = (GRID[list(_COARSE)] if coarse else GRID).tolist()
    return [(x, y) for x in chosen for y in chosen]


def _fitted(nodes: list[tuple[float, float]], images: Images, coarse: bool) -> Images:
    """Factors of `powers` of what was measured at each node, shape (term, ...)."""
    solved = np.linalg.pinv(powers(np.array(nodes), 2 if coarse else DEGREE))
    return np.tensordot(solved, images, axes=1).astype(np.float32)


def _between(images: Images, share: float) -> Images:
    """Patterns between those of two planes (plane, place, pixel)."""
    mixed: Images = (1 - share) * images[0] + share * images[1]
    return mixed


def _shared(turns: tuple[Turn, ...]) -> dict[tuple[float, float], tuple[Any, Turn]]:
    """Of each displacement of the grid, the one that is propagated for it, and how to turn it."""
    found = {}
    for right in GRID.tolist():
        for up in GRID.tolist():
            images = {
                tuple(row[0] * right + row[1] * up + 0.0 for row in turn): turn
                for turn in turns[::-1]
            }
            kept = max(images)
            found[right, up] = kept, inverse(images[kept])
    return found
