# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers as people and files write them: ``0.3 Å``, ``200 keV``, ``0,03``, ``128x128``."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

# what pint takes for ampere, absorbed dose, or a length of 1/96 inch
_SPELLINGS = {"A": "Å", "AA": "Å", "Angstrom": "Å", "Ang": "Å", "mrads": "mrad", "rads": "rad"}
_SPELLINGS |= {"px": "pixel", "kev": "keV", "kv": "kV"}
_NUMBER = r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?"
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}$")
_TIMES = re.compile(r"(?<=[\d.\sÅA-Za-z])\s*[x×*]\s*(?=[\d.,+-])")
_KINDS = {
    "nm": "a length",
    "mm": "a length",
    "um": "a length",
    "mrad": "an angle",
    "deg": "an angle",
    "kV": "a voltage",
    "pixel": "a number of pixels",
    "": "a number",
}


@lru_cache(maxsize=1)
def _registry() -> Any:
    import pint

    return pint.get_application_registry()


@lru_cache(maxsize=256)
def factor(unit: str, target: str) -> float | None:
    """How much of `target` one `unit` is; None where it is none of it.

    Parameters
    ----------
    unit : str
        As written by a person or a program: ``Å``, ``A``, ``nm^-1``, ``$A^{-1}$``, ``mrad/px``.
        A lone ``A`` is an angstrom: no length is an ampere.
    target : str
        As pint spells it.
    """
    registry = _registry()
    text = re.sub(r"(?<=[A-Za-zÅ])-(?=\d)", "^-", re.sub(r"[\\$]", "", unit).strip())
    text = re.sub(r"[A-Za-z]+", lambda word: _SPELLINGS.get(word[0], word[0]), text)
    try:
        found, wanted = registry.parse_units(text), registry.parse_units(target)
        bases = [registry.get_base_units(each) for each in (found, wanted)]
    except Exception:  # many kinds, of what is no unit at all
        return None
    # angles keep their name among base units, so that a plain number is none
    if bases[0][1] != bases[1][1]:
        return None
    return float(f"{bases[0][0] / bases[1][0]:.13g}")


def magnitude(text: str, unit: str) -> float:
    """A number written with or without its unit, in `unit`.

    Raises
    ------
    ValueError
        Where it can be understood in two ways or in none; without the text itself.
    """
    match = re.fullmatch(rf"\s*({_NUMBER})\s*(.*?)\s*", text, re.DOTALL)
    kind = _KINDS[unit]
    if match is None:
        such = f', such as 1.5 or "1.5 {unit}"' if unit else ""
        raise ValueError(f"is not {kind}; write a number{f' in {unit}' if unit else ''}{such}")
    number, written = match.groups()
    if _THOUSANDS.match(number):
        raise ValueError("its comma may stand for a point or for thousands; write it without")
    value = float(number.replace(",", "."))
    if not written:
        return value
    scale = factor(re.sub(r"\s*/\s*(px|pixel)s?$", "", written), unit)
    if scale is None and unit == "kV":
        scale = factor(written, "keV")
    if scale is None or not unit:
        wanted = f" in {unit}, or with such a unit" if unit else " without a unit"
        raise ValueError(f"{written!r} is no unit of {kind}; write the number{wanted}")
    return float(f"{value * scale:.13g}")


def quantity(unit: str) -> Callable[[Any], Any]:
    """A check that turns text into a number in `unit`, and leaves all else as it is."""

    def read(value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError(f"is not {_KINDS[unit]}")
        return magnitude(value, unit) if isinstance(value, str) else value

    return read


def pair_of(unit: str) -> Callable[[Any], Any]:
    """A check that makes two numbers of one, of two, or of text such as ``0.3 x 0.4 Å``."""
    read = quantity(unit)

    def read_pair(value: Any) -> Any:
        if isinstance(value, str):
            parts = _TIMES.split(value)
            if len(parts) == 2 and re.fullmatch(_NUMBER, parts[0].strip()):
                parts[0] += re.sub(rf"^\s*{_NUMBER}", "", parts[1])
            value = [read(part) for part in parts] if len(parts) == 2 else read(value)
        if isinstance(value, (list, tuple)):
            return [read(each) for each in value]
        value = read(value)
        return (value, value) if isinstance(value, (int, float)) else value

    return read_pair


def shape_of(value: Any) -> Any:
    """A check that reads ``128x64``, ``128 × 64`` or ``128, 64`` as rows and columns."""
    if isinstance(value, str):
        parts = re.split(r"\s*[x×*,;]\s*|\s+", value.strip())
        if len(parts) != 2 or not all(part.isdecimal() for part in parts):
            raise ValueError("is no shape; write [rows, columns]")
        return tuple(int(part) for part in parts)
    return value
