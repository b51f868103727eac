# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings in words: rows for the report's tables, read from the resolved config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from polarstem.config import check
from polarstem.config.physics import AUTO
from polarstem.evaluate.scores.tested_domains import conditions_in_words, thicknesses_in_words
from polarstem.models import model_class
from polarstem.structures.crystals import load_material
from polarstem.structures.recipes import b_order

Config = Mapping[str, Any]
_PHASES = {"T": "tetragonal, P along ⟨001⟩", "O": "orthorhombic, P along ⟨110⟩"}
_PHASES |= {"R": "rhombohedral, P along ⟨111⟩"}
_ORDERS = {"random": "at random", "ordered": "in rock-salt order", "virtual": "averaged"}
_HEADS = {
    "classification": "classification (cross-entropy)",
    "regression": "regression of the unit vector",
    "prototype": "prototypes in an embedding",
    "none": "none",
}
_ADAPTATIONS = {
    "symmetry": "answers averaged over copies",
    "prototypes": "prototypes estimated anew on each unlabelled scan",
    "batch_statistics": "batch statistics of each unlabelled scan",
}
_SCANS = {"specimen": "each specimen is a scan", "domain": "each data domain is a scan"}


def simulation_rows(config: Config) -> list[tuple[str, str]]:
    """What was simulated, as (quantity, value with unit)."""
    crystal, microscope = config["structures"], config["simulate"]
    scan, detector = microscope["scan"], microscope["detector"]
    material = crystal["material"]
    name = material if isinstance(material, str) else load_material(material).formula
    half = detector["pixels"] * detector["mrad_per_pixel"] / 2
    return [
        (
            "Crystal",
            f"{name}, {_phase(crystal['phase'])}, {_sites(crystal)}, "
            f"displacements × {_amplitude(crystal)}, {crystal['metric']} metric",
        ),
        ("Beam direction", f"[{' '.join(str(i) for i in crystal['zone_axis'])}] pseudo-cubic"),
        ("Field", f"{_field(config)}, periodic"),
        ("Energy", f"{microscope['energy_kv']:g} kV"),
        ("Convergence semi-angle", f"{microscope['semiangle_mrad']:g} mrad"),
        (
            "Scan",
            f"{_times(scan['positions'])} probe positions over {_times(scan['cells'])} unit "
            f"cell{'' if list(scan['cells']) == [1, 1] else 's'} (y × x), offset: "
            f"{scan['offset']}",
        ),
        (
            "Detector",
            f"{detector['pixels']} × {detector['pixels']} pixels of "
            f"{detector['mrad_per_pixel']:g} mrad (± {half:g} mrad)",
        ),
        ("Wave function", f"{_pixels(config)} pixels per unit cell"),
        ("Thermal motion", _phonons(microscope)),
    ]


