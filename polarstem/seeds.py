# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeds derived from names, so that no number depends on the order of the work."""

from __future__ import annotations

import hashlib


def derive_seed(*parts: object) -> int:
    """Derive a 31-bit seed from the global seed and the names of what is seeded.

    Parameters
    ----------
    *parts : object
        Anything with a stable ``str``: the global seed, a specimen's name, an epoch.

    Returns
    -------
    int
        A number in [0, 2**31), the same on every machine.
    """
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
