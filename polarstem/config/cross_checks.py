# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of keys against each other, in sections that are right by themselves."""

from __future__ import annotations

import difflib
import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from polarstem.config.conditions import Drawn
from polarstem.config.crystal_design import composition_varies, rests
from polarstem.config.displacement_checks import displacement_checks
from polarstem.config.families import DeflectionModel, EquivariantModel, TimmModel
from polarstem.config.jobs import reflection_spacing
from polarstem.config.learning import Stream
from polarstem.config.model import Config, known_material
from polarstem.config.plan import SPLITS, class_table, engine_of, obstacle
from polarstem.errors import PolarstemError
from polarstem.structures.crystals import load_material
from polarstem.structures.variants import classes


def nearest(name: object, known: list[str]) -> str:
    """Say which known name was probably meant, or list them."""
    close = difflib.get_close_matches(str(name), known, n=1)
    if close:
        return f"did you mean `{close[0]}`?"
    if len(known) > 12:
        return "no name is close to it"
    return "known: " + (", ".join(f"`{k}`" for k in known) if known else "none")


def cross_checks(config: Config) -> Iterator[str]:
    """Say what does not fit together, each in one sentence."""
    yield from _classes(config)
    yield from _domains(config)
    yield from _splits(config)
    yield from _crystals(config)
    yield from _streams(config)
    yield from _measured(config)
    yield from _learning(config)
    yield from displacement_checks(config)
    for name, model in config.models.items():
        if isinstance(model, EquivariantModel) and model.head != "classification":
            yield (
                f"models.{name}.head: {model.head!r} is not possible for the family equivariant, "
                "which has scores of classes only; use `classification`"
            )
        if isinstance(model, DeflectionModel):
            yield from _deflection(config, name, model)
        head = getattr(model, "head", None)
        if getattr(model, "positives", "batch") != "batch" and head != "prototype":
            yield (
                f"models.{name}.positives: prototypes alone are made of positives, but the head is "
                f"{head!r}; use `prototype`"
            )
        if isinstance(model, TimmModel):
            known = timm_names()
            base = model.architecture.split(".")[0]
            if known and base not in known:
                yield (
                    f"models.{name}.architecture: {model.architecture!r} is not known to timm; "
                    f"{nearest(base, sorted(known))}"
                )


def _deflection(config: Config, name: str, model: DeflectionModel) -> Iterator[str]:
    """Detectors that a pattern cannot be measured with."""
    inner, outer = model.annulus
    if inner >= outer:
        yield (
            f"models.{name}.annulus: its inner radius {inner:g} is not smaller than its outer "
            f"radius {outer:g}"
        )
    if model.signal != "friedel":
        return
    x, y = model.spacing_pixels or reflection_spacing(config)
    half = config.simulate.detector.pixels / 2
    for h, k in model.pairs:
        if not h and not k:
            yield f"models.{name}.pairs: [0, 0] is the direct beam and no pair"
        elif max(h * x, k * y) >= half:
            yield (
                f"models.{name}.pairs: [{h}, {k}] lies outside the detector, which ends "
                f"{half:g} pixels from the beam"
            )


def _classes(config: Config) -> Iterator[str]:
    table = [c.name for c in class_table(config)]
    for name, settings in config.specimens.items():
        where = f"specimens.{name}"
        structures = config.structures_of(name)
        try:
            load_material(structures.material).require_phase(structures.phase)
        except PolarstemError as error:
            yield f"structures.material (for {where}): {error}"
        own = [c.name for c in classes(structures.phase, structures.zone_axis, structures.end_on)]
        if not set(own) <= set(table):
            extra = ", ".join(sorted(set(own) - set(table)))
            yield (
                f"{where}.structures: its classes {extra} are not among those of `structures` "
                f"({', '.join(table)}); all specimens must share one class table"
            )
        for class_name in settings.chosen(own):
            if class_name not in own:
                yield f"{where}.classes: no class {class_name!r}; {nearest(class_name, own)}"
        if not any(getattr(settings.per_class, split) for split in SPLITS):
            yield f"{where}.per_class: asks for no specimen at all; set train, validation or test"
        nm = settings.thicknesses_nm
        if not isinstance(nm, Drawn) and len(set(nm)) < len(nm):
            yield f"{where}.thicknesses_nm: a thickness stands there twice"
        yield from _paired(config, name)


