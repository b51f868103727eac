# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the files that come with the package lie: crystals, templates, the standard benchmark."""

from __future__ import annotations

import site
import sys
from pathlib import Path

CLONE = Path(__file__).resolve().parent.parent
"""The repository that the package is run from, if it is not installed."""


def shipped(name: str) -> Path:
    """Path of a file or folder: in the clone, or where ``pip install`` puts it.

    Parameters
    ----------
    name : str
        As in the repository: ``config.yaml``, ``resources/crystals.yaml``.

    Returns
    -------
    Path
        Of the clone where it is nowhere, so that what is said of it names a place.
    """
    places = [CLONE] if (CLONE / "Snakefile").is_file() else []
    places += [Path(base) / "share" / "polarstem" for base in (sys.prefix, site.getuserbase())]
    return next((place / name for place in places if (place / name).exists()), CLONE / name)
