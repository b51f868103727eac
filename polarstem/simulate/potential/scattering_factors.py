# SPDX-License-Identifier: GPL-3.0-or-later
"""Scattering factors of atoms: the parametrization of Lobato and Van Dyck.

The parameters are those that abTEM is installed with, read without importing it: that takes
seconds, in each of the many short jobs.
"""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path

import numpy as np
from ase.units import Bohr, Hartree
from numpy.typing import NDArray

_VOLTS = 2 * np.pi * Hartree * Bohr**2  # h^2 / (2 pi m e) [V Å^2]


@cache
def _parameters() -> dict[str, tuple[list[float], list[float]]]:
    abtem = importlib.util.find_spec("abtem")
    assert abtem is not None
    assert abtem.origin is not None
    file = Path(abtem.origin).parent / "parametrizations" / "data" / "lobato.json"
    found: dict[str, tuple[list[float], list[float]]] = json.loads(file.read_text("utf-8"))
    return found


def projected_scattering_factor(symbol: str, squared: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fourier transform of an atom's projected potential [V Å^3].

    I. Lobato and D. Van Dyck, Acta Cryst. A 70, 636 (2014), eq. 2.

    Parameters
    ----------
    symbol : str
        The element.
    squared : ndarray
        Squares of spatial frequencies [1/Å^2].
    """
    factor = np.zeros_like(squared)
    for a, b in zip(*_parameters()[symbol], strict=True):
        damping = 1 / (1 + b * squared)
        factor += a * (damping + damping**2)
    return _VOLTS * factor
