# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a file came from: config hash, versions, code state."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from typing import Any

import polarstem
from polarstem.shipped_files import CLONE

_PACKAGES = (
    *("abtem", "ase", "lightning", "numpy", "scikit-learn"),
    *("snakemake", "timm", "torch", "xarray"),
)


@cache
def versions() -> dict[str, str]:
    """Versions of Python, this package and the libraries the results rest on."""
    found = {"python": platform.python_version(), "polarstem": polarstem.__version__}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@cache
def git_commit() -> str:
    """The commit of the code, with "-dirty" appended if files differ, or "unknown"."""
    if not (CLONE / ".git").exists():
        return "unknown"
    try:
        describe = subprocess.run(
            ["git", "-C", str(CLONE), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return describe.stdout.strip()


def config_hash(section: Mapping[str, Any]) -> str:
    """Hash a config section, whatever the order of its keys."""
    text = json.dumps(section, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def provenance(section: Mapping[str, Any], **extra: object) -> dict[str, str]:
    """Attributes that say how a file was made, safe for netCDF and JSON.

    Parameters
    ----------
    section : mapping
        The settings that the file depends on.
    **extra : object
        Further facts, such as a seed.

    Returns
    -------
    dict of str to str
        ``Conventions``, ``config_hash``, ``config`` (JSON), ``git_commit``, ``versions`` (JSON)
        and the extra facts.
    """
    return {
        "Conventions": "CF-1.11",
        "source": "polarstem",
        "config_hash": config_hash(section),
        "config": json.dumps(section, sort_keys=True, default=str),
        "git_commit": git_commit(),
        "versions": json.dumps(versions(), sort_keys=True),
        **{key: str(value) for key, value in extra.items()},
    }
