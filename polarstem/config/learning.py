# SPDX-License-Identifier: GPL-3.0-or-later
"""Config sections for the models, their training, the evaluation and the report."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from polarstem.config.conditions import LISTED, MAPPED, Conditions, list_or_section
from polarstem.config.physics import Count, Positive, Section

Fraction = Annotated[float, Field(gt=0, lt=1)]
NonNegative = Annotated[float, Field(ge=0)]
Index = Annotated[int, Field(ge=0)]
Head = Literal["classification", "regression", "prototype"]


class Preprocessing(Section):
    """Scaling of the patterns, fitted on the training split and saved with the model."""

    scaling: Literal["standardise", "minmax", "none"] = Field(
        "standardise",
        description="`standardise` subtracts the mean and divides by the spread of each pixel over "
        "the training patterns; `minmax` scales each pattern to [0, 1]",
    )
    sqrt: bool = Field(False, description="take the square root of the intensities first")
    unit_sum: bool = Field(
        False,
        description="before all else, divide each pattern by its mean: what counts is where "
        "electrons go, not how many reach the detector",
    )
    parity: Literal["none", "even_odd"] = Field(
        "none",
        description="`even_odd` gives a model two images of each pattern, the sum and the "
        "difference of the pattern and its inverse, which a crystal without polarity does not have",
    )


class Augmentation(Section):
    """Changes made to the training patterns at random, anew in each epoch."""

    paper: bool = Field(
        False, description="the paper's: blur, brightness and contrast, Gaussian noise"
    )
    symmetry: bool = Field(
        False,
        description="turn and mirror pattern and label together by the 8 symmetries of the square",
    )


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


class _Scaled(Section):
    preprocessing: Preprocessing = Field(
        default_factory=Preprocessing, description="scaling of the patterns"
    )


class _Model(Section):
    filter: Literal["none", "centre_of_mass", "information"] = Field(
        "none",
        description="`centre_of_mass` keeps training patterns whose centre of mass deviates from "
        "their scan's mean by more than the average (the paper's filter); `information` drops the "
        "30 % at probe positions where classes are hardest to tell apart",
    )
    shuffled_labels: bool = Field(
        False,
        description="a control: specimens exchange their labels at random before training, so "
        "that whatever beats chance has leaked; not for streams",
    )


class _Network(_Scaled, _Model):
    head: Head = Field(
        "classification",
        description="what is learned: classes, a unit vector, or an embedding with class "
        "prototypes",
    )
    positives: Literal["batch", "cross_condition"] = Field(
        "batch",
        description="head `prototype`: what a training pattern is compared with, the class means "
        "of its batch, or with `cross_condition` those of the batch's patterns of other specimens "
        "and thicknesses",
    )
    augmentation: Augmentation = Field(
        default_factory=Augmentation, description="changes to the training patterns"
    )
    training: dict[str, Any] = Field(
        default_factory=dict, description="keys of `train.training` that differ for this model"
    )


class TimmModel(_Network):
    """Any network of the timm library, with one input channel."""

    family: Literal["timm"] = Field(description="`timm`")
    architecture: str = Field(description="timm's name, e.g. `resnet18`, `vgg11`, `resnet50`")
    pretrained: bool = Field(
        False, description="start from timm's weights (downloaded when training starts)"
    )


class CnnModel(_Network):
    """The paper's small convolutional network."""

    family: Literal["cnn"] = Field(description="`cnn`")


class EquivariantModel(_Network):
    """Fully connected layers that share their weights over the square's turns and mirrors."""

    family: Literal["equivariant"] = Field(description="`equivariant`; classification only")
    channels: Count = Field(64, description="features for each turn and mirror")
    layers: Count = Field(3, description="residual layers")


class PcaKnnModel(_Scaled, _Model):
    """Principal components of the pixels and a vote of the nearest neighbours."""

    family: Literal["pca_knn"] = Field(description="`pca_knn`")
    components: Count = Field(20, description="principal components")
    neighbours: Count = Field(5, description="neighbours that vote")


class LinearModel(_Scaled, _Model):
    """Principal components of the pixels and a linear score of each class."""

    family: Literal["linear"] = Field(description="`linear`")
    classifier: Literal["lda", "logistic"] = Field(
        "lda", description="linear discriminant analysis or logistic regression"
    )
    components: Count = Field(300, description="principal components")


class TemplateModel(_Model):
    """Poisson likelihood of a pattern under the training patterns, in all their turns."""

    family: Literal["template"] = Field(description="`template`")
    templates: Count = Field(
        16384, description="training patterns to compare with; of more, so many are drawn"
    )


class DeflectionModel(_Model):
    """Vectors that a pattern points along, and a Gaussian of them for each thickness and class."""

    family: Literal["deflection"] = Field(description="`deflection`")
    signal: Literal["centre_of_mass", "friedel", "quadrant"] = Field(
        "centre_of_mass",
        description="centre of mass; differences of the intensities at g and -g, as vectors; or "
        "differences of the quadrants of an annular detector",
    )
    pairs: tuple[tuple[Index, Index], ...] = Field(
        ((1, 0), (1, 1), (2, 0), (3, 0), (4, 0)),
        min_length=1,
        description="`friedel`: reflections h, k of the projected cell, each with those that are "
        "equivalent by symmetry",
    )
    spacing_pixels: tuple[Positive, Positive] | None = Field(
        None,
        description="`friedel`: distance of neighbouring reflections along x and y [detector "
        "pixels]; by default that of `structures` and `simulate`",
    )
    annulus: tuple[NonNegative, Positive] = Field(
        (0.5, 1.0),
        description="`quadrant`: inner and outer radius, as fractions of the detector's half width",
    )


ModelSettings = Annotated[
    TimmModel
    | CnnModel
    | EquivariantModel
    | PcaKnnModel
    | LinearModel
    | TemplateModel
    | DeflectionModel,
    Field(discriminator="family"),
]


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
    confidence: Fraction = Field(0.95, description="confidence level of the intervals")


class Report(Section):
    """The HTML report."""

    title: str = Field(
        "Polarization mapping with 4D-STEM: a benchmark", description="title of the page"
    )
