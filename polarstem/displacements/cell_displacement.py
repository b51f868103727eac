# SPDX-License-Identifier: GPL-3.0-or-later
"""Least squares of the displacement of one unit cell to the patterns of its probe positions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarstem.displacements.displaced_crystals import GRID, Images, powers, slopes
from polarstem.displacements.microscope_conditions import CELL_SPREADS
from polarstem.scans.specimen.pacbed import ALIKE
from polarstem.scans.specimen.pacbed_solve import bounded

Halos = Callable[[Images], Images]
"""What diffuse scattering makes of a pattern (pixel,), shape (halo, pixel)."""
_LEAST = 0.02  # of the mean intensity, in the weights
_ROUNDS = 8
_LONGEST = 0.3  # step, in units of the reach
_CLOSE = 1e-3
_BEYOND = 1.4  # reaches, where the search ends
_APART = 0.8  # reaches between displacements that are two answers
_HALOS = (4, 5)  # columns of diffuse scattering, whose shares are not negative
_NODES = np.stack(np.meshgrid(GRID, GRID, indexing="ij"), axis=-1).reshape(-1, 2)


@dataclass(frozen=True)
class CellPatterns:
    """The patterns of a cell.

    Attributes
    ----------
    weights : ndarray, shape (n, place)
        Of the simulated places, see `between_places`.
    patterns : ndarray, shape (n, pixel)
        Fractions of the beam in the crystal's frame, all by one factor.
    expected : ndarray, shape (5,), or 0
        By how much tilt, thickness and place are expected to differ from the surface's conditions.
    """

    weights: Images
    patterns: Images
    expected: NDArray[np.float64] | float = 0.0


@dataclass(frozen=True)
class CellFit:
    """What was fitted to a cell.

    Attributes
    ----------
    shift : ndarray, shape (2,)
        Displacement to the right and up along the crystal's axes, in units of the reach.
    covariance : ndarray, shape (2, 2)
        Of the shift, by the deviations of the patterns alone.
    misfit : float
        Weighted mean squared deviation.
    margin : float
        By how many of its standard deviations the next best displacement, elsewhere, is worse.
    normal, side : ndarray
        Normal equations of the conditions whose derivatives were given, all else eliminated.
    response : ndarray, shape (2, condition)
        By how much the shift changes with each of them.
    """

    shift: NDArray[np.float64]
    covariance: NDArray[np.float64]
    misfit: float
    margin: float
    normal: NDArray[np.float64]
    side: NDArray[np.float64]
    response: NDArray[np.float64]


def fit_cell(
    cell: CellPatterns,
    surface: Images,
    halos: Halos,
    offsets: Images | None = None,
    conditions: Images | None = None,
) -> CellFit:
    """Fit the displacement, brightness, background, diffuse scattering, and small offsets.

    Parameters
    ----------
    cell : CellPatterns
    surface : ndarray, shape (term, place, pixel)
        See `DisplacedCrystals.surface`.
    halos : callable
    offsets : ndarray, shape (5, coarse term, place, pixel), optional
        Derivatives by tilt, thickness and place, which may then differ from cell to cell.
    conditions : ndarray, shape (condition, coarse term, place, pixel), optional
        Derivatives by conditions that are not fitted here, for their normal equations.
    """
    terms = _at_positions(cell.weights, surface)
    weights = 1 / (terms[0].clip(0) + _LEAST * terms[0].mean())
    beside = None if offsets is None else [_at_positions(cell.weights, each) for each in offsets]
    found = _Search(cell, terms, weights, halos, beside)
    squares = found.at_nodes()
    order = np.argsort(squares)
    first = _NODES[order[0]]
    far = order[np.hypot(*(_NODES[order] - first).T) > _APART]
    tried = [found.climb(_NODES[node]) for node in (order[0], far[0])]
    best, other = sorted(tried, key=lambda each: each.squares)
    same = np.hypot(*(best.shift - other.shift)) < _APART
    variance = best.squares / weights.size
    margin = np.inf if same else float(np.sqrt((other.squares - best.squares) / variance / ALIKE))
    inverse = np.asarray(np.linalg.inv(best.normal), float)
    normal, side, response = np.zeros((0, 0)), np.zeros(0), np.zeros((2, 0))
    if conditions is not None:
        at = powers(best.shift, 2).astype(np.float32)
        columns = np.stack(
            [
                best.brightness * np.tensordot(at, _at_positions(cell.weights, each), axes=1)
                for each in conditions
            ]
        ).reshape(len(conditions), -1)
        columns *= np.sqrt(weights).ravel()
        mixed = columns @ best.columns.T
        normal = (columns @ columns.T - mixed @ inverse @ mixed.T) / variance / ALIKE
        side = columns @ best.residual / variance / ALIKE
        response = -(inverse @ mixed.T)[:2] / best.brightness
    own = _covariance(best, inverse, weights.shape, variance)
    return CellFit(best.shift, own, variance, margin, normal, side, response)


def _covariance(
    best: _Climbed, inverse: NDArray[np.float64], shape: tuple[int, ...], variance: float
) -> NDArray[np.float64]:
    """Covariance of the shift by what its patterns deviate by, whatever the deviations are.

    The sandwich of H. White, Econometrica 48, 817 (1980), with the factor of his HC1; deviations of
    pixels at a distance d go together by ``exp(-d^2 / 2 s^2)`` (T. G. Conley, J. Econometrics 92, 1
    (1999)), where ``2 pi s^2`` is `ALIKE`. Counted electrons are independent, and a displacement
    changes neighbouring pixels by either sign: ``variance * ALIKE * inverse`` is too large.
    """
    positions, pixels = shape
    side = math.isqrt(pixels)
    along = np.arange(side)
    alike = np.exp(-(np.subtract.outer(along, along) ** 2) * np.pi / ALIKE)
    scores = (best.columns * best.residual).reshape(-1, positions, side, side)
    spread = alike @ scores @ alike
    count = len(scores)
    middle = scores.reshape(count, -1) @ spread.reshape(count, -1).T
    independent = positions * pixels / ALIKE
    middle *= independent / max(1.0, independent - count)
    # of what is expected of tilt, thickness and place: their spreads
    middle[np.diag_indices(count)] += best.pull * variance * ALIKE
    found: NDArray[np.float64] = (inverse @ middle @ inverse)[:2, :2] / best.brightness**2
    return found


@dataclass(frozen=True)
class _Climbed:
    """Where a search ended: what is free there, and what is left."""

    shift: NDArray[np.float64]
    squares: float
    brightness: float
    columns: NDArray[np.float64]
    normal: NDArray[np.float64]
    pull: NDArray[np.float64]
    residual: NDArray[np.float64]


class _Search:
    """Gauss-Newton steps of one cell; all but the displacement is linear."""

    def __init__(
        self,
        cell: CellPatterns,
        terms: Images,
        weights: Images,
        halos: Halos,
        beside: list[Images] | None,
    ) -> None:
        self.cell, self.terms, self.weights, self.halos = cell, terms, weights, halos
        self.beside = beside
        self.roots = np.sqrt(weights).ravel().astype(np.float64)
        self.measured = self.roots * cell.patterns.ravel()

    def at_nodes(self) -> NDArray[np.float64]:
        """Squared deviations at each displacement of the grid, of the best brightness."""
        measured = (self.weights * self.cell.patterns).ravel()
        flat = self.terms.reshape(len(self.terms), -1)
        factors = powers(_NODES).astype(np.float32)
        along = factors @ (flat @ measured)
        gram = (flat * self.weights.ravel()) @ flat.T
        lengths = np.einsum("ni,ij,nj->n", factors, gram, factors)
        return float(self.measured @ self.measured) - np.asarray(along, float) ** 2 / lengths

    def climb(self, shift: NDArray[np.float64]) -> _Climbed:
        """The nearest minimum."""
        variance = 0.0
        for _ in range(_ROUNDS):
            columns, count = self._columns(shift)
            normal = columns @ columns.T
            side = columns @ self.measured
            pull = np.zeros(len(columns))
            if self.beside is not None:
                pull[count:] = variance * ALIKE / CELL_SPREADS**2
                normal[np.diag_indices(len(normal))] += pull
                side[count:] += pull[count:] * self.cell.expected
            normal[np.diag_indices(len(normal))] *= 1 + 1e-9
            solution = bounded(normal[None], side[None], _HALOS)[0]
            residual = self.measured - solution @ columns
            squares = float(residual @ residual)
            variance = squares / len(residual)
            step = solution[:2] / max(solution[2], 0.2)
            length = float(np.hypot(*step))
            if length < _CLOSE:
                break
            shift = np.clip(shift + step * min(1.0, _LONGEST / length), -_BEYOND, _BEYOND)
        # diffuse scattering that is not there does not give way, either
        free = np.ones(len(columns), bool)
        free[list(_HALOS)] = solution[list(_HALOS)] > 0
        kept = columns[free], normal[np.ix_(free, free)], pull[free]
        return _Climbed(shift, squares, float(solution[2]), *kept, residual)

    def _columns(self, shift: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
        """Weighted columns, and how many come before tilt, thickness and place."""
        pattern = np.tensordot(powers(shift).astype(np.float32), self.terms, axes=1)
        along = np.tensordot(slopes(shift).astype(np.float32), self.terms, axes=1)
        spread = self.halos(pattern.mean(0)) - pattern.mean(0)
        flat = [np.broadcast_to(image, pattern.shape) for image in spread]
        ground = np.full_like(pattern, 1 / pattern.shape[1])
        columns = [*along, pattern, ground, *flat]
        count = len(columns)
        if self.beside is not None:
            at = powers(shift, 2).astype(np.float32)
            columns += [np.tensordot(at, each, axes=1) for each in self.beside]
        stacked = np.stack([column.ravel() for column in columns]).astype(np.float64)
        return stacked * self.roots, count


def _at_positions(weights: Images, surface: Images) -> Images:
    """A surface (term, place, pixel) at positions, shape (term, n, pixel)."""
    terms, places, pixels = surface.shape
    flat = surface.transpose(1, 0, 2).reshape(places, -1)
    found: Images = (weights @ flat).reshape(len(weights), terms, pixels).transpose(1, 0, 2)
    return np.ascontiguousarray(found)
