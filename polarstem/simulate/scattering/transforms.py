# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop over slices: by FFTW on the CPU, by torch on a GPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from queue import SimpleQueue
from typing import TYPE_CHECKING

import numba
import numpy as np
import pyfftw
import torch
from numpy.typing import NDArray

from polarstem.simulate.parallel import one_blas_thread
from polarstem.simulate.plans import EFFORT
from polarstem.simulate.scattering.equivalent import Mirror
from polarstem.simulate.scattering.matrix import Groups

if TYPE_CHECKING:
    from polarstem.simulate.scattering.propagate import Multislice

Amplitudes = NDArray[np.complex64]
Group = tuple[int, Amplitudes, Amplitudes]
"""Number of a group, its exit waves (thickness, member, Gy, Gx) and their products
(thickness, member, member)."""

_BATCH_BYTES = 2**19  # of the waves transformed at once: half of a core's cache
_DEVICE_BYTES = 2**30  # of the waves on a GPU
# Estimated plans are the same each time; measured ones depend on the machine's mood and change
# the last digits.
_PLANNING = "FFTW_ESTIMATE"


@numba.njit(nogil=True, fastmath=True, cache=True)
def multiply(waves: NDArray[np.complex64], factor: NDArray[np.complex64]) -> None:
    """Multiply each wave, shape (wave, pixel), by a factor, shape (pixel,), in place."""
    for wave in range(waves.shape[0]):
        for pixel in range(waves.shape[1]):
            waves[wave, pixel] *= factor[pixel]


