# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeds derived from names, so that no number depends on the order of the work."""

from __future__ import annotations

import hashlib


def derive_seed(*parts: object) -> int:
    """Derive a 63-bit seed from the global seed and the names of what is seeded.

    With 31 bits, two of the some hundred thousand blocks and specimens of a run would share their
    random numbers. It fits a signed 64-bit attribute of a file. Numpy's generators and ours take
    it whole, torch's on a CPU its last 32 bits.

    Parameters
    ----------
    *parts : object
        Anything with a stable ``str``: the global seed, a specimen's name, an epoch.

    Returns
    -------
    int
        A number in [0, 2**63), the same on every machine.
    """
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def derive_share(*parts: object) -> float:
    """Derive a number in [0, 1), evenly spread, from the same parts as `derive_seed`."""
    return (derive_seed(*parts) >> 10) / 2**53
