# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference of every config key, the JSON schema, and the resolved configuration."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from polarstem.config.model import Config
from polarstem.files import atomic_path

_HEADER = """# Configuration reference

Generated from the models in `polarstem/config/` by `python -m polarstem docs`; do not edit.

A configuration is a YAML file with the sections below. `config.yaml` is the standard benchmark;
give another with `snakemake --configfile my.yaml`. One that has all required sections stands by
itself. A shorter one changes `config.yaml`: mappings are merged key by key, lists replace those of
the same key, and a specimen set, data domain, model, training source or experiment set to `null` is
left out. Every problem is listed before the first job starts.
"""


def write_resolved(config: Mapping[str, Any], output: Path | str) -> None:
    """Write a configuration with all defaults as YAML."""
    import yaml

    with atomic_path(output) as temporary:
        text = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, width=100)
        temporary.write_text(text, encoding="utf-8")


def schema_text() -> str:
    """JSON schema of the configuration, for editors and workflow catalogues."""
    schema = Config.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def reference_text() -> str:
    """Markdown reference of every key: type, default, meaning."""
    sections: dict[str, str] = {}
    _collect("", Config, sections)
    return "\n".join([_HEADER, *sections.values()])


def _collect(path: str, model: type[BaseModel], sections: dict[str, str], note: str = "") -> None:
    """Add a table for a section and for those within it, each path once."""
    title = f"`{path}`{note}" if path else "Top level"
    if title in sections:
        return
    summary = (model.__doc__ or "").strip().splitlines()[0]
    rows = [
        f"## {title}\n",
        f"{summary}\n",
        "| key | type | default | meaning |",
        "|---|---|---|---|",
    ]
    rows += [_row(name, field) for name, field in model.model_fields.items()]
    sections[title] = "\n".join(rows) + "\n"
    for name, field in model.model_fields.items():
        for below, inner in _within(f"{path}.{name}" if path else name, field.annotation):
            family = inner.model_fields.get("family")
            _collect(
                below,
                inner,
                sections,
                f" with `family: {family.description[1:]}" if family and family.description else "",
            )


def _within(path: str, annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    """Sections that an annotation allows, with their paths."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield path, annotation
        return
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is dict:
        yield from _within(f"{path}.<name>", arguments[1])
    else:
        for argument in arguments:
            yield from _within(path + "[]" * (origin is tuple), argument)


def _row(name: str, field: FieldInfo) -> str:
    if field.is_required():
        default = "required"
    else:
        value = field.get_default(call_default_factory=True)
        default = "see below" if isinstance(value, BaseModel) else f"`{json.dumps(value)}`"
    meaning = (field.description or "").replace("|", "\\|")
    return f"| `{name}` | {_type(field.annotation)} | {default} | {meaning} |"


def _type(annotation: Any) -> str:
    """A type in words."""
    if annotation is None or annotation is type(None):
        return "null"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    simple = {int: "integer", float: "number", str: "text", bool: "true/false", Any: "any"}
    if annotation in simple:
        return simple[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is dict:
        return f"mapping of {_type(arguments[1])}" if arguments[1] is not Any else "mapping"
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return f"list of {_type(arguments[0])}"
        return f"{len(arguments)} x {_type(arguments[0])}"
    if str(origin) == "typing.Literal":
        return " \\| ".join(f"`{value}`" for value in arguments)
    if hasattr(annotation, "__metadata__"):
        return _type(arguments[0])
    return " or ".join(dict.fromkeys(_type(argument) for argument in arguments))
