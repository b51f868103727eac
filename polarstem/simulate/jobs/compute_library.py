# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the library of simulated patterns that a scan is placed by: settings in, netCDF out."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from polarstem.checked_netcdf import save_netcdf
from polarstem.config.physics import Simulate
from polarstem.provenance import provenance
from polarstem.seeds import derive_seed
from polarstem.simulate.microscope.camera import Camera, pixel_angles
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.pattern_library import FINER, TEMPLATE_EVERY, turned_images
from polarstem.simulate.potential.frozen_phonons import thermal_columns
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.position_averaged import position_averaged
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.simulate.wave.plane_waves import spread_offsets
from polarstem.structures.symmetry import Turn, inverse, representative, turns_of
from polarstem.structures.variants import PolarClass, Vector, classes

logger = logging.getLogger("polarstem")

_LEVELS = 65535  # of a stored number: the largest value of each pattern is one of them


def write_library(path: Path | str, settings: Mapping[str, Any], threads: int = 1) -> None:
    """Simulate the library of a crystal and write it.

    Atoms move and the A site is at random as in the thermal columns that models are trained on:
    intensities are averaged over configurations. Position-averaged patterns are those of the mean
    over the classes, of a scan without a preferred direction.

    Parameters
    ----------
    path : path
        netCDF file to write, see `polarstem.simulate.pattern_library.Library`.
    settings : mapping
        As `polarstem.config.library.library_settings` gives them.
    threads : int
        Groups of waves that run at the same time.

    Raises
    ------
    PolarstemError
        If the settings do not fit the crystal.
    """
    start = time.perf_counter()
    recipe, zone = settings["structure"], tuple(settings["structure"]["zone_axis"])
    table = classes(recipe["phase"], zone)
    chosen = [representative(entry.variants[0], zone) for entry in table]
    variants = sorted({variant for variant, _ in chosen}, reverse=True)
    made = [_crystal(settings, variant, table, threads) for variant in variants]
    tilts, exact = made[0].tilts, made[0].thickness_nm
    pacbed = np.mean([made[variants.index(variant)].pacbed for variant, _ in chosen], axis=0)
    octant, pacbed = _averaged_over_turns(tilts, pacbed, turns_of(zone))
    images, largest = _packed(pacbed)
    templates, highest = _packed(np.stack([crystal.templates for crystal in made]))
    detector = settings["simulate"]["detector"]
    fine = pixel_angles(FINER * detector["pixels"], detector["mrad_per_pixel"] / FINER)
    angles = pixel_angles(detector["pixels"], detector["mrad_per_pixel"])
    place = np.arange(settings["positions"]) / settings["positions"]
    angle = {"units": "mrad", "long_name": "scattering angle"}
    data = xr.Dataset(
        {
            "pacbed": (
                ("thickness", "tilt", "fine_ky", "fine_kx"),
                images,
                _about("1", "position-averaged pattern, mean over the classes"),
            ),
            "pacbed_scale": (
                ("thickness", "tilt"),
                largest,
                _about("1", "fraction of the beam that a step of pacbed stands for"),
            ),
            "tilt_x": ("tilt", octant[:, 0], _about("mrad", "beam tilt, right")),
            "tilt_y": ("tilt", octant[:, 1], _about("mrad", "beam tilt, up")),
            "template": (
                ("crystal", "template_thickness", "cell_y", "cell_x", "ky", "kx"),
                templates,
                _about("1", "pattern at a place in the projected cell"),
            ),
            "template_scale": (
                ("crystal", "template_thickness", "cell_y", "cell_x"),
                highest,
                _about("1", "fraction of the beam that a step of template stands for"),
            ),
            "class_crystal": (
                "class",
                [variants.index(variant) for variant, _ in chosen],
                _about("1", "crystal that a class is a turn of"),
            ),
            "class_turn": (
                ("class", "row", "column"),
                np.array([turn for _, turn in chosen]),
                _about("1", "turn of the crystal, acts on (x, y up)"),
            ),
            "class_direction": (
                "class",
                [entry.direction_deg for entry in table],
                _about("degree", "polarization, counter-clockwise from +x"),
            ),
        },
        coords={
            "thickness": ("thickness", exact, _about("nm", "thickness")),
            "template_thickness": (
                "template_thickness",
                exact[::TEMPLATE_EVERY],
                _about("nm", "thickness of the templates"),
            ),
            "cell_y": ("cell_y", place, _about("1", "fraction of the cell, down from A column")),
            "cell_x": ("cell_x", place, _about("1", "fraction of the cell, right of A column")),
            "fine_ky": ("fine_ky", fine, angle | {"comment": "down"}),
            "fine_kx": ("fine_kx", fine, angle | {"comment": "right"}),
            "ky": ("ky", angles, angle | {"comment": "down"}),
            "kx": ("kx", angles, angle | {"comment": "right"}),
            "class_name": (
                "class",
                [entry.name for entry in table],
                {"units": "1", "long_name": "name of the class"},
            ),
            "crystal_axis": (
                "crystal",
                [" ".join(map(str, v)) for v in variants],
                {"units": "1", "long_name": "polar axis of the crystal, pseudo-cubic"},
            ),
        },
        attrs={
            "energy_kv": settings["simulate"]["energy_kv"],
            "semiangle_mrad": settings["simulate"]["semiangle_mrad"],
            "cell_angstrom": made[0].cell[::-1],
            **provenance(settings, seed=settings["seed"]),
        },
    )
    packing = {"zlib": True, "complevel": 5, "shuffle": True}
    save_netcdf(data, path, dict.fromkeys(("pacbed", "template"), packing))
    size = Path(path).stat().st_size / 1e6
    logger.info("library: %.1f MB in %.0f s", size, time.perf_counter() - start)


