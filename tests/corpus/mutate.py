# SPDX-License-Identifier: GPL-3.0-or-later
"""Random damage to nested data, to texts and to bytes."""

from __future__ import annotations

import copy
import random
import string
from collections.abc import Callable, Iterator
from typing import Any

import yaml

Path = tuple[Any, ...]

SCRIPT = "<script>alert(1)</script>"
NAMES = (
    *("", " ", "..", "../../outside", "/etc/passwd", "a/b", "C:\\x", "-rf", "a b", "$(id)"),
    *(SCRIPT, '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "{name}", "%s", "\n", "a\nb: c"),
    *("a\0b", "\x1b[31m", "\u202eabc", "é" * 60, "名" * 200, "x" * 300, "x" * 100_000, "NaN"),
)
NUMBERS = (
    *(0, -1, 1, 2, -0.0, 1e-320, 1e308, -1e308, 10**12, 10**30, -(10**30), 10**400, 2**31, 2**63),
    *(float("nan"), float("inf"), float("-inf"), 0.1, 1e-9, 3.5, 65536, 100_001),
)
OTHERS: tuple[Any, ...] = (
    *(None, True, False, [], {}, [[]], [None], {"": None}, {1: 2}, {None: 1}, [0, 0], [1, 2, 3]),
    *("5 nm", "5 furlong", "1e3", "auto", "none", "yes", "2020-13-45", "0x10", "1:30:00"),
    *([{}], {"a": {"b": {"c": []}}}, list(range(1000)), ["x"] * 1000, b"\0\xff"),
)


def anything(rng: random.Random) -> Any:
    """Some value that hardly belongs anywhere."""
    pool: tuple[Any, ...] = rng.choice((NAMES, NUMBERS, NUMBERS, OTHERS))
    return copy.deepcopy(rng.choice(pool))


def places(data: Any, path: Path = ()) -> Iterator[Path]:
    """Paths of everything within nested mappings and lists, outermost first."""
    if path:
        yield path
    inside = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in inside:
        yield from places(value, (*path, key)) if isinstance(value, dict | list) else [(*path, key)]


def at(data: Any, path: Path) -> Any:
    """What stands at a path."""
    for key in path:
        data = data[key]
    return data


def _replace(data: Any, path: Path, rng: random.Random) -> str:
    value = anything(rng)
    at(data, path[:-1])[path[-1]] = value
    return f"{path} = {value!r:.60}"


def _scale(data: Any, path: Path, rng: random.Random) -> str:
    """Another number in its place: huge, tiny, negative."""
    value = at(data, path)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return _replace(data, path, rng)
    factor = rng.choice((-1, 0, 1e-6, 0.01, 1.5, 100, 10_000, 1e9, 1e200))
    try:
        new = type(value)(value * factor)
    except (OverflowError, ValueError):
        new = 10**300
    at(data, path[:-1])[path[-1]] = new
    return f"{path} * {factor}"


def _drop(data: Any, path: Path, rng: random.Random) -> str:
    del at(data, path[:-1])[path[-1]]
    return f"{path} dropped"


def _rename(data: Any, path: Path, rng: random.Random) -> str:
    holder, key = at(data, path[:-1]), path[-1]
    if not isinstance(holder, dict):
        return _drop(data, path, rng)
    letters = list(str(key))
    rng.shuffle(letters)
    new = rng.choice((str(key).upper(), f"{key}s", "".join(letters), *NAMES, 7, None, 1.5, True))
    holder[new] = holder.pop(key)
    return f"{path} renamed {new!r:.60}"


def _graft(data: Any, path: Path, rng: random.Random) -> str:
    """A part of the same file where another was."""
    other = rng.choice(list(places(data)))
    at(data, path[:-1])[path[-1]] = copy.deepcopy(at(data, other))
    return f"{other} put at {path}"


def _nest(data: Any, path: Path, rng: random.Random) -> str:
    holder, key = at(data, path[:-1]), path[-1]
    depth = rng.choice((1, 2, 40))
    for _ in range(depth):
        holder[key] = rng.choice(([holder[key]], {"x": holder[key]}, {key: holder[key]}))
    return f"{path} nested {depth} times"


def _empty(data: Any, path: Path, rng: random.Random) -> str:
    holder, key = at(data, path[:-1]), path[-1]
    holder[key] = type(holder[key])() if isinstance(holder[key], dict | list | str) else None
    return f"{path} emptied"


def _repeat(data: Any, path: Path, rng: random.Random) -> str:
    holder, key = at(data, path[:-1]), path[-1]
    if isinstance(holder, dict):
        holder[f"{key}_2"] = copy.deepcopy(holder[key])
    else:
        holder.insert(0, copy.deepcopy(holder[key]))
    return f"{path} twice"


_DAMAGE: tuple[Callable[[Any, Path, random.Random], str], ...] = (
    *(_replace, _replace, _replace, _scale, _scale, _drop, _rename, _graft, _nest, _empty, _repeat),
)


def damaged(data: Any, rng: random.Random, most: int = 3) -> tuple[Any, str]:
    """A copy of nested data with a few things wrong, and what these are."""
    data, told = copy.deepcopy(data), []
    for _ in range(rng.randint(1, most)):
        found = list(places(data))
        if not found:
            break
        told.append(rng.choice(_DAMAGE)(data, rng.choice(found), rng))
    return data, "; ".join(told)


def as_yaml(data: Any) -> str:
    """The text of nested data, whatever is in it."""
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False)


