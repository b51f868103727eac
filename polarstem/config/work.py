# SPDX-License-Identifier: GPL-3.0-or-later
"""Every job of a run, and how much there is to compute in it, from the config alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from polarstem.config import job_memory, jobs, map_jobs, needs, plan
from polarstem.config.error_budget import accuracy_mb
from polarstem.config.limit import limit_crystals
from polarstem.config.model import Config
from polarstem.config.scene_limits import SAMPLES_PER_CELL
from polarstem.config.separation import separation_crystals
from polarstem.config.vector_bound import bound_matrix, vector_bound_settings
from polarstem.structures.scenes.recipe import make_scene
from polarstem.structures.symmetry import representative

_BYTES = 4e-6  # MB of a pixel
_MODEL_MB = 10.0
_PREDICTED_MB = 80.0  # of a million patterns
_FITTED_MB = 3000.0  # of a job that fits displacements
_OWN_CELLS = 150  # of a scan whose file is not looked into


class Job(NamedTuple):
    """One job.

    Attributes
    ----------
    rule : str
        Rule of the workflow.
    name : str
        Its wildcards, as its benchmark file is named.
    work : dict of str to float
        How much of what there is to do, in the units of `polarstem.config.estimate.RATES`.
    memory_mb : float
        Memory that it asks for; 0 where it is small.
    disk_mb : float
        Size of what it leaves.
    threads : int
        Cores that it takes.
    wants_gpu : bool
        Whether it asks for a GPU, on which nobody measured what its work takes.
    """

    rule: str
    name: str
    work: dict[str, float]
    memory_mb: float = 0.0
    disk_mb: float = 0.0
    threads: int = 1
    wants_gpu: bool = False


def all_jobs(config: Config) -> list[Job]:
    """List every job of a run but those that take seconds.

    Parameters
    ----------
    config : Config
        The configuration.
    """
    run = _Run(config)
    specimens = [s for name in plan.used_sets(config) for s in run.specimens[name]]
    return [
        Job("build_structures", "", {"specimens": len(specimens)}),
        *_matrices(run),
        *_simulations(config, specimens),
        *_scenes(config),
        *_data_sets(run),
        *_models(run),
        *_evaluation(run),
        *_maps(config),
    ]


class _Run:
    """Specimens by set, crystals and sizes of their matrices by name, each worked out once."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.specimens = {name: plan.specimens_of(config, name) for name in plan.used_sets(config)}
        self.crystals = {crystal.name: crystal for crystal in plan.all_crystals(config)}
        self.sizes = {n: jobs.matrix_mb(config, c) for n, c in self.crystals.items()}
        self.tested = sum(1e-6 * self.patterns(d, "test") for d in config.evaluate.domains)

    def patterns(self, domain: str, split: str | None = None) -> int:
        """Patterns of a data domain, all or of one split."""
        section = self.config.domains[domain]
        specimens = [s for s in self.specimens[section.specimens] if split in (None, s.split)]
        thicknesses = sum(len(section.thicknesses_nm or s.thicknesses_nm) for s in specimens)
        return math.prod(self.config.simulate_of(section.specimens).scan.positions) * thicknesses

    def largest(self, names: Iterable[str]) -> float:
        """Size of the largest of some matrices [MB]; 0 of none."""
        return max((self.sizes[name] for name in names), default=0.0)


def _matrices(run: _Run) -> Iterator[Job]:
    """Work: plane waves x grid points x slices x thermal configurations [1e9]."""
    config = run.config
    for name, crystal in run.crystals.items():
        thermal = plan.engine_of(config, crystal.specimen_set)[0] == "thermal_matrices"
        settings = jobs.matrix_settings(config, crystal)
        count = settings["simulate"]["phonons"]["configurations"] if thermal else 1
        yield Job(
            "compute_thermal_matrices" if thermal else "compute_scattering_matrix",
            name,
            {"thermal" if thermal else "matrix": 1e-9 * count * _propagated(settings)},
            memory_mb=job_memory.matrix_mb(config, crystal, run.sizes[name]),
            disk_mb=run.sizes[name],
        )


def _propagated(settings: Mapping[str, Any]) -> float:
    """Plane waves in the aperture times grid points times slices, of one configuration."""
    shape = needs.multislice_shape(settings["structure"], settings)
    return jobs.plane_waves(settings) * shape.x * shape.y * shape.slices