def _paired(config: Config, name: str) -> Iterator[str]:
    """Sets that have no specimens to be paired with."""
    settings, where = config.specimens[name], f"specimens.{name}.paired_with"
    pair = settings.paired_with
    if pair is None:
        return
    others = [other for other in config.specimens if other != name]
    if pair not in others:
        yield f"{where}: no other specimen set {pair!r}; {nearest(pair, others)}"
        return
    other = config.specimens[pair]
    if other.paired_with is not None:
        yield f"{where}: {pair!r} is paired itself; name {other.paired_with!r}"
    for split in SPLITS:
        own, there = (getattr(each.per_class, split) for each in (settings, other))
        if own > there:
            yield f"{where}: {pair!r} has {there} specimens of a class to {split}, not {own}"


def _domains(config: Config) -> Iterator[str]:
    seen: dict[tuple[str, float], str] = {}
    for name, domain in config.domains.items():
        where = f"domains.{name}"
        if domain.specimens not in config.specimens:
            hint = nearest(domain.specimens, list(config.specimens))
            yield f"{where}.specimens: no specimen set {domain.specimens!r}; {hint}"
            continue
        available = config.specimens[domain.specimens].thicknesses_nm
        if isinstance(available, Drawn):
            if domain.thicknesses_nm is not None:
                yield (
                    f"{where}.thicknesses_nm: the specimens of {domain.specimens!r} draw their "
                    "thicknesses; leave it out"
                )
            continue
        for thickness in domain.thicknesses_nm or available:
            if thickness not in available:
                listed = ", ".join(f"{t:g}" for t in available)
                yield (
                    f"{where}.thicknesses_nm: {thickness:g} nm is not simulated for "
                    f"{domain.specimens!r}, which has {listed} nm"
                )
            if domain.dose_electrons is None and domain.conditions is None:
                other = seen.setdefault((domain.specimens, thickness), name)
                if other != name:
                    yield (
                        f"{where}.thicknesses_nm: {thickness:g} nm of {domain.specimens!r} stands "
                        f"in {other!r} too; to train on both, list both in one of train.sources"
                    )


def _splits(config: Config) -> Iterator[str]:
    """Every class needs a specimen in each split that is used."""
    names = [c.name for c in class_table(config)]
    table = set(names)
    sources = config.train.sources
    trained = {d for name in sources for d in config.domains_of(name) if d in config.domains}
    for name, domain in config.domains.items():
        if domain.specimens not in config.specimens:
            continue
        settings = config.specimens[domain.specimens]
        where = f"specimens.{domain.specimens}.per_class"
        needed = ["train", "validation"] if name in trained else []
        needed += ["test"] if name in config.evaluate.domains else []
        for split in needed:
            if not getattr(settings.per_class, split):
                purpose = "evaluated" if split == "test" else "trained on"
                yield (
                    f"{where}.{split}: is 0, but data domain {name!r} is {purpose}, "
                    f"so every class needs a specimen in the {split} split"
                )
        if name in trained:
            absent = sorted(table - set(settings.chosen(names)))
            if absent:
                yield (
                    f"specimens.{domain.specimens}.classes: lacks {', '.join(absent)}, but data "
                    f"domain {name!r} is trained on and needs every class"
                )


