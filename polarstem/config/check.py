# SPDX-License-Identifier: GPL-3.0-or-later
"""Checking a configuration: every problem at once, each in one line."""

from __future__ import annotations

import difflib
import importlib.util
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from polarstem.config.learning import (
    CnnModel,
    EquivariantModel,
    PcaKnnModel,
    TimmModel,
    Training,
)
from polarstem.config.model import Config
from polarstem.config.physics import Simulate, Structures
from polarstem.config.plan import SPLITS, class_table, obstacle
from polarstem.errors import PolarstemError
from polarstem.structures.crystals import load_material
from polarstem.structures.variants import classes

_FAMILIES: dict[str, type[BaseModel]] = {
    "timm": TimmModel,
    "cnn": CnnModel,
    "equivariant": EquivariantModel,
    "pca_knn": PcaKnnModel,
}


class ConfigError(PolarstemError):
    """A wrong configuration; the text lists every problem that was found."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"The configuration has {count}:\n{lines}")


def load(path: Path | str) -> Config:
    """Read and check a YAML configuration file."""
    import yaml

    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise PolarstemError(f"The configuration {path} cannot be read: {error}") from error
    return check(data)


def check(data: object) -> Config:
    """Check a configuration.

    Parameters
    ----------
    data : mapping
        The parsed YAML.

    Returns
    -------
    Config
        The configuration with all defaults filled in.

    Raises
    ------
    ConfigError
        Listing every problem: where, what was found, what is allowed, a hint.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(["(top level): expected a mapping of sections such as `structures`"])
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        problems = _explain(error, Config)
        raise ConfigError(problems) from None
    problems = list(_sections_with_overrides(config))
    if not problems:
        problems = list(_cross_checks(config))
    if problems:
        raise ConfigError(problems)
    return config


def nearest(name: object, known: list[str]) -> str:
    """Say which known name was probably meant, or list them."""
    close = difflib.get_close_matches(str(name), known, n=1)
    if close:
        return f"did you mean `{close[0]}`?"
    if len(known) > 12:
        return "no name is close to it"
    return "known: " + (", ".join(f"`{k}`" for k in known) if known else "none")


def _explain(error: ValidationError, model: type[BaseModel], prefix: str = "") -> list[str]:
    problems = []
    wrong_items = {e["loc"][:-1] for e in error.errors()}
    for item in error.errors():
        if item["type"] == "too_short" and item["loc"] in wrong_items:
            continue  # only short because its items are wrong, which is told already
        loc = list(item["loc"])
        owner = _owner(model, loc)
        # pydantic puts a model's family into the path, which is no key of the user's
        path = loc[:2] + loc[3:] if loc[0] == "models" and len(loc) > 3 else loc
        where = prefix + _dotted(path)
        found = repr(item.get("input"))
        found = found if len(found) <= 60 else found[:57] + "..."
        match item["type"]:
            case "extra_forbidden":
                hint = nearest(path[-1], list(owner.model_fields)) if owner else ""
                problems.append(f"{where}: unknown key; {hint}")
            case "missing":
                problems.append(f"{where}: is required and missing")
            case "union_tag_invalid" | "union_tag_not_found":
                family = item["input"].get("family") if isinstance(item["input"], Mapping) else None
                hint = nearest(family, list(_FAMILIES))
                problems.append(f"{where}.family: {family!r} is no model family; {hint}")
            case "string_pattern_mismatch" if path[-1] == "[key]":
                where = prefix + _dotted(path[:-2])
                problems.append(
                    f"{where}: {found} is no valid name; use letters, digits and underscores"
                )
            case "literal_error":
                expected = item["ctx"]["expected"]
                problems.append(f"{where}: {found} is not one of {expected}")
            case "value_error":
                problems.append(f"{where}: {found}: {item['ctx']['error']}")
            case _:
                text = item["msg"][0].lower() + item["msg"][1:]
                problems.append(f"{where}: {found}: {text.removeprefix('input ')}")
    return problems


def _dotted(path: list[str | int]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else part)
    return text or "(top level)"


