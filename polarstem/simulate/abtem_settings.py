# SPDX-License-Identifier: GPL-3.0-or-later
"""How abTEM is run: device, threads, Fourier transforms."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import abtem
import dask
import numpy as np
from numpy.typing import NDArray

from polarstem.simulate.parallel import torch_threads


@contextmanager
def abtem_settings(device: str, threads: int) -> Iterator[None]:
    """Run abTEM with set threads, quietly, and with torch's Fourier transforms on a CPU.

    abTEM's default are FFTW's, whose plans depend on the machine's mood where they are measured and
    take up to ten times as long where they are estimated.
    """
    with (
        abtem.config.set(
            {
                "device": device,
                "fft": "mkl",
                "diagnostics.progress_bar": False,
                "diagnostics.task_progress": False,
            }
        ),
        dask.config.set(scheduler="synchronous"),
        patch("abtem.core.fft._mkl_fft_dispatch", _transformed),
        torch_threads(threads),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", module="abtem")
        yield


def _transformed(
    array: NDArray[Any], func_name: str, overwrite_x: bool = False, **options: Any
) -> NDArray[Any]:
    """What abTEM asks of mkl_fft: fft2, ifft2, fftn or ifftn, normalized as numpy's."""
    import torch

    if "axes" in options:
        options["dim"] = options.pop("axes")
    waves = torch.from_numpy(np.ascontiguousarray(array))
    if overwrite_x and waves.is_complex():
        options["out"] = waves
    found: NDArray[Any] = getattr(torch.fft, func_name)(waves, **options).numpy()
    return found
