# SPDX-License-Identifier: GPL-3.0-or-later
"""Building scenes: a perfect crystal, its defects, its domains, its cations."""

from __future__ import annotations

from dataclasses import asdict

import ase
import numpy as np
from numpy.typing import NDArray

from polarstem.seeds import derive_seed
from polarstem.structures.amorphous import with_layers
from polarstem.structures.build import projected_basis, shuffled
from polarstem.structures.glazer import tilt_signs
from polarstem.structures.local_displacements import octahedral_tilts, static_displacements
from polarstem.structures.polar_vector import screen_rotation
from polarstem.structures.scenes.defects import column_places, moved
from polarstem.structures.scenes.domains import lay_out
from polarstem.structures.scenes.recipe import SceneRecipe
from polarstem.structures.scenes.wedge import Wedge
from polarstem.structures.thermal_motion import rms_displacements
from polarstem.structures.variants import screen_axes

Floats = NDArray[np.float64]
_A, _B = 0, 1
_AROUND = 2  # cells around the box that defects may move into it


def wedge_of(recipe: SceneRecipe) -> Wedge | None:
    """How the thickness of a scene varies; None where it does not."""
    if not recipe.wedge:
        return None
    direction = np.exp(1j * np.radians(recipe.wedge_deg))
    x, y = recipe.lengths[:2] * np.array(recipe.cells)
    # the corners of the scanned cells have the largest change
    farthest = (abs(direction.real) * x + abs(direction.imag) * y) / 2
    periods = 10 * recipe.thickness_nm / recipe.lengths[2]
    along = np.exp(-1j * np.radians(recipe.crystal_rotation_deg)) * direction
    along *= recipe.wedge * periods / farthest
    right, up = recipe.origin[:2].tolist()
    return Wedge((right, up), periods, (float(along.real), float(along.imag)), recipe.field[2])


def build_scene(recipe: SceneRecipe) -> ase.Atoms:
    """Build a scene.

    Every atom is displaced by the templates of the domains in their local shares. The box
    repeats on paper only: what lies at its sides need not fit together.

    Parameters
    ----------
    recipe : SceneRecipe
        What to build.

    Returns
    -------
    ase.Atoms
        As `polarstem.structures.build.build_specimen` makes them, for `write_specimen` and
        `Crystal.of`; ``atoms.info["scene"]`` holds the recipe's values.
    """
    a, field, lengths = recipe.cell, np.array(recipe.field), np.array(recipe.lengths)
    basis_site, quarters = projected_basis(recipe.zone_axis)
    planes = len(np.unique(quarters[:, 2]))  # of a period
    cells = np.indices((field[::-1] + 2 * _AROUND).tolist()).reshape(3, -1).T[:, ::-1] - _AROUND
    quarters = (4 * cells[:, None] + quarters).reshape(-1, 3)
    ideal = lengths / 4 * quarters
    site = np.tile(basis_site, len(cells))
    origin = recipe.origin

    rows, places = moved(recipe, ideal - origin)
    places += origin
    inside = np.all((places > -a / 1e3) & (places < field * lengths - a / 1e3), axis=1)
    site, places = site[rows[inside]], places[inside]
    symbols = np.full(len(site), "O", "<U2")
    cation = site == _A
    symbols[cation] = _a_symbols(recipe, places[cation] - origin)
    symbols[site == _B] = _b_symbols(recipe, int((site == _B).sum()), "b_site")
    kept = np.ones(len(site), bool)
    if recipe.kind in ("a_vacancy_column", "b_antisite"):
        apart = places[:, None, :2] - origin[:2] - column_places(recipe)
        column = cation & (np.linalg.norm(apart, axis=2) < a / 8).any(axis=1)
        if recipe.kind == "b_antisite":
            symbols[column] = _b_symbols(recipe, int(column.sum()), "antisite")
        kept = (recipe.kind == "b_antisite") | ~column

    domains = lay_out(recipe)
    shares = domains.shares(places - origin)
    places = places + np.einsum("nd,ndi->ni", shares, domains.templates[:, site].swapaxes(0, 1))
    own = quarters[rows[inside]] @ screen_axes(recipe.zone_axis) // 4
    places += _tilts(recipe, site, own, shares)
    places[:, 2] += lengths[2] / planes / 2  # atomic planes in the middle of their slices
    if recipe.disorder:
        places += static_displacements(
            recipe.material, symbols.tolist(), recipe.disorder, recipe.seed
        )
    atoms = ase.Atoms(
        symbols[kept].tolist(), places[kept], cell=lengths * field, pbc=(True, True, False)
    )
    scene = {k: v for k, v in asdict(recipe).items() if k != "material"}
    material = recipe.material.model_dump(mode="json", exclude_unset=True, exclude={"sources"})
    atoms.info = {
        "specimen": recipe.name,
        "scene": scene | {"material": material},
        "zone_axis": list(recipe.zone_axis),
        "cells": [int(n) for n in field],
        "cell_lengths_angstrom": lengths.tolist(),
        "planes": int(planes * field[2]),
        "thickness_nm": float(lengths[2] * field[2]) / 10,
        "debye_waller_rms_angstrom": rms_displacements(recipe.material, recipe.phase),
    }
    if (wedge := wedge_of(recipe)) is not None:
        atoms.info["wedge"] = wedge.described()
    return with_layers(atoms, recipe, recipe.material, a**3, recipe.seed)


def _tilts(
    recipe: SceneRecipe, site: NDArray[np.int64], cells: NDArray[np.int64], shares: Floats
) -> Floats:
    """Octahedral tilts of atoms of pseudo-cubic cells, along the screen axes.

    The templates of the domains have `shares`, shape (n, template), in the atoms.
    """
    rotation = screen_rotation(recipe.zone_axis)
    system = recipe.material.tilt_system(recipe.phase)
    given = (site, cells, recipe.cell, recipe.octahedral_tilt_deg, system)
    if min(tilt_signs(system)) >= 0:
        return octahedral_tilts(*given) @ rotation.T  # the same in every domain
    found = np.zeros((len(site), 3))
    # what turns the polarization off the axes of the domains tilts nothing
    for share, variant in zip(shares.T, recipe.domain_variants, strict=False):
        found += share[:, None] * octahedral_tilts(*given, variant)
    return np.asarray(found @ rotation.T)


def _a_symbols(recipe: SceneRecipe, places: Floats) -> NDArray[np.str_]:
    """Elements of the A sites at places relative to the origin: the composition at random."""
    random = np.random.default_rng(derive_seed(recipe.seed, "a_site"))
    symbols = np.empty(len(places), "<U2")
    cluster = np.zeros(len(places), bool)
    if recipe.kind == "a_cluster":
        cluster = np.linalg.norm(places, axis=1) < 10 * recipe.cluster_radius_nm
        first, *others = recipe.material.a_site
        many = round(recipe.cluster_share * int(cluster.sum()))
        rest = np.resize(others or [first], int(cluster.sum()) - many)
        symbols[cluster] = random.permutation([*[first] * many, *rest])
    symbols[~cluster] = shuffled(recipe.material.a_site, int((~cluster).sum()), random)
    return symbols


def _b_symbols(recipe: SceneRecipe, number: int, purpose: str) -> NDArray[np.str_]:
    """So many B-site cations: the composition at random."""
    random = np.random.default_rng(derive_seed(recipe.seed, purpose))
    return shuffled(recipe.material.b_site, number, random)
