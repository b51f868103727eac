# SPDX-License-Identifier: GPL-3.0-or-later
"""Where in the projected cell each probe position lies, from the periodicity of the patterns.

A scan at atomic resolution repeats with the lattice. Its two vectors are those whose Fourier
coefficients of a few virtual detectors' images hold the most power; the phases of those of the
dark field tell where the columns are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.optimize import minimize

from polarstem.scans.sourced import Sourced
from polarstem.scans.specimen.cells import Lattice, boxes
from polarstem.scans.specimen.rings import RINGS

_STRETCH = 0.06  # of the lattice, looked for
_MOST_STEP = 0.5  # of a cell between two positions, beyond which no lattice is looked for
_COEFFICIENTS = np.array([(0, 1), (1, 0), (1, 1), (1, -1)])  # along the cell's y and x
_PLACES = 64  # along the cell, where the A column is looked for
# Power over noise of the weaker vector, in logarithms of the number tried; noise has up to 1.2
_CLEAR = 3.0


def find_lattice(
    images: NDArray[np.floating],
    step_nm: tuple[float, float],
    cell_angstrom: tuple[float, float],
    *,
    rotation_deg: float | None = None,
    templates: NDArray[np.floating] | None = None,
) -> Lattice:
    """Find the crystal's lattice in a scan.

    Parameters
    ----------
    images : ndarray, shape (ny, nx, feature)
        Images of virtual detectors, as `ring_signals` gives them; values that are no numbers are
        left out.
    step_nm : tuple of float
        Distance of two positions along y and x [nm].
    cell_angstrom : tuple of float
        Projected cell along the crystal's y and x [Å].
    rotation_deg : float, optional
        About the angle of the crystal's x axis from the scan's [degrees]: of the equal axes the
        nearest is taken.
    templates : ndarray, shape (cell_y, cell_x, feature), optional
        The same features over the cell: their outermost ring tells how bright the columns are in
        the dark field. (The inner rings depend on the defocus.) Without them the B column is
        taken to be the brightest.

    Returns
    -------
    Lattice
        Boxes of about one cell where the positions are too far apart or no lattice is found.
    """
    cell = np.array(cell_angstrom) / 10
    step = np.array(step_nm)
    if (step > _MOST_STEP * cell.min()).any():
        return boxes(
            step_nm, cell_angstrom, f"The step of {step.max():.3g} nm is too coarse for the lattice"
        )
    signals = _flattened(images, cell.min() / step)
    power, noise = _power(signals)
    square = abs(cell[0] / cell[1] - 1) < 0.01
    inverse, quality = _search(power, noise, signals.shape[:2], step, cell, square)
    if quality < _CLEAR:
        return boxes(step_nm, cell_angstrom, "The patterns do not repeat with the lattice")
    inverse = _refined(inverse, signals, step)
    inverse = _nearest(inverse, 0.0 if rotation_deg is None else rotation_deg, square)
    vectors = np.linalg.inv(inverse).astype(np.float64)
    origin, agreement, margin = _column(signals, inverse, step, templates)
    angle = _angle(vectors)
    spread = _spread(signals, inverse, step) * cell.max()
    return Lattice(
        found=True,
        vectors=vectors,
        origin=origin @ vectors,
        step_nm=(float(step[0]), float(step[1])),
        rotation=Sourced(
            angle,
            "degrees",
            "estimated",
            f"periodicity of the scan, modulo {90 if square else 180}",
            (angle - 2 * spread, angle + 2 * spread),
        ),
        quality=quality,
        agreement=agreement,
        margin=margin,
        sentence=_sentence(vectors, angle, margin),
    )


def _sentence(vectors: NDArray[np.float64], angle: float, margin: float) -> str:
    down, right = np.hypot(*vectors.T)
    text = (
        f"A cell measures {right:.4f} nm along the crystal's x and {down:.4f} nm along its y, its "
        f"x axis is turned by {angle:.2f} degrees."
    )
    return text if margin > 0.1 else f"{text} Which column is the A site is uncertain."


def _flattened(images: NDArray[np.floating], positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Images without what varies more slowly than the lattice, each of unit variance."""
    known = np.isfinite(images).all(axis=-1)
    blur = (*positions, 0)
    share = np.maximum(gaussian_filter(known.astype(float), blur[:2]), 1e-6)[..., None]
    values = np.where(known[..., None], images, 0.0).astype(np.float64)
    rest = np.where(known[..., None], values - gaussian_filter(values, blur) / share, 0.0)
    spread = rest.std(axis=(0, 1))
    flat: NDArray[np.float64] = rest / np.where(spread > 0, spread, 1.0)
    return flat


