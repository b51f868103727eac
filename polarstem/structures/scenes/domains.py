# SPDX-License-Identifier: GPL-3.0-or-later
"""Domains of a scene and the walls between them.

Places are relative to the scene's origin, x right, y up, z along the beam [Å].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarstem.structures.polar_mode import PolarMode, displacements
from polarstem.structures.polar_vector import screen_rotation
from polarstem.structures.scenes.recipe import SceneRecipe, angle_between
from polarstem.structures.templates import polarization

Floats = NDArray[np.float64]
_FAR = 1e4  # Å, beyond any field
_NEUTRAL = 0.05  # of the polarization: bound charge of a wall that counts as none


@dataclass(frozen=True)
class Wall:
    """A wall, or a piece of one.

    Attributes
    ----------
    domains : tuple of int
        The domains on its first and second side.
    ends : ndarray, shape (2, 2)
        x and y of its ends at half the thickness [Å].
    normal : ndarray, shape (3,)
        Unit vector from the first to the second domain.
    overlap : float
        Width of the band where both domains lie on top of one another [Å].
    """

    domains: tuple[int, int]
    ends: Floats
    normal: Floats
    overlap: float = 0.0


@dataclass(frozen=True)
class Domains:
    """What is polarized how.

    Attributes
    ----------
    recipe : SceneRecipe
        The scene.
    walls : tuple of Wall
        Where two domains meet.
    shares : callable
        Share of each template, shape (n, template), at places of shape (n, 3). Across a wall those
        of its domains cross over as tanh; around the core of a vortex their sum goes to zero.
    aside : tuple of ndarray, shape (3,)
        Unit vectors along the screen axes. The polar mode along each is a template more, after
        those of the domains, by which the polarization turns off their axes.
    """

    recipe: SceneRecipe
    walls: tuple[Wall, ...]
    shares: Callable[[Floats], Floats]
    aside: tuple[Floats, ...] = ()

    @property
    def templates(self) -> Floats:
        """Displacements of the sites along the screen axes, shape (template, 5, 3) [Å]."""
        found: Floats = self._along_cubic_axes() @ screen_rotation(self.recipe.zone_axis).T
        return found

    @property
    def displacements_pm(self) -> Floats:
        """Displacement of B against its oxygens in each template, shape (template, 3) [pm]."""
        found: Floats = 100 * (self.templates[:, 1] - self.templates[:, 2:].mean(axis=1))
        return found

    @property
    def polarization(self) -> Floats:
        """Polarization of each template, (template, 3) [µC/cm^2]; nan without Born charges."""
        recipe = self.recipe
        volume = recipe.cell**3
        found = [polarization(recipe.material, u, volume) for u in self._along_cubic_axes()]
        return np.array(found) @ screen_rotation(recipe.zone_axis).T

    @property
    def polar_vectors(self) -> Floats:
        """What tells directions and signs: polarization, or else B against its oxygens [Å]."""
        if self.recipe.material.born_charges is not None:
            return self.polarization
        return self.displacements_pm / 100

    def _along_cubic_axes(self) -> Floats:
        recipe = self.recipe
        found = [
            displacements(recipe.material, recipe.phase, variant)
            for variant in recipe.domain_variants
        ]
        if self.aside:
            mode = PolarMode.of(recipe.material, recipe.phase)
            cubic = np.array(self.aside) @ screen_rotation(recipe.zone_axis)
            found += [mode.displacements(mode.full_pm * axis) for axis in cubic]
        return recipe.amplitude * np.array(found)

    def described(self, wall: Wall) -> dict[str, Any]:
        """What a wall is, as plain values: its angle, that of the projections, its charge."""
        members = [self.recipe.domain_classes[i] for i in wall.domains]
        first, second = (self.polar_vectors[i] for i in wall.domains)
        charge = float((first - second) @ wall.normal)
        known = self.recipe.material.born_charges is not None
        sort = "head_to_head" if charge > 0 else "tail_to_tail"
        if abs(charge) <= _NEUTRAL * np.linalg.norm(first):
            sort = "neutral"
        angle = round(angle_between(*(self.recipe.domain_variants[i] for i in wall.domains)))
        apart = members[0].direction_deg - members[1].direction_deg
        return {
            "name": f"{members[0].name}-{members[1].name}, {angle} degrees, {sort}",
            "domains": list(wall.domains),
            "angle_deg": abs((apart + 180) % 360 - 180),
            "angle_in_space_deg": angle,
            "charge": sort,
            "bound_charge_uC_cm2": charge if known else None,
            "width_nm": self.recipe.wall_width_nm,
            "overlap_nm": wall.overlap / 10,
        }


def lay_out(recipe: SceneRecipe) -> Domains:
    """Lay out the domains of a scene."""
    match recipe.kind:
        case "four_domains":
            return _quadrants(recipe)
        case "vortex":
            return _vortex(recipe)
        case "gradient":
            return _gradient(recipe)
        case "monoclinic":
            return _monoclinic(recipe)
        case kind if kind.startswith("wall_"):
            return _two_sides(recipe)
    return Domains(recipe, (), lambda places: np.ones((len(places), 1)))


def _risen(distance: Floats, recipe: SceneRecipe) -> Floats:
    """Share of what lies on the positive side of a wall."""
    return (1 + np.tanh(2 * distance / (10 * recipe.wall_width_nm))) / 2


def _quadrants(recipe: SceneRecipe) -> Domains:
    def shares(places: Floats) -> Floats:
        right, up = _risen(places[:, 0], recipe), _risen(places[:, 1], recipe)
        left, down = 1 - right, 1 - up
        return np.stack([right * up, left * up, left * down, right * down], axis=1)

    centre = np.zeros(2)
    outward = np.array([(0, 1), (-1, 0), (0, -1), (1, 0)], float)
    walls = []
    for first, direction in enumerate(outward):
        # counter-clockwise from the first to the second
        normal = np.array([-direction[1], direction[0], 0.0])
        ends = np.stack([centre, _FAR * direction])
        walls.append(Wall((first, (first + 1) % 4), ends, normal))
    return Domains(recipe, tuple(walls), shares)


def _two_sides(recipe: SceneRecipe) -> Domains:
    """One wall through the origin, turned about the beam by its bound charge.

    With P1 - P2 across the normal the wall is neutral; with the projection of P1 - P2 along that of
    the normal it is head-to-head. In a Bloch or Néel wall the polarization keeps its length: what
    lacks along the axis of its domains goes along the wall's plane, or along its normal.
    """
    variants = np.array(recipe.domain_variants, float)
    first, second = variants @ screen_rotation(recipe.zone_axis).T
    jump = first - second
    slant = math.radians(recipe.inclination_deg) if recipe.kind == "wall_inclined" else 0.0
    # a slanted wall stays neutral only if it turns with what P1 - P2 has along the beam
    ratio = math.tan(slant) * jump[2] / math.hypot(jump[0], jump[1])
    across_jump = math.acos(min(max(-ratio, -1.0), 1.0))
    angle = math.atan2(jump[1], jump[0])
    angle += {"neutral": across_jump, "head_to_head": 0.0, "tail_to_tail": math.pi}[recipe.charge]
    across = np.array([math.cos(angle), math.sin(angle)])
    normal = np.array([*(math.cos(slant) * across), math.sin(slant)])
    along = np.array([-across[1], across[0]])

    aside = {"wall_bloch": np.cross(first / np.linalg.norm(first), normal), "wall_neel": normal}
    turning = [aside[recipe.kind]] if recipe.kind in aside else []

    def shares(places: Floats) -> Floats:
        risen = _risen(places @ normal, recipe)
        rest = [np.sqrt(1 - (2 * risen - 1) ** 2)] * len(turning)
        return np.stack([1 - risen, risen, *rest], axis=1)

    overlap = recipe.field[2] * recipe.lengths[2] * math.tan(slant)
    wall = Wall((0, 1), np.stack([-_FAR * along, _FAR * along]), normal, overlap)
    return Domains(recipe, (wall,), shares, tuple(turning))


def _gradient(recipe: SceneRecipe) -> Domains:
    """From nothing at the first scanned cell to all at the last, along the crystal's x axis."""
    length = recipe.cells[0] * recipe.lengths[0]

    def shares(places: Floats) -> Floats:
        return np.clip(places[:, :1] / length + 0.5, 0, 1)

    return Domains(recipe, (), shares)


