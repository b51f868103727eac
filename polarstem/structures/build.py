# SPDX-License-Identifier: GPL-3.0-or-later
"""Building specimens and keeping them as extended XYZ.

A specimen is a box of ``cells`` x ``cells`` x ``thickness_cells`` projected cells with x to the
right, y up and z along the beam [Å]. An A column stands at the corner of every projected cell.
Atomic planes lie half a plane distance away from the box's faces: cut into
``atoms.info["planes"]`` equal slices, the box has one plane in each, whichever way its atoms are
displaced.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import ase
import ase.io
import numpy as np
from numpy.typing import NDArray

from polarstem.errors import PolarstemError
from polarstem.files import atomic_path
from polarstem.seeds import derive_seed
from polarstem.structures.amorphous import with_layers
from polarstem.structures.cell_metric import screen_metric
from polarstem.structures.description import check_description
from polarstem.structures.local_displacements import octahedral_tilts, static_displacements
from polarstem.structures.polar_mode import PolarMode, displacements
from polarstem.structures.polar_vector import displaced_cell, screen_rotation
from polarstem.structures.recipes import SpecimenRecipe
from polarstem.structures.templates import QUARTERS, SITES, polarization
from polarstem.structures.thermal_motion import rms_displacements
from polarstem.structures.variants import Vector, screen_axes

_INFO = "polarstem"
_A, _B = 0, 1


def projected_basis(zone_axis: Vector) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Atoms of the cell that repeats along the screen axes.

    Parameters
    ----------
    zone_axis : tuple of int
        Beam direction.

    Returns
    -------
    site : ndarray, shape (n,)
        Row of each atom in the tables of the pseudo-cubic cell (`SITES`).
    quarters : ndarray, shape (n, 3)
        Position along x, y and the beam in quarters of the projected cell.
    """
    axes = np.array(screen_axes(zone_axis))
    found = []
    for shift in product(range(-2, 3), repeat=3):
        places = QUARTERS + 4 * np.array(shift)
        # the axes are orthogonal integers, so every place is a whole number of quarters
        screen = places @ axes.T // np.sum(axes**2, axis=1)
        inside = np.all((screen >= 0) & (screen < 4), axis=1)
        found += [(site, *screen[site]) for site in np.flatnonzero(inside)]
    table = np.array(sorted(found))
    return table[:, 0], table[:, 1:]


def build_specimen(recipe: SpecimenRecipe) -> ase.Atoms:
    """Build the crystal of a recipe.

    With ``metric="phase"`` the axes of the box take the lengths that the phase's lattice has along
    them, and angles stay right: a shear of the axes (0.33 degrees between two pseudo-cubic axes
    of the O phase of KNN) does not fit into an orthogonal periodic box and is dropped.
    ``atoms.info["dropped_shear_deg"]`` says how much; it is zero where the metric is exact, as for
    T along [001] and for in-plane <110> variants along [110].

    Parameters
    ----------
    recipe : SpecimenRecipe
        What to build.

    Returns
    -------
    ase.Atoms
        The atoms in a fixed order (beam, y, x, then site). With ``a_site="virtual"`` the A atoms
        carry the first element of the composition and ``atoms.info["virtual_a_site"]`` the shares
        to average over; B likewise. ``atoms.info`` holds what a reader needs to know, as JSON
        values.
    """
    axes = np.array(screen_axes(recipe.zone_axis))
    rotation = screen_rotation(recipe.zone_axis)
    lengths = np.array(recipe.cell_lengths)
    if recipe.polar_vector_pm is None:
        shifts = recipe.amplitude * displacements(recipe.material, recipe.phase, recipe.variant)
    else:
        shifts = displaced_cell(
            recipe.material, recipe.phase, recipe.polar_vector_pm, recipe.zone_axis
        )

    basis_site, basis_quarters = projected_basis(recipe.zone_axis)
    nx, ny, nz = *recipe.cells, recipe.thickness_cells
    cells = np.indices((nz, ny, nx)).reshape(3, -1).T[:, ::-1]
    quarters = (4 * cells[:, None] + basis_quarters).reshape(-1, 3)
    site = np.tile(basis_site, len(cells))
    planes = nz * len(np.unique(basis_quarters[:, 2]))
    positions = quarters * (lengths / 4) + (shifts @ rotation.T)[site]
    box = lengths * (nx, ny, nz)
    positions[:, 2] += box[2] / planes / 2
    volume = float(np.prod(lengths)) * len(SITES) / len(basis_site)
    if recipe.octahedral_tilt_deg:
        cubic = quarters @ axes // 4
        system = recipe.material.tilt_system(recipe.phase)
        edge, angle = volume ** (1 / 3), recipe.octahedral_tilt_deg
        tilts = octahedral_tilts(site, cubic, edge, angle, system, recipe.variant)
        positions += tilts @ rotation.T

    symbols = np.full(len(site), "O", dtype="<U2")
    symbols[site == _A] = _a_symbols(recipe, quarters[site == _A])
    symbols[site == _B] = _mixture(recipe, "b_site", int((site == _B).sum()), "b_site")
    defect: dict[str, Any] | None = None
    if recipe.defect is not None:
        column = _central_column(recipe.defect["site"], site, quarters, lengths, box)
        centre = quarters[column[0], :2] * lengths[:2] / 4
        defect = {**recipe.defect, "position_angstrom": centre.tolist()}
        if recipe.defect["kind"] == "vacancy_column":
            symbols, positions = np.delete(symbols, column), np.delete(positions, column, axis=0)
        elif recipe.defect["site"] == "A":
            symbols[column] = _mixture(recipe, "b_site", len(column), "antisite")
        else:
            symbols[column] = _mixture(recipe, "a_site", len(column), "antisite")

    if recipe.disorder:
        positions += static_displacements(
            recipe.material, symbols.tolist(), recipe.disorder, recipe.seed
        )
    atoms = ase.Atoms(symbols.tolist(), positions, cell=box, pbc=(True, True, False))
    elements, counts = np.unique(symbols, return_counts=True)
    atoms.info = _description(recipe) | {
        "composition": dict(zip(elements.tolist(), counts.tolist(), strict=True)),
        # of the perfect crystal: charges of a defect are not known
        "polarization_uC_cm2": (rotation @ polarization(recipe.material, shifts, volume)).tolist(),
        "cell_lengths_angstrom": lengths.tolist(),
        "planes": planes,
        "thickness_nm": float(box[2]) / 10,
        "defect": defect,
    }
    # an averaged site's first element stands for the whole composition, in the layers too
    one = {site: {next(iter(shares)): 1.0} for site, shares in _averaged(recipe).items()}
    material = recipe.material.model_copy(update=one)
    return with_layers(atoms, recipe, material, volume, recipe.seed)


