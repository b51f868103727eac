# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns and mirrors of vectors in the plane, as 2 x 2 matrices.

Vectors are columns (x right, y up). A turn of one frame against another maps the components of a
vector in the first to those in the second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_CLOSE_DEG = 1.0  # of a class to the image of another


@dataclass(frozen=True)
class PlaneTurn:
    """A rotation, or a mirror followed by one.

    Attributes
    ----------
    angle_deg : float
        Counter-clockwise rotation, after the mirror if there is one [degrees].
    mirrored : bool
        Whether x is reversed before.
    """

    angle_deg: float = 0.0
    mirrored: bool = False

    @classmethod
    def of(cls, matrix: ArrayLike) -> PlaneTurn:
        """From the rows of an orthogonal 2 x 2 matrix."""
        (_, b), (_, d) = rows = np.asarray(matrix, float).tolist()
        # the y axis is kept by the mirror
        return cls(float(np.rad2deg(np.arctan2(-b, d)) % 360), bool(np.linalg.det(rows) < 0))

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Rows of the matrix, shape (2, 2)."""
        angle = np.deg2rad(self.angle_deg)
        sine, cosine = np.sin(angle), np.cos(angle)
        mirror = np.diag([-1.0 if self.mirrored else 1.0, 1.0])
        return np.array([[cosine, -sine], [sine, cosine]]) @ mirror

    def __matmul__(self, first: PlaneTurn) -> PlaneTurn:
        """The turn that comes of `first` and then this one."""
        sign = -1 if self.mirrored else 1
        angle = self.angle_deg + sign * first.angle_deg
        return PlaneTurn(angle, self.mirrored != first.mirrored)

    def inverse(self) -> PlaneTurn:
        """What undoes it."""
        return PlaneTurn(self.angle_deg if self.mirrored else -self.angle_deg, self.mirrored)

    def vectors(self, vectors: NDArray[np.floating]) -> NDArray[np.float64]:
        """Turn vectors (..., 2), x and y up."""
        turned: NDArray[np.float64] = np.asarray(vectors, float) @ self.matrix.T
        return turned

    def images(self, images: NDArray[np.generic]) -> NDArray[np.generic]:
        """Turn square images (..., y down, x) about their middle, by whole quarters."""
        if self.mirrored:
            images = images[..., ::-1]
        return np.rot90(images, round(self.angle_deg / 90) % 4, axes=(-2, -1))

    def classes(self, directions: NDArray[np.floating]) -> NDArray[np.int64]:
        """The class that each class becomes.

        Parameters
        ----------
        directions : ndarray, shape (class,)
            Counter-clockwise from +x [degrees]; nan for a class along the beam, which stays.

        Returns
        -------
        ndarray of int, shape (class,)

        Raises
        ------
        ValueError
            If the turn leads out of the set of classes.
        """
        known = np.isfinite(directions)
        found = np.arange(len(directions))
        angles = np.asarray(directions, float)[known]
        turned = self.angle_deg + (180 - angles if self.mirrored else angles)
        apart = np.abs((turned[:, None] - angles + 180) % 360 - 180)
        if known.any() and apart.min(1).max() > _CLOSE_DEG:
            raise ValueError(f"a turn by {self.angle_deg:g} degrees leads out of the classes")
        # classes of one direction, which differ along the beam, keep their order
        order = np.argsort(np.round(apart, 3), axis=1, kind="stable")
        rank = [
            int((np.abs(angles[:i] - angles[i]) < _CLOSE_DEG).sum()) for i in range(len(angles))
        ]
        found[known] = np.flatnonzero(known)[order[np.arange(len(angles)), rank]]
        return found


def apart(first: float, second: float, period: float = 360.0) -> float:
    """Signed difference of two angles that repeat [degrees], in [-period / 2, period / 2)."""
    return (first - second + period / 2) % period - period / 2


def nearest(angle: float, to: float, period: float) -> float:
    """Of the angles that differ by multiples of a period the one nearest to another [degrees]."""
    return to + apart(angle, to, period)
