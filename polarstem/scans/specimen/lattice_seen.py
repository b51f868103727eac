# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a mean pattern is that of the library's crystal, of another, or of none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# A right crystal leaves unexplained 1-3 % of its pattern, and of what is not round a fifth: its
# cations lie elsewhere than those of the library. Both are of simulated specimens.
_OF_ALL = 0.022
_OF_STRUCTURE = 0.27
# A sum of squares of noise is known to so much of itself, and a pattern without a lattice fits some
# of it
_SCATTER = 0.15
OWN = 1.0
"""Misfit up to which a pattern is the crystal's."""
OTHER = 1.25
"""Misfit beyond which it is not.

Of simulated KNN (24 mrad): its crystal at 8 to 44 nm, with up to 40 % of its electrons scattered
diffusely, had 0.4 to 1.2; 45 degrees off 1.3 (with 40 % scattered) to 2.2; BaTiO3 and PbTiO3 1.5 to
2.0; KNN along [110] 1.9 to 2.2; intensities to the power of 0.7 and 0.5, 1.3 to 2.2, logarithms 2.5
to 3.3; amorphous 2.0, vacuum 4.6 to 8. The square root of 20 % scattered overlaps: 1.24 to 1.53.
"""


@dataclass(frozen=True)
class Seen:
    """What a pattern is.

    Attributes
    ----------
    misfit : float
        What the library leaves unexplained over what it may: about 0.7 for its crystal.
    is_crystal : bool or None
        None where it cannot be told.
    measurable : bool
        Whether thickness and tilt mean anything.
    sentence : str
        In words.
    """

    misfit: float
    is_crystal: bool | None
    measurable: bool
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
    unsure = _SCATTER * noise / power
    told = f"{100 * np.sqrt(crystal / power):.0f} % remain unexplained"
    among = left / max(structure + unsure, 1e-12)
    misfit = float(np.sqrt(max(left / (_OF_ALL**2 + _OF_STRUCTURE**2 * structure + unsure), among)))
    if structure < unsure:
        sentence = (
            "The mean pattern shows no crystal: within the noise of its electrons it may be that "
            "of vacuum or of an amorphous area."
        )
        return Seen(misfit, None, False, sentence)
    if misfit <= OWN:
        return Seen(misfit, True, True, "The mean pattern is that of this crystal.")
    if misfit <= OTHER:
        sentence = f"It cannot be told whether the mean pattern is that of this crystal: {told}."
        return Seen(misfit, None, True, sentence)
    if among >= 1:
        sentence = (
            "The mean pattern shows no crystal of this library: what a pattern without a lattice "
            f"can be explains it better, as {told}; vacuum, an amorphous area or another crystal."
        )
        return Seen(misfit, False, False, sentence)
    sentence = (
        f"The mean pattern is not that of this crystal: {told}. Orientation, material, centre, "
        "mrad per pixel or the linearity of the intensities may be another."
    )
    return Seen(misfit, False, False, sentence)
