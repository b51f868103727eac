# SPDX-License-Identifier: GPL-3.0-or-later
"""What the axes and metadata of a vendor's file say, in the units used here."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from polarstem.config.physics import wavelength
from polarstem.config.quantities import factor
from polarstem.scans.sourced import Sourced

_NO_SCALE = {"tvips", "mrc"}  # formats that write a scale of 1 where none is known
# where EMPAD's files of both ages keep it
_VOLTS = ("root.iom_measurements.high_voltage", "root.iom_measurements.source.get_voltage")
Axis = dict[str, Any]


def _unit(axis: Axis) -> str:
    # [n_m^-1]: prefix and unit as the EMD format of Berkeley writes them
    return str(axis.get("units") or "").replace("_", "").strip("[] ")


def _scale(axis: Axis) -> float:
    return float(axis.get("scale") or 0)  # uneven axes have none


def _length(axis: Axis) -> float | None:
    """What one of an axis's unit is in nm; None if it is no length."""
    return factor(_unit(axis), "nm")


def scan_first(
    data: Any, axes: list[Axis], select: int | None = None
) -> tuple[Any, list[Axis], bool]:
    """Put the axes of the scan before those of the detector, and drop others.

    Parameters
    ----------
    data : array
        As a plugin of RosettaSciIO gives it.
    axes : list of dict
        Its axes; may be missing.
    select : int, optional
        Which one to take along a first axis that is neither of scan nor of detector.

    Returns
    -------
    data : array
        Of two to four dimensions.
    axes : list of dict
        In its order, or none if nothing is known of them.
    kept : bool
        Whether the data are those of the file, in their order.

    Raises
    ------
    ValueError
        If more than four dimensions are longer than 1 and nothing tells which to take.
    """
    axes = sorted(axes, key=lambda axis: axis.get("index_in_array", 0))
    if len(axes) != data.ndim:
        axes = []
    selected = False
    while data.ndim > 4:
        empty = [i for i, size in enumerate(data.shape[:-2]) if size == 1]
        drop, place = empty[-1] if empty else 0, 0
        if not empty:
            drop, place, selected = 0, _selected(data, axes, select), True
        data = data[(slice(None),) * drop + (place,)]
        axes = [axis for i, axis in enumerate(axes) if i != drop]
    if select and not selected:
        raise ValueError("there is one scan in it, so `select` of the scan sheet can only be 0")
    if not axes:
        return data, axes, not selected
    scanned = [bool(axis.get("navigate")) for axis in axes]
    if (
        len(axes) == 4
        and all(_is_angular(axis) for axis in axes[:2])
        and all(_length(axis) for axis in axes[2:])
    ):
        # Digital Micrograph can store the scan within the pattern, and only units tell
        scanned = [False, False, True, True]
    if sum(scanned) != data.ndim - 2:
        return data, axes, not selected
    order = sorted(range(data.ndim), key=lambda i: not scanned[i])
    kept = order == sorted(order) and not selected
    return data.transpose(order), [axes[i] for i in order], kept


def _selected(data: Any, axes: list[Axis], select: int | None) -> int:
    count, name = data.shape[0], str(axes[0].get("name") or "") if axes else ""
    along = f"its first axis ({name})" if name else "its first axis"
    if data.ndim > 5:
        raise ValueError(
            f"its {data.ndim} dimensions {data.shape} are more than scan and detector have"
        )
    if select is None or select >= count:
        raise ValueError(
            f"it holds {count} scans along {along}; take one by `select` in the scan sheet, from "
            f"0 to {count - 1}"
        )
    return select


def _is_angular(axis: Axis) -> bool:
    return any(factor(_unit(axis), to) for to in ("mrad", "1/angstrom"))


def mirrored(axes: list[Axis]) -> tuple[bool, bool, bool, bool]:
    """Which axes of scan and detector run backwards: a negative scale says so."""
    if len(axes) != 4:
        return False, False, False, False
    down, right, ky, kx = (_scale(axis) < 0 for axis in axes)
    return down, right, ky, kx


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
    energy = _metadata(signal, "Acquisition_instrument.TEM.beam_energy") or _volts(signal)
    if energy:
        # hyperspy's unit is kV, but some files hold V
        found["energy_kv"] = Sourced(energy if energy < 5e3 else energy / 1e3, "kV", "file")
        energy_kv = energy_kv or found["energy_kv"].value
    semiangle = _metadata(signal, "Acquisition_instrument.TEM.convergence_angle")
    if semiangle:
        found["semiangle_mrad"] = Sourced(semiangle, "mrad", "file")
    if reader in _NO_SCALE:
        axes = [axis for axis in axes if _scale(axis) != 1]
    if len(axes) != 4:
        return found
    scales = [abs(_scale(axis)) for axis in axes]
    lengths = [_length(axis) for axis in axes[:2]]
    if lengths[0] and lengths[1] and scales[0] > 0 and scales[1] > 0:
        steps = scales[0] * lengths[0], scales[1] * lengths[1]
        found["step_nm"] = Sourced(steps, "nm", "file")
    units = [_unit(axis) for axis in axes]
    angles = [_angle(s, u, energy_kv) for s, u in zip(scales[2:], units[2:], strict=True)]
    if angles[0] and angles[1]:
        note = f"{scales[2]:.5g} {units[2]}" if units[2] != "mrad" else ""
        if abs(angles[0] / angles[1] - 1) > 0.01:
            note = f"mean of {angles[0]:.4g} down and {angles[1]:.4g} right"
        found["mrad_per_pixel"] = Sourced(math.sqrt(angles[0] * angles[1]), "mrad", "file", note)
    return found


def _angle(scale: float, unit: str, energy_kv: float | None) -> float | None:
    """An angle [mrad] from an angle or a spatial frequency; None if neither."""
    if angle := factor(unit, "mrad"):
        return scale * angle
    frequency = factor(unit, "1/angstrom")
    if frequency and energy_kv:
        return 1e3 * wavelength(energy_kv) * scale * frequency
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


def _volts(signal: dict[str, Any]) -> float | None:
    """Accelerating voltage that a plugin leaves in the vendor's own metadata [V]."""
    for key in _VOLTS:
        try:
            return float(_lookup(signal.get("original_metadata") or {}, key))
        except (TypeError, ValueError):
            continue
    return None


def _lookup(tree: Any, key: str) -> Any:
    for part in key.split("."):
        try:
            tree = tree[part]
        except (KeyError, TypeError, IndexError):
            return None
    return tree
