# SPDX-License-Identifier: GPL-3.0-or-later
"""Checking a configuration: every problem at once, each in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial, reduce
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from polarstem.config.conditions import LISTED, MAPPED, NAMED
from polarstem.config.cross_checks import cross_checks, nearest
from polarstem.config.experiment_checks import experiment_checks
from polarstem.config.families import FAMILIES
from polarstem.config.learning import Run, Stream, Training
from polarstem.config.model import LONGEST_NAME, Config, merge
from polarstem.config.pair_materials import with_pairs_read
from polarstem.config.physics import NUMBER, WORD, Simulate, Structures
from polarstem.config.physics_checks import physics_checks
from polarstem.errors import ProblemsError
from polarstem.shipped_files import shipped
from polarstem.yaml_files import excess, read_yaml


class ConfigError(ProblemsError):
    """A wrong configuration; the text lists every problem that was found."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("The configuration", problems)


STANDARD = shipped("config.yaml")
"""The standard benchmark, which a part of a configuration changes."""


def load(*paths: Path | str) -> Config:
    """Read and check YAML configuration files as the workflow does.

    Parameters
    ----------
    *paths : path
        Later files change earlier ones key by key. If all together are no whole configuration, they
        change the standard benchmark.

    Raises
    ------
    PolarstemError
        If a file cannot be read, or the configuration is wrong.
    """
    data = laid_over(*map(_read, paths))
    return check(data if is_whole(data) else laid_over(read_standard(), data))


def _read(path: Path | str) -> dict[str, Any]:
    data = read_yaml(path, "The configuration")
    if not isinstance(data, dict):
        raise ConfigError([f"{path}: expected a mapping of sections such as `structures`"])
    return data


def laid_over(*layers: dict[str, Any]) -> dict[str, Any]:
    """Lay mappings over each other key by key, as Snakemake does with configuration files."""
    return reduce(partial(merge, whole=()), layers, {})


def read_standard() -> dict[str, Any]:
    """The standard benchmark as it stands in its file."""
    return _read(STANDARD)


def is_whole(data: Mapping[str, Any]) -> bool:
    """Whether a mapping has every required section, so that it can stand by itself."""
    return all(name in data for name, key in Config.model_fields.items() if key.is_required())


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
    if trouble := excess(data):
        raise ConfigError([f"(top level): {trouble}"])
    data, problems = with_pairs_read(data)
    if problems:
        raise ConfigError(problems)
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        problems = explain(error, Config)
        raise ConfigError(problems) from None
    problems = list(_sections_with_overrides(config))
    if not problems:
        problems = [
            *cross_checks(config),
            *physics_checks(config),
            *experiment_checks(config),
        ]
    if problems:
        raise ConfigError(problems)
    return config


def explain(error: ValidationError, model: type[BaseModel], prefix: str = "") -> list[str]:
    problems = []
    wrong_items = {e["loc"][:-1] for e in error.errors()}
    for item in error.errors():
        if item["type"] == "too_short" and item["loc"] in wrong_items:
            continue  # only short because its items are wrong, which is told already
        loc = [part for part in item["loc"] if part not in (LISTED, MAPPED, NAMED, NUMBER, WORD)]
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
                hint = nearest(family, list(FAMILIES))
                problems.append(f"{where}.family: {family!r} is no model family; {hint}")
            case "string_pattern_mismatch" | "string_too_long" if path[-1] == "[key]":
                where = prefix + _dotted(path[:-2])
                problems.append(
                    f"{where}: {found} is no valid name; use letters, digits and underscores, at "
                    f"most {LONGEST_NAME}"
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
            elif candidate is FAMILIES.get(str(part)):
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
    for name, experiment in config.experiments.items():
        if experiment.scene is not None:
            where = f"experiments.{name}.scene.simulate."
            yield from _problems(config.simulate_of_scene, name, Simulate, where)
    for name in config.models:
        yield from _problems(config.training_of, name, Training, f"models.{name}.training.")
    for source, stream in config.train.sources.items():
        if isinstance(stream, Stream):
            build = partial(config.training_of, next(iter(config.models)))
            yield from _problems(build, source, Training, f"train.sources.{source}.training.")
    for index, run in enumerate(config.train.runs):
        build = partial(_training_of_run, run)
        yield from _problems(build, "", Training, f"train.runs[{index}].training.")


def _training_of_run(run: Run, _: str) -> Training:
    return Training.model_validate(run.training)


def _problems(
    build: Callable[[str], object], name: str, model: type[BaseModel], prefix: str
) -> list[str]:
    try:
        build(name)
    except ValidationError as error:
        return explain(error, model, prefix)
    return []
