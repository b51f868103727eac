# SPDX-License-Identifier: GPL-3.0-or-later
"""Lattices that a scan repeats with, whatever its step is said to be.

The peaks of the power spectrum are indexed by every pair of them that may be a lattice. Of those
that explain about as much the one with the smallest cell is taken: a larger cell would have peaks
of its own, and harmonics of a lattice do not explain its fundamentals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, maximum_filter

from polarstem.scans.specimen.distortion import MOST_DRIFT, distortions

FEWEST, MOST = 2.2, 60.0
"""Positions along a cell between which a lattice is looked for."""
_SHORTEST = 6  # positions along either side of a scan that may show a lattice
_CHANCE = 0.02  # that noise has a peak beyond the threshold
_PEAKS = 32  # at most
_FAINTEST = 1 / 400  # of the strongest peak
_BESIDE = (5, 6, 7)  # halves of the resolution, beyond a peak's foot
_NEAR = 0.75  # of the resolution: a peak lies on a node
_ORDERS = 3  # of a lattice that are looked at
_NODES = np.array(
    [(h, k) for h in range(-_ORDERS, _ORDERS + 1) for k in range(-_ORDERS, _ORDERS + 1) if h or k]
)
_SHEAR = 0.1  # that drift may explain
RIGHT = 1.06
"""Farthest that the size of the cell is off if the step is right."""
_ONE_AXIS = (1.06, 0.05)  # the same where the step is wrong along one axis alone
_CELLS = 1.8  # along either side of a scan, at least
_BOTH = 0.5  # of the threshold: two coefficients exceed it together as rarely as one exceeds all
_ALIAS = 0.6  # that a peak counts where it is explained by an alias
_SIMILAR = 0.9  # of the best score


@dataclass(frozen=True)
class Spectrum:
    """Power of a scan's images at spatial frequencies.

    Attributes
    ----------
    power : ndarray, shape (2 * ny, 2 * nx)
        Mean over the images, each over the power of its noise.
    shape : tuple of int
        Rows and columns of the scan.
    threshold : float
        That noise exceeds in one of fifty scans.
    smooth : ndarray
        The same over a mean noise: peaks are where they are in this one.
    """

    power: NDArray[np.float64]
    shape: tuple[int, int]
    threshold: float
    smooth: NDArray[np.float64]

    @classmethod
    def of(cls, images: NDArray[np.floating]) -> Spectrum:
        """Of images (ny, nx, feature); values that are no numbers are left out."""
        ny, nx, _ = images.shape
        known = np.isfinite(images).all(axis=-1)
        values = np.where(known[..., None], images, 0.0).astype(np.float64)
        window = np.hanning(ny + 2)[1:-1, None] * np.hanning(nx + 2)[1:-1] * known
        total = max(float(window.sum()), np.finfo(float).tiny)
        values = (values - (values * window[..., None]).sum((0, 1)) / total) * window[..., None]
        spectra = np.square(np.abs(np.fft.fft2(values, s=(2 * ny, 2 * nx), axes=(0, 1))))
        radius = np.hypot(np.fft.fftfreq(2 * ny)[:, None], np.fft.fftfreq(2 * nx))
        used = [f for f in range(spectra.shape[-1]) if spectra[..., f].max() > 0]
        if not used:
            return cls(np.zeros(radius.shape), (ny, nx), np.inf, np.zeros(radius.shape))
        levels = [_background(spectra[..., f], radius) for f in used]
        power = np.mean([spectra[..., f] / n for f, n in zip(used, levels, strict=True)], axis=0)
        smooth = np.mean(
            [spectra[..., f] / np.median(n) for f, n in zip(used, levels, strict=True)], axis=0
        )
        # the tail of the noise, at most exponential, from where no peaks are
        low, half = np.quantile(power, (0.2, 0.5))
        tail = (half - low) / np.log(0.8 / 0.5)
        return cls(power, (ny, nx), float(half + tail * np.log(0.5 * power.size / _CHANCE)), smooth)

    def peaks(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Frequencies (peak, 2) in cycles per position and power over the threshold, descending.

        One of each pair of opposite ones.
        """
        power = self.power
        smooth = self.smooth
        top = (smooth == maximum_filter(smooth, 3, mode="wrap")) & (power > self.threshold)
        rows, columns = np.nonzero(top)
        strength = power[rows, columns]
        places = np.stack([self._summit(rows, columns, 0), self._summit(rows, columns, 1)], axis=1)
        found = (places / power.shape + 0.5) % 1 - 0.5
        kept = (found[:, 0] > 1e-9) | ((np.abs(found[:, 0]) <= 1e-9) & (found[:, 1] > 0))
        length = np.hypot(*found.T)
        kept &= (length >= 1 / MOST) & (np.abs(found).max(axis=1) < 0.499)
        kept &= strength > _FAINTEST * strength.max(initial=0.0)
        order = np.flatnonzero(kept)[np.argsort(-strength[kept], kind="stable")][:_PEAKS]
        return found[order], strength[order] / self.threshold

    def at(self, frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
        """Largest power within half the resolution of frequencies (..., 2) [cycles/position]."""
        index = np.rint(frequencies * self.power.shape).astype(int)
        near = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        rows, columns = np.moveaxis(index[..., None, :] + np.array(near), -1, 0)
        found: NDArray[np.float64] = self.power[
            rows % self.power.shape[0], columns % self.power.shape[1]
        ].max(axis=-1)
        return found

    def level(self, frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
        """Power over a mean noise at frequencies (..., 2) [cycles/position]."""
        places = np.moveaxis(frequencies * self.power.shape, -1, 0)
        found: NDArray[np.float64] = map_coordinates(self.smooth, places, order=1, mode="grid-wrap")
        return found

    def _summit(
        self, rows: NDArray[np.int64], columns: NDArray[np.int64], axis: int
    ) -> NDArray[np.float64]:
        """Vertices of the parabolas through the logarithms of peaks and their neighbours."""
        logs = np.log(np.maximum(self.smooth, 1e-12))
        before, after = (np.roll(logs, by, axis)[rows, columns] for by in (1, -1))
        here = logs[rows, columns]
        bend = before - 2 * here + after
        off = np.where(bend < 0, 0.5 * (before - after) / np.minimum(bend, -1e-12), 0.0)
        place: NDArray[np.float64] = (rows, columns)[axis].astype(np.float64) + off
        return place


def _background(power: NDArray[np.float64], radius: NDArray[np.float64]) -> NDArray[np.float64]:
    """Power of the noise: what is usual at this length of the frequency, or beside it.

    Edges in the images make lines through the origin: farther in and farther out there is as much.
    """
    order = np.argsort(radius, axis=None)
    rings = np.array_split(order, max(1, min(24, power.size // 400)))
    middle = [float(np.mean(radius.ravel()[ring])) for ring in rings]
    # a quarter of an exponential distribution lies below, whatever peaks there are
    height = [float(np.quantile(power.ravel()[ring], 0.25)) for ring in rings]
    level = np.interp(radius, middle, height) / np.log(4 / 3)
    sizes = np.array(power.shape)
    places = np.stack(np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in sizes), indexing="ij"), -1)
    directions = places / np.maximum(np.hypot(places[..., 0], places[..., 1]), 1)[..., None]
    # a lattice's nearest peaks may have others on one side, at twice their frequency
    line = np.min(
        [
            np.median([_shifted(power, places + sign * by * directions) for by in _BESIDE], axis=0)
            for sign in (1, -1)
        ],
        axis=0,
    )
    return np.maximum(np.maximum(level, line / np.log(2)), 1e-9 * power.max())


def _shifted(power: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values at the nearest places (..., 2)."""
    rows, columns = np.moveaxis(np.rint(places).astype(int), -1, 0)
    found: NDArray[np.float64] = power[rows % power.shape[0], columns % power.shape[1]]
    return found


@dataclass(frozen=True)
class Periods:
    """A lattice that a scan repeats with.

    Attributes
    ----------
    reciprocal : ndarray, shape (2, 2)
        Columns: its reciprocal vectors, y (down) and x [cycles/position]; the first belongs to the
        edge that points along the crystal's -y, the second to that along +x.
    quality : float
        Power of the weaker one over the threshold of noise.
    explained : float
        Share of the peaks that lie on the lattice.
    """

    reciprocal: NDArray[np.float64]
    quality: float
    explained: float


def find_periods(
    spectrum: Spectrum, step: NDArray[np.float64], cell: NDArray[np.float64] | None
) -> Periods | None:
    """Find the lattice that a scan repeats with.

    Parameters
    ----------
    spectrum : Spectrum
        Of its images.
    step : ndarray, shape (2,)
        Distance of two positions along y and x, as it is believed [nm].
    cell : ndarray, shape (2,), or None
        Edges of the crystal's cell along its y and x [nm]; without them any lattice is taken.

    Returns
    -------
    Periods or None
        None if there is no lattice.
    """
    if min(spectrum.shape) < _SHORTEST:
        return None
    peaks, strength = spectrum.peaks()
    expected = None if cell is None else _expected(spectrum, step, cell)
    pairs = np.array([(i, j) for i in range(len(peaks)) for j in range(len(peaks)) if i != j])
    pairs = pairs.reshape(-1, 2).astype(int)
    bases = peaks[pairs].transpose(0, 2, 1)  # columns
    bases[np.linalg.det(bases) < 0, :, 1] *= -1
    favour = _favour(bases, step, cell)
    # several cells along both axes
    spans = np.abs(np.linalg.inv(_regular(bases))).max(axis=1)
    favour[(spans * _CELLS > spectrum.shape).any(axis=1)] = 0
    kept = favour > 0
    bases, favour = bases[kept], favour[kept]
    quality = strength[pairs[kept]].min(axis=1)
    if expected is not None:
        bases = np.concatenate([bases, expected.reciprocal[None]])
        favour = np.append(favour, _favour(expected.reciprocal[None], step, cell))
        quality = np.append(quality, expected.quality)
    if not len(bases):
        return None
    if not len(peaks):
        return expected
    weight = 1 + np.log(strength)
    # nodes beyond half a cycle per position are seen where they alias to
    nodes = np.einsum("nij,oj->noi", bases, _NODES)
    apart = peaks[:, None] - nodes[:, None]
    direct, seen = (
        (np.abs(off * spectrum.shape).max(axis=-1) < _NEAR).any(axis=-1)
        for off in (apart, (apart + 0.5) % 1 - 0.5)
    )
    on = np.where(direct, 1.0, _ALIAS * seen)
    # what peaks anywhere would explain
    luck = min(len(_NODES) * (2 * _NEAR) ** 2 / float(np.prod(spectrum.shape)), 0.9)
    share = (on @ weight / weight.sum() - luck) / (1 - luck)
    volume = np.abs(np.linalg.det(bases))
    score = share * favour
    similar = score >= _SIMILAR * score.max()
    best = int(np.where(similar, volume * favour, 0.0).argmax())
    return Periods(bases[best], float(quality[best]), float(share[best]))


def _expected(
    spectrum: Spectrum, step: NDArray[np.float64], cell: NDArray[np.float64]
) -> Periods | None:
    """The lattice at about the size that the step says, if there is one.

    A few sizes and all angles are fewer trials than all pairs of peaks, and both vectors are seen
    at once: each may be fainter than a peak alone, and on the slope of another.
    """
    extent = np.array(spectrum.shape) * step
    if (_CELLS * cell.max() > extent).any() or (FEWEST * step > cell.min()).any():
        return None
    fine = 0.25 * cell.min() / extent.max()
    square = abs(cell[0] / cell[1] - 1) < 0.01
    angles = np.arange(0, np.pi / 2 if square else np.pi, fine)
    reach = np.log(RIGHT)
    sizes = np.exp(np.linspace(-reach, reach, 2 * int(np.ceil(reach / fine)) + 1))
    angle, size = (a.ravel() for a in np.meshgrid(angles, sizes, indexing="ij"))
    sine, cosine = np.sin(angle) / size, np.cos(angle) / size
    first = np.stack([cosine, sine], axis=-1) / cell[0] * step
    second = np.stack([-sine, cosine], axis=-1) / cell[1] * step
    edges, sums = (
        np.minimum(spectrum.at(a), spectrum.at(b))
        for a, b in ((first, second), (first + second, first - second))
    )
    score = edges + 0.5 * sums
    near = np.flatnonzero(score >= 0.6 * score.max())
    nodes = np.stack([first, second, first + second, first - second, 2 * first, 2 * second], axis=1)
    place = np.moveaxis(nodes[near] * spectrum.power.shape, -1, 0)
    height = map_coordinates(np.sqrt(spectrum.power), place, order=1, mode="grid-wrap")
    best = int(near[height.sum(axis=1).argmax()])
    quality = float(edges[best]) / spectrum.threshold
    if quality < _BOTH:
        return None
    return Periods(np.stack([first[best], second[best]], axis=1), quality, 0.0)


def _favour(
    bases: NDArray[np.float64], step: NDArray[np.float64], cell: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """How far bases (n, 2, 2) are believed before their peaks are counted; 0 for impossible."""
    bases = _regular(bases)
    edges = np.linalg.inv(bases)  # rows [positions]
    lengths = np.hypot(edges[..., 0], edges[..., 1])
    possible = ((lengths >= FEWEST) & (lengths <= MOST)).all(axis=1)
    if cell is None:
        cosine = (edges[:, 0] * edges[:, 1] * step**2).sum(1) / np.prod(
            np.hypot(*(edges * step).transpose(2, 0, 1)), axis=-1
        )
        return possible * np.where(
            np.abs(cosine) < 0.1, 1.0, np.where(np.abs(cosine) < 0.5, 0.9, 0)
        )
    scale, shear = distortions(bases / step[:, None], cell)
    log = np.log(scale)
    drift = (np.abs(log[:, 0] - log[:, 1]) < np.log(MOST_DRIFT)) & (np.abs(shear) < _SHEAR)
    right = drift & (np.abs(log).max(axis=1) < np.log(RIGHT))
    one_axis = (np.abs(log).min(axis=1) < np.log(_ONE_AXIS[0])) & (np.abs(shear) < _ONE_AXIS[1])
    return possible * np.select([right, drift, one_axis], [1.25, 1.0, 0.8], 0.0)


def _regular(bases: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same, but for those that cannot be inverted."""
    flat = np.abs(np.linalg.det(bases)) < 1e-7
    return np.where(flat[:, None, None], 1e-7 * np.eye(2), bases)