@dataclass(frozen=True)
class _Simulated:
    """Mean patterns of one crystal.

    Attributes
    ----------
    thickness_nm : ndarray, shape (thickness,)
        Exact [nm].
    cell : tuple of float
        Projected cell along x and y [Å].
    tilts : ndarray, shape (tilt, 2)
        Beam tilts x and y (up) [mrad].
    pacbed : ndarray, shape (thickness, tilt, ky, kx)
    templates : ndarray, shape (template thickness, cell_y, cell_x, ky, kx)
    """

    thickness_nm: NDArray[np.float64]
    cell: tuple[float, float]
    tilts: NDArray[np.float64]
    pacbed: NDArray[np.float32]
    templates: NDArray[np.float32]


def _crystal(
    settings: Mapping[str, Any], variant: Vector, table: Sequence[PolarClass], threads: int
) -> _Simulated:
    simulate = Simulate.model_validate(settings["simulate"])
    detector = simulate.detector
    half = detector.pixels * detector.mrad_per_pixel / 2
    name = f"library {variant}"
    polar = next(entry for entry in table if variant in entry.variants)
    recipe = settings["structure"] | {
        "name": name,
        "specimen_set": "library",
        "split": "all",
        "class_index": polar.index,
        "class_name": polar.name,
        "direction_deg": polar.direction_deg,
        "variant": list(variant),
        "a_site": "random",
        "b_site": "random",
        "cells": [1, 1],
        "thickness_nm": max(settings["thicknesses_nm"]) + 1.0,
        "seed": derive_seed(settings["seed"], name),
    }
    tilts = _tilt_grid(settings["tilt_mrad"], settings["tilt_step_mrad"])
    margin = 1e3 * np.tan(settings["tilt_mrad"] / 1e3)
    nx, ny = settings["cells"]
    count, planes = settings["configurations"], settings["thicknesses_nm"]
    fine = Camera(FINER * detector.pixels, detector.mrad_per_pixel / FINER)
    optics = Optics(simulate.semiangle_mrad, source_fwhm=settings["source_fwhm_angstrom"])
    pacbed: Any = 0.0
    templates: Any = 0.0
    columns = thermal_columns(recipe, count, simulate.phonons.scale)
    for column, (y, x) in zip(columns, spread_offsets(count).tolist(), strict=True):
        matrix = compute_scattering_matrix(
            column,
            planes,
            simulate,
            cells=(nx, ny),
            margin_mrad=margin,
            reach_mrad=half,
            offset=(y, x),
            ensemble=count,
            threads=threads,
        )
        eye = VirtualMicroscope(matrix, detector)
        pacbed = pacbed + position_averaged(eye, fine, tilts, simulate.semiangle_mrad) / count
        positions = _places(settings["positions"]) * column.cell[:2]
        images = eye.measure(positions, matrix.nominal_nm[::TEMPLATE_EVERY], optics)
        templates = templates + images.numpy() / count
    shape = (len(templates), *[settings["positions"]] * 2, detector.pixels, detector.pixels)
    return _Simulated(
        np.array(matrix.thickness_nm), column.cell[:2], tilts, pacbed, templates.reshape(shape)
    )


def _tilt_grid(largest: float, step: float) -> NDArray[np.float64]:
    along = np.arange(-round(largest / step), round(largest / step) + 1) * step
    grid = np.stack(np.meshgrid(along, along, indexing="ij"), axis=-1).reshape(-1, 2)
    return grid[np.hypot(*grid.T) < largest + 1e-9]


def _places(count: int) -> NDArray[np.float64]:
    """Fractions x and y (up) of a grid over the cell, rows downwards, shape (count^2, 2)."""
    place = np.arange(count) / count
    rows, columns = np.meshgrid(place, place, indexing="ij")
    return np.stack([columns, -rows], axis=-1).reshape(-1, 2)


def _averaged_over_turns(
    tilts: NDArray[np.float64], pacbed: NDArray[np.float32], turns: Sequence[Turn]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Mean over the turns of the lattice, at the tilts that no turn maps onto a kept one."""
    numbers = {tuple(tilt): number for number, tilt in enumerate(tilts.round(6).tolist())}
    kept: list[int] = []
    for number, tilt in enumerate(tilts):
        images = (numbers[tuple((np.array(turn) @ tilt).round(6).tolist())] for turn in turns)
        if number == min(images):
            kept.append(number)
    mean = np.zeros((len(pacbed), len(kept), *pacbed.shape[2:]), np.float32)
    for turn in turns:
        there = [
            numbers[tuple((np.array(inverse(turn)) @ tilts[number]).round(6).tolist())]
            for number in kept
        ]
        mean += turned_images(pacbed[:, there], turn) / len(turns)
    return tilts[kept], mean


def _packed(images: NDArray[np.float32]) -> tuple[NDArray[np.uint16], NDArray[np.float32]]:
    """Whole numbers, and what one step of each pattern stands for."""
    step = images.max(axis=(-1, -2)) / _LEVELS
    return np.rint(images / step[..., None, None]).astype(np.uint16), step.astype(np.float32)


def _about(units: str, long_name: str) -> dict[str, str]:
    return {"units": units, "long_name": long_name}
