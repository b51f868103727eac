# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the beam goes: the vectors that are measured without any learning, and their statistics.

Centre of mass, differences of Friedel pairs and the four quadrants of an annular detector all
point somewhere. Which polarization a vector means depends on the thickness, even in sign, so a
Gaussian is fitted to the vectors of each thickness and class: a sign table with its spread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax
from threadpoolctl import threadpool_limits

from polarstem.errors import PolarstemError
from polarstem.models.arrays import ArrayModel
from polarstem.models.base import Array
from polarstem.models.options import FamilyOptions

if TYPE_CHECKING:
    from polarstem.data.patterns import PatternSet
    from polarstem.models.job import FitJob

SIGNALS = {
    "centre_of_mass": "centre of mass of the pattern",
    "friedel": "differences of Friedel pairs",
    "quadrant": "four quadrants of an annular detector",
}
"""Option `signal`, and what it is."""
PAIRS = ((1, 0), (1, 1), (2, 0), (3, 0), (4, 0))
MOST_THICKNESSES = 16
"""More than these are put into as many bins of equally many patterns."""
PRECISION = 0.01
"""Least spread of a vector's component, as a fraction of its root mean square: where nothing varies
in the simulation, experiments still do."""
SUBPIXELS = 9
"""Along a pixel's side, for the share of it that lies in a disc."""


@dataclass(frozen=True)
class DeflectionOptions(FamilyOptions):
    """Options of the family; see `vector_weights` for those of the signals."""

    signal: str = field(default="centre_of_mass", metadata={"choices": tuple(SIGNALS)})
    spacing_pixels: Sequence[float] | None = None
    pairs: Sequence[Sequence[int]] = PAIRS
    annulus: Sequence[float] = (0.5, 1.0)


def vector_weights(shape: tuple[int, int], options: DeflectionOptions) -> NDArray[np.float64]:
    """Detectors whose readings make the vectors of a signal.

    A vector is (right - left, up - down) over a sum, each reading a weighted sum of pixels:

    - ``centre_of_mass``: first moments over the total, in pixels.
    - ``quadrant``: differences of opposite quadrants over the annulus. `annulus` has its radii, as
      fractions of the detector's half width.
    - ``friedel``: for each of `pairs`, the sum of ``(I(g) - I(-g)) g / |g|`` over the pairs that
      are equivalent by symmetry, over the sum of all their intensities. I(g) is taken in a disc
      around (h, k), half as wide as the reflections are apart; `spacing_pixels` is their distance
      along x and y.

    Parameters
    ----------
    shape : (int, int)
        (ky, kx) of the patterns; the beam is at their centre.
    options : DeflectionOptions
        The signal and its settings.

    Returns
    -------
    ndarray, shape (3, vector, ky, kx)
        Weights of the x component (right), the y component (up) and the sum.

    Raises
    ------
    PolarstemError
        If the spacing is not given or a pair lies outside the detector.
    """
    y, x = (np.arange(n) - (n - 1) / 2 for n in shape)
    y, x = -y[:, None], x[None]
    if options.signal == "centre_of_mass":
        return np.stack(np.broadcast_arrays(x, y, 1.0))[:, None]
    if options.signal == "quadrant":
        low, high = np.array(options.annulus) * min(shape) / 2
        radius = np.hypot(x, y)
        ring = ((radius >= low) & (radius <= high)).astype(float)
        # pixels on a diagonal belong to both quadrants by half
        right = np.sign(x) * (1 + np.sign(abs(x) - abs(y))) / 2
        up = np.sign(y) * (1 + np.sign(abs(y) - abs(x))) / 2
        return np.stack([ring * right, ring * up, ring])[:, None]
    if options.spacing_pixels is None:
        raise PolarstemError(
            "The Friedel pairs of a deflection model need spacing_pixels, the distance of "
            "neighbouring reflections along x and y in detector pixels; give it."
        )
    across, down = options.spacing_pixels
    square = np.isclose(across, down, rtol=1e-3)
    vectors = []
    for h, k in options.pairs:
        family = {(sx * h, sy * k) for sx in (1, -1) for sy in (1, -1)}
        if square:
            family |= {(b, a) for a, b in family}
        vectors.append(np.zeros((3, *shape)))
        for a, b in family:
            g = np.array([a * across, b * down])
            if not g.any() or not (abs(g) < np.array(shape[::-1]) / 2).all():
                raise PolarstemError(
                    f"The reflection {h} {k} is no pair on a detector of {shape[1]} x {shape[0]} "
                    "pixels; take it out of the pairs of the deflection model."
                )
            disc = _disc(x - g[0], y - g[1], min(across, down) / 2)
            vectors[-1] += np.array([*(g / np.hypot(*g)), 1.0])[:, None, None] * disc
    return np.stack(vectors, axis=1)


