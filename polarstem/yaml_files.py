# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading YAML files of any origin: plain data only, and no more of it than there should be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from polarstem.errors import PolarstemError, reason_of

LARGEST_BYTES = 4_000_000
MOST_VALUES = 200_000
"""Values in a file, each alias counted as what it stands for."""
_DEEPEST = 100


def read_yaml(path: Path | str, what: str) -> Any:
    """Read plain data from a YAML file.

    Parameters
    ----------
    path : path
        The file.
    what : str
        What it is, for messages: "The configuration".

    Returns
    -------
    object
        Mappings, lists and plain values; None if the file is empty.

    Raises
    ------
    PolarstemError
        If it cannot be read, is no YAML, is larger than `LARGEST_BYTES`, holds more than
        `MOST_VALUES`, more than plain data, or a key twice.
    """
    try:
        with Path(path).open("rb") as file:  # of a device there is no end
            data = file.read(LARGEST_BYTES + 1)
        if len(data) > LARGEST_BYTES:
            raise ValueError(f"it is larger than {LARGEST_BYTES // 10**6} MB")
        loader = yaml.SafeLoader(data.decode("utf-8"))
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _refuse_twice(node)
            if trouble := excess(node):
                raise ValueError(trouble)
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except RecursionError:
        reason = f"it is nested more than {_DEEPEST} levels deep"
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        reason = f"{error.problem or error.context}{place}"
    except UnicodeDecodeError as error:
        reason = f"it is no text in UTF-8 from byte {error.start} on"
    # a date such as 2020-99-99 is a ValueError, an empty number an IndexError
    except (OSError, yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = reason_of(error)
    raise PolarstemError(f"{what} {path} cannot be read: {reason}.")


def excess(data: Any) -> str:
    """Why nested data, or the nodes of a YAML file, are too much to work on; empty if they are not.

    An alias can make a few lines of YAML stand for more values than there are atoms. It is one
    object that is met many times, so that counting needs no more time than the file is long.
    """
    sizes: dict[int, int] = {}
    try:
        size = _size(data, sizes, 0)
    except RecursionError:
        return f"it is nested more than {_DEEPEST} levels deep, or holds itself"
    if size > MOST_VALUES:
        return f"it holds more than {MOST_VALUES:,} values, with its aliases written out"
    return ""


def _size(data: Any, sizes: dict[int, int], depth: int) -> int:
    parts = _parts(data)
    if parts is None:
        return 1
    if depth > _DEEPEST:
        raise RecursionError
    if id(data) not in sizes:
        sizes[id(data)] = 1 + sum(_size(part, sizes, depth + 1) for part in parts)
    return sizes[id(data)]


def _parts(data: Any) -> Iterable[Any] | None:
    """What nested data or a node consists of; None if it is a single value."""
    if isinstance(data, yaml.CollectionNode):
        pairs = isinstance(data, yaml.MappingNode)
        return (part for pair in data.value for part in pair) if pairs else data.value
    if isinstance(data, Mapping):
        return data.values()
    return data if isinstance(data, list | tuple | set) else None


def _refuse_twice(node: yaml.Node) -> None:
    """YAML lets the last of equal keys win, and nobody sees that the first says nothing."""
    waiting, seen = [node], set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, yaml.MappingNode):
            lines: dict[tuple[str, str], int] = {}
            for key, value in each.value:
                waiting += [key, value]
                if not isinstance(key, yaml.ScalarNode):
                    continue
                name, line = (key.tag, key.value), key.start_mark.line + 1
                if name in lines:
                    raise ValueError(f"{key.value!r} stands in lines {lines[name]} and {line}")
                lines[name] = line
        elif isinstance(each, yaml.SequenceNode):
            waiting += each.value
