# SPDX-License-Identifier: GPL-3.0-or-later
"""Orientation of a crystal on the detector, from its mean pattern."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarstem.scans.ahead import ahead
from polarstem.scans.specimen.pacbed_model import FREE, PRIORS, TURN, PatternModel
from polarstem.scans.specimen.pacbed_solve import (
    CALIBRATED,
    Expected,
    Found,
    bounded,
    compare,
    weighted,
)
from polarstem.scans.specimen.pattern_image import PatternImage

_STEP = 4.0  # of the orientation [degrees]
_EVERY = 4  # thickness
_FAR = 15.0  # orientations that are another choice [degrees]
_TRIED = 2  # coarse orientations that are looked at closely
_TURNS = 6  # times that the pattern is turned to the orientation found, at most
_SETTLED = 0.05  # [degrees]
_NEAR = 3  # thicknesses to either side of the best that are looked at
_ANY_TURN = Expected(CALIBRATED.mean, np.where(np.arange(len(PRIORS)) == TURN - FREE, 1e3, 1.0))
_ROUGH = 3  # Gauss-Newton steps of a pattern that is going to be turned


@dataclass(frozen=True)
class Oriented:
    """A pattern compared at the orientation that fits best.

    Attributes
    ----------
    found : Found
        Least squares there.
    angle_deg : float
        Of the crystal's x axis on the detector, counter-clockwise [degrees].
    """

    found: Found
    angle_deg: float

    @property
    def squares(self) -> float:
        """Least weighted squared deviations."""
        return float(self.found.squares.min())

    @property
    def residual(self) -> float:
        """Root of the least squared deviations over those of the pattern from nothing."""
        return float(np.sqrt(self.squares / self.found.power))


class OrientationSearch:
    """Turns patterns until they fit a library.

    Parameters
    ----------
    model : PatternModel
        Of the library.
    angles : ndarray, shape (ky, kx, 2)
        Of its pixels (x, y up) [mrad].
    """

    def __init__(self, model: PatternModel, angles: NDArray[np.float64]) -> None:
        self.model = model
        self.angles = angles
        self.period = 360 / model.library.fold

    @cached_property
    def _parts(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Patterns, halos and background (node, part, pixel), and their products in pairs."""
        nodes = self.model.nodes[::_EVERY]
        nodes = (nodes / nodes.sum(-1, keepdims=True)).reshape(-1, nodes.shape[-1])
        halos = self.model.halos(nodes)
        flat = np.full_like(nodes, 1 / nodes.shape[1])[:, None]
        parts = np.concatenate([nodes[:, None], halos, flat], axis=1)
        rows, columns = np.triu_indices(parts.shape[1])
        return parts, parts[:, rows] * parts[:, columns]

    def prepare(self) -> None:
        """Make what patterns are compared with, which is kept."""
        assert len(self._parts)

    def coarse(self, image: PatternImage, angles_deg: NDArray[np.float64]) -> NDArray[np.float64]:
        """Residual of the best simulated pattern with halos at each orientation."""
        parts, products = self._parts
        sampled = [image.sample(self.angles, angle) for angle in angles_deg.tolist()]
        values, inside = (np.array(each) for each in zip(*sampled, strict=True))
        measured, weights = weighted(values, inside)
        square = np.square(weights).astype(np.float32)
        count = parts.shape[1]
        rows, columns = np.triu_indices(count)
        normal = np.empty((len(angles_deg), len(parts), count, count))
        normal[..., rows, columns] = np.moveaxis(products @ square.T, -1, 0)
        normal[..., columns, rows] = normal[..., rows, columns]
        normal += 1e-6 * normal[..., :1, :1] * np.eye(count)
        sides = np.moveaxis(parts @ (square * values).astype(np.float32).T, -1, 0)
        sides = sides.astype(np.float64)
        solution = bounded(normal, sides, tuple(range(1, count - 1)))
        explained = (solution * sides).sum(-1).max(-1) / np.square(measured).sum(-1)
        return np.sqrt(np.maximum(0.0, 1 - explained))

    def best(
        self,
        image: PatternImage,
        near_deg: tuple[float, float] | None = None,
        threads: int = 1,
    ) -> tuple[Oriented, Oriented | None]:
        """Find the best orientation, and the best of those that are another choice.

        Parameters
        ----------
        image : PatternImage
            Of spline coefficients.
        near_deg : tuple of float, optional
            An angle and how far from it the orientation may lie, modulo the period [degrees]; all
            others are another choice.
        threads : int
            Orientations that are looked at closely at the same time.

        Returns
        -------
        best : Oriented
        other : Oriented or None
            None where no angle is left.
        """
        middle = 0.0 if near_deg is None else near_deg[0]
        angles = middle + np.arange(-self.period / 2, self.period / 2, _STEP)
        residuals = self.coarse(image, angles)
        within = np.ones(len(angles), dtype=bool)
        if near_deg is not None:
            within = np.abs(angles - middle) <= max(near_deg[1], _STEP / 2)
        tried = self._minima(angles, residuals, within)
        looked = ahead([partial(self._close, image, angle, near_deg) for angle in tried], threads)
        first = min(looked, key=lambda each: each.squares)
        centre, width = (first.angle_deg, _FAR) if near_deg is None else near_deg
        least = (residuals <= np.roll(residuals, 1)) & (residuals <= np.roll(residuals, -1))
        apart = least & (np.abs(self._apart(angles, centre)) > width)
        tried = self._minima(angles, residuals, apart)
        looked = ahead([partial(self._close, image, angle) for angle in tried], threads)
        # one near the edge may have been turned to where the first was looked for
        others = [each for each in looked if self._distance(each.angle_deg, centre) > width]
        other = min(others, key=lambda each: each.squares) if others else None
        return self._finished(image, first), other

    def _distance(self, angle: float, other: float) -> float:
        return float(np.abs(self._apart(np.array(angle), other)))

    def _apart(self, angles: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
        """Differences modulo the period [degrees]."""
        rest: NDArray[np.float64] = (angles - angle + self.period / 2) % self.period
        return rest - self.period / 2

    def _minima(
        self,
        angles: NDArray[np.float64],
        residuals: NDArray[np.float64],
        allowed: NDArray[np.bool_],
    ) -> list[float]:
        """The allowed angles that fit best, apart from one another."""
        found: list[float] = []
        rest = np.where(allowed, residuals, np.inf)
        while len(found) < _TRIED and np.isfinite(rest).any():
            found.append(float(angles[rest.argmin()]))
            rest = np.where(np.abs(self._apart(angles, found[-1])) <= _FAR, np.inf, rest)
        return found

    def _close(
        self,
        image: PatternImage,
        angle: float,
        near_deg: tuple[float, float] | None = None,
    ) -> Oriented:
        """Turn a pattern until it fits, with the thickness that fits at first or near it."""
        found = self._compared(image, angle, rounds=_ROUGH, expected=_ANY_TURN)
        for _ in range(_TURNS):
            best = int(found.squares.argmin()) + found.planes.start
            planes = slice(max(0, best - _NEAR), best + _NEAR + 1)
            tilt = found.tilt[best - found.planes.start]
            step = float(np.clip(found.turn_deg, -_STEP, _STEP))
            angle, before = self._clipped(angle + step, near_deg), angle
            found = self._compared(
                image,
                angle,
                planes=planes,
                tilt=tilt[None],
                rounds=_ROUGH,
                expected=_ANY_TURN,
            )
            if abs(angle - before) < _SETTLED:
                break
        return Oriented(found, angle)

    def _finished(self, image: PatternImage, near: Oriented) -> Oriented:
        """The same at all thicknesses."""
        return Oriented(self._compared(image, near.angle_deg), near.angle_deg)

    def _compared(self, image: PatternImage, angle: float, **options: Any) -> Found:
        """A pattern compared at an angle."""
        values, inside = image.sample(self.angles, angle)
        [found] = compare(self.model, values[None], inside[None], **options)
        return found

    @staticmethod
    def _clipped(angle: float, near_deg: tuple[float, float] | None) -> float:
        if near_deg is None:
            return angle
        middle, within = near_deg
        return float(np.clip(angle, middle - within, middle + within))
