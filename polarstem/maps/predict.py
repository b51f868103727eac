# SPDX-License-Identifier: GPL-3.0-or-later
"""One pass over a scan: every pattern is read, resampled, measured and predicted once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarstem.maps.anomaly import AnomalyReference
from polarstem.models.base import Model
from polarstem.models.calibration import Calibration
from polarstem.scans.lattice import RINGS
from polarstem.scans.lattice import features as virtual_detectors
from polarstem.simulate.detector import pixel_angles

Block = tuple[NDArray[np.integer], NDArray[np.generic]]
FloatArray = NDArray[np.float32]
_CHUNK = 4096  # patterns in single precision at a time


@dataclass
class Answers:
    """What the pass gives for each of the n positions of a scan; nan where nothing was measured.

    Attributes
    ----------
    pattern : ndarray, shape (n, ky, kx), float16
        Patterns on the model's grid in the crystal's frame, with a mean of one.
    signals : ndarray, shape (n, feature)
        Virtual detectors that the lattice is looked for in.
    features : ndarray, shape (n, component)
        What anomalies are looked for in; no component without a reference.
    probability : ndarray, shape (n, classes)
        Calibrated probabilities.
    total : ndarray, shape (n,)
        Counts within the model's field of view.
    bright_field, dark_field : ndarray, shape (n,)
        Fractions of `total` inside the convergence semi-angle, and farther out than that by a
        pixel.
    com : ndarray, shape (n, 2)
        Centre of mass (x, y) in the crystal's frame, y up [mrad].
    """

    pattern: NDArray[np.float16]
    signals: FloatArray
    features: FloatArray
    probability: FloatArray
    total: FloatArray
    bright_field: FloatArray
    dark_field: FloatArray
    com: FloatArray

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Which positions have a pattern with counts."""
        return self.total > 0

    def mean_pattern(self) -> NDArray[np.float64]:
        """Mean over the positions, by their counts: fractions of the detected beam (ky, kx)."""
        mean = np.zeros(self.pattern.shape[1:])
        for start in range(0, len(self.total), _CHUNK):
            part = slice(start, start + _CHUNK)
            mean += np.tensordot(self.total[part], self.pattern[part].astype(np.float32), 1)
        return mean / mean.sum()


def predict_scan(
    blocks: Iterable[Block],
    positions: int,
    resample: Callable[[Block], FloatArray],
    model: Model,
    reference: AnomalyReference | None,
    mrad_per_pixel: float,
    semiangle_mrad: float,
) -> Answers:
    """Predict every pattern of a scan.

    Parameters
    ----------
    blocks : iterable of (index, patterns)
        Flat positions and their patterns as they were detected.
    positions : int
        Number of positions of the scan.
    resample : callable
        Turns a block into patterns (n, ky, kx) on the model's grid [counts].
    model : Model
        The trained model.
    reference : AnomalyReference or None
        Says what anomalies are looked for in.
    mrad_per_pixel, semiangle_mrad : float
        Size of the model's pixels and its convergence semi-angle [mrad].

    Returns
    -------
    Answers
        Of all positions.
    """
    calibration = Calibration.of(model)
    assert model.pattern_shape is not None
    shape = model.pattern_shape
    weights = _weights(shape[0], mrad_per_pixel, semiangle_mrad)
    components = 0 if reference is None else len(reference.components)
    found = _empty(positions, shape, components, len(model.class_names))
    for index, patterns in blocks:
        small = resample((index, patterns))
        sums = small.reshape(len(small), -1) @ weights
        lit = sums[:, 0] > 0
        if not lit.all():
            index, small, sums = index[lit], small[lit], sums[lit]
        if not len(small):
            continue
        total = sums[:, :1]
        small /= total[:, :, None]
        found.probability[index] = calibration.apply(model.predict_proba(small))
        found.signals[index] = virtual_detectors(small, mrad_per_pixel / semiangle_mrad)
        if reference is not None:
            found.features[index] = reference.features(small)
        found.pattern[index] = small * len(weights)
        found.total[index] = total[:, 0]
        found.bright_field[index], found.dark_field[index] = (sums[:, 1:3] / total).T
        found.com[index] = sums[:, 3:] / total
    return found


def _weights(pixels: int, mrad_per_pixel: float, semiangle_mrad: float) -> FloatArray:
    """Everything, bright field, dark field, x and y as weights of the pixels, (pixel, 5)."""
    k = pixel_angles(pixels, mrad_per_pixel)
    down, right = np.meshgrid(k, k, indexing="ij")
    angle = np.hypot(down, right)
    bright, dark = angle < semiangle_mrad, angle > semiangle_mrad + mrad_per_pixel
    columns = [np.ones_like(angle), bright, dark, right, -down]
    return np.stack([column.ravel() for column in columns], axis=1).astype(np.float32)


def _empty(n: int, shape: tuple[int, ...], features: int, classes: int) -> Answers:
    def missing(*shape: int) -> FloatArray:
        return np.full(shape, np.nan, np.float32)

    return Answers(
        pattern=np.zeros((n, *shape), np.float16),
        signals=missing(n, len(RINGS) + 2),
        features=missing(n, features),
        probability=missing(n, classes),
        total=np.zeros(n, np.float32),
        bright_field=missing(n),
        dark_field=missing(n),
        com=missing(n, 2),
    )
