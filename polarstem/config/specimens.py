# SPDX-License-Identifier: GPL-3.0-or-later
"""Config sections for sets of specimens and for data domains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from polarstem.config.conditions import LISTED, MAPPED, Conditions, Drawn, list_or_section
from polarstem.config.experiment_conditions import ExperimentConditions
from polarstem.config.physics import WORD, Positive, Section

SOURCE_STEPS = 1.5
"""Least width of a source that joins neighbouring probe positions of an emulated scan [steps]."""

Thicknesses = Annotated[tuple[Positive, ...], Field(min_length=1)]


# each is a job and a file: the plan of a run is made before it, and all of it is kept in memory
_Specimens = Annotated[int, Field(ge=0, le=10_000)]


def _names_or_word(value: Any) -> str:
    return WORD if isinstance(value, str) else LISTED


class PerClass(Section):
    """Number of specimens of each class, in each split."""

    train: _Specimens = Field(0, description="specimens to train on")
    validation: _Specimens = Field(0, description="specimens for early stopping and for choosing")
    test: _Specimens = Field(0, description="specimens for evaluation only")


class SpecimenSet(Section):
    """Specimens made and simulated alike; each one is simulated once, at all thicknesses."""

    per_class: PerClass = Field(description="number of specimens of each class in each split")
    thicknesses_nm: Annotated[
        Annotated[Thicknesses, Tag(LISTED)] | Annotated[Drawn, Tag(MAPPED)],
        Discriminator(list_or_section),
    ] = Field(
        description="thicknesses kept from the one simulation [nm], each rounded to whole cells; "
        "or how each specimen draws its own",
    )
    classes: (
        Annotated[
            Annotated[tuple[str, ...], Tag(LISTED)] | Annotated[Literal["first"], Tag(WORD)],
            Discriminator(_names_or_word),
        ]
        | None
    ) = Field(
        None,
        description="only these classes, by name (`RM`, `RU`, ...), or the `first` of the phase; "
        "null for all",
    )
    paired_with: str | None = Field(
        None,
        description="another set whose specimens these are, but for `structures` and `simulate`: "
        "each draws what the specimen of the same class, split and number there draws, so that a "
        "defect is compared with the same crystal without it",
    )
    structures: dict[str, Any] = Field(
        default_factory=dict, description="keys of `structures` that differ for this set"
    )
    simulate: dict[str, Any] = Field(
        default_factory=dict, description="keys of `simulate` that differ for this set"
    )
    conditions: ExperimentConditions | None = Field(
        None,
        description="emulated experiment: each specimen draws its own tilt, aberrations, source, "
        "detector, dose and imperfections from these; simulated by multislice",
    )

    def chosen(self, table: Sequence[str]) -> tuple[str, ...]:
        """Names of the set's classes, those of its phase being `table`."""
        if self.classes == "first":
            return tuple(table[:1])
        return tuple(table) if self.classes is None else tuple(self.classes)


class DataDomain(Section):
    """A named set of conditions: some thicknesses of one specimen set, at one dose."""

    specimens: str = Field(description="name of the specimen set")
    thicknesses_nm: Thicknesses | None = Field(
        None, description="which of the set's thicknesses [nm]; null for all"
    )
    dose_electrons: Positive | None = Field(
        None, description="electrons per pattern (Poisson noise), or null for no noise"
    )
    conditions: Conditions | None = Field(
        None,
        description="measure the set's test specimens anew under these, on their scattering "
        "matrices; for tests only",
    )
    factor: str | None = Field(
        None, description="what this data domain changes, for the ladder of the report"
    )
    severity: float | None = Field(None, description="how much of it, in the factor's unit")
