# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m polarstem.licences`: the locked dependencies and their licences, as a page."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, metadata

from polarstem.files import atomic_path
from polarstem.shipped_files import CLONE

PAGE = CLONE / "docs" / "licences.md"
_UNKNOWN = "not installed where this was written"
_HEAD = """# Locked dependencies and their licences

What `requirements.lock` installs, with the licence that each package states of itself. Written by
`python -m polarstem.licences` after the lock has changed.

| package | version | licence |
|---|---|---|
"""


def locked() -> dict[str, str]:
    """Versions of the locked packages, by name."""
    text = (CLONE / "requirements.lock").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==([^ \n]+)", text, re.MULTILINE))


def licence_of(package: str) -> str:
    """What an installed package says of its licence: an expression, classifiers, or a line."""
    try:
        about = metadata(package)
    except PackageNotFoundError:
        return _UNKNOWN
    classifiers = about.get_all("Classifier") or []
    told = [c.rpartition(" :: ")[2] for c in classifiers if c.startswith("License :: OSI")]
    one = {key: about[key] for key in ("License", "License-Expression") if key in about}
    line = one.get("License", "").strip().split("\n")[0]
    short = line if 0 < len(line) <= 60 else ""
    found = one.get("License-Expression") or ", ".join(told) or short or "see its LICENSE file"
    return found.replace("|", "/")


def page() -> str:
    """The page."""
    rows = [f"| {name} | {version} | {licence_of(name)} |" for name, version in locked().items()]
    return _HEAD + "\n".join(rows) + "\n"


def main() -> None:
    """Write the page."""
    with atomic_path(PAGE) as path:
        path.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