def domain_rows(config: Config, summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The evaluated data domains: name, thicknesses, specimens, conditions, test patterns."""
    rows = []
    for name in config["evaluate"]["domains"]:
        domain = config["domains"][name]
        specimens = config["specimens"][domain["specimens"]]
        dose = domain.get("dose_electrons")
        drawn = domain.get("conditions") or specimens.get("conditions") or {}
        overrides = conditions_in_words(drawn) + [
            f"{section}.{key}: {_plain(value)}"
            for section in ("structures", "simulate")
            for key, value in (specimens.get(section) or {}).items()
        ]
        if chosen := specimens.get("classes"):
            first = isinstance(chosen, str)
            named = "first class" if first else f"classes {', '.join(chosen)}"
            overrides.append(f"{named} only")
        rows.append(
            {
                "name": name,
                "thickness": thicknesses_in_words(config, name).removesuffix(" nm"),
                "specimens": domain["specimens"],
                "dose": "no noise" if dose is None else f"{float(dose):,.0f} electrons",
                "different": "; ".join(overrides) or "–",
                "patterns": summary.get(f"test_patterns.{name}"),
            }
        )
    return rows


def model_rows(config: Config) -> list[dict[str, Any]]:
    """The models that were trained: name, what it is, head, input and options."""
    used = {model for run in config["train"]["runs"] for model in run["models"]}
    rows = []
    for name, settings in config["models"].items():
        if name not in used:
            continue
        family = model_class(settings["family"])
        # families without the section take patterns as they are
        scaling = settings.get("preprocessing", {"scaling": "none"})
        inputs = {
            "standardise": "each pixel standardised",
            "minmax": "each pattern scaled to [0, 1]",
            "none": "not scaled",
        }[scaling["scaling"]]
        if scaling.get("parity") == "even_odd":
            inputs += ", even and odd part apart"
        chosen = [k for k, on in settings.get("augmentation", {}).items() if on]
        options = [f"{key} augmentation" for key in chosen]
        if settings.get("filter", "none") != "none":
            options.append(f"training patterns filtered by {settings['filter'].replace('_', ' ')}")
        rows.append(
            {
                "name": name,
                "what": family.describe(settings),
                "head": _HEADS[settings.get("head", "none")],
                "input": ("square root, " if scaling.get("sqrt") else "") + inputs,
                "options": ", ".join(options) or "–",
            }
        )
    return rows


def adaptation_rows(config: Config) -> list[dict[str, str]]:
    """The models that were fitted to unlabelled scans, with the columns of `model_rows`."""
    return [
        {
            "name": entry["name"] or f"{entry['model']}_{entry['method']}",
            "what": f"{entry['model']}, {_ADAPTATIONS[entry['method']]}",
            "head": "the same",
            "input": "turned and mirrored copies" if entry["turned_copies"] else "the same",
            "options": "–" if entry["method"] == "symmetry" else _SCANS[entry["scan"]],
        }
        for entry in config["evaluate"].get("adaptation", ())
    ]


def _phase(phase: str) -> str:
    """A polar phase in words."""
    own = f"polar axis of its own, P along ⟨{phase[1:]}⟩"
    return _PHASES.get(phase, own)


def _sites(crystal: Mapping[str, Any]) -> str:
    """Order on the sites, and how far the composition of an averaged one varies."""
    material = load_material(crystal["material"])
    orders = {"a_site": crystal["a_site"]}
    if len(material.b_site) > 1:
        orders["b_site"] = b_order(crystal["a_site"], crystal.get("b_site"))
    texts = {site: f"{site[0].upper()} site {_ORDERS[order]}" for site, order in orders.items()}
    spread, varied = crystal.get("composition_spread", 0), material.varied_site
    if spread and orders[varied] == "virtual":
        texts[varied] += f" ± {100 * spread:g} at%"
    return ", ".join(texts.values())


def _amplitude(crystal: Mapping[str, Any]) -> str:
    spread = crystal.get("amplitude_spread", 0)
    return f"{crystal['amplitude']:g}" + (f" ± {100 * spread:g} %" if spread else "")


def _phonons(microscope: Mapping[str, Any]) -> str:
    count = microscope["phonons"]["configurations"]
    return "static lattice" if not count else f"{count} frozen-phonon configurations"


def _field(config: Config) -> str:
    """Field of the simulation, and of the reference domain's set where it is chosen for each."""
    cells = config["structures"]["cells"]
    if cells != AUTO:
        return f"{_times(cells)} unit cells"
    name = config["domains"][config["evaluate"]["reference_domain"]]["specimens"]
    found = check(config).structures_of(name).cells
    return f"as the accuracy takes, {_times(found)} unit cells for {name}"


def _pixels(config: Config) -> str:
    if config["simulate"]["pixels_per_cell"] != AUTO:
        return str(config["simulate"]["pixels_per_cell"])
    name = config["domains"][config["evaluate"]["reference_domain"]]["specimens"]
    return str(check(config).simulate_of(name).pixels_per_cell)


def _times(pair: Sequence[int]) -> str:
    return " × ".join(str(i) for i in pair)


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items())
    return str(value)