def _crystals(config: Config) -> Iterator[str]:
    """Specimens that the engine cannot take, or that are one crystal in training and test."""
    for name, settings in config.specimens.items():
        structures, simulate = config.structures_of(name), config.simulate_of(name)
        why_not = obstacle(structures, simulate, settings.conditions)
        if simulate.engine == "scattering_matrix" and why_not is not None:
            yield (
                f"simulate.engine (for specimens.{name}): no scattering matrix describes such a "
                f"specimen, because {why_not}; change that, or choose `auto` or `multislice`"
            )
        if settings.conditions is not None and list(simulate.scan.cells) != [1, 1]:
            yield (
                f"simulate.scan.cells (for specimens.{name}): an emulated experiment scans one "
                "unit cell, over which its source is spread; use [1, 1]"
            )
        if simulate.engine == "thermal_matrices" and not simulate.phonons.configurations:
            yield (
                f"simulate.phonons.configurations (for specimens.{name}): is 0, but thermal "
                "matrices are of crystals whose atoms move; use 8, say"
            )
        alike = (
            rests(config, name) and structures.amplitude > 0 and structures.amplitude_spread == 0
        )
        alike &= not composition_varies(config, name)
        yield from _composition(config, name)
        if alike and settings.per_class.train and settings.per_class.test:
            yield (
                f"structures.amplitude_spread (for specimens.{name}): is 0, but with a_site "
                f"{structures.a_site!r} and no phonons the training and test specimens of a class "
                "are then one crystal; set it, to 0.15 say, or composition_spread to 0.1"
            )


def _composition(config: Config, name: str) -> Iterator[str]:
    """Compositions that a specimen set cannot draw."""
    structures = config.structures_of(name)
    material = known_material(structures)
    if material is None or not composition_varies(config, name):
        return
    site = material.varied_site
    (first, share), *others = getattr(material, site).items()
    spread = structures.composition_spread
    where = f"structures.composition_spread (for specimens.{name}): is {spread:g}, but"
    if not others:
        yield f"{where} {material.formula} has one element on each cation site; use 0"
    elif not spread < min(share, 1 - share):
        yield f"{where} the share of {first} is {share:g} and must stay between 0 and 1; lower it"


def _streams(config: Config) -> Iterator[str]:
    """Streams of sets that have no matrices, or lack a class."""
    names = [c.name for c in class_table(config)]
    for source, stream in config.train.sources.items():
        if not isinstance(stream, Stream):
            continue
        where = f"train.sources.{source}.specimens"
        yield from _unknown(where, stream.specimens, list(config.specimens), "specimen set")
        known = [name for name in stream.specimens if name in config.specimens]
        polar = [name for name in known if config.structures_of(name).amplitude > 0]
        for name in known:
            engine, reason = engine_of(config, name)
            if engine == "multislice":
                yield f"{where}: {name!r} has no scattering matrices, because {reason}"
            for split in ("train", "validation"):
                if name in polar and not getattr(config.specimens[name].per_class, split):
                    yield f"specimens.{name}.per_class.{split}: is 0, but {source!r} measures them"
        for name in polar:
            absent = sorted(set(names) - set(config.specimens[name].chosen(names)))
            if absent:
                lacking = ", ".join(absent)
                yield f"specimens.{name}.classes: lacks {lacking}, which {source!r} needs"
        if known and not polar:
            yield f"{where}: none of the sets is polar; name one whose amplitude is not 0"


def _measured(config: Config) -> Iterator[str]:
    """Data domains measured anew, and the ladder that makes them."""
    if config.ladder is not None and config.ladder.base not in config.domains:
        hint = nearest(config.ladder.base, list(config.domains))
        yield f"ladder.base: no data domain {config.ladder.base!r}; {hint}"
    trained = {d for name in config.train.sources for d in config.domains_of(name)}
    for name, domain in config.domains.items():
        if domain.conditions is None or domain.specimens not in config.specimens:
            continue
        engine, reason = engine_of(config, domain.specimens)
        if engine != "scattering_matrix":
            yield (
                f"domains.{name}.conditions: the specimens {domain.specimens!r} have no scattering "
                f"matrix to be measured on, because {reason}"
            )
        if name in trained:
            yield (
                f"domains.{name}.conditions: holds test specimens only, but is trained on; train "
                "on a stream instead"
            )


