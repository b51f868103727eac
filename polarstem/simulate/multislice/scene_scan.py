# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual experiments: a scene scanned by multislice under drawn conditions.

A probe of 24 mrad does not see beyond its neighbourhood, so each one goes through a window of the
scene's potential, a few cells around its own. PRISM with probes of that width would take a thousand
plane waves through the whole field, in each thermal configuration anew: every one of them costs as
much as sixteen windows in a field of 20 x 20 cells, of which a configuration scans two thousand.
Measured, it takes 90 times as long (benchmarks/scenes.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import scipy.special
from numpy.typing import NDArray

from polarstem.config.physics import Simulate
from polarstem.config.scene_limits import (
    LEAST_SOURCE,
    MOST_OFFSETS,
    SAMPLES_PER_CELL,
    SOURCE_REACH,
    window_shape,
    window_text,
)
from polarstem.errors import PolarstemError
from polarstem.seeds import derive_seed
from polarstem.simulate.abtem_settings import abtem_settings
from polarstem.simulate.microscope.coherence import SIGMA_PER_FWHM
from polarstem.simulate.microscope.drawn_conditions import Drawn
from polarstem.simulate.multislice.abtem_run import check_band
from polarstem.simulate.multislice.probes import Sampling, on_camera, probe_of
from polarstem.simulate.multislice.running_sums import RunningSums
from polarstem.simulate.multislice.windows import Field, Window, first_cells, windows
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.potential.projection import projected_slices
from polarstem.simulate.potential.slices import Slices
from polarstem.structures.imperfections import layer_slices
from polarstem.structures.scenes.scan_frame import ScanFrame

_STRIDE = 3  # columns by which a configuration's samples move from row to row


def scan_scene(
    crystal: Crystal,
    frame: ScanFrame,
    simulate: Simulate,
    drawn: Drawn,
    seed: int,
    tilts_mrad: NDArray[np.float64] | None = None,
    sums: RunningSums | None = None,
) -> NDArray[np.float32]:
    """Scan a scene.

    Point sources are sampled `SAMPLES_PER_CELL` times along the shorter edge of a cell.
    Neighbouring samples see different thermal configurations and other defoci, and the source
    joins them.

    Parameters
    ----------
    crystal : Crystal
        The scene.
    frame : ScanFrame
        The scan.
    simulate : Simulate
        The microscope.
    drawn : Drawn
        Its conditions.
    seed : int
        Seed of the thermal motion.
    tilts_mrad : ndarray, shape (column, 2), optional
        Tilt of the beam (x, y) in each column of the scan, instead of the drawn one [mrad].
    sums : RunningSums, optional
        Where what was simulated is kept after each configuration.

    Returns
    -------
    ndarray, shape (y, x, ky, kx)
        Fractions of the beam that meet each pixel of the detector.

    Raises
    ------
    PolarstemError
        If the source is too narrow to join the samples or too wide for the crystal around them,
        or the detector is wider than the simulated angles.
    """
    optics, camera = drawn.optics, drawn.camera
    check_band(camera, crystal, simulate)
    count = max(1, simulate.phonons.configurations)
    cell = np.array(crystal.cell[:2])
    down, right = _axes(frame, optics.source_fwhm, cell.min())
    if count > 1 and optics.source_fwhm == 0:
        raise PolarstemError(
            "A scene with thermal motion needs a source that joins its configurations; set "
            "source_fwhm_angstrom in its conditions."
        )
    pixels = np.array(crystal.grid_points(simulate.pixels_per_cell)) // crystal.repeats[:2]
    places = frame.places(down.samples, right.samples).reshape(-1, 2)
    if optics.source_fwhm == 0:
        places = frame.positions().reshape(-1, 2)
    thickness_nm = crystal.cell[2] * crystal.repeats[2] / 10
    sides = np.array(window_shape(simulate, crystal.cell, thickness_nm))
    _check_windows(crystal, sides, places, optics.source_fwhm)
    row, column = (axis.ravel() for axis in np.indices((len(down.samples), len(right.samples))))
    turn = (_STRIDE * row + column) % count
    left_out = np.zeros(len(places), np.int64)
    slices_per_period = Slices.of(crystal, simulate.slices).per_period
    if crystal.wedge is not None:
        left_out += crystal.repeats[2] - crystal.wedge.periods_at(places)
    behind = layer_slices(crystal.layers.exit.cell[2, 2]) if crystal.layers is not None else 0
    quantiles = scipy.special.ndtri((np.arange(count) + 0.5) / count) * optics.defocus_spread
    np.random.default_rng(derive_seed(seed, "defocus")).shuffle(quantiles)
    images = np.zeros((*frame.shape, camera.pixels, camera.pixels), np.float32)
    sums = sums or RunningSums()
    with abtem_settings(simulate.device, 1):
        for number, atoms in sums.configurations(crystal, simulate.phonons, seed, images=images):
            slices = projected_slices(crystal, atoms, simulate, [crystal.repeats[2]])
            field = Field(slices, simulate.energy_kv, sides * pixels, behind)
            offsets = min(count, MOST_OFFSETS)
            sampling = Sampling.of(field.lengths, simulate.energy_kv, number % offsets, offsets)
            probe = partial(
                probe_of,
                simulate.energy_kv,
                defocus=float(quantiles[number]),
                sampling=sampling,
            )
            light = field.illuminate(probe(optics))
            members = np.flatnonzero(turn == number)
            for window, thinner in _alike(windows(places, members, cell, pixels, sides), left_out):
                rows, columns = row[window.members], column[window.members]
                if tilts_mrad is not None:
                    nearest = round(float(right.samples[columns].mean()) / frame.step)
                    x, y = tilts_mrad[np.clip(nearest, 0, len(tilts_mrad) - 1)].tolist()
                    light = field.illuminate(probe(replace(optics, tilt_mrad=(x, y))))
                patterns = field.scan(window, light, slices_per_period * thinner)
                found = on_camera(patterns, sampling, camera)
                _add(images, found, down.weights[..., rows], right.weights[..., columns])
    return images


def _axes(frame: ScanFrame, fwhm: float, cell: float) -> tuple[_Axis, _Axis]:
    """Samples of a scan down and to the right."""
    down, right = frame.along()
    down, right = down[:, None], right[None]
    if fwhm == 0:
        # the positions themselves, wherever they are
        return _Axis.at(down), _Axis.at(right)
    if frame.is_distorted:
        down, right = frame.taken()
    return _Axis.of(down, fwhm, cell), _Axis.of(right, fwhm, cell)


def _alike(found: Iterable[Window], left_out: NDArray[np.int64]) -> Iterator[tuple[Window, int]]:
    """Windows whose positions see one thickness each, and what is left out of it [periods]."""
    for window in found:
        thinner = left_out[window.members]
        for number in np.unique(thinner).tolist():
            own = thinner == number
            yield Window(window.first, window.members[own], window.places[own]), number


class _Axis(NamedTuple):
    """Samples along one axis of a scan [Å], and their weights in the source of each position.

    The weights have shape (row, column, sample), one of the first two being 1 where all rows or
    all columns of the scan have the same.
    """

    samples: NDArray[np.float64]
    weights: NDArray[np.float32]

    @classmethod
    def at(cls, positions: NDArray[np.float64]) -> _Axis:
        """Each row or column is its own sample."""
        samples = positions.ravel()
        return cls(samples, (positions[..., None] == samples).astype(np.float32))

    @classmethod
    def of(cls, positions: NDArray[np.float64], fwhm: float, cell: float) -> _Axis:
        """Samples around positions, shape (row, column), for a source of some width."""
        fine, sigma = cell / SAMPLES_PER_CELL, float(SIGMA_PER_FWHM) * fwhm
        if fwhm < LEAST_SOURCE * fine:
            raise PolarstemError(
                f"A source of {fwhm:.2f} Å cannot join samples {fine:.2f} Å apart; make it at "
                f"least {LEAST_SOURCE * fine:.2f} Å."
            )
        reach = SOURCE_REACH * sigma
        first = math.ceil((positions.min() - reach) / fine)
        last = math.floor((positions.max() + reach) / fine)
        samples = fine * np.arange(first, last + 1, dtype=np.float64)
        apart = np.subtract.outer(positions, samples) / sigma
        weights = np.exp(-(apart**2) / 2) * (np.abs(apart) <= SOURCE_REACH + 1e-9)
        return cls(samples, (weights / weights.sum(axis=-1, keepdims=True)).astype(np.float32))


def _check_windows(
    crystal: Crystal, sides: NDArray[np.int64], places: NDArray[np.float64], fwhm: float
) -> None:
    """Refuse windows that reach beyond the crystal."""
    first = first_cells(places, crystal.cell[:2], sides)
    beyond = max(-int(first.min()), int((first + sides - crystal.repeats[:2]).max()))
    if beyond > 0:
        x, y = crystal.repeats[:2]
        raise PolarstemError(
            f"With a source of {fwhm:g} Å, the windows of {window_text(sides)} cells around the "
            f"probes reach {beyond} cells beyond this crystal of {x} x {y} cells; narrow the "
            "source or leave more cells around the scan (margin_cells of a scene)."
        )


def _add(
    images: NDArray[np.float32],
    found: NDArray[np.float32],
    down: NDArray[np.float32],
    right: NDArray[np.float32],
) -> None:
    """Add samples (n, ky, kx) to a scan, by their weights (row, column, n) along both axes."""
    rows, columns = np.flatnonzero(down.any((1, 2))), np.flatnonzero(right.any((0, 2)))
    if not len(rows) or not len(columns):
        return  # beside a distorted scan
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    shape = len(images), len(images[0])
    here = (np.broadcast_to(weights, (*shape, len(found)))[part] for weights in (down, right))
    images[part] += np.tensordot(np.multiply(*here), found, axes=1)