def _disc(x: NDArray[np.float64], y: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """Share of each pixel within a radius of the origin."""
    steps = (np.arange(SUBPIXELS) - (SUBPIXELS - 1) / 2) / SUBPIXELS
    inside = [(x + a) ** 2 + (y + b) ** 2 <= radius**2 for a in steps for b in steps]
    share: NDArray[np.float64] = np.mean(inside, axis=0)
    return share


class DeflectionModel(ArrayModel):
    """A Gaussian of the vectors for each thickness and class, every thickness equally likely.

    It learns from the patterns in all turns that map the classes onto themselves, so that turned
    patterns get turned answers.
    """

    family = "deflection"
    respects_symmetry = True
    options_type = DeflectionOptions
    settings: DeflectionOptions

    @classmethod
    def describe(cls, settings: Mapping[str, Any]) -> str:
        """Signal and statistics."""
        signal = SIGNALS[settings.get("signal", DeflectionOptions.signal)]
        return f"{signal}, a Gaussian for each thickness and class"

    def fit(self, train: PatternSet, validation: PatternSet, job: FitJob) -> Self:
        """Learn from labelled patterns; see `Model.fit`. Quick enough not to need resuming."""
        from polarstem.models.augmentation import SquareSymmetry
        from polarstem.models.turned import turned_copies

        patterns, labels = self._staged(train, validation, job)
        shape = self._fitted_shape()
        self._restored()
        symmetry = SquareSymmetry(shape, self.class_directions.tolist())
        with threadpool_limits(job.threads):
            copies = [
                (self._vectors(turned), label)
                for turned, label in turned_copies(symmetry, patterns, labels)
            ]
        values, classes = map(np.concatenate, zip(*copies, strict=True))
        bins = thickness_bins(train.thickness)
        self._learn(values, classes, np.tile(bins, len(symmetry.operations)))
        return self

    def predict_proba(self, patterns: NDArray[Any]) -> Array:
        """Class probabilities (n, n_classes) of patterns (n, ky, kx)."""
        from scipy.stats import multivariate_normal

        vectors = self._vectors(self._checked(patterns))
        arrays = self._arrays
        parts = zip(arrays["mean"], arrays["covariance"], strict=True)
        density = [multivariate_normal(*part).logpdf(vectors) for part in parts]
        table = np.reshape(density, (len(density), len(vectors)))  # also for a single pattern
        score = np.empty((len(vectors), len(self.class_names)))
        for index in range(len(self.class_names)):
            own = arrays["label"] == index
            score[:, index] = logsumexp(table[own], axis=0) - np.log(own.sum())
        return softmax(score, axis=1).astype(np.float32)

    def embed(self, patterns: NDArray[Any]) -> Array:
        """Vectors (n, 2 * vectors) of patterns (n, ky, kx), x and y alternating."""
        return self._vectors(self._checked(patterns)).astype(np.float32)

    def _vectors(self, patterns: Array) -> NDArray[np.float64]:
        """Features (n, 2 * vectors); zero where the sum is."""
        readings = np.tensordot(patterns, self._weights, axes=((1, 2), (2, 3)))
        x, y, total = np.moveaxis(readings, 1, 0)
        lit = np.where(total > 0, total, np.inf)
        return np.stack([x / lit, y / lit], axis=2).reshape(len(x), 2 * x.shape[1])

    def _learn(
        self,
        vectors: NDArray[np.float64],
        labels: NDArray[np.int64],
        thickness: NDArray[np.int64],
    ) -> None:
        """Fit the Gaussians; covariances are shrunk as their number of patterns asks for."""
        from sklearn.covariance import ledoit_wolf

        scale = np.sqrt(np.mean(vectors**2, axis=0))  # shrinking compares the features
        scale[scale == 0] = 1.0
        found: dict[str, list[Any]] = {"mean": [], "covariance": [], "label": []}
        for t, label in np.unique(np.stack([thickness, labels]), axis=1).T:
            own = vectors[(thickness == t) & (labels == label)] / scale
            covariance = ledoit_wolf(own)[0] + PRECISION**2 * np.eye(len(scale))
            found["mean"].append(own.mean(axis=0) * scale)
            found["covariance"].append(covariance * scale[:, None] * scale)
            found["label"].append(label)
        self._arrays = {key: np.array(values) for key, values in found.items()}

    def _restored(self) -> None:
        self._weights = vector_weights(self._fitted_shape(), self.settings)


def thickness_bins(thickness: NDArray[np.floating]) -> NDArray[np.int64]:
    """Number of each pattern's thickness, or of its bin where there are many.

    Parameters
    ----------
    thickness : ndarray, shape (n,)
        Thicknesses [nm].
    """
    values, index = np.unique(thickness, return_inverse=True)
    if len(values) <= MOST_THICKNESSES:
        return index
    edges = np.quantile(thickness, np.linspace(0, 1, MOST_THICKNESSES + 1)[1:-1])
    return np.digitize(thickness, edges)
