# SPDX-License-Identifier: GPL-3.0-or-later
"""Where in the projected cell each probe position lies, from the periodicity of the patterns.

A scan at atomic resolution repeats with the lattice, in images of a few virtual detectors. Its
vectors are found in positions, whatever the step is said to be; the phases of the dark field's
Fourier coefficients tell where the columns are.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from polarstem.scans.sourced import Sourced
from polarstem.scans.specimen.cells import Lattice, boxes
from polarstem.scans.specimen.distortion import Distortion
from polarstem.scans.specimen.lattice_doubts import doubt_of
from polarstem.scans.specimen.lattice_waves import FIRST, coefficients, flattened, refined
from polarstem.scans.specimen.periodicity import FEWEST, RIGHT, Spectrum, find_periods
from polarstem.scans.specimen.rings import RINGS
from polarstem.scans.specimen.row_shifts import row_shifts

_SHORTEST = 6  # positions along a scan
_PLACES = 64  # along the cell, where the A column is looked for
_AGREE = 0.8  # correlation of the dark field with the expected one
_AGREE_ELSEWHERE = 0.95  # the same for a cell of another size than the step says
_STEP_RIGHT = 0.03  # farthest that a cell's size may be off without a word
_DRIFT_TOLD = 0.01  # shear, or stretch of one axis against the other, that crystals do not have
_ROWS_TOLD = 0.005  # rms of the rows' displacement [nm]
_SURE_COLUMN = 0.1  # margin between both kinds of columns
_LIKE = 0.01  # ratio of the edges of a square cell
_LIKE_SQUARE = 0.03  # ratio of edges and cosine of their angle, where the cell is not known


def find_lattice(
    images: NDArray[np.floating],
    step_nm: tuple[float, float],
    cell_angstrom: tuple[float, float] | None,
    *,
    rotation_deg: float | None = None,
    templates: NDArray[np.floating] | None = None,
) -> Lattice:
    """Find the crystal's lattice in a scan.

    It is looked for at any size between 2.2 and 60 positions per cell: where it is another than
    the step says, so is the step, and the lattice tells the right one.

    Parameters
    ----------
    images : ndarray, shape (ny, nx, feature)
        Images of virtual detectors, as `ring_signals` gives them; values that are no numbers are
        left out.
    step_nm : tuple of float
        Distance of two positions along y and x [nm].
    cell_angstrom : tuple of float or None
        Projected cell along the crystal's y and x [Å]. Without it any lattice is taken: cells are
        told as large as the step makes them, and neither step nor drift is judged.
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
        Boxes of about one cell where the positions are too far apart or too few, or no lattice is
        found.
    """
    shape = (images.shape[0], images.shape[1])

    def none(why: str) -> Lattice:
        return boxes(step_nm, cell_angstrom, why, shape)

    if min(shape) < _SHORTEST:
        return none(
            f"A scan of {shape[0]} x {shape[1]} positions is too small to tell a lattice, which "
            f"takes {_SHORTEST} along both axes and more than two cells"
        )
    step = np.array(step_nm, float)
    cell = None if cell_angstrom is None else np.array(cell_angstrom) / 10
    spectrum = Spectrum.of(images)
    periods = find_periods(spectrum, step, cell)
    if periods is None:
        return none(_why_none(step, cell))
    doubt = "" if cell is None else doubt_of(periods, spectrum, step, cell, templates)
    if doubt:
        return none(doubt)
    with threadpool_limits(1):  # many products of small matrices
        found = _described(
            images, periods.reciprocal, periods.quality, step, cell, rotation_deg, templates
        )
    least = _AGREE_ELSEWHERE if np.abs(np.log(found.scale)).max() > np.log(RIGHT) else _AGREE
    # without templates it is known for square cells alone what to expect
    judged = templates is not None or (cell is not None and _alike(cell))
    if judged and found.agreement < least:
        return none(
            "What the patterns repeat with is not the crystal's lattice, as its dark field looks "
            f"otherwise than expected (correlation {found.agreement:.2f})"
        )
    return found


def _why_none(step: NDArray[np.float64], cell: NDArray[np.float64] | None) -> str:
    if cell is not None and (FEWEST * step > cell.min()).any():
        return f"The step of {step.max():.3g} nm is too coarse for the lattice"
    return "The patterns do not repeat with the lattice"


def _described(
    images: NDArray[np.floating],
    reciprocal: NDArray[np.float64],
    quality: float,
    step: NDArray[np.float64],
    cell: NDArray[np.float64] | None,
    rotation_deg: float | None,
    templates: NDArray[np.floating] | None,
) -> Lattice:
    """All that a lattice tells whose reciprocal vectors [cycles/position] were found."""
    edges = np.linalg.inv(reciprocal)
    signals = flattened(images, np.hypot(*edges.T).mean() * np.ones(2))
    inverse = refined(reciprocal / step[:, None], signals, step)
    inverse, shift = row_shifts(signals, inverse, step)
    square = _square(inverse, cell)
    inverse = _nearest(inverse, 0.0 if rotation_deg is None else rotation_deg, square)
    vectors = np.linalg.inv(inverse).astype(np.float64)
    origin, agreement, margin = _column(signals, inverse, step, templates, shift)
    error = _relative_error(signals, inverse, step, shift)
    height = float((len(signals) - 1) * step[0])
    form = None if cell is None else Distortion.of(inverse, cell, height)
    angle = _angle(vectors) if form is None else form.rotation_deg
    ends = 2 * float(np.rad2deg(error))
    told = [_cell_told(vectors, angle), *_form_told(form, step, error), *_rows_told(shift, form)]
    if margin <= _SURE_COLUMN:
        told.append("Which column is the A site is uncertain.")
    found = Lattice(
        found=True,
        vectors=vectors,
        origin=origin @ vectors,
        step_nm=(float(step[0]), float(step[1])),
        rotation=Sourced(
            angle,
            "degrees",
            "estimated",
            f"periodicity of the scan, modulo {90 if square else 180}",
            (angle - ends, angle + ends),
        ),
        quality=quality,
        agreement=agreement,
        margin=margin,
        sentence=" ".join(told),
        row_shift_nm=shift,
    )
    if form is None:
        return found
    return replace(
        found,
        scale=form.scale,
        implied_step_nm=form.implied_step_nm(step),
        shear=form.shear,
        drift_nm=form.drift_nm,
    )


def _cell_told(vectors: NDArray[np.float64], angle: float) -> str:
    down, right = np.hypot(*vectors.T)
    return (
        f"A cell measures {right:.4f} nm along the crystal's x and {down:.4f} nm along its y, its "
        f"x axis is turned by {angle:.2f} degrees."
    )


def _form_told(form: Distortion | None, step: NDArray[np.float64], error: float) -> list[str]:
    """Sentences on the step and on drift that is uniform."""
    if form is None:
        return []
    told, (down, right) = [], form.scale
    if abs(1 / right - 1) > _STEP_RIGHT or form.one_axis:
        implied = form.implied_step_nm(step)
        told.append(
            f"The lattice implies a step of {implied[0]:.4g} x {implied[1]:.4g} nm (y, x), the "
            f"sheet or the file says {step[0]:.4g} x {step[1]:.4g} nm."
        )
    least = max(_DRIFT_TOLD, 3 * error)
    if not form.one_axis and max(abs(form.shear), abs(right / down - 1)) > least:
        y, x = form.drift_nm
        told.append(
            f"From the first row to the last the beam drifted by {y:+.2f} nm along y (down) and "
            f"{x:+.2f} nm along x against the crystal, a shear of {100 * form.shear:+.1f} %; this "
            "is taken out."
        )
    return told


def _rows_told(shift: NDArray[np.float64], form: Distortion | None) -> list[str]:
    scale = np.ones(2) if form is None else np.array(form.scale)
    y, x = np.sqrt(np.square(shift / scale).mean(axis=0))
    if max(y, x) < _ROWS_TOLD:
        return []
    return [
        f"Rows lie {10 * y:.2f} Å (rms) off along y and {10 * x:.2f} Å along x; this is taken out."
    ]


def _alike(edges: NDArray[np.float64]) -> bool:
    return bool(abs(edges[0] / edges[1] - 1) < _LIKE)


def _square(inverse: NDArray[np.float64], cell: NDArray[np.float64] | None) -> bool:
    """Whether the edges of the cell may change places."""
    if cell is not None:
        return _alike(cell)
    lengths = np.hypot(*inverse)
    cosine = float(inverse[:, 0] @ inverse[:, 1] / lengths.prod())
    return abs(cosine) < _LIKE_SQUARE and abs(lengths[0] / lengths[1] - 1) < _LIKE_SQUARE


def _angle(vectors: NDArray[np.float64]) -> float:
    """Direction of the mean of the edges along x and, turned back, along y [degrees]."""
    (down_y, down_x), (right_y, right_x) = vectors / np.hypot(*vectors.T)[:, None]
    return float(np.rad2deg(np.arctan2(down_x - right_y, right_x + down_y)))


def _relative_error(
    signals: NDArray[np.float64],
    inverse: NDArray[np.float64],
    step: NDArray[np.float64],
    shift: NDArray[np.float64],
) -> float:
    """Standard deviation of an edge over its length, and of its direction [rad].

    The Cramér-Rao bound of a frequency (D. C. Rife and R. R. Boorstyn, IEEE Trans. Inf. Theory 20,
    591 (1974)), with all variance of the images taken for noise.
    """
    edges = np.square(np.abs(coefficients(signals, inverse.T, step, shift))).sum(axis=1)
    power = max(float(edges.min()) * signals[..., 0].size, 1e-12)
    extent = float((np.array(signals.shape[:2]) * step).min())
    longest = float(np.hypot(*np.linalg.inv(inverse).T).max())
    return float(np.sqrt(6 / power) / (2 * np.pi * extent)) * longest


def _nearest(
    inverse: NDArray[np.float64], rotation_deg: float, square: bool
) -> NDArray[np.float64]:
    """Of the equal choices of edges the one that is turned least from a rotation."""
    turn = np.array([(0.0, -1.0), (1.0, 0.0)])
    choices = [inverse @ np.linalg.matrix_power(turn, n) for n in range(0, 4, 1 if square else 2)]

    def apart(choice: NDArray[np.float64]) -> float:
        off = _angle(np.linalg.inv(choice).astype(np.float64)) - rotation_deg
        return abs((off + 180) % 360 - 180)

    return min(choices, key=apart)


def _column(
    signals: NDArray[np.float64],
    inverse: NDArray[np.float64],
    step: NDArray[np.float64],
    templates: NDArray[np.floating] | None,
    shift: NDArray[np.float64],
) -> tuple[NDArray[np.float64], float, float]:
    """Place of an A column as fractions of the cell, agreement and margin."""
    dark = signals[..., len(RINGS) - 1, None]
    measured = coefficients(dark, FIRST @ inverse.T, step, shift)[:, 0]
    # bright B in the middle of the cell, unless the templates say otherwise
    expected = np.array([-1.0, -1.0, 1.0, 1.0], complex)
    if templates is not None:
        image = templates[..., len(RINGS) - 1, None].astype(np.float64)
        steps = 1 / np.array(image.shape[:2])
        expected = coefficients(image, FIRST.astype(float), steps)[:, 0]
    cross = measured * expected.conj()
    along = np.arange(_PLACES) / _PLACES
    grid = np.stack(np.meshgrid(along, along, indexing="ij"), axis=-1)
    waves = np.exp(2j * np.pi * grid @ FIRST.T)
    score = (waves @ cross).real
    row, column = np.unravel_index(score.argmax(), score.shape)
    norm = max(float(np.linalg.norm(measured) * np.linalg.norm(expected)), 1e-12)
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