def _simulations(config: Config, specimens: Iterable[plan.SpecimenPlan]) -> Iterator[Job]:
    """Work: probe positions x grid points x slices [1e9]."""
    for specimen in specimens:
        if plan.engine_of(config, specimen.specimen_set)[0] != "multislice":
            continue
        structure = jobs.structure_settings(config, specimen)
        settings = jobs.simulation_settings(config, specimen)
        shape = needs.multislice_shape(structure, settings)
        simulate = config.simulate_of(specimen.specimen_set)
        configurations = max(1.0, simulate.phonons.configurations)
        conditions = config.specimens[specimen.specimen_set].conditions
        joined = conditions is not None and conditions.source_fwhm_angstrom[0] > 0
        if joined and configurations >= 4:
            configurations /= 4  # which share out the positions that a source joins
        waves = math.prod(simulate.scan.positions) * configurations
        patterns = math.prod(simulate.scan.positions) * len(specimen.thicknesses_nm)
        yield Job(
            "simulate_patterns",
            specimen.name,
            {"multislice": 1e-9 * waves * shape.x * shape.y * shape.slices},
            memory_mb=job_memory.patterns_mb(config, specimen),
            disk_mb=_BYTES * patterns * simulate.detector.pixels**2,
        )


def _scenes(config: Config) -> Iterator[Job]:
    """Work: point sources x grid points of a window x slices [1e9]."""
    for name in map_jobs.scenes(config):
        recipe = make_scene(map_jobs.scene_settings(config, name))
        scan = map_jobs.scan_settings(config, name)
        slices, points = needs.scene_shape(recipe, scan["simulate"])
        samples = math.prod(recipe.scanned(SAMPLES_PER_CELL)[:2])
        positions = math.prod(recipe.scanned(scan["positions_per_cell"])[:2])
        yield Job(
            "simulate_scene",
            name,
            {"window": 1e-9 * samples * points * slices},
            memory_mb=job_memory.scene_mb(config, name),
            disk_mb=2e-6 * positions * scan["simulate"]["detector"]["pixels"] ** 2,
        )


def _data_sets(run: _Run) -> Iterator[Job]:
    """Work: what is read [MB], of matrices or of patterns."""
    config = run.config
    for domain in config.used_domains():
        section = config.domains[domain]
        pixels = config.simulate_of(section.specimens).detector.pixels ** 2
        size = _BYTES * run.patterns(domain) * pixels
        if plan.engine_of(config, section.specimens)[0] == "multislice":
            yield Job("assemble_dataset", domain, {"assembled": size}, disk_mb=size)
            continue
        names = [s["crystal"] for s in jobs.measured_settings(config, domain)["specimens"]]
        thicknesses = [len(run.crystals[name].thicknesses_nm) for name in names]
        part = len(section.thicknesses_nm or range(thicknesses[0]))
        read = sum(run.sizes[n] * part / count for n, count in zip(names, thicknesses, strict=True))
        yield Job(
            "measure_dataset",
            domain,
            {"specimens_measured": len(names) * part, "read": read},
            memory_mb=job_memory.measured_mb(config, domain, run.largest(names)),
            disk_mb=size,
        )
    compared = separation_crystals(config)
    yield Job(
        "check_leakage",
        "",
        {"compared": sum(run.sizes[name] for name in compared)},
        memory_mb=job_memory.separation_mb(run.largest(compared)),
    )


def _models(run: _Run) -> Iterator[Job]:
    """Work: patterns seen, predicted or fitted to, as if of 32 x 32 pixels [1e6]."""
    config, streams = run.config, run.config.streams()
    pixels = config.simulate.detector.pixels**2
    for model, source, seed in config.runs():
        kind, weight = config.models[model].pattern_work(pixels)
        network = hasattr(config.models[model], "training")
        work = {f"train {kind}": weight * _seen(run, model, source)}
        if source in streams:
            stream = streams[source]
            measured = stream.patterns if network else stream.fixed
            work["stream"] = 1e-6 * (measured + stream.validation + 36 * stream.calibration)
        name = f"{model}/{source}/{seed}"
        threads = 2 if network and source in streams else 1
        gpu = network and config.train.device == "gpu"
        memory = job_memory.training_mb(config)
        yield Job("train_model", name, work, memory, _MODEL_MB, threads, gpu)
        work = {f"predict {kind}": weight * run.tested}
        yield Job("predict_patterns", name, work, disk_mb=_PREDICTED_MB * run.tested)
    for row, source, seed in config.adapted_runs():
        adaptation = config.adaptations()[row]
        _, weight = config.models[adaptation.model].pattern_work(pixels)
        domains = adaptation.domains or config.evaluate.domains
        fitted = sum(1e-6 * run.patterns(domain, "test") for domain in domains)
        work = {f"adapt {adaptation.method}": weight * fitted}
        name = f"{row}/{source}/{seed}"
        yield Job("adapt_predictions", name, work, disk_mb=_PREDICTED_MB * fitted)


