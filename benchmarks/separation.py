# SPDX-License-Identifier: GPL-3.0-or-later
"""How far changes of a crystal move its patterns, in units of the difference between classes.

``python -m benchmarks.separation`` takes the crystals of the standard benchmark (``config.yaml``,
specimen set ``ideal``), 20 nm thick if not said otherwise. For each polar axis and each change it
prints the mean L1 distance at 16 probe positions over that to the class most alike.
`structures.amplitude_spread` and `structures.composition_spread` are chosen by it
(docs/learning.md). About five minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from polarstem.config import jobs, load, plan
from polarstem.config.check import STANDARD
from polarstem.config.physics import Simulate
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.structures.crystals import load_material
from polarstem.structures.symmetry import IDENTITY, Turn, representative
from polarstem.structures.variants import Vector, classes

CELLS = (5, 5)  # a field that errs by 0.3 % there: far below any change
POSITIONS = 16
ZONE_AXIS = (0, 0, 1)
AXES: tuple[Vector, ...] = ((1, 1, 0), (1, 0, 1))
OXYGENS = ("O_parallel", "O_perpendicular", "O_transverse")


class Laboratory:
    """Makes changed crystals of the standard benchmark and measures them."""

    def __init__(self, thickness_nm: float) -> None:
        self.thickness_nm = thickness_nm
        config = load(STANDARD)
        crystal = next(c for c in plan.all_crystals(config) if c.specimen_set == "ideal")
        self.settings = jobs.matrix_settings(config, crystal)
        self.simulate = Simulate.model_validate(self.settings["simulate"])
        self.optics = Optics(self.simulate.semiangle_mrad)
        self.fractions = np.random.default_rng(1).random((POSITIONS, 2))

    def crystal(self, axis: Vector, change: Mapping[str, float]) -> VirtualMicroscope:
        """Scattering matrix of a crystal with some of `CHANGES`."""
        material = load_material("KNN").model_dump(exclude_none=True)
        share = 0.5 + change.get("K", 0.0)
        material["a_site"] = {"K": share, "Na": 1 - share}
        template, lattice = material["template"]["O"], material["lattice"]["O"]
        for names, key in ((("A",), "A"), (OXYGENS, "O")):
            for name in names:
                template[name] *= 1 + change.get(key, 0.0)
        for name in lattice:
            lattice[name] *= 1 + change.get("lattice", 0.0)
        every = classes("O", ZONE_AXIS, end_on=True)
        polar_class = next(c for c in every if axis in c.variants)
        structure = self.settings["structure"] | {
            "material": material,
            "drawn_share": None,
            "amplitude": 1 + change.get("amplitude", 0.0),
            "variant": list(axis),
            "thickness_nm": self.thickness_nm,
            "class_name": polar_class.name,
            "class_index": 0,
            "direction_deg": polar_class.direction_deg,
        }
        matrix = compute_scattering_matrix(
            Crystal.build(structure),
            [self.thickness_nm],
            self.simulate,
            cells=CELLS,
            margin_mrad=self.settings["margin_mrad"],
            reach_mrad=self.settings["reach_mrad"],
        )
        return VirtualMicroscope(matrix, self.simulate.detector)

    def patterns(self, crystal: VirtualMicroscope, turn: Turn = IDENTITY) -> np.ndarray:
        """Patterns at the same places in the cell of any crystal."""
        places = self.fractions * np.array(crystal.matrix.grid.size)[::-1]
        return crystal.measure(places, [self.thickness_nm], self.optics, turn=turn)[0].numpy()


CHANGES: dict[str, list[dict[str, float]]] = {
    "amplitude ± 0.05, 0.10, 0.15": [
        {"amplitude": sign * size} for size in (0.05, 0.1, 0.15) for sign in (-1, 1)
    ],
    "share of K ± 0.05, 0.10": [{"K": sign * size} for size in (0.05, 0.1) for sign in (-1, 1)],
    "displacement of A × 1 ± 0.1, 0.2": [
        {"A": sign * size} for size in (0.1, 0.2) for sign in (-1, 1)
    ],
    "displacement of O × 1 ± 0.1, 0.2": [
        {"O": sign * size} for size in (0.1, 0.2) for sign in (-1, 1)
    ],
    "lattice parameter ± 0.5 %": [{"lattice": sign * 0.005} for sign in (-1, 1)],
}


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Mean L1 distance of patterns, relative to the first."""
    return float((np.abs(one - other).sum((1, 2)) / one.sum((1, 2))).mean())


def class_differences(patterns: Mapping[tuple[Vector, Turn], np.ndarray]) -> dict[Vector, float]:
    """Distance of each axis to the class most alike, from turned patterns of all axes."""
    found: dict[str, dict[Vector, np.ndarray]] = {}
    for polar_class in classes("O", ZONE_AXIS):
        for variant in polar_class.variants:
            key = representative(variant, ZONE_AXIS, square=True, flat=True)
            found.setdefault(polar_class.name, {})[key[0]] = patterns[key]
    differences = {}
    for axis in AXES:
        name, own = next((n, each[axis]) for n, each in found.items() if axis in each)
        others = [p for n, each in found.items() if n != name for p in each.values()]
        differences[axis] = min(distance(own, other) for other in others)
    return differences


def rows(laboratory: Laboratory) -> Iterator[tuple[str, dict[Vector, list[float]]]]:
    """Each change in words, and its sizes' distances for each axis (mean of both signs)."""
    crystals = {axis: laboratory.crystal(axis, {}) for axis in AXES}
    turned: dict[tuple[Vector, Turn], Any] = {}
    for polar_class in classes("O", ZONE_AXIS):
        for variant in polar_class.variants:
            axis, turn = representative(variant, ZONE_AXIS, square=True, flat=True)
            turned[axis, turn] = laboratory.patterns(crystals[axis], turn)
    units = class_differences(turned)
    yield "the class most alike [relative L1]", {axis: [units[axis]] for axis in AXES}
    for words, changes in CHANGES.items():
        sizes: dict[Vector, list[float]] = {}
        for axis in AXES:
            own = laboratory.patterns(crystals[axis])
            moved = [
                distance(own, laboratory.patterns(laboratory.crystal(axis, c))) for c in changes
            ]
            pairs = np.reshape(moved, (-1, 2)).mean(axis=1) / units[axis]
            sizes[axis] = pairs.tolist()
        yield words, sizes


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--thickness-nm", type=float, default=20.0)
    laboratory = Laboratory(parser.parse_args().thickness_nm)
    print(f"{'change':38s} " + " ".join(f"{list(axis)!s:>22s}" for axis in AXES))
    for words, sizes in rows(laboratory):
        cells = (", ".join(f"{size:.3f}" for size in sizes[axis]) for axis in AXES)
        print(f"{words:38s} " + " ".join(f"{cell:>22s}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
