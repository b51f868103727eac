# SPDX-License-Identifier: GPL-3.0-or-later
"""Which data domains the headline numbers compare, read from the config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# condition: (what it is, its unit)
_CONDITIONS = {
    "tilt_mrad": ("tilt", " mrad"),
    "defocus_angstrom": ("defocus", " Å"),
    "astigmatism_angstrom": ("astigmatism", " Å"),
    "coma_angstrom": ("coma", " Å"),
    "trefoil_angstrom": ("three-fold astigmatism", " Å"),
    "spherical_angstrom": ("spherical aberration", " Å"),
    "source_fwhm_angstrom": ("source FWHM", " Å"),
    "defocus_spread_angstrom": ("defocus spread", " Å"),
    "camera_length_error": ("camera length error", ""),
    "rotation_deg": ("rotation", "°"),
    "ellipticity": ("ellipticity", ""),
    "shift_pixels": ("shift", " pixels"),
    "psf_pixels": ("point spread", " pixels"),
    "background": ("background", " of the beam"),
    "gain_spread": ("gain spread", ""),
    "dead_fraction": ("dead pixels", ""),
    "dose_electrons": ("", " electrons per pattern"),
    "disorder": ("static disorder", " of the crystal's"),
    "octahedral_tilt_deg": ("octahedral tilt", "°"),
    "amorphous_nm": ("amorphous layers", " nm on each side"),
    "drift": ("drift", ""),
    "row_jitter_angstrom": ("row jitter", " Å"),
    "wedge": ("wedge", " of the thickness"),
}


@dataclass(frozen=True)
class Reference:
    """The reference condition and what differs from it in thickness alone.

    Attributes
    ----------
    source, domain : str
        Training source and data domain of the headline numbers.
    thickness : float or None
        Thickness of the reference domain [nm], if it has just one.
    trained : tuple of float
        Thicknesses that the source trains on [nm].
    other : dict of float to str
        Thickness [nm] -> evaluated data domain of that thickness alone, from the same specimens
        and free of noise like the reference, and not trained on; in order of thickness.
    """

    source: str
    domain: str
    thickness: float | None
    trained: tuple[float, ...]
    other: dict[float, str]


def reference_of(config: Mapping[str, Any]) -> Reference:
    """Find the reference condition of a resolved config.

    Parameters
    ----------
    config : mapping
        The resolved config; `domains`, `train` and `evaluate` are read.

    Returns
    -------
    Reference
        Source, domain and the thicknesses to compare.
    """
    domains, evaluate = config["domains"], config["evaluate"]
    source, name = evaluate["reference_source"], evaluate["reference_domain"]
    here = domains[name]
    thicknesses = [float(t) for t in _nm(here)]
    members = config["train"]["sources"][source]
    joined = [] if isinstance(members, Mapping) else members  # a stream joins no data domains
    trained = {float(t) for d in joined for t in _nm(domains[d])}
    other = {
        float(domain["thicknesses_nm"][0]): other_name
        for other_name, domain in domains.items()
        if other_name in evaluate["domains"]
        and domain["specimens"] == here["specimens"]
        and domain.get("dose_electrons") == here.get("dose_electrons")
        and domain.get("conditions") == here.get("conditions")
        and len(_nm(domain)) == 1
        and float(domain["thicknesses_nm"][0]) not in trained.union(thicknesses)
    }
    return Reference(
        source=source,
        domain=name,
        thickness=thicknesses[0] if len(thicknesses) == 1 else None,
        trained=tuple(sorted(trained)),
        other=dict(sorted(other.items())),
    )


def thickness_of(config: Mapping[str, Any], domain: str) -> float | None:
    """Thickness of a data domain [nm], or None if it mixes several."""
    thicknesses = _nm(config["domains"][domain])
    return float(thicknesses[0]) if len(thicknesses) == 1 else None


def describe_domain(config: Mapping[str, Any], domain: str) -> str:
    """Say in a few words what a data domain is: thickness, specimens, thermal motion, dose."""
    settings = config["domains"][domain]
    parts = [thicknesses_in_words(config, domain), f"specimens {settings['specimens']}"]
    drawn = settings.get("conditions") or config["specimens"][settings["specimens"]].get(
        "conditions"
    )
    dose = settings.get("dose_electrons")
    if dose is not None or not drawn:
        parts.append("no noise" if dose is None else f"{float(dose):g} electrons per pattern")
    return ", ".join([*parts, *conditions_in_words(drawn or {})])


def thicknesses_in_words(config: Mapping[str, Any], domain: str) -> str:
    """Thicknesses of a data domain with their unit, or between which they are drawn."""
    settings = config["domains"][domain]
    given = (
        settings["thicknesses_nm"] or config["specimens"][settings["specimens"]]["thicknesses_nm"]
    )
    if isinstance(given, Mapping):
        low, high = given["between"]
        return f"{low:g} to {high:g} nm"
    return f"{', '.join(f'{float(t):g}' for t in given)} nm"


def conditions_in_words(conditions: Mapping[str, Any]) -> list[str]:
    """The conditions that are not those of an ideal microscope, each in a few words."""
    return [f"{name} {span}".strip() for name, span in condition_ranges(conditions).items()]


def condition_ranges(conditions: Mapping[str, Any]) -> dict[str, str]:
    """Range with its unit of each condition that is not that of an ideal microscope, by its name.

    That of the dose is empty: its unit says what it is.
    """
    ranges = {}
    for name, given in conditions.items():
        if isinstance(given, str) or not given or not any(given):
            continue  # what amorphous layers are of stands with their thickness elsewhere
        quantity, unit = _CONDITIONS[name]
        low, high = (f"{value:g}" for value in given)
        ranges[quantity] = (low if low == high else f"{low} to {high}") + unit
    return ranges


def _nm(domain: Mapping[str, Any]) -> list[float]:
    return list(domain["thicknesses_nm"] or ())
