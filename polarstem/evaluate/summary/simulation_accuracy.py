# SPDX-License-Identifier: GPL-3.0-or-later
"""The error budget of a run: what its grid, field, windows, slices and phonons cost.

Each is the relative L1 difference of patterns of moving atoms from better ones, sum |a - b| / sum b
over the detector's pixels, at the same probe positions; beside them stands the signal, by the same
measure. Atoms that are smeared by their thermal motion stand for those that move, except where
thermal configurations themselves are compared.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarstem.config.error_budget import ENSEMBLES
from polarstem.config.physics import Simulate
from polarstem.evaluate.summary.entries import RELATIVE, Entry, entry
from polarstem.files import atomic_path
from polarstem.seeds import derive_seed
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.potential.frozen_phonons import thermal_columns
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.simulate.wave.plane_waves import spread_offsets
from polarstem.structures.variants import projection

logger = logging.getLogger("polarstem")

_CONFIDENCE = 0.95
_RESAMPLES = 2000
# of a recipe; nothing that is measured here depends on them
_LABELS: dict[str, Any] = {"name": "accuracy", "specimen_set": "accuracy", "split": "all"}
_LABELS |= {"class_index": 0, "class_name": "accuracy", "seed": 0}
Patterns = NDArray[np.float32]


def measure_accuracy(settings: Mapping[str, Any], output: Path | str) -> None:
    """Measure the error budget of a run.

    Parameters
    ----------
    settings : mapping
        From `polarstem.config.error_budget.accuracy_settings`.
    output : path
        JSON: entries of the summary, ``accuracy.*``, each also with ``thicknesses_nm`` and
        ``by_thickness``. What a run has not (scenes, moving atoms, a polarization) has a null value
        and a meaning that says so.

    Raises
    ------
    PolarstemError
        If the settings do not fit the crystal.
    """
    entries = {f"accuracy.{name}": found for name, found in _Budget(settings).entries().items()}
    with atomic_path(output) as path:
        text = json.dumps(entries, indent=1, ensure_ascii=False, allow_nan=False)
        path.write_text(text + "\n", encoding="utf-8")


def difference(patterns: Patterns, better: Patterns) -> NDArray[np.float64]:
    """Relative L1 difference of patterns, sum |a - b| / sum b over the last axis."""
    a, b = patterns.astype(np.float64), better.astype(np.float64)
    relative: NDArray[np.float64] = np.abs(a - b).sum(-1) / b.sum(-1)
    return relative


class _Budget:
    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings
        self.simulate = Simulate.model_validate(settings["simulate"])
        self.random = np.random.default_rng(derive_seed(settings["seed"], "accuracy"))
        self.places = self.random.random((settings["positions"], 2))  # fractions of the cell
        self.wide: dict[str, Patterns] = {}

    def entries(self) -> dict[str, Entry]:
        """All numbers of the budget, by name."""
        found = self._crystals()
        found["field"] = self._field()
        found["window"] = self._window()
        found["phonons"] = self._phonons()
        return {
            name: found[name]
            for name in ("grid", "field", "window", "slices", "phonons", "signal", "signal_cubic")
        }

    def _crystals(self) -> dict[str, Entry]:
        """Grid, slices and signal of every crystal, all in one field."""
        settings, simulate = self.settings, self.simulate
        exits, cells = settings["thicknesses_nm"], settings["cells"]
        finer = simulate.model_copy(update={"pixels_per_cell": settings["finer"]})
        planes, atoms = (
            simulate.model_copy(update={"slices": kind}) for kind in ("planes", "atoms")
        )
        errors: dict[str, list[NDArray[np.float64]]] = {}

        def compare(name: str, patterns: Patterns, better: Patterns) -> None:
            errors.setdefault(name, []).append(difference(patterns, better))

        for variant in settings["variants"]:
            logger.info("crystal %s: grid, slices and signal", variant)
            own = self._patterns(variant, simulate, cells, exits)
            compare("grid", own, self._patterns(variant, finer, cells, exits))
            other = atoms if simulate.slices == "planes" else planes
            sliced = own, self._patterns(variant, other, cells, exits)
            compare("slices", *(sliced if other is atoms else sliced[::-1]))
            if settings["structure"]["amplitude"]:
                reverse = [-i for i in variant]
                compare("signal", self._patterns(reverse, simulate, cells, exits), own)
                cubic = self._patterns(variant, simulate, cells, exits, amplitude=0.0)
                compare("signal_cubic", cubic, own)
        pixels = simulate.pixels_per_cell
        here = "this run's slices" if simulate.slices == "planes" else "not in this run"
        meanings = {
            "grid": f"Change of patterns from {pixels} to {settings['finer']} pixels per cell",
            "slices": f"Change of patterns by planes as slices ({here}) instead of a slice for "
            "every height of atoms",
            "signal": "Change of patterns by a reversal of the polarization",
            "signal_cubic": "Change of patterns of the polar crystal by a cubic one in its place",
        }
        crystals = ", ".join("[" + " ".join(map(str, v)) + "]" for v in settings["variants"])
        found = {}
        for name, meaning in meanings.items():
            if name in errors:
                found[name] = self._entry(np.stack(errors[name]), exits, meaning, crystals)
            else:
                found[name] = _absent("The crystals of this run have no polarization to reverse")
        return found

    def _field(self) -> Entry:
        """The run's field, sampled as in the run, against a wide one."""
        field = self.settings["field"]
        error = self._against_wide(field, self.simulate)
        return self._entry(
            error[None],
            field["thicknesses_nm"],
            f"Change of patterns from {_field_of(field)} (specimen set "
            f"{self.settings['specimens']}) to {_size(field['wide'])} cells",
        )

    def _window(self) -> Entry:
        """The windows of scenes, sampled as these, against a wide field."""
        window = self.settings["window"]
        if window is None:
            return _absent("This run scans no scenes, so that there are no windows")
        error = self._against_wide(window, Simulate.model_validate(window["simulate"]))
        return self._entry(
            error[None],
            window["thicknesses_nm"],
            f"Change of patterns from {_field_of(window)}, the windows that probes go through in "
            f"scene {window['experiment']}, to {_size(window['wide'])} cells",
        )

    def _phonons(self) -> Entry:
        """The mean over as many configurations as in the run, against an infinite number."""
        phonons = self.settings["phonons"]
        if phonons is None:
            return _absent("The atoms of this run rest, so that there are no configurations")
        count, exits = phonons["configurations"], phonons["thicknesses_nm"]
        logger.info("%d thermal configurations", ENSEMBLES * count)
        recipe = self._recipe(self.settings["variants"][0], max(exits))
        recipe["seed"] = derive_seed(self.settings["seed"], "accuracy", "phonons")
        columns = thermal_columns(recipe, ENSEMBLES * count, self.settings["thermal_scale"])
        cells = self.settings["cells"]
        images = np.stack(
            [self._measure(column, self.simulate, cells, exits, 0.0) for column in columns]
        )
        ensembles = images.reshape(ENSEMBLES, count, *images.shape[1:]).mean(1)
        others = (ensembles.sum(0) - ensembles) / (ENSEMBLES - 1)
        # both sides scatter; errors of independent means add in quadrature
        share = np.sqrt((ENSEMBLES - 1) / ENSEMBLES)
        error = share * difference(ensembles, others)
        means = error.mean((1, 2))
        from scipy.stats import t as student_t  # which takes a second

        half = student_t.ppf((1 + _CONFIDENCE) / 2, len(means) - 1) * means.std(ddof=1)
        half /= np.sqrt(len(means))
        meaning = (
            f"Error of patterns by a mean over {count} thermal configurations (specimen set "
            f"{phonons['specimens']}) instead of ever more, on columns one cell wide, whose cells "
            f"move alike: from {ENSEMBLES} independent ensembles, each against the others"
        )
        limits = {"low": max(0.0, means.mean() - half), "high": means.mean() + half}
        return self._described(error, exits, meaning, limits)

    def _against_wide(self, field: Mapping[str, Any], simulate: Simulate) -> NDArray[np.float64]:
        """Error of a field or window of the first crystal."""
        variant, exits = self.settings["variants"][0], field["thicknesses_nm"]
        logger.info("field of %s against %s cells", _field_of(field), _size(field["wide"]))
        count = field["offsets"]
        samplings = [{"offset": tuple(o), "ensemble": count} for o in spread_offsets(count)]
        members = [
            self._patterns(variant, simulate, field["cells"], exits, **sampling)
            for sampling in samplings
        ]
        own: Patterns = np.mean(members, axis=0)
        fields = [f for f in (self.settings["window"], self.settings["field"]) if f]
        every = sorted({t for some in fields for t in some["thicknesses_nm"]})
        key = f"{simulate.model_dump_json()} {field['wide']}"
        if key not in self.wide:
            self.wide[key] = self._patterns(variant, simulate, field["wide"], every)
        return difference(own, self.wide[key][[every.index(t) for t in exits]])

    def _patterns(
        self,
        variant: Sequence[int],
        simulate: Simulate,
        cells: Sequence[int],
        thicknesses_nm: Sequence[float],
        amplitude: float | None = None,
        **sampling: Any,
    ) -> Patterns:
        """Patterns of smeared atoms, shape (thickness, position, pixel)."""
        recipe = self._recipe(variant, 0.1)
        if amplitude is not None:
            recipe["amplitude"] = amplitude
        scale = self.settings["thermal_scale"]
        return self._measure(
            Crystal.build(recipe), simulate, cells, thicknesses_nm, scale, **sampling
        )

    def _recipe(self, variant: Sequence[int], thickness_nm: float) -> dict[str, Any]:
        x, y, z = variant
        direction, _ = projection((x, y, z), self.settings["structure"]["zone_axis"])
        return {
            **self.settings["structure"],
            **_LABELS,
            "direction_deg": direction,
            "variant": list(variant),
            "thickness_nm": thickness_nm,
            "a_site": "virtual",
            "b_site": "virtual",
            "cells": [1, 1],
        }

    def _measure(
        self,
        crystal: Crystal,
        simulate: Simulate,
        cells: Sequence[int],
        thicknesses_nm: Sequence[float],
        thermal_scale: float,
        **sampling: Any,
    ) -> Patterns:
        optics = Optics(simulate.semiangle_mrad, simulate.aberrations, simulate.tilt_mrad)
        nx, ny = cells
        matrix = compute_scattering_matrix(
            crystal,
            thicknesses_nm,
            simulate,
            cells=(nx, ny),
            margin_mrad=float(np.hypot(*optics.centre_mrad)),
            thermal_scale=thermal_scale,
            device="cuda" if simulate.device == "gpu" else "cpu",
            **sampling,
        )
        positions = self.places * crystal.cell[:2]
        images = VirtualMicroscope(matrix, simulate.detector).measure(
            positions, thicknesses_nm, optics
        )
        patterns: Patterns = images.flatten(2).numpy()
        return patterns

    def _entry(
        self,
        error: NDArray[np.float64],
        thicknesses_nm: Sequence[float],
        meaning: str,
        crystals: str = "",
    ) -> Entry:
        """An error of shape (crystal, thickness, position), its interval over positions."""
        probes = error.mean(1).ravel()
        rows = self.random.integers(len(probes), size=(_RESAMPLES, len(probes)))
        tail = (1 - _CONFIDENCE) / 2
        low, high = np.quantile(probes[rows].mean(1), [tail, 1 - tail])
        about = f"{meaning}, polar axes {crystals}" if crystals else meaning
        return self._described(error, thicknesses_nm, about, {"low": low, "high": high})

    def _described(
        self,
        error: NDArray[np.float64],
        thicknesses_nm: Sequence[float],
        meaning: str,
        limits: Mapping[str, float],
    ) -> Entry:
        nm = ", ".join(f"{t:.0f}" for t in thicknesses_nm)
        text = f"{meaning}: relative L1 of patterns of moving atoms, mean over {nm} nm"
        return {
            **entry(float(error.mean()), RELATIVE, text, n=error.size, **limits),
            "thicknesses_nm": list(thicknesses_nm),
            "by_thickness": error.mean((0, 2)).tolist(),
        }


def _absent(why: str) -> Entry:
    empty: list[float] = []
    absent = entry(float("nan"), RELATIVE, why, n=0)
    return {**absent, "thicknesses_nm": empty, "by_thickness": empty}


def _size(cells: Sequence[int]) -> str:
    return " x ".join(map(str, cells))


def _field_of(field: Mapping[str, Any]) -> str:
    offsets = f" at {field['offsets']} offsets of the aperture" if field["offsets"] > 1 else ""
    return f"{_size(field['cells'])} cells{offsets}"
