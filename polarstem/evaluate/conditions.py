# SPDX-License-Identifier: GPL-3.0-or-later
"""Which data domains the headline numbers compare, read from the config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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
    thicknesses = [float(t) for t in here["thicknesses_nm"]]
    trained = {float(t) for d in config["train"]["sources"][source] for t in _nm(domains[d])}
    other = {
        float(domain["thicknesses_nm"][0]): other_name
        for other_name, domain in domains.items()
        if other_name in evaluate["domains"]
        and domain["specimens"] == here["specimens"]
        and domain.get("dose_electrons") == here.get("dose_electrons")
        and len(domain["thicknesses_nm"]) == 1
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
    parts = [f"{', '.join(f'{float(t):g}' for t in settings['thicknesses_nm'])} nm"]
    parts.append(f"specimens {settings['specimens']}")
    dose = settings.get("dose_electrons")
    parts.append("no noise" if dose is None else f"{float(dose):g} electrons per pattern")
    return ", ".join(parts)


def _nm(domain: Mapping[str, Any]) -> list[float]:
    return list(domain["thicknesses_nm"])