def _averaged(recipe: SpecimenRecipe) -> dict[str, dict[str, float]]:
    """Composition of the sites that hold averaged atoms."""
    orders = {"a_site": recipe.a_site, "b_site": recipe.b_order}
    return {
        site: dict(getattr(recipe.material, site))
        for site, order in orders.items()
        if order == "virtual"
    }


def _description(recipe: SpecimenRecipe) -> dict[str, Any]:
    """What a reader of the specimen needs to know of its recipe, as JSON values."""
    info: dict[str, Any] = {
        "specimen": recipe.name,
        "specimen_set": recipe.specimen_set,
        "split": recipe.split,
        "class_index": recipe.class_index,
        "class_name": recipe.class_name,
        "direction_deg": recipe.direction_deg,
        "variant": list(recipe.variant),
        "phase": recipe.phase,
        "zone_axis": list(recipe.zone_axis),
        "material": recipe.material.formula,
        "a_site": recipe.a_site,
        "a_site_share": next(iter(recipe.material.a_site.values())),
        "b_site": recipe.b_order,
        "b_site_share": next(iter(recipe.material.b_site.values())),
        "amplitude": recipe.amplitude,
        "metric": recipe.metric,
        "dropped_shear_deg": _dropped_shear(recipe),
        "cells": [*recipe.cells, recipe.thickness_cells],
        "debye_waller_rms_angstrom": rms_displacements(recipe.material, recipe.phase),
        "seed": recipe.seed,
    }
    if recipe.polar_vector_pm is not None:
        full = PolarMode.of(recipe.material, recipe.phase).full_pm
        info["polar_vector_pm"] = list(recipe.polar_vector_pm)
        info["amplitude"] = math.hypot(*recipe.polar_vector_pm) / full
    return info | {f"virtual_{site}": shares for site, shares in _averaged(recipe).items()}


def _dropped_shear(recipe: SpecimenRecipe) -> float:
    if recipe.metric == "cubic":
        return 0.0
    shape = screen_metric(recipe.material, recipe.phase, recipe.variant, recipe.zone_axis)
    return round(shape[1], 9)


