# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration: its keys, their checks, and the plan of work that follows from it.

Light to import (standard library, pydantic, yaml): Snakemake parses it for every job.
"""

from polarstem.config.check import (
    ConfigError,
    check,
    is_whole,
    laid_over,
    load,
    read_standard,
)
from polarstem.config.model import Config
from polarstem.config.plan import SpecimenPlan

__all__ = [
    "Config",
    "ConfigError",
    "SpecimenPlan",
    "check",
    "is_whole",
    "laid_over",
    "load",
    "read_standard",
]