def _learning(config: Config) -> Iterator[str]:
    domains, sources = list(config.domains), list(config.train.sources)
    for source, members in config.train.sources.items():
        if isinstance(members, Stream):
            continue
        if not members:
            yield f"train.sources.{source}: names no data domain"
        yield from _unknown(f"train.sources.{source}", members, domains, "data domain")
    for index, run in enumerate(config.train.runs):
        yield from _unknown(f"train.runs[{index}].models", run.models, list(config.models), "model")
        yield from _unknown(f"train.runs[{index}].sources", run.sources, sources, "source")
        for other in config.train.runs[:index]:
            shared = {*run.models} & {*other.models}, {*run.sources} & {*other.sources}
            if all(shared) and run.training != other.training:
                model, source = (min(names) for names in shared)
                yield (
                    f"train.runs[{index}].training: {model!r} is trained on {source!r} by another "
                    "run too, otherwise; leave one of them out"
                )
    yield from _unknown("evaluate.domains", config.evaluate.domains, domains, "data domain")
    evaluate = config.evaluate
    reference = (evaluate.reference_source,)
    yield from _unknown(
        "evaluate.reference_source", reference, config.used_sources(), "used source"
    )
    reference = (evaluate.reference_domain,)
    tested = list(evaluate.domains)
    yield from _unknown("evaluate.reference_domain", reference, tested, "tested data domain")
    domain = config.domains.get(evaluate.reference_domain)
    specimens = config.specimens.get(domain.specimens) if domain else None
    if specimens and isinstance(specimens.thicknesses_nm, Drawn):
        yield (
            f"evaluate.reference_domain: the specimens of {evaluate.reference_domain!r} draw their "
            "thicknesses; the headline numbers need given ones"
        )
    tested_too = (*evaluate.controls, *((evaluate.experiment,) if evaluate.experiment else ()))
    yield from _unknown("evaluate.experiment or controls", tested_too, tested, "tested data domain")
    yield from _adaptation(config)
    for model, source, _ in config.runs():
        if source in config.streams() and config.models[model].shuffled_labels:
            yield (
                f"models.{model}.shuffled_labels: is not possible on the stream {source!r}; train "
                "it on data domains"
            )
    best = evaluate.recommended
    if best is not None and (best.model, best.source) not in {run[:2] for run in config.runs()}:
        yield (
            f"evaluate.recommended: no run trains {best.model!r} on {best.source!r}; name one of "
            "train.runs"
        )
    if len(set(config.train.seeds)) < len(config.train.seeds):
        yield "train.seeds: a seed stands there twice"


def _adaptation(config: Config) -> Iterator[str]:
    """Adaptations of models that have nothing to adapt, or under a name that is taken."""
    names: set[str] = set(config.models)
    for index, adaptation in enumerate(config.evaluate.adaptation):
        where = f"evaluate.adaptation[{index}]"
        used, tested = config.used_models(), list(config.evaluate.domains)
        yield from _unknown(f"{where}.model", (adaptation.model,), used, "used model")
        domains = adaptation.domains or ()
        yield from _unknown(f"{where}.domains", domains, tested, "tested data domain")
        if adaptation.row in names:
            yield f"{where}.name: {adaptation.row!r} is taken; give each adaptation its own name"
        names.add(adaptation.row)
        model = config.models.get(adaptation.model)
        if adaptation.method == "prototypes" and getattr(model, "head", "") != "prototype":
            yield f"{where}.method: {adaptation.model!r} has no prototypes; use head `prototype`"
        if adaptation.method == "batch_statistics" and not isinstance(model, TimmModel):
            yield (
                f"{where}.method: {adaptation.model!r} has no batch normalisation; networks of "
                "the family timm such as resnet18 have"
            )
        if adaptation.method == "symmetry" and not adaptation.turned_copies:
            yield f"{where}.turned_copies: is false, but `symmetry` is nothing else; use true"


def _unknown(where: str, names: tuple[str, ...], known: list[str], what: str) -> Iterator[str]:
    for name in names:
        if name not in known:
            yield f"{where}: no {what} {name!r}; {nearest(name, known)}"


@cache
def timm_names() -> frozenset[str]:
    """Names of timm's architectures, read from its sources: importing it takes seconds."""
    found = importlib.util.find_spec("timm")
    if found is None or found.origin is None:
        return frozenset()
    pattern = re.compile(r"^@register_model\s+def (\w+)\(", re.MULTILINE)
    folder = Path(found.origin).parent / "models"
    files = sorted(folder.glob("*.py"))
    return frozenset(n for f in files for n in pattern.findall(f.read_text(encoding="utf-8")))