def _a_symbols(recipe: SpecimenRecipe, quarters: NDArray[np.int64]) -> NDArray[np.str_]:
    """Elements of the A sites at `quarters`, shape (n, 3)."""
    if recipe.a_site != "ordered":
        return _mixture(recipe, "a_site", len(quarters), "a_site")
    if list(recipe.material.a_site.values()) != [0.5, 0.5]:
        raise PolarstemError(
            f"Specimen {recipe.name}: a_site 'ordered' alternates two elements in equal shares, "
            f"which {recipe.material.formula} does not have; choose random or virtual."
        )
    # Rock salt: neighbours along any pseudo-cubic axis differ. The order must go on across the
    # lateral faces of the box; along the beam the crystal ends.
    axes = np.array(screen_axes(recipe.zone_axis))
    odd = [n for n, axis in zip("xy", axes[:2], strict=True) if axis.sum() % 2]
    for name in odd:
        count = recipe.cells["xy".index(name)]
        if count % 2:
            raise PolarstemError(
                f"Specimen {recipe.name}: a_site 'ordered' alternates along {name} and needs an "
                f"even number of cells there, not {count}; change cells."
            )
    parity = quarters @ axes.sum(axis=1) // 4 % 2
    return np.array(list(recipe.material.a_site))[parity]


def _mixture(recipe: SpecimenRecipe, site: str, number: int, purpose: str) -> NDArray[np.str_]:
    """Put `number` atoms of a site's exact composition into random order, or average atoms."""
    shares = getattr(recipe.material, site)
    if site in _averaged(recipe):
        return np.full(number, next(iter(shares)))
    return shuffled(shares, number, np.random.default_rng(derive_seed(recipe.seed, purpose)))


def shuffled(
    site: Mapping[str, float], number: int, random: np.random.Generator
) -> NDArray[np.str_]:
    """Put `number` atoms of a site's exact composition into random order."""
    counts = exact_counts(site, number)
    return random.permutation(np.repeat(list(counts), list(counts.values())))


def exact_counts(site: Mapping[str, float], number: int) -> dict[str, int]:
    """Share `number` sites among the elements: whole numbers closest to the composition."""
    ideal = {element: share * number for element, share in site.items()}
    counts = {element: int(value + 1e-9) for element, value in ideal.items()}
    largest = sorted(ideal, key=lambda e: counts[e] - ideal[e])
    for element in largest[: number - sum(counts.values())]:
        counts[element] += 1
    return counts


def _central_column(
    target: str,
    site: NDArray[np.int64],
    quarters: NDArray[np.int64],
    lengths: NDArray[np.float64],
    box: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Atoms of the column nearest the middle of the field: pure oxygen where O is wanted."""
    lateral = quarters[:, :2]
    rows = {"A": site == _A, "B": site == _B, "O": site > _B}[target]
    if target == "O":
        cations = {tuple(place) for place in np.unique(lateral[site <= _B], axis=0).tolist()}
        rows &= np.array([tuple(place) not in cations for place in lateral.tolist()])
    places = np.unique(lateral[rows], axis=0)
    distance = np.linalg.norm(places * lengths[:2] / 4 - box[:2] / 2, axis=1)
    # rounded, so that equally near columns are told apart by their order and not by rounding
    nearest = places[np.argmin(np.round(distance, 6))]
    return np.flatnonzero(rows & np.all(lateral == nearest, axis=1))


def write_specimen(atoms: ase.Atoms, path: Path | str) -> None:
    """Write a specimen as extended XYZ.

    All of ``atoms.info`` goes into one JSON entry of the comment line, which keeps its types: as
    plain entries, phase T would come back as true.

    Parameters
    ----------
    atoms : ase.Atoms
        A specimen [Å].
    path : Path or str
        File to write; replaced as a whole or not at all.
    """
    described = atoms.copy()
    described.info = {_INFO: atoms.info}
    with atomic_path(path) as temporary:
        ase.io.write(temporary, described, format="extxyz")


def read_specimen(path: Path | str) -> ase.Atoms:
    """Read a specimen that `write_specimen` wrote.

    Parameters
    ----------
    path : Path or str
        Extended XYZ file.

    Returns
    -------
    ase.Atoms
        The specimen with its ``info``; positions to 1e-8 Å.

    Raises
    ------
    PolarstemError
        If the file is absent, truncated or was not written by `write_specimen`.
    """
    path = Path(path)
    if not path.is_file():
        raise PolarstemError(
            f"There is no specimen file {path}; run the workflow to make it, or check the path."
        )
    broken = f"The specimen file {path} is truncated or not extended XYZ of polarstem"
    try:
        if not path.read_bytes().endswith(b"\n"):
            raise ValueError("the last line is cut")
        atoms = ase.io.read(path, index=0, format="extxyz")
        if not isinstance(atoms, ase.Atoms):
            raise ValueError("it holds no atoms")
        check_description(atoms.info[_INFO])
        lengths = atoms.cell.lengths()
        if not (np.isfinite(atoms.positions).all() and (lengths > 0).all() and lengths.max() < 1e6):
            raise ValueError("its atoms are nowhere")
    # ASE's reader fails in as many ways as a file can be broken
    except Exception as error:
        raise PolarstemError(f"{broken}; delete it and run the same command again.") from error
    atoms.info = atoms.info[_INFO]
    return atoms
