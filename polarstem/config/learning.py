# SPDX-License-Identifier: GPL-3.0-or-later
"""Config sections for the training of models, the evaluation and the report."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from polarstem.config.conditions import LISTED, MAPPED, Conditions, list_or_section
from polarstem.config.physics import Count, NonNegative, Positive, Section
from polarstem.config.vector_bound import VectorBound

Fraction = Annotated[float, Field(gt=0, lt=1)]


class Training(Section):
    """Training of a network."""

    learning_rate: Positive = Field(2e-4, description="Adam's learning rate")
    weight_decay: Annotated[float, Field(ge=0)] = Field(1e-4, description="Adam's weight decay")
    batch_size: Annotated[int, Field(ge=2)] = Field(128, description="patterns per step")
    max_epochs: Count = Field(20, description="most passes over the training patterns")
    max_steps: Count = Field(
        1_000_000, description="most optimiser steps; cuts the epochs of large training sets"
    )
    patience: Count = Field(
        5, description="epochs without a lower validation loss before training stops"
    )
    schedule: Literal["constant", "one_cycle"] = Field(
        "constant", description="learning rate over the steps"
    )


class Stream(Section):
    """Patterns measured on the fly on scattering matrices, never twice the same."""

    specimens: tuple[str, ...] = Field(
        min_length=1,
        description="specimen sets with scattering matrices; those of training and validation "
        "specimens are measured. Where `amplitude` is 0, all classes are equally right",
    )
    conditions: Conditions = Field(
        default_factory=Conditions, description="what each batch of probe positions draws from"
    )
    patterns: Count = Field(1_000_000, description="patterns measured for a network")
    reuse: Count = Field(
        4,
        description="how often a network sees each pattern; raise it where measuring is slower "
        "than learning",
    )
    window: Count = Field(
        40_000, description="patterns held at a time, from which batches are drawn"
    )
    positions: Count = Field(64, description="random probe positions under the same conditions")
    validation: Count = Field(
        4096, description="patterns of the validation specimens, which choose the epoch"
    )
    calibration: Annotated[int, Field(ge=20)] = Field(
        256,
        description="scans of 36 positions of the validation specimens, each under conditions of "
        "its own, that probabilities and conformal sets are fitted on",
    )
    training: dict[str, Any] = Field(
        default_factory=dict,
        description="keys of `train.training` that differ on this stream; `max_epochs` is the "
        "number of equal parts after which a network is validated",
    )
    fixed: Count = Field(
        20_000, description="patterns for models that learn from a fixed set, as classical ones do"
    )


class Run(Section):
    """Models to train on sources: every listed model on every listed source."""

    models: tuple[str, ...] = Field(min_length=1, description="names from `models`")
    sources: tuple[str, ...] = Field(min_length=1, description="names from `train.sources`")
    training: dict[str, Any] = Field(
        default_factory=dict,
        description="keys of `train.training` that differ in these trainings, whatever model and "
        "stream say",
    )


class Train(Section):
    """What is trained on what."""

    sources: dict[
        str,
        Annotated[
            Annotated[tuple[str, ...], Tag(LISTED)] | Annotated[Stream, Tag(MAPPED)],
            Discriminator(list_or_section),
        ],
    ] = Field(
        min_length=1,
        description="training sets: a name and the data domains whose training splits it joins, "
        "or a stream",
    )
    runs: tuple[Run, ...] = Field(min_length=1, description="which models on which sources")
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        (0,), min_length=1, description="each run is repeated with these seeds"
    )
    device: Literal["auto", "cpu", "gpu"] = Field(
        "auto", description="`auto` takes a GPU where torch sees one; `gpu` also asks for one"
    )
    training: Training = Field(
        default_factory=Training, description="training of networks, unless a model says otherwise"
    )
    memory_mb: Annotated[int, Field(ge=100)] = Field(
        1500,
        description="training patterns kept in memory [MB]; larger sets are read from disk",
    )


class Adaptation(Section):
    """A trained model fitted to each scan it is tested on, without labels; a row of its own."""

    model: str = Field(description="a model that `train.runs` name")
    method: Literal["symmetry", "prototypes", "batch_statistics"] = Field(
        description="`symmetry` averages the answers over turned and mirrored copies of a pattern; "
        "`prototypes` also estimates the class references of head `prototype` anew, and "
        "`batch_statistics` what a network with batch normalisation subtracts and divides by"
    )
    scan: Literal["specimen", "domain"] = Field(
        "specimen",
        description="what is one scan: a specimen at one thickness, or all test patterns of a data "
        "domain, as if one scan held every class",
    )
    turned_copies: bool = Field(
        True,
        description="each pattern stands for its turned and mirrored copies, so that a scan of one "
        "class is no lopsided sample; false gives the methods as published",
    )
    domains: tuple[str, ...] | None = Field(
        None, description="tested data domains that it is done for; all of them if left out"
    )
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")] | None = Field(
        None, description="its name in the results; `{model}_{method}` if left out"
    )

    @property
    def row(self) -> str:
        """Name in the results."""
        return self.name or f"{self.model}_{self.method}"


class Recommended(Section):
    """A trained model, by what it was trained on."""

    model: str = Field(description="name from `models`")
    source: str = Field(description="name from `train.sources`")


class Displacements(Section):
    """Whose displacements are fitted, and held against the true ones where these are known."""

    domains: tuple[str, ...] = Field(
        (), description="data domains that are scored together, `polar_direction: free` or not"
    )
    also: tuple[str, ...] = Field(
        (), description="data domains that are scored each by itself, such as other doses"
    )
    positions: Count = Field(
        36, description="patterns that make up a unit cell, drawn at random from a scan"
    )
    experiments: tuple[str, ...] = Field(
        (), description="mapped experiments whose unit cells get a displacement"
    )

    @property
    def fitted(self) -> tuple[str, ...]:
        """All data domains whose displacements are fitted."""
        return tuple(dict.fromkeys((*self.domains, *self.also)))


class Evaluate(Section):
    """What the models are tested on."""

    domains: tuple[str, ...] = Field(
        min_length=1, description="data domains whose test splits every model predicts"
    )
    reference_source: str = Field(description="training source of the headline numbers")
    reference_domain: str = Field(description="data domain of the headline numbers")
    experiment: str | None = Field(
        None, description="data domain of the emulated experiment, for the report"
    )
    recommended: Recommended | None = Field(
        None,
        description="the model to use on experiments: `make reference-model` trains it and writes "
        "its card",
    )
    controls: tuple[str, ...] = Field(
        (),
        description="data domains of cubic specimens (`amplitude: 0`), where every answer is wrong "
        "and abstention is right",
    )
    defect_free: tuple[str, ...] = Field(
        (),
        description="virtual experiments without defects that the recommended model's anomaly "
        "scores are calibrated on; they are not mapped",
    )
    adaptation: tuple[Adaptation, ...] = Field(
        (), description="models fitted to unlabelled scans before they are tested"
    )
    vector_bound: VectorBound | None = Field(
        None,
        description="how exactly a displacement can be measured at most: the Cramér-Rao bound, see "
        "docs/vector.md; null: not computed",
    )
    displacements: Displacements | None = Field(
        None,
        description="test specimens and maps whose displacements are fitted and held against the "
        "true ones, see docs/vector.md; null: none",
    )
    crystal_separation: NonNegative = Field(
        0.1,
        description="smallest distance of a test crystal from the nearest training crystal, in "
        "patterns at the same probe positions and in units of the difference between classes "
        "(`learning.leakage.nearest`): the run stops where one is nearer",
    )
    confidence: Fraction = Field(0.95, description="confidence level of the intervals")
    smallest_gain: Fraction = Field(
        0.02,
        description="smallest difference in balanced accuracy worth having: claims that one model "
        "is better hold above it and fail below. A smaller one hardly shows once all patterns of a "
        "unit cell vote",
    )
    training_spread: NonNegative = Field(
        0.05,
        description="with fewer than three `train.seeds`, intervals of differences between models "
        "are widened by so much balanced accuracy before they are judged: trainings that differ in "
        "their seed alone and score alike on data as they were trained on may differ by several "
        "points on other data (A. D'Amour et al., J. Mach. Learn. Res. 23, 226 (2022))",
    )


class Report(Section):
    """The HTML report."""

    title: str = Field(
        "Polarization mapping with 4D-STEM: a benchmark", description="title of the page"
    )