class Workspace:
    """Waves of one batch with their planned, in-place transforms.

    Parameters
    ----------
    shape : tuple of int
        Grid along y and x.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.most = max(1, _BATCH_BYTES // (8 * int(np.prod(shape))))
        self._array = pyfftw.zeros_aligned((self.most, *shape), np.complex64)
        self._plans: dict[int, tuple[pyfftw.FFTW, pyfftw.FFTW]] = {}

    def batch(self, waves: int) -> tuple[NDArray[np.complex64], pyfftw.FFTW, pyfftw.FFTW]:
        """Give an array (wave, y, x) and its forward and backward transform, not normalized."""
        part = self._array[:waves]
        if waves not in self._plans:
            forward, backward = (
                pyfftw.FFTW(part, part, axes=(1, 2), direction=direction, flags=(_PLANNING,))
                for direction in ("FFTW_FORWARD", "FFTW_BACKWARD")
            )
            self._plans[waves] = forward, backward
        return part, *self._plans[waves]

    def measure_plans(self) -> None:
        """Let FFTW find the best plans of all batches, for `recall_plans` to keep."""
        for waves in range(1, self.most + 1):
            for direction in ("FFTW_FORWARD", "FFTW_BACKWARD"):
                part = self._array[:waves]
                pyfftw.FFTW(part, part, axes=(1, 2), direction=direction, flags=(EFFORT,))


def batches(count: int, most: int) -> list[tuple[int, int]]:
    """First and one past the last wave of batches of nearly equal size."""
    edges = np.linspace(0, count, -(-count // most) + 1).astype(int).tolist()
    return list(pairwise(edges))


def by_fftw(
    multislice: Multislice, groups: Groups, mirrors: Sequence[Mirror | None], threads: int
) -> Iterator[Group]:
    """Propagate each group of waves, some groups at the same time.

    Parameters
    ----------
    multislice : Multislice
        What to propagate through.
    groups : Groups
        The waves.
    mirrors : sequence of Mirror or None
        Spare half of the waves of a group.
    threads : int
        Groups at the same time.

    Yields
    ------
    Group
        In order.
    """
    incident, propagators = multislice.factors(groups)
    y, x = multislice.kept
    free: SimpleQueue[Workspace] = SimpleQueue()
    for _ in range(threads):
        free.put(Workspace(multislice.shape))

    def work(group: int) -> Group:
        waves = incident[group, : groups.used[group].sum()]
        mirror = mirrors[group]
        if mirror is not None:
            waves = waves[mirror.members]
        exits = np.empty((len(multislice.exits), len(waves), *multislice.shape), np.complex64)
        workspace = free.get()
        try:
            for first, last in batches(len(waves), workspace.most):
                part = exits[:, first:last]
                _through(multislice, waves[first:last], propagators[group], workspace, part)
        finally:
            free.put(workspace)
        if mirror is not None:
            exits = exits[:, mirror.source]
            exits[:, mirror.reflected] = exits[:, mirror.reflected][..., *mirror.places]
        lit = exits.reshape(*exits.shape[:2], -1)[..., propagators[group].ravel() != 0]
        return group, exits[..., y, x], lit.conj() @ lit.swapaxes(1, 2)

    with one_blas_thread(), ThreadPoolExecutor(threads) as pool:
        yield from pool.map(work, range(len(incident)))


def _through(
    multislice: Multislice,
    incident: NDArray[np.int64],
    propagator: Amplitudes,
    workspace: Workspace,
    exits: Amplitudes,
) -> None:
    """Propagate one batch; fill its exit waves (thickness, wave, y, x) in reciprocal space."""
    waves, forward, backward = workspace.batch(len(incident))
    flat = waves.reshape(len(waves), -1)
    phases = (
        np.exp(2j * np.pi * np.outer(incident[:, axis], np.arange(n)) / n)
        for axis, n in enumerate(multislice.shape)
    )
    waves[:] = np.einsum("wy,wx->wyx", *phases)
    slices = multislice.transmission.reshape(len(multislice.transmission), -1)
    planes = {number: plane for plane, number in enumerate(multislice.exits)}
    for number in range(1, multislice.exits[-1] + 1):
        multiply(flat, slices[(number - 1) % len(slices)])
        forward.execute()
        multiply(flat, propagator.ravel())
        if number in planes:
            exits[planes[number]] = waves
        backward.execute()


def by_torch(multislice: Multislice, groups: Groups, device: str) -> Iterator[Group]:
    """Propagate the groups of waves by torch, as many at once as fit.

    Parameters
    ----------
    multislice : Multislice
        What to propagate through.
    groups : Groups
        The waves.
    device : str
        Torch's name of the device.

    Yields
    ------
    Group
        In order; the filling of short groups is zero.
    """
    incident, propagators = multislice.factors(groups)
    slices = torch.from_numpy(multislice.transmission).to(device)
    planes = {number: plane for plane, number in enumerate(multislice.exits)}
    y, x = (torch.from_numpy(index).to(device) for index in multislice.kept)
    pixels = int(np.prod(multislice.shape))
    most = max(1, _DEVICE_BYTES // (8 * pixels * incident.shape[1]))
    for first, last in batches(len(incident), most):
        propagator = torch.from_numpy(propagators[first:last, None]).to(device)
        phases = (
            torch.from_numpy(
                np.exp(2j * np.pi * incident[first:last, :, axis, None] * np.arange(n) / n)
            )
            for axis, n in enumerate(multislice.shape)
        )
        waves = torch.einsum("gwy,gwx->gwyx", *phases)
        waves = waves * torch.from_numpy(groups.used[first:last, :, None, None])
        waves = waves.to(device, torch.complex64)
        exits, products = [], []
        for number in range(1, multislice.exits[-1] + 1):
            waves = torch.fft.fft2(waves.mul_(slices[(number - 1) % len(slices)]))
            waves.mul_(propagator)
            if number in planes:
                flat = waves.flatten(2)
                exits.append(waves[..., y, x].cpu().numpy())
                products.append((flat.conj() @ flat.mT).cpu().numpy())
            waves = torch.fft.ifft2(waves, norm="forward")
        for group, found in enumerate(
            zip(*(np.stack(a, 1) for a in (exits, products)), strict=True)
        ):
            yield first + group, *found