def _candidates(annotation: Any) -> list[Any]:
    """Sections and mappings that an annotation allows, through unions and `Annotated`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) is dict:
        return [annotation]
    return [c for argument in get_args(annotation) for c in _candidates(argument)]


def _owner(model: type[BaseModel], loc: list[str | int]) -> type[BaseModel] | None:
    """Find the section that the last part of `loc` stands in."""
    found: list[Any] = [model]
    for part in loc[:-1]:
        following: list[Any] = []
        for candidate in found:
            if get_origin(candidate) is dict:
                following += _candidates(get_args(candidate)[1])
            elif candidate is _FAMILIES.get(str(part)):
                following.append(candidate)
            elif part in candidate.model_fields:
                following += _candidates(candidate.model_fields[str(part)].annotation)
        found = following
    return found[0] if found and get_origin(found[0]) is not dict else None


def _sections_with_overrides(config: Config) -> Iterator[str]:
    """Problems of sections in which a specimen set or a model replaces some keys."""
    for name in config.specimens:
        for section, model, merged in (
            ("structures", Structures, config.structures_of),
            ("simulate", Simulate, config.simulate_of),
        ):
            yield from _problems(merged, name, model, f"specimens.{name}.{section}.")
    for name in config.models:
        yield from _problems(config.training_of, name, Training, f"models.{name}.training.")


def _problems(
    build: Callable[[str], object], name: str, model: type[BaseModel], prefix: str
) -> list[str]:
    try:
        build(name)
    except ValidationError as error:
        return _explain(error, model, prefix)
    return []


def _cross_checks(config: Config) -> Iterator[str]:
    yield from _classes(config)
    yield from _domains(config)
    yield from _splits(config)
    yield from _crystals(config)
    yield from _learning(config)
    for name, model in config.models.items():
        if isinstance(model, EquivariantModel) and model.head != "classification":
            yield (
                f"models.{name}.head: {model.head!r} is not possible for the family equivariant, "
                "which has scores of classes only; use `classification`"
            )
        if isinstance(model, TimmModel):
            known = timm_names()
            base = model.architecture.split(".")[0]
            if known and base not in known:
                yield (
                    f"models.{name}.architecture: {model.architecture!r} is not known to timm; "
                    f"{nearest(base, sorted(known))}"
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
        for class_name in settings.classes or ():
            if class_name not in own:
                yield f"{where}.classes: no class {class_name!r}; {nearest(class_name, own)}"
        if not any(getattr(settings.per_class, split) for split in SPLITS):
            yield f"{where}.per_class: asks for no specimen at all; set train, validation or test"
        if len(set(settings.thicknesses_nm)) < len(settings.thicknesses_nm):
            yield f"{where}.thicknesses_nm: a thickness stands there twice"


def _domains(config: Config) -> Iterator[str]:
    seen: dict[tuple[str, float], str] = {}
    for name, domain in config.domains.items():
        where = f"domains.{name}"
        if domain.specimens not in config.specimens:
            hint = nearest(domain.specimens, list(config.specimens))
            yield f"{where}.specimens: no specimen set {domain.specimens!r}; {hint}"
            continue
        available = config.specimens[domain.specimens].thicknesses_nm
        for thickness in domain.thicknesses_nm:
            if thickness not in available:
                listed = ", ".join(f"{t:g}" for t in available)
                yield (
                    f"{where}.thicknesses_nm: {thickness:g} nm is not simulated for "
                    f"{domain.specimens!r}, which has {listed} nm"
                )
            if domain.dose_electrons is None:
                other = seen.setdefault((domain.specimens, thickness), name)
                if other != name:
                    yield (
                        f"{where}.thicknesses_nm: {thickness:g} nm of {domain.specimens!r} stands "
                        f"in {other!r} too; to train on both, list both in one of train.sources"
                    )


def _splits(config: Config) -> Iterator[str]:
    """Every class needs a specimen in each split that is used."""
    table = {c.name for c in class_table(config)}
    trained = {d for s in config.train.sources.values() for d in s if d in config.domains}
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
        if name in trained and settings.classes is not None:
            absent = sorted(table - set(settings.classes))
            if absent:
                yield (
                    f"specimens.{domain.specimens}.classes: lacks {', '.join(absent)}, but data "
                    f"domain {name!r} is trained on and needs every class"
                )


def _crystals(config: Config) -> Iterator[str]:
    """Specimens that the engine cannot take, or that are one crystal in training and test."""
    for name, settings in config.specimens.items():
        structures, simulate = config.structures_of(name), config.simulate_of(name)
        why_not = obstacle(structures, simulate)
        if simulate.engine == "scattering_matrix" and why_not is not None:
            yield (
                f"simulate.engine (for specimens.{name}): no scattering matrix describes such a "
                f"specimen, because {why_not}; change that, or choose `auto` or `multislice`"
            )
        alike = structures.a_site != "random" and not simulate.phonons.configurations
        alike &= structures.amplitude > 0 and structures.amplitude_spread == 0
        if alike and settings.per_class.train and settings.per_class.test:
            yield (
                f"structures.amplitude_spread (for specimens.{name}): is 0, but with a_site "
                f"{structures.a_site!r} and no phonons the training and test specimens of a class "
                "are then one crystal; set it, to 0.15 say"
            )


def _learning(config: Config) -> Iterator[str]:
    domains, sources = list(config.domains), list(config.train.sources)
    for source, members in config.train.sources.items():
        if not members:
            yield f"train.sources.{source}: names no data domain"
        yield from _unknown(f"train.sources.{source}", members, domains, "data domain")
    for index, run in enumerate(config.train.runs):
        yield from _unknown(f"train.runs[{index}].models", run.models, list(config.models), "model")
        yield from _unknown(f"train.runs[{index}].sources", run.sources, sources, "source")
    yield from _unknown("evaluate.domains", config.evaluate.domains, domains, "data domain")
    evaluate = config.evaluate
    reference = (evaluate.reference_source,)
    yield from _unknown(
        "evaluate.reference_source", reference, config.used_sources(), "used source"
    )
    reference = (evaluate.reference_domain,)
    tested = list(evaluate.domains)
    yield from _unknown("evaluate.reference_domain", reference, tested, "tested data domain")
    if len(set(config.train.seeds)) < len(config.train.seeds):
        yield "train.seeds: a seed stands there twice"


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