def _monoclinic(recipe: SceneRecipe) -> Domains:
    """A domain whose polar axis is turned about the beam, off that of its class."""
    seen = math.radians(recipe.domain_classes[0].direction_deg)
    turn = math.radians(recipe.turned_deg)
    share = np.array([[math.cos(turn), math.sin(turn)]])
    aside = np.array([-math.sin(seen), math.cos(seen), 0.0])
    return Domains(recipe, (), lambda places: np.repeat(share, len(places), axis=0), (aside,))


def _vortex(recipe: SceneRecipe) -> Domains:
    """The polarization runs around the origin: the two nearest classes share each direction."""
    directions = np.radians([c.direction_deg for c in recipe.domain_classes])
    count = len(directions)
    spacing = 2 * math.pi / count

    def shares(places: Floats) -> Floats:
        wanted = np.arctan2(places[:, 1], places[:, 0]) + math.pi / 2
        apart = np.angle(np.exp(1j * (wanted[:, None] - directions)))
        core = np.tanh(2 * np.hypot(places[:, 0], places[:, 1]) / (10 * recipe.wall_width_nm))
        return np.clip(1 - np.abs(apart) / spacing, 0, None) * core[:, None]

    walls = []
    for first in range(count):
        angle = directions[first] + spacing / 2 - math.pi / 2
        outward = np.array([math.cos(angle), math.sin(angle)])
        normal = np.array([-outward[1], outward[0], 0.0])
        ends = np.stack([np.zeros(2), _FAR * outward])
        walls.append(Wall((first, (first + 1) % count), ends, normal))
    return Domains(recipe, tuple(walls), shares)
