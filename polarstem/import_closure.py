# SPDX-License-Identifier: GPL-3.0-or-later
"""What a script rests on: itself and all modules of the package that it imports.

The workflow keeps a digest of it as a parameter of each rule, so that an edit reruns the stages
that import the edited module and no others. Comments, docstrings and layout do not count: they
change no result.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

PACKAGE = "polarstem"

# They word messages and label files; no number rests on them.
WITHOUT = frozenset({"polarstem.errors", "polarstem.logs", "polarstem.provenance"})


def digest_of(script: Path, modules: Sequence[str] = ()) -> str:
    """Digest of a script and of the modules that it imports, directly or not.

    Parameters
    ----------
    script : path
        A file of ``workflow/scripts``, beside the package's folder two levels up.
    modules : sequence of str
        Further modules, which it imports by names that are made at run time.

    Returns
    -------
    str
        16 hexadecimal digits. Two states of the code that differ in comments, docstrings or layout
        alone have the same ones.
    """
    root = script.resolve().parents[2]
    closure = hashlib.sha256(_read(script)[0].encode())
    for path in modules_of(script, modules):
        name = path.relative_to(root).as_posix()
        closure.update(f"{name} {_read(path)[0]}".encode())
    return closure.hexdigest()[:16]


def modules_of(script: Path, modules: Sequence[str] = ()) -> list[Path]:
    """Files of the package that a script imports, directly or not, sorted.

    Imports within functions count; those for type checkers alone do not, nor does the
    initialisation of a package of which only a module is taken.
    """
    root = script.resolve().parents[2]
    found: set[Path] = set()
    todo = [*_read(script)[1], *modules]
    while todo:
        path = _file_of(root, todo.pop())
        if path is not None and path not in found:
            found.add(path)
            todo += _read(path)[1]
    return sorted(found)


@cache
def _file_of(root: Path, name: str) -> Path | None:
    """File of a module, or of the module that holds a name; None where it does not count."""
    if name in WITHOUT or name.rpartition(".")[0] in WITHOUT:
        return None
    base = root.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.exists():
            return path
    parent = name.rpartition(".")[0]
    return _file_of(root, parent) if parent else None


@cache
def _read(path: Path) -> tuple[str, tuple[str, ...]]:
    """Digest of a file without its comments and docstrings, and the names that it imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    names = tuple(dict.fromkeys(_imported(tree)))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            body[0] = ast.Pass()
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), names


def _imported(node: ast.AST) -> Iterator[str]:
    """Names within the package that are imported below a node."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and _name_of(child.test) == "TYPE_CHECKING":
            yield from (name for other in child.orelse for name in _imported(other))
        elif isinstance(child, ast.ImportFrom) and (child.module or "").startswith(PACKAGE):
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif isinstance(child, ast.Import):
            yield from (a.name for a in child.names if a.name.split(".")[0] == PACKAGE)
        else:
            yield from _imported(child)


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _name_of(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