BOMB = "\n".join(
    ["a: &a [x, x, x, x, x, x, x, x, x]"]
    + [f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}]"
       for a, b in zip("abcdefghijk", "bcdefghijkl", strict=True)]
)  # fmt: skip
MERGE_BOMB = "\n".join(
    ["a: &a {x: 1, y: 2}"]
    + [f"{b}: &{b} {{<<: [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}]}}"
       for a, b in zip("abcdefghijk", "bcdefghijkl", strict=True)]
)  # fmt: skip
TEXTS = (
    *("", " ", "\n", "---\n", "--- a\n--- b\n", "null", "[]", "7", "x", "{", "}", "a: b: c", "\t"),
    *("a: !!python/object/apply:os.system ['touch outside']", "!!python/name:os.system", "? [a]\n"),
    *("a: !!timestamp 2020-99-99", "a: !!int x", "a: !!float y", "a: !!binary '*'", "a: !!set [1]"),
    *("a: &a [*a]", "&a {b: *a}", "a: *unknown", "<<: 1", "<<: [1]", "a: " + "9" * 5000),
    *("[" * 3000, "{a: " * 3000, "- " * 3000 + "x", "a: '\\uD800'", 'a: "\\0"', "a: \0"),
    *("%YAML 9.9", "a: +"),
    *("\ufeffa: 1", "a: \x85", "é: 1", "? {a: 1}\n: 2", "1: 2", "null: 1", "true: 1", "0x7f: 1"),
    *(BOMB, MERGE_BOMB, "x: " + "y" * 2_000_000, "a: [" + "1, " * 200_000 + "1]"),
    *("a: !!omap [1]", "a: !!pairs [1]", "a: 2020-01-01", "a: 12:30:99", "a: 1_0_0", "a: ."),
    *("%TAG ! tag:yaml.org,2002:python/\n--- !object/apply:os.getcwd []", "a: !!null x", "a: !x"),
)  # fmt: skip


def damaged_text(text: str, rng: random.Random) -> tuple[bytes, str]:
    """The bytes of a text with something wrong, and what that is."""
    lines = text.splitlines(keepends=True)
    place = rng.randrange(len(lines))
    match rng.randrange(8):
        case 0:
            return text[: rng.randrange(len(text))].encode(), "cut"
        case 1:
            return "".join(lines[:place] + [lines[place]] * 2 + lines[place + 1 :]).encode(), (
                f"line {place} twice"
            )
        case 2:
            return "".join(lines[:place] + lines[place + 1 :]).encode(), f"no line {place}"
        case 3:
            return "".join([*lines[:place], "\t", *lines[place:]]).encode(), (
                f"a tab before line {place}"
            )
        case 4:
            letter = rng.choice(string.punctuation + "\0\x07\n é\u2028")
            spot = rng.randrange(len(text))
            return (text[:spot] + letter + text[spot:]).encode(), f"{letter!r} at {spot}"
        case 5:
            return damaged_bytes(text.encode(), rng)
        case 6:
            whole = rng.choice(TEXTS)
            return whole.encode("utf-8", "surrogatepass"), f"{whole:.60}"
        case _:
            whole = rng.choice(TEXTS)
            return (text + "\n" + whole).encode("utf-8", "surrogatepass"), f"and {whole:.60}"


def damaged_bytes(data: bytes, rng: random.Random, header: int = 4096) -> tuple[bytes, str]:
    """Bytes with something wrong, mostly in the header, and what that is."""
    body = bytearray(data)
    if not body:
        return b"\0", "a byte where there was none"
    size, top = len(body), min(len(body), header)
    spot = rng.randrange(top) if rng.random() < 0.8 else rng.randrange(size)
    match rng.randrange(10):
        case 0:
            keep = rng.choice((0, 1, 3, 16, size // 3, size // 2, size - 1, rng.randrange(size)))
            return bytes(body[:keep]), f"cut to {keep} of {size} bytes"
        case 1:
            more = rng.choice((1, 7, 512, 4096))
            return bytes(body) + rng.randbytes(more), f"{more} bytes more"
        case 2 | 3:
            for _ in range(rng.choice((1, 1, 4, 32))):
                spot = rng.randrange(top) if rng.random() < 0.8 else rng.randrange(size)
                body[spot] ^= 1 << rng.randrange(8)
            return bytes(body), "bits flipped"
        case 4 | 5:
            width = rng.choice((2, 4, 8))
            word = rng.choice((0, 1, 2, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**63 - 1, 2**40))
            spot = spot // width * width
            coded = (word % 256**width).to_bytes(width, rng.choice(("little", "big")))
            body[spot : spot + width] = coded
            return bytes(body), f"{word:#x} in {width} bytes at {spot}"
        case 6:
            length = rng.choice((8, 64, 512))
            body[spot : spot + length] = bytes(min(length, size - spot))
            return bytes(body), f"zeros at {spot}"
        case 7:
            length = rng.choice((1, 4, 64))
            del body[spot : spot + length]
            return bytes(body), f"{length} bytes left out at {spot}"
        case 8:
            body[spot:spot] = rng.randbytes(rng.choice((1, 4, 64)))
            return bytes(body), f"bytes put in at {spot}"
        case _:
            digits = [i for i in range(size) if 48 <= body[i] <= 57]
            if not digits:
                return rng.randbytes(size), "noise"
            spot = rng.choice(digits[:400])
            new = rng.choice((b"0", b"-", b"9999999999", b"x", b"", b"1e9", b"\0", b"."))
            body[spot : spot + 1] = new
            return bytes(body), f"{new!r} for a digit at {spot}"
