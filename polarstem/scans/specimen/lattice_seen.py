# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a mean pattern is that of the library's crystal, of another, or of none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# A right crystal leaves unexplained 1-3 % of its pattern, and of what is not round a fifth: its
# cations lie elsewhere than those of the library. Both are of simulated specimens.
_OF_ALL = 0.022
_OF_STRUCTURE = 0.27
OWN = 1.0
"""Misfit up to which a pattern is the crystal's."""
OTHER = 1.25
"""Misfit beyond which it is not."""


@dataclass(frozen=True)
class Seen:
    """What a pattern is.

    Attributes
    ----------
    misfit : float
        What the library leaves unexplained over what it may: about 0.7 for its crystal.
    is_crystal : bool or None
        None where it cannot be told.
    sentence : str
        In words.
    """

    misfit: float
    is_crystal: bool | None
    sentence: str


def judge(crystal: float, lattice_free: float, power: float, noise: float = 0.0) -> Seen:
    """Compare what the library leaves unexplained with what a pattern without a lattice does.

    Parameters
    ----------
    crystal : float
        Weighted squared deviations from the best simulated pattern.
    lattice_free : float
        The same from the best pattern without a lattice.
    power : float
        The same from nothing.
    noise : float
        What counting electrons adds to each of the first two.
    """
    left = max(0.0, crystal - noise) / power
    structure = max(0.0, lattice_free - noise) / power
    # doubt of the noise: twice the scatter of a sum of so many squares is about a tenth
    unsure = 0.1 * noise / power
    allowed = _OF_ALL**2 + _OF_STRUCTURE**2 * structure + unsure
    among = left / max(structure + unsure, 1e-12)
    misfit = float(np.sqrt(max(left / allowed, among)))
    told = f"{100 * np.sqrt(crystal / power):.0f} % remain unexplained"
    if misfit <= OWN:
        return Seen(misfit, True, "The mean pattern is that of this crystal.")
    if among >= 1 and structure < max(unsure, left):
        if structure <= unsure and noise > 0 and left <= allowed:
            return Seen(
                misfit,
                None,
                "Too few electrons to tell whether the mean pattern shows a crystal.",
            )
        return Seen(
            misfit,
            False if misfit > OTHER else None,
            "The mean pattern shows no crystal: what a pattern without a lattice can be explains "
            f"it better than the library, of which {told}; vacuum, an amorphous area, or another "
            "crystal.",
        )
    if misfit <= OTHER:
        return Seen(
            misfit,
            None,
            f"It cannot be told whether the mean pattern is that of this crystal: {told}.",
        )
    return Seen(
        misfit,
        False,
        f"The mean pattern is not that of this crystal: {told}. Orientation, material, centre, "
        "mrad per pixel or the linearity of the intensities may be another.",
    )
