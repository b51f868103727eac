# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory that each job of a run asks for [MB].

`largest` is the size of the largest scattering matrix that a job reads [MB].
"""

from __future__ import annotations

import math

from polarstem.config import jobs, map_jobs, needs
from polarstem.config.error_budget import accuracy_mb
from polarstem.config.model import Config
from polarstem.config.plan import SpecimenPlan, engine_of
from polarstem.config.vector_bound import bound_matrix, vector_bound_settings

_DISPLACED = 15  # matrices of one polar vector, exit planes beside a thickness counted as more
_EXPANDED, _FITTED = 19, 150  # arrays of patterns of each, and those of scans that are fitted
RESERVE = 1.25
"""What is asked for over what is counted: allocators and libraries keep some of what was freed."""


def patterns_mb(config: Config, specimen: SpecimenPlan) -> int:
    """One batch of waves, the specimen's images, potentials, and abTEM itself."""
    structure = jobs.structure_settings(config, specimen)
    return round(
        RESERVE * needs.multislice_mb(structure, jobs.simulation_settings(config, specimen))
    )


def scene_mb(config: Config, scene: str) -> int:
    """Transmission functions of the whole field, the scan's images, and abTEM itself."""
    settings = map_jobs.scene_settings(config, scene), map_jobs.scan_settings(config, scene)
    return round(RESERVE * needs.scene_mb(*settings))


def matrix_mb(config: Config, crystal: SpecimenPlan, size: float) -> int:
    """The matrix of a `size` [MB], its parts as they are written, and the libraries.

    Of thermal matrices one configuration at a time.
    """
    count = 1
    if engine_of(config, crystal.specimen_set)[0] == "thermal_matrices":
        count = config.simulate_of(crystal.specimen_set).phonons.configurations
    return 1500 + round(3 * size / count)


def measured_mb(config: Config, domain: str, largest: float) -> int:
    """A matrix, while it is read, the images of one specimen, and the libraries."""
    simulate = config.simulate_of(config.domains[domain].specimens)
    images = 8e-6 * math.prod(simulate.scan.positions) * simulate.detector.pixels**2
    return 1500 + simulate.memory_mb + round(images + 3 * largest)


def separation_mb(largest: float) -> int:
    """A matrix while it is read and made ready, the data sets' hashes, and the libraries."""
    return 2000 + round(4 * largest)


def limit_mb(largest: float) -> int:
    """The matrices of one group of specimens, the scores of its patterns, and the libraries."""
    return 3000 + round(6 * largest)


def budget_mb(config: Config) -> int:
    """The widest field's matrix, its factors while it is measured, and the libraries."""
    return 1500 + round(6 * accuracy_mb(config))


def vector_bound_mb(config: Config) -> int:
    """Matrices of one polar vector, five exit planes about each thickness of one, and patterns."""
    settings = vector_bound_settings(config)
    if settings is None:
        return 1500
    images = 8e-6 * settings["positions"] ** 2 * settings["simulate"]["detector"]["pixels"] ** 2
    expansions = len(settings["amplitudes"]) * len(settings["thicknesses_nm"]) * _EXPANDED
    matrices = _DISPLACED * jobs.size_mb(bound_matrix(settings))
    return 2000 + round(3 * matrices + images * (expansions + _FITTED))


def training_mb(config: Config) -> int:
    """Training patterns twice, and the libraries."""
    return 2000 + 2 * config.train.memory_mb