def _power(signals: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Power spectrum, twice oversampled and summed over the images, and that of the noise."""
    ny, nx, count = signals.shape
    window = np.hanning(ny + 2)[1:-1, None] * np.hanning(nx + 2)[1:-1]
    spectrum = np.fft.fft2(signals * window[..., None], s=(2 * ny, 2 * nx), axes=(0, 1))
    power = np.square(np.abs(spectrum)).sum(axis=-1) / np.square(window).sum() / count
    return power, float(np.median(power))


def _search(
    power: NDArray[np.float64],
    noise: float,
    shape: tuple[int, ...],
    step: NDArray[np.float64],
    cell: NDArray[np.float64],
    square: bool,
) -> tuple[NDArray[np.float64], float]:
    """Best rotation and stretch: reciprocal vectors (columns) [1/nm], and power over noise."""
    fine = 0.25 * cell.min() / (np.array(shape[:2]) * step).max()
    angles = np.arange(0, np.pi / 2 if square else np.pi, fine)
    sizes = np.linspace(1 - _STRETCH, 1 + _STRETCH, 2 * int(np.ceil(_STRETCH / fine)) + 1)
    trials = np.stack(np.meshgrid(angles, sizes, indexing="ij"), axis=-1).reshape(-1, 2)
    inverses = np.stack([_inverse(angle, cell * size) for angle, size in trials])
    vectors = np.einsum("nij,kj->nki", inverses, _COEFFICIENTS)
    index = vectors * step * power.shape
    found = map_coordinates(power, np.moveaxis(index, -1, 0), order=1, mode="grid-wrap") / noise
    # both edges of the cell are needed; the diagonals help
    score = np.minimum(found[:, 0], found[:, 1]) + 0.5 * np.minimum(found[:, 2], found[:, 3])
    best = int(score.argmax())
    return inverses[best], float(min(found[best, :2])) / np.log(len(trials))


def _inverse(angle: float, cell: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse of the vectors of a rotated cell; its columns are the reciprocal vectors."""
    sine, cosine = np.sin(angle), np.cos(angle)
    down = cell[0] * np.array([cosine, sine])
    right = cell[1] * np.array([-sine, cosine])
    inverted: NDArray[np.float64] = np.linalg.inv(np.stack([down, right]))
    return inverted


def _coefficients(
    signals: NDArray[np.float64], vectors: NDArray[np.float64], step: NDArray[np.float64]
) -> NDArray[np.complex128]:
    """Fourier coefficients (vector, feature) at spatial frequencies y, x [1/nm]."""
    ny, nx, count = signals.shape
    down = np.exp(-2j * np.pi * np.outer(vectors[:, 0], np.arange(ny) * step[0]))
    right = np.exp(-2j * np.pi * np.outer(vectors[:, 1], np.arange(nx) * step[1]))
    rows = (down @ signals.reshape(ny, -1)).reshape(len(vectors), nx, count)
    return np.einsum("vx,vxf->vf", right, rows) / (ny * nx)


def _refined(
    inverse: NDArray[np.float64], signals: NDArray[np.float64], step: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The reciprocal vectors at which the coefficients hold the most power."""
    extent = np.array(signals.shape[:2]) * step

    def loss(steps: NDArray[np.float64]) -> float:
        moved = inverse + steps.reshape(2, 2) / extent[:, None]
        vectors = _COEFFICIENTS @ moved.T
        return -float(np.square(np.abs(_coefficients(signals, vectors, step))).sum())

    found = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-6})
    refined: NDArray[np.float64] = inverse + found.x.reshape(2, 2) / extent[:, None]
    return refined


def _angle(vectors: NDArray[np.float64]) -> float:
    """Direction of the mean of the edges along x and, turned back, along y [degrees]."""
    (down_y, down_x), (right_y, right_x) = vectors / np.hypot(*vectors.T)[:, None]
    return float(np.rad2deg(np.arctan2(down_x - right_y, right_x + down_y)))


def _spread(
    signals: NDArray[np.float64], inverse: NDArray[np.float64], step: NDArray[np.float64]
) -> float:
    """Standard deviation of the rotation, times the length of a cell's edge [degrees/nm].

    The Cramér-Rao bound of a frequency (D. C. Rife and R. R. Boorstyn, IEEE Trans. Inf. Theory 20,
    591 (1974)), with all variance of the images taken for noise.
    """
    edges = np.square(np.abs(_coefficients(signals, inverse.T, step))).sum(axis=1)
    power = float(edges.min()) * signals[..., 0].size
    extent = float((np.array(signals.shape[:2]) * step).min())
    return float(np.rad2deg(np.sqrt(6 / power) / (2 * np.pi * extent)))


def _nearest(
    inverse: NDArray[np.float64], rotation_deg: float, square: bool
) -> NDArray[np.float64]:
    """Of the equal choices of edges the one that is turned least from a rotation."""
    turn = np.array([(0.0, -1.0), (1.0, 0.0)])
    choices = [inverse @ np.linalg.matrix_power(turn, n) for n in range(0, 4, 1 if square else 2)]

    def apart(choice: NDArray[np.float64]) -> float:
        vectors = np.linalg.inv(choice).astype(np.float64)
        off = _angle(vectors) - rotation_deg
        return abs((off + 180) % 360 - 180)

    return min(choices, key=apart)


def _column(
    signals: NDArray[np.float64],
    inverse: NDArray[np.float64],
    step: NDArray[np.float64],
    templates: NDArray[np.floating] | None,
) -> tuple[NDArray[np.float64], float, float]:
    """Place of an A column as fractions of the cell, agreement and margin."""
    dark = signals[..., len(RINGS) - 1, None]
    measured = _coefficients(dark, _COEFFICIENTS @ inverse.T, step)[:, 0]
    # bright B in the middle of the cell, unless the templates say otherwise
    expected = np.array([-1.0, -1.0, 1.0, 1.0], complex)
    if templates is not None:
        image = templates[..., len(RINGS) - 1, None].astype(np.float64)
        steps = 1 / np.array(image.shape[:2])
        expected = _coefficients(image, _COEFFICIENTS.astype(float), steps)[:, 0]
    cross = measured * expected.conj()
    along = np.arange(_PLACES) / _PLACES
    grid = np.stack(np.meshgrid(along, along, indexing="ij"), axis=-1)
    waves = np.exp(2j * np.pi * grid @ _COEFFICIENTS.T)
    score = (waves @ cross).real
    row, column = np.unravel_index(score.argmax(), score.shape)
    norm = float(np.linalg.norm(measured) * np.linalg.norm(expected))
    half = _PLACES // 2
    other = score[(row + half) % _PLACES, (column + half) % _PLACES]
    place = _summit(score, int(row), int(column)) / _PLACES
    return place, float(score.max()) / norm, float(score.max() - other) / norm


def _summit(score: NDArray[np.float64], row: int, column: int) -> NDArray[np.float64]:
    """Vertices of the parabolas through the largest value and its neighbours."""
    place = []
    n = len(score)
    for at, line in ((row, score[:, column]), (column, score[row])):
        before, here, after = line[(at - 1) % n], line[at], line[(at + 1) % n]
        bend = before - 2 * here + after
        place.append(at + (0.5 * (before - after) / bend if bend else 0.0))
    return np.array(place)