def _seen(run: _Run, model: str, source: str) -> float:
    """Patterns that a model is trained on, each as often as it is used [1e6]."""
    config = run.config
    network = hasattr(config.models[model], "training")
    stream = config.streams().get(source)
    if stream is not None:
        return 1e-6 * (stream.patterns * stream.reuse if network else stream.fixed)
    patterns = sum(run.patterns(d, "train") for d in config.domains_of(source))
    if not network:
        return 1e-6 * patterns
    training = config.training_of(model, source)
    return 1e-6 * min(training.max_steps * training.batch_size, training.max_epochs * patterns)


def _evaluation(run: _Run) -> Iterator[Job]:
    """Work: predicted patterns of all models [1e6], and sizes of matrices [MB]."""
    config = run.config
    predicted = run.tested * (len(config.runs()) + len(config.adapted_runs()))
    for rule in ("compute_metrics", "answer_claims", "draw_figures"):
        yield Job(rule, "", {rule: predicted})
    if limited := limit_crystals(config):
        size = sum(run.sizes[name] for name in limited)
        memory = job_memory.limit_mb(run.largest(limited))
        yield Job("compute_information", "", {"information": size}, memory)
    section = config.evaluate.displacements
    for domain in section.fitted if section is not None else ():
        of_scan = math.prod(config.simulate_of(config.domains[domain].specimens).scan.positions)
        scans = run.patterns(domain, "test") / of_scan
        yield Job("fit_displacements", domain, {"scans fitted": scans}, _FITTED_MB, threads=2)
    if section is not None and section.fitted:
        yield Job("score_displacements", "", {})
    budget = job_memory.budget_mb(config)
    yield Job("measure_accuracy", "", {"budget": accuracy_mb(config)}, budget)
    if (bound := vector_bound_settings(config)) is not None:
        vectors, places = len(bound["amplitudes"]), bound["positions"] ** 2
        matrices = 1e-9 * _propagated(bound_matrix(bound)) * vectors
        pixels = bound["simulate"]["detector"]["pixels"] ** 2
        counted = 1e-9 * bound["draws"] * vectors * len(bound["doses"]) * places * pixels
        work = {"displaced": matrices, "fitted": counted}
        yield Job("compute_vector_bound", "", work, job_memory.vector_bound_mb(config))


def _maps(config: Config) -> Iterator[Job]:
    """Work: scanned cells, and plane waves x grid points x slices of a library [1e9]."""
    library = map_jobs.recommended_library(config)
    if library is None:
        return
    yield Job("compute_library", "", {"library": 1e-9 * _library(config, library)})
    for name in [*config.evaluate.defect_free, *config.mapped()]:
        scene = config.experiments[name].scene
        rule = "map_scan" if name in config.mapped() else "map_defect_free"
        cells = math.prod(scene.cells) if scene is not None else _OWN_CELLS
        yield Job(rule, name, {"mapped": cells}, threads=2 if rule == "map_scan" else 1)
    section = config.evaluate.displacements
    for name in section.experiments if section is not None else ():
        yield Job("map_displacements", name, {"scans fitted": 1.0}, _FITTED_MB, threads=2)


def _library(config: Config, library: Mapping[str, Any]) -> float:
    """Plane waves times grid points times slices of a library, all of its crystals together."""
    zone = config.structures.zone_axis
    first = [entry.variants[0] for entry in plan.class_table(config)]
    crystals = {representative(variant, zone)[0] for variant in first}
    structure = {
        **library["structure"],
        "variant": first[0],
        "metric": "cubic",
        "cells": (1, 1),  # columns one cell wide, which repeat
    }
    settings = {**library, "structure": structure, "margin_mrad": library["tilt_mrad"]}
    return float(len(crystals) * library["configurations"] * _propagated(settings))
