# SPDX-License-Identifier: GPL-3.0-or-later
"""What a specimen's crystal is drawn from, with a gap between training and test crystals.

A crystal that repeats in the plane and rests is a few numbers: an amplitude, and a composition
where a mixed site is averaged. Drawn anywhere in their ranges, a test crystal soon stands beside
one that was trained on. So one of them, the composition where it varies and the amplitude where it
does not, keeps the splits apart: test crystals lie in the middle of its range, those of training
and validation at both ends, and nothing between. The other takes its whole range in every split.

Draws are points of an additive recurrence with the inverse plastic number and its square as steps
(M. Roberts, "The unreasonable effectiveness of quasirandom sequences", 2018): any number of first
points lies evenly in the plane, and none moves when more are asked for.
"""

from __future__ import annotations

import math
from typing import Literal

from polarstem.config.model import Config, known_material
from polarstem.config.physics import Structures
from polarstem.seeds import derive_share
from polarstem.structures.recipes import b_order
from polarstem.structures.variants import PolarClass, classes

Direction = tuple[float, float, float]
"""Unit vector on the screen: to the right, up, and along the beam."""

INNER, OUTER = 0.1, 0.9
"""Test crystals end here, and all others begin, as shares of half the range that parts them."""

_PLASTIC = 1.32471795724474602596
_STEPS = {"composition": 1 / _PLASTIC, "amplitude": 1 / _PLASTIC**2}


def random_site(structures: Structures) -> Literal["a_site", "b_site"] | None:
    """Site whose cations stand at random, so that the crystal does not repeat; None without one."""
    if structures.a_site == "random":
        return "a_site"
    if b_order(structures.a_site, structures.b_site) == "virtual":
        return None
    material = known_material(structures)
    return "b_site" if material and len(material.b_site) > 1 else None


def rests(config: Config, specimen_set: str) -> bool:
    """Whether the crystals of a set differ by numbers alone, without an order or motion."""
    phonons = config.simulate_of(specimen_set).phonons.configurations
    return random_site(config.structures_of(specimen_set)) is None and not phonons


def composition_varies(config: Config, specimen_set: str) -> bool:
    """Whether the specimens of a set draw the composition of an averaged site."""
    structures = config.structures_of(specimen_set)
    if not structures.composition_spread:
        return False
    material = known_material(structures)
    if material is None or material.varied_site == "a_site":
        return structures.a_site == "virtual"
    return b_order(structures.a_site, structures.b_site) == "virtual"


def drawn_crystal(
    config: Config, specimen_set: str, split: str, polar_class: PolarClass, index: int
) -> tuple[float, float | None]:
    """Draw the amplitude and composition of a specimen.

    A test specimen of every class draws its own; in the other splits the classes share them, so
    that they differ by turns and one scattering matrix serves them all. A paired set draws as its
    pair.

    Returns
    -------
    amplitude : float
        Factor on the polar displacements.
    drawn_share : float or None
        Share of the first element of the varied site; None where the material's own holds.
    """
    structures = config.structures_of(specimen_set)
    pair = config.specimens[specimen_set].paired_with or specimen_set
    if split == "test":
        every = classes(structures.phase, structures.zone_axis, end_on=True)
        number = index * len(every) + polar_class.index
    else:  # one sequence in both directions, so that the two splits do not meet
        number = index if split == "train" else -1 - index
    amplitude = structures.amplitude
    if structures.amplitude_spread:
        place = _place(config, pair, split, "amplitude", number)
        amplitude = round(amplitude * (1 + structures.amplitude_spread * place), 6)
    if not composition_varies(config, specimen_set):
        return amplitude, None
    place = _place(config, pair, split, "composition", number)
    share = _own_share(config, specimen_set) + structures.composition_spread * place
    return amplitude, round(share, 4)


def drawn_direction(
    config: Config, specimen_set: str, polar_class: PolarClass, *specimen: object
) -> Direction:
    """Draw where a polar vector points: to the right, up, and along the beam.

    Evenly over the sphere, as far as the direction in which it is seen is nearer to that of the
    class than to that of any other.

    Parameters
    ----------
    config : Config
    specimen_set : str
        Its set; a paired set draws as its pair.
    polar_class : PolarClass
        Its class.
    *specimen
        What tells it from others of its set.
    """
    structures = config.structures_of(specimen_set)
    table = classes(structures.phase, structures.zone_axis)
    others = sorted((c.direction_deg - polar_class.direction_deg) % 360 for c in table)[1:]
    before, after = (others[-1] - 360) / 2, others[0] / 2
    pair = config.specimens[specimen_set].paired_with or specimen_set
    around, along = (
        derive_share(config.seed, pair, *specimen, "direction", part) for part in range(2)
    )
    seen = math.radians(polar_class.direction_deg + before + (after - before) * around)
    beam = 2 * along - 1
    across = math.sqrt(1 - beam**2)
    return (
        round(across * math.cos(seen), 6),
        round(across * math.sin(seen), 6),
        round(beam, 6),
    )


def mean_crystals(
    config: Config, specimen_set: str, count: int
) -> list[tuple[float, float | None]]:
    """Amplitudes and compositions that stand for all test crystals of a set.

    The nodes of Gauss and Legendre: the mean over two of them is that over all amplitudes of the
    range, for whatever is a cubic function of the amplitude. The composition is that of the middle.
    """
    structures = config.structures_of(specimen_set)
    pair = config.specimens[specimen_set].paired_with or specimen_set
    half = structures.amplitude_spread * (INNER if parting(config, pair) == "amplitude" else 1)
    nodes = [0.0] if count == 1 or not half else [-(3**-0.5), 3**-0.5]
    share = None
    if composition_varies(config, specimen_set):
        share = round(_own_share(config, specimen_set), 4)
    return [(round(structures.amplitude * (1 + half * node), 6), share) for node in nodes]


def parting(config: Config, specimen_set: str) -> str | None:
    """What keeps the splits of a set apart; None where each specimen has an order or motion."""
    if composition_varies(config, specimen_set):
        return "composition"
    return "amplitude" if rests(config, specimen_set) else None


def _place(config: Config, pair: str, split: str, what: str, number: int) -> float:
    """Where in its range, from -1 to 1, a specimen's number lies."""
    tested = split == "test"
    start = derive_share(config.seed, pair, "test" if tested else "train", what)
    place = 2 * ((start + number * _STEPS[what]) % 1) - 1
    if parting(config, pair) != what:
        return place
    if tested:
        return INNER * place
    return (OUTER if place >= 0 else -OUTER) + (1 - OUTER) * place


def _own_share(config: Config, specimen_set: str) -> float:
    return config.material_of(specimen_set).varied_share
