# SPDX-License-Identifier: GPL-3.0-or-later
"""What the axes and metadata of a vendor's file say, in the units used here."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from polarstem.config.physics import wavelength
from polarstem.scans.sourced import Sourced

_LENGTHS = {"nm": 1.0, "Å": 0.1, "A": 0.1, "angstrom": 0.1, "pm": 1e-3, "µm": 1e3, "um": 1e3}
_LENGTHS |= {"μm": 1e3, "mm": 1e6, "m": 1e9}
_ANGLES = {"mrad": 1.0, "mrads": 1.0, "rad": 1e3, "µrad": 1e-3, "μrad": 1e-3}
_ANGLES |= {"deg": math.pi / 0.18, "°": math.pi / 0.18, "degree": math.pi / 0.18}
# spatial frequencies, in 1/Å
_FREQUENCIES = {"1/nm": 0.1, "nm^-1": 0.1, "nm⁻¹": 0.1, "1/Å": 1.0, "1/A": 1.0, "1/angstrom": 1.0}
_FREQUENCIES |= {"Å^-1": 1.0, "A^-1": 1.0, "Å⁻¹": 1.0, "1/pm": 100.0}
_NO_SCALE = {"tvips", "mrc"}  # formats that write a scale of 1 where none is known
Axis = dict[str, Any]


def _unit(axis: Axis) -> str:
    return str(axis.get("units") or "").replace(" ", "")


def scan_first(data: Any, axes: list[Axis]) -> tuple[Any, list[Axis], bool]:
    """Put the axes of the scan before those of the detector, and drop empty ones.

    Parameters
    ----------
    data : array
        As a plugin of RosettaSciIO gives it.
    axes : list of dict
        Its axes; may be missing.

    Returns
    -------
    data : array
        Of two to four dimensions.
    axes : list of dict
        In its order, or none if nothing is known of them.
    kept : bool
        Whether the order is that of the file.

    Raises
    ------
    ValueError
        If more than four dimensions are longer than 1.
    """
    axes = sorted(axes, key=lambda axis: axis.get("index_in_array", 0))
    if len(axes) != data.ndim:
        axes = []
    while data.ndim > 4:
        empty = [i for i, size in enumerate(data.shape[:-2]) if size == 1]
        if not empty:
            raise ValueError(f"its {data.ndim} dimensions are more than scan and detector have")
        data = data.squeeze(axis=empty[-1])
        axes = [axis for i, axis in enumerate(axes) if i != empty[-1]]
    if not axes:
        return data, axes, True
    scanned = [bool(axis.get("navigate")) for axis in axes]
    units = [_unit(axis) for axis in axes]
    if (
        len(axes) == 4
        and all(u in _ANGLES or u in _FREQUENCIES for u in units[:2])
        and all(u in _LENGTHS for u in units[2:])
    ):
        # Digital Micrograph can store the scan within the pattern, and only units tell
        scanned = [False, False, True, True]
    if sum(scanned) != data.ndim - 2:
        return data, axes, True
    order = sorted(range(data.ndim), key=lambda i: not scanned[i])
    return data.transpose(order), [axes[i] for i in order], order == sorted(order)


def facts_of(
    signal: dict[str, Any], axes: list[Axis], energy_kv: float | None, reader: str
) -> dict[str, Sourced]:
    """Read step, angle per pixel, energy and semi-angle off a file's axes and metadata.

    Parameters
    ----------
    signal : dict
        Of RosettaSciIO: ``metadata``, ``original_metadata`` and ``mapping``.
    axes : list of dict
        Of the scan, then of the detector.
    energy_kv : float, optional
        Where the sheet knows better [kV]; spatial frequencies become angles by it.
    reader : str
        Name of the reader.
    """
    found: dict[str, Sourced] = {}
    energy = _metadata(signal, "Acquisition_instrument.TEM.beam_energy")
    if energy:
        # hyperspy's unit is kV, but some files hold V
        found["energy_kv"] = Sourced(energy if energy < 5e3 else energy / 1e3, "kV", "file")
        energy_kv = energy_kv or found["energy_kv"].value
    semiangle = _metadata(signal, "Acquisition_instrument.TEM.convergence_angle")
    if semiangle:
        found["semiangle_mrad"] = Sourced(semiangle, "mrad", "file")
    if reader in _NO_SCALE:
        axes = [axis for axis in axes if axis["scale"] != 1]
    if len(axes) != 4:
        return found
    scales = [abs(float(axis["scale"])) for axis in axes]
    units = [_unit(axis) for axis in axes]
    if all(u in _LENGTHS and s > 0 for u, s in zip(units[:2], scales[:2], strict=True)):
        down, right = (s * _LENGTHS[u] for u, s in zip(units[:2], scales[:2], strict=True))
        found["step_nm"] = Sourced((down, right), "nm", "file")
    angles = [_angle(s, u, energy_kv) for s, u in zip(scales[2:], units[2:], strict=True)]
    if angles[0] and angles[1]:
        note = f"{scales[2]:.5g} {units[2]}" if units[2] != "mrad" else ""
        if abs(angles[0] / angles[1] - 1) > 0.01:
            note = f"mean of {angles[0]:.4g} down and {angles[1]:.4g} right"
        found["mrad_per_pixel"] = Sourced(math.sqrt(angles[0] * angles[1]), "mrad", "file", note)
    return found


def _angle(scale: float, unit: str, energy_kv: float | None) -> float | None:
    """An angle [mrad] from an angle or a spatial frequency; None if neither."""
    if unit in _ANGLES:
        return scale * _ANGLES[unit]
    if unit in _FREQUENCIES and energy_kv:
        return 1e3 * wavelength(energy_kv) * scale * _FREQUENCIES[unit]
    return None


def _metadata(signal: dict[str, Any], key: str) -> float | None:
    """A number of the metadata, from the vendor's own where the plugin only says how."""
    value = _lookup(signal.get("metadata") or {}, key)
    for source, (target, convert) in (signal.get("mapping") or {}).items():
        if value is None and target == key:
            raw = _lookup(signal.get("original_metadata") or {}, source)
            if raw is not None:
                value = convert(raw) if convert else raw
    return float(value) if isinstance(value, (int, float, np.number)) else None


def _lookup(tree: Any, key: str) -> Any:
    for part in key.split("."):
        try:
            tree = tree[part]
        except (KeyError, TypeError, IndexError):
            return None
    return tree
