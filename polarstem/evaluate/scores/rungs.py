# SPDX-License-Identifier: GPL-3.0-or-later
"""The ladder of data domains, and which models are shown climbing it, read from the config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from polarstem.evaluate.scores.tested_domains import reference_of, thickness_of

Config = Mapping[str, Any]

# factor: (what it is, its unit), in the order in which the panels stand
FACTORS: dict[str, tuple[str, str]] = {
    "thickness": ("thickness", "nm"),
    "tilt": ("tilt", "mrad"),
    "defocus": ("defocus", "Å"),
    "astigmatism": ("astigmatism", "Å"),
    "coma": ("coma", "Å"),
    "spherical": ("spherical aberration", "Å"),
    "source_size": ("source FWHM", "Å"),
    "defocus_spread": ("defocus spread", "Å"),
    "phonons": ("phonons", ""),
    "disorder": ("K/Na disorder", ""),
    "amplitude": ("displacements", "× template"),
    "dose": ("dose", "electrons"),
    "psf": ("point spread", "pixels"),
    "gain": ("gain spread", ""),
    "dead_pixels": ("dead pixels", "fraction"),
    "camera_length": ("camera length error", ""),
    "rotation": ("detector rotation", "°"),
    "ellipticity": ("ellipticity", ""),
    "shift": ("pattern shift", "pixels"),
    "background": ("background", "of beam"),
}


MOST_LINES = 6
"""Lines that a reader can follow in one panel."""


@dataclass(frozen=True)
class Rung:
    """One data domain of the ladder.

    Attributes
    ----------
    domain : str
        Its name.
    severity : float
        How much of the factor, in the unit of `FACTORS`; infinite for a dose without noise.
    base : bool
        Whether it is the condition that all rungs start from.
    """

    domain: str
    severity: float
    base: bool = False


def rungs_of(config: Config) -> dict[str, list[Rung]]:
    """Rungs of every factor that the evaluated data domains change.

    Parameters
    ----------
    config : mapping
        The resolved config.

    Returns
    -------
    dict of str to list of Rung
        By factor, in ascending severity with the base among them. The thicknesses of the
        reference condition are rungs too, named so or not.
    """
    base = (config.get("ladder") or {}).get("base") or config["evaluate"]["reference_domain"]
    rungs: dict[str, list[Rung]] = {}
    for domain in config["evaluate"]["domains"]:
        settings = config["domains"][domain]
        factor, severity = settings.get("factor"), settings.get("severity")
        if factor is not None and severity is not None and domain != base:
            rungs.setdefault(str(factor), []).append(Rung(domain, float(severity)))
    reference = reference_of(config)
    known = {rung.domain for rung in rungs.get("thickness", [])}
    others = [Rung(d, nm) for nm, d in reference.other.items() if d not in known]
    if base == reference.domain and others:
        rungs.setdefault("thickness", []).extend(others)
    order = [factor for factor in FACTORS if factor in rungs]
    order += [factor for factor in rungs if factor not in FACTORS]
    return {
        factor: sorted(
            [*rungs[factor], Rung(base, _base_severity(config, base, factor), base=True)],
            key=lambda rung: rung.severity,
        )
        for factor in order
    }


def _base_severity(config: Config, base: str, factor: str) -> float:
    """How much of a factor the base has: none, unless none is not the neutral value."""
    if factor == "thickness":
        return thickness_of(config, base) or 0.0
    if factor == "amplitude":
        return float(config["structures"]["amplitude"])
    if factor == "dose":
        return float(config["domains"][base].get("dose_electrons") or "inf")
    return 0.0


def is_rung(config: Config, domain: str) -> bool:
    """Whether a data domain stands on the ladder alone and in no list of conditions."""
    return config["domains"][domain].get("factor") is not None


def streams(config: Config) -> list[str]:
    """Training sources that are measured on the fly."""
    return [name for name, joined in config["train"]["sources"].items() if _is_stream(joined)]


def joint_sources(config: Config) -> list[str]:
    """Training sources that join several thicknesses, the reference's among them, most first."""
    reference = reference_of(config)
    domains = config["domains"]
    found = {}
    for name, joined in config["train"]["sources"].items():
        if _is_stream(joined):
            continue
        trained = {float(t) for d in joined for t in domains[d].get("thicknesses_nm") or ()}
        if trained > set(reference.trained):
            found[name] = len(trained)
    return sorted(found, key=lambda name: -found[name])


def contenders(config: Config, most: int = MOST_LINES) -> list[tuple[str, str]]:
    """Models that figures draw a line for: (model, source), in the config's order.

    The first model of each family on the reference source, and all that learn from a stream. Of
    more than `most`, the recommended one, the one of the first other family on its longest stream,
    and those first in the config on the reference source.
    """
    reference, flowing = reference_of(config).source, streams(config)
    pairs = {
        (m, s) for run in config["train"]["runs"] for m in run["models"] for s in run["sources"]
    }
    first = first_of_families(config)
    shown = []
    for model in config["models"]:
        shown += [(model, reference)] if model in first else []
        shown += [(model, s) for s in flowing if (model, s) in pairs and s != reference]
    if len(shown) <= most:
        return shown
    recommended = config["evaluate"].get("recommended") or {}
    best = (recommended.get("model"), recommended.get("source"))
    family = {name: settings["family"] for name, settings in config["models"].items()}
    length = {s: config["train"]["sources"][s].get("patterns", 0) for s in flowing}
    others = [
        (model, source)
        for model, source in shown
        if source != reference and family[model] != family.get(best[0])
    ]
    model = others[0][0] if others else None
    longest = sorted((run for run in others if run[0] == model), key=lambda run: -length[run[1]])
    fixed = [run for run in shown if run[1] == reference]
    kept = [*(run for run in shown if run == best), *longest[:1], *fixed][:most]
    return [run for run in shown if run in kept]


def first_of_families(config: Config) -> list[str]:
    """The first model of each family that is trained on the reference source."""
    reference = reference_of(config).source
    trained = {
        m for run in config["train"]["runs"] if reference in run["sources"] for m in run["models"]
    }
    found: dict[str, str] = {}
    for model, settings in config["models"].items():
        if model in trained:
            found.setdefault(settings["family"], model)
    return list(found.values())


def panel_models(config: Config, available: Sequence[str], most: int = 8) -> list[str]:
    """Models of the reference source that figures with a panel for each show.

    All of them if they fit, else the first of each family.
    """
    if len(available) <= most:
        return list(available)
    first = first_of_families(config)
    return [model for model in available if model in first][:most]


def _is_stream(joined: Any) -> bool:
    return isinstance(joined, Mapping)
