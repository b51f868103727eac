# SPDX-License-Identifier: GPL-3.0-or-later
"""One pass over a scan: every pattern is read, resampled, measured and predicted once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from polarstem.maps.anomaly import AnomalyReference
from polarstem.models.base import Model
from polarstem.models.calibration import Calibration
from polarstem.scans.ahead import ahead
from polarstem.scans.specimen.rings import (
    RINGS,
    centre_of_mass,
    detector_weights,
    ring_signals,
)
from polarstem.scans.specimen.turns import PlaneTurn
from polarstem.simulate.microscope.camera import pixel_angles

Block = tuple[NDArray[np.integer], NDArray[np.generic]]
FloatArray = NDArray[np.float32]
_CHUNK = 4096  # patterns in single precision at a time


@dataclass(frozen=True)
class Answers:
    """What the pass gives for each of the n positions of a scan; nan where nothing was measured.

    Attributes
    ----------
    pattern : ndarray, shape (n, ky, kx), float16
        Patterns on the model's grid, with a mean of one.
    signals : ndarray, shape (n, feature)
        Virtual detectors that the lattice is looked for in.
    features : ndarray, shape (n, component)
        What anomalies are looked for in; no component without a reference.
    by_model : ndarray, shape (n, models, classes)
        Calibrated probabilities.
    total : ndarray, shape (n,)
        Counts within the model's field of view.
    bright_field, dark_field : ndarray, shape (n,)
        Fractions of `total` inside the convergence semi-angle, and farther out than that by a
        pixel.
    com : ndarray, shape (n, 2)
        Centre of mass (x, y), y up [mrad].
    """

    pattern: NDArray[np.float16]
    signals: FloatArray
    features: FloatArray
    by_model: FloatArray
    total: FloatArray
    bright_field: FloatArray
    dark_field: FloatArray
    com: FloatArray

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Which positions have a pattern with counts."""
        return self.total > 0

    def mean_pattern(self, weights: NDArray[np.floating]) -> NDArray[np.float64]:
        """Mean over the positions, by their counts and weights (n,): fractions of the beam."""
        mean = np.zeros(self.pattern.shape[1:])
        factors = self.total * weights
        for start in range(0, len(self.total), _CHUNK):
            part = slice(start, start + _CHUNK)
            if factors[part].any():
                mean += np.tensordot(factors[part], self.pattern[part].astype(np.float32), 1)
        return mean / mean.sum()

    def turned(self, turn: PlaneTurn, directions: NDArray[np.floating]) -> Answers:
        """The same in a frame that is turned or mirrored by whole quarters.

        Parameters
        ----------
        turn : PlaneTurn
            From the present frame to the other.
        directions : ndarray, shape (classes,)
            Of the classes, nan for none [degrees].
        """
        if turn == PlaneTurn():
            return self
        becomes = turn.classes(directions)
        by_model = np.empty_like(self.by_model)
        by_model[..., becomes] = self.by_model
        return replace(
            self,
            pattern=np.ascontiguousarray(turn.images(self.pattern)),
            by_model=by_model,
            com=turn.vectors(self.com).astype(np.float32),
        )


class Predictor:
    """Resamples, measures and predicts blocks of patterns.

    Parameters
    ----------
    models : sequence of Model
        The trained models, which look at the same grid and have the same classes.
    reference : AnomalyReference or None
        Says what anomalies are looked for in.
    resample : callable
        Turns positions (n,) and their patterns into patterns (n, ky, kx) on the models' grid
        [counts]; in any thread.
    mrad_per_pixel, semiangle_mrad : float
        Size of the models' pixels and their convergence semi-angle [mrad].
    """

    def __init__(
        self,
        models: Sequence[Model],
        reference: AnomalyReference | None,
        resample: Callable[[NDArray[np.integer], NDArray[np.generic]], FloatArray],
        mrad_per_pixel: float,
        semiangle_mrad: float,
    ) -> None:
        shape = models[0].pattern_shape
        assert shape is not None
        self.models, self.reference, self._shape = models, reference, shape
        self._calibrations = [Calibration.of(model) for model in models]
        self._resample = resample
        self._weights = _weights(shape[0], mrad_per_pixel, semiangle_mrad)
        self._pixel_semiangles = mrad_per_pixel / semiangle_mrad

    def predict(
        self, pieces: Iterable[Callable[[], Block]], positions: int, threads: int = 1
    ) -> Answers:
        """Predict every pattern of a scan.

        Parameters
        ----------
        pieces : iterable of callable
            Each reads flat positions and their patterns as they were detected.
        positions : int
            Number of positions of the scan.
        threads : int
            Pieces that are read and worked on at the same time.

        Returns
        -------
        Answers
            Of all positions.
        """
        components = 0 if self.reference is None else len(self.reference.components)
        count = len(self.models), len(self.models[0].class_names)
        found = _empty(positions, self._shape, components, count)
        for _ in ahead((partial(self._add, read, found) for read in pieces), threads):
            pass
        return found

    def _add(self, read: Callable[[], Block], found: Answers) -> None:
        """Write the answers of a block."""
        index, patterns = read()
        small = self._resample(index, patterns)
        del patterns
        sums = small.reshape(len(small), -1) @ self._weights
        lit = sums[:, 0] > 0
        if not lit.all():
            index, small, sums = index[lit], small[lit], sums[lit]
        if not len(small):
            return
        total = sums[:, :1]
        small /= total[:, :, None]
        for number, (model, calibration) in enumerate(
            zip(self.models, self._calibrations, strict=True)
        ):
            found.by_model[index, number] = calibration.apply(
                model.predict_proba(small), total[:, 0]
            )
        found.signals[index] = ring_signals(small, self._pixel_semiangles)
        if self.reference is not None:
            found.features[index] = self.reference.features(small)
        found.pattern[index] = small * len(self._weights)
        found.total[index] = total[:, 0]
        found.bright_field[index], found.dark_field[index] = (sums[:, 3:] / total).T
        found.com[index] = centre_of_mass(sums)


def _weights(pixels: int, mrad_per_pixel: float, semiangle_mrad: float) -> FloatArray:
    """`detector_weights` of all pixels, the bright and the dark field."""
    k = pixel_angles(pixels, mrad_per_pixel)
    down, right = np.meshgrid(k, k, indexing="ij")
    angle = np.hypot(down, right)
    fields = [angle < semiangle_mrad, angle > semiangle_mrad + mrad_per_pixel]
    return detector_weights(right, -down, np.ones_like(angle), fields)


def _empty(n: int, shape: tuple[int, ...], features: int, classes: tuple[int, int]) -> Answers:
    def missing(*shape: int) -> FloatArray:
        return np.full(shape, np.nan, np.float32)

    return Answers(
        pattern=np.zeros((n, *shape), np.float16),
        signals=missing(n, len(RINGS) + 2),
        features=missing(n, features),
        by_model=missing(n, *classes),
        total=np.zeros(n, np.float32),
        bright_field=missing(n),
        dark_field=missing(n),
        com=missing(n, 2),
    )
