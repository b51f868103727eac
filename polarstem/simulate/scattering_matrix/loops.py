# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop over slices: batch by batch in the cache of a CPU, or as a whole on a GPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray

from polarstem.simulate.parallel import one_blas_thread, one_torch_thread_each
from polarstem.simulate.scattering_matrix.equivalent import Mirror
from polarstem.simulate.scattering_matrix.plane_wave_multislice import PlaneWaveMultislice
from polarstem.simulate.wave.plane_waves import Groups
from polarstem.simulate.wave.transforms import Workspace, batches, multiply

Amplitudes = NDArray[np.complex64]
Group = tuple[int, Amplitudes, Amplitudes]
"""Number of a group, its exit waves (thickness, member, Gy, Gx) and their products
(thickness, member, member)."""

_DEVICE_BYTES = 2**30  # of the waves on a GPU


def on_cpu(
    multislice: PlaneWaveMultislice, groups: Groups, mirrors: Sequence[Mirror | None], threads: int
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
        lit = exits.reshape(*exits.shape[:2], -1)[..., propagators[group, 0] != 0]
        return group, exits[..., y, x], lit.conj() @ lit.swapaxes(1, 2)

    with one_blas_thread(), one_torch_thread_each(threads) as pool:
        yield from pool.map(work, range(len(incident)))


def _through(
    multislice: PlaneWaveMultislice,
    incident: NDArray[np.int64],
    propagators: Amplitudes,
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
        piece = (number - 1) % len(slices)
        multiply(flat, slices[piece])
        forward()
        multiply(flat, propagators[multislice.distance[piece]])
        if number in planes:
            exits[planes[number]] = waves
        backward()


def on_device(multislice: PlaneWaveMultislice, groups: Groups, device: str) -> Iterator[Group]:
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
    import torch  # which takes seconds

    incident, propagators = multislice.factors(groups)
    slices = torch.from_numpy(multislice.transmission).to(device)
    planes = {number: plane for plane, number in enumerate(multislice.exits)}
    y, x = (torch.from_numpy(index).to(device) for index in multislice.kept)
    pixels = int(np.prod(multislice.shape))
    most = max(1, _DEVICE_BYTES // (8 * pixels * incident.shape[1]))
    for first, last in batches(len(incident), most):
        propagator = torch.from_numpy(propagators[first:last]).to(device)
        propagator = propagator.view(last - first, -1, 1, *multislice.shape)
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
            piece = (number - 1) % len(slices)
            waves = torch.fft.fft2(waves.mul_(slices[piece]))
            waves.mul_(propagator[:, multislice.distance[piece]])
            if number in planes:
                flat = waves.flatten(2)
                exits.append(waves[..., y, x].cpu().numpy())
                products.append((flat.conj() @ flat.mT).cpu().numpy())
            waves = torch.fft.ifft2(waves, norm="forward")
        for group, found in enumerate(
            zip(*(np.stack(a, 1) for a in (exits, products)), strict=True)
        ):
            yield first + group, *found
