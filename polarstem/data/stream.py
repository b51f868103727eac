# SPDX-License-Identifier: GPL-3.0-or-later
"""Training patterns without end: measured on scattering matrices under random conditions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from polarstem.config.conditions import Conditions
from polarstem.config.physics import Simulate
from polarstem.data.cells import CELL_POSITIONS
from polarstem.data.patterns import PatternSet
from polarstem.errors import PolarstemError
from polarstem.seeds import derive_seed
from polarstem.simulate.microscope.drawn_conditions import draw
from polarstem.simulate.scattering_matrix.matrix import ScatteringMatrix
from polarstem.simulate.scattering_matrix.thermal_matrices import ThermalMatrices, ThermalMicroscope

UNPOLAR = -1
"""Label of patterns of a cubic crystal, of which every class is equally right."""


class Labelled(NamedTuple):
    """Patterns and what is known of them.

    Attributes
    ----------
    patterns : ndarray, shape (n, ky, kx), float32
        Fractions of the beam.
    class_index : ndarray, shape (n,)
        Class, or `UNPOLAR`.
    thickness : ndarray, shape (n,)
        [nm].
    specimen : ndarray of str, shape (n,)
        Name of the measured specimen.
    condition : ndarray of int, shape (n,)
        Number of the drawn conditions within the block.
    dose : ndarray, shape (n,)
        Electrons per pattern; inf where none are counted.
    """

    patterns: NDArray[np.float32]
    class_index: NDArray[np.int64]
    thickness: NDArray[np.float64]
    specimen: NDArray[np.str_]
    condition: NDArray[np.int64]
    dose: NDArray[np.float64]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Torch on one thread, so that no digit depends on the number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class PatternStream:
    """Blocks of patterns, each a function of its number alone.

    So that no number depends on how many processes measure, or on where a run was interrupted.

    Parameters
    ----------
    settings : mapping
        As `polarstem.config.jobs.stream_settings` gives them.
    matrices : mapping of str to path
        Scattering matrices by crystal.
    class_names, class_directions : sequence
        The class table, directions in degrees.
    seed : int
        Seed of all draws.
    """

    crystals_per_block = 16  # each at one thickness
    conditions_per_crystal = 4  # as long as it is at hand

    def __init__(
        self,
        settings: Mapping[str, Any],
        matrices: Mapping[str, Path | str],
        class_names: Sequence[str],
        class_directions: Sequence[float],
        seed: int,
    ) -> None:
        self.settings, self.seed = settings, seed
        self.class_names = [str(name) for name in class_names]
        self.class_directions = np.asarray(class_directions, float)
        self.simulate = Simulate.model_validate(settings["simulate"])
        self.conditions = Conditions.model_validate(settings["conditions"])
        self.paths = {name: Path(path) for name, path in matrices.items()}
        self.conditions_per_block = self.crystals_per_block * self.conditions_per_crystal
        self.block_size = self.conditions_per_block * settings["positions"]
        side = self.simulate.detector.pixels
        self.shape = (side, side)
        absent = {s["crystal"] for s in settings["specimens"]} - set(self.paths)
        if absent:
            raise PolarstemError(
                f"The stream needs the scattering matrices of {', '.join(sorted(absent))}, which "
                "were not given."
            )

    def specimens(self, split: str, unpolar: bool = True) -> list[Mapping[str, Any]]:
        """Specimens of a split, with or without cubic ones."""
        found = self.settings["specimens"]
        return [s for s in found if s["split"] == split and (unpolar or s["class_index"] >= 0)]

    def block(self, number: int, split: str = "train", unpolar: bool = True) -> Labelled:
        """Measure the patterns of one block.

        Parameters
        ----------
        number : int
            Which; the same number gives the same patterns.
        split : {"train", "validation"}
            Whose crystals are measured.
        unpolar : bool
            Whether cubic specimens are among them, as often as those of a class.

        Returns
        -------
        Labelled
            `block_size` patterns, in random order.
        """
        with _one_thread():
            return self._block(number, split, unpolar, split, self.settings["positions"])

    def _block(
        self, number: int, split: str, unpolar: bool, purpose: str, positions: int
    ) -> Labelled:
        """Patterns of a split's crystals, drawn anew for each purpose."""
        random = np.random.default_rng(derive_seed(self.seed, purpose, "block", number))
        by_class: dict[int, list[Mapping[str, Any]]] = {}
        by_crystal: dict[str, list[Mapping[str, Any]]] = {}
        for specimen in self.specimens(split, unpolar):
            by_class.setdefault(specimen["class_index"], []).append(specimen)
            by_crystal.setdefault(specimen["crystal"], []).append(specimen)
        parts: list[tuple[NDArray[np.float32], Mapping[str, Any], float, int, float]] = []
        classes = sorted(by_class)
        for _ in range(self.crystals_per_block):
            of_class = by_class[classes[random.integers(len(classes))]]
            crystal = of_class[random.integers(len(of_class))]["crystal"]
            microscope, thickness = self._microscope(crystal, random)
            turns = by_crystal[crystal]
            for _ in range(self.conditions_per_crystal):
                specimen = turns[random.integers(len(turns))]
                patterns, dose = self._measure(microscope, specimen, random, positions)
                parts.append((patterns, specimen, thickness, len(parts), dose))
        order = random.permutation(len(parts) * positions)

        def column(values: list[Any]) -> NDArray[Any]:
            return np.repeat(np.array(values), positions)[order]

        return Labelled(
            np.concatenate([part[0] for part in parts])[order],
            column([part[1]["class_index"] for part in parts]),
            column([part[2] for part in parts]),
            column([part[1]["name"] for part in parts]),
            column([part[3] for part in parts]),
            column([part[4] for part in parts]),
        )

    def sample(self, count: int, split: str) -> PatternSet:
        """A fixed set of the first `count` patterns of polar specimens."""
        blocks = range(-(-count // self.block_size))
        drawn = [self.block(number, split, unpolar=False) for number in blocks]
        return self._joined(drawn).select(np.arange(count))

    def scans(self, count: int) -> PatternSet:
        """Scans of polar validation specimens that serve for nothing but calibration.

        Each was recorded under conditions of its own, at as many random positions as make up a
        unit cell; `sample` never gives one of its patterns.
        """
        blocks = range(-(-count // self.conditions_per_block))
        with _one_thread():
            drawn = [
                self._block(number, "validation", False, "calibration", CELL_POSITIONS)
                for number in blocks
            ]
        # conditions are numbered in the order in which they were drawn
        rows = np.concatenate(
            [
                number * self.conditions_per_block + block.condition
                for number, block in enumerate(drawn)
            ]
        )
        return self._joined(drawn).select(np.flatnonzero(rows < count))

    def _joined(self, blocks: Sequence[Labelled]) -> PatternSet:
        """Blocks as one set, whose scans are named by specimen and conditions."""
        drawn = Labelled._make(np.concatenate(parts) for parts in zip(*blocks, strict=True))
        # each block's conditions are scans of their own
        sizes = [len(block.dose) for block in blocks]
        numbers = np.repeat(np.arange(len(blocks)), sizes)
        scan = numbers * self.conditions_per_block + drawn.condition
        return PatternSet.from_arrays(
            drawn.patterns,
            drawn.class_index,
            self.class_names,
            self.class_directions,
            thickness=drawn.thickness,
            dose=drawn.dose,
            specimen=np.char.add(np.char.add(drawn.specimen, "/"), scan.astype(str)),
            domain=np.full(len(scan), "stream"),
        )

    def digest(self) -> str:
        """Hash of the settings and of the first block, and with it of the matrices' content."""
        text = json.dumps([self.settings, self.seed], sort_keys=True, default=str)
        content = hashlib.sha256(text.encode())
        content.update(self.block(0).patterns.tobytes())
        return content.hexdigest()

    def _microscope(
        self, crystal: str, random: np.random.Generator
    ) -> tuple[ThermalMicroscope, float]:
        """Open a crystal at one of its thicknesses [nm]."""
        path = self.paths[crystal]
        matrices = ThermalMatrices.open(path, self.simulate)
        plane = int(random.integers(len(matrices.nominal_nm)))
        members: list[ScatteringMatrix] = matrices.plane(plane)
        return ThermalMicroscope(members, self.simulate.detector), matrices.nominal_nm[plane]

    def _measure(
        self,
        microscope: ThermalMicroscope,
        specimen: Mapping[str, Any],
        random: np.random.Generator,
        count: int,
    ) -> tuple[NDArray[np.float32], float]:
        """Patterns of random positions under conditions of their own, and their dose."""
        drawn = draw(self.conditions, self.simulate, random)
        reach = 1e3  # any place: the crystals repeat [Å]
        positions = reach * random.random((count, 2))
        (a, b), (c, d) = specimen["turn"]
        images = microscope.measure(positions, drawn.optics, random, ((a, b), (c, d)), drawn.camera)
        patterns = drawn.exposed(images.numpy(), int(random.integers(2**63)))
        return patterns, np.inf if drawn.dose is None else drawn.dose
