# SPDX-License-Identifier: GPL-3.0-or-later
"""Config sections of the model families: one entry of `SECTIONS` each.

What a family is stands in `polarstem.models.family`; here is what a config may say of it.
"""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import Field, create_model

from polarstem.config.physics import Count, NonNegative, Positive, Section

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


WORK_PIXELS = 32 * 32
"""Pixels of the patterns that work is counted in."""


class ModelSection(Section):
    """What every model can be told."""

    if TYPE_CHECKING:  # each family has its own, and the keys of its section in this order
        family: str

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

    def pattern_work(self, pixels: int) -> tuple[str, float]:
        """What the time of a model goes by, and how much work a pattern is.

        Parameters
        ----------
        pixels : int
            Of a pattern.

        Returns
        -------
        kind : str
            The family, or a name of the network where networks of a family differ.
        work : float
            In units of what a pattern of 32 x 32 pixels is.
        """
        return self.family, pixels / WORK_PIXELS


class ScaledSection(ModelSection):
    """A model that scales its patterns."""

    preprocessing: Preprocessing = Field(
        default_factory=Preprocessing, description="scaling of the patterns"
    )


class NetworkSection(ScaledSection):
    """A network, which is trained by epochs."""

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


def section_of(
    family: str,
    summary: str,
    base: type[ModelSection] = ModelSection,
    /,
    **options: tuple[Any, Any, str],
) -> type[ModelSection]:
    """Make the section of a family.

    Parameters
    ----------
    family : str
        Its name.
    summary : str
        A sentence for the reference of the config.
    base : type
        Section with the options that it shares with others.
    **options : (type, default, meaning)
        Options of its own.
    """
    fields: dict[str, Any] = {"family": (Literal[family], Field(description=f"`{family}`"))}
    for key, (kind, default, meaning) in options.items():
        fields[key] = (kind, Field(default, description=meaning))
    title = "".join(word.title() for word in family.split("_")) + "Model"
    made: type[ModelSection] = create_model(title, __base__=base, __doc__=summary, **fields)
    return made


class TimmModel(NetworkSection):
    """Any network of the timm library, with one input channel."""

    family: Literal["timm"] = Field(description="`timm`")
    architecture: str = Field(description="timm's name, e.g. `resnet18`, `vgg11`, `resnet50`")
    pretrained: bool = Field(
        False, description="start from timm's weights (downloaded when training starts)"
    )

    def pattern_work(self, pixels: int) -> tuple[str, float]:
        """By architecture."""
        return self.architecture, pixels / WORK_PIXELS


class EquivariantModel(NetworkSection):
    """Fully connected layers that share their weights over the square's turns and mirrors."""

    family: Literal["equivariant"] = Field(description="`equivariant`; classification only")
    channels: Count = Field(64, description="features for each turn and mirror")
    layers: Count = Field(3, description="residual layers")

    def pattern_work(self, pixels: int) -> tuple[str, float]:
        """Count multiplications, 1 with 128 channels and 3 layers: 8 turns of 2 steps a layer."""
        count = self.channels * (pixels + 16 * self.layers * self.channels)
        return self.family, count / (128 * (WORK_PIXELS + 16 * 3 * 128))


class DeflectionModel(ModelSection):
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


SECTIONS = (
    TimmModel,
    section_of("cnn", "The paper's small convolutional network.", NetworkSection),
    EquivariantModel,
    section_of(
        "pca_knn",
        "Principal components of the pixels and a vote of the nearest neighbours.",
        ScaledSection,
        components=(Count, 20, "principal components"),
        neighbours=(Count, 5, "neighbours that vote"),
    ),
    section_of(
        "linear",
        "Principal components of the pixels and a linear score of each class.",
        ScaledSection,
        classifier=(
            Literal["lda", "logistic"],
            "lda",
            "linear discriminant analysis or logistic regression",
        ),
        components=(Count, 300, "principal components"),
    ),
    section_of(
        "template",
        "Poisson likelihood of a pattern under the training patterns, in all their turns.",
        templates=(
            Count,
            16384,
            "training patterns to compare with; of more, so many are drawn",
        ),
    ),
    DeflectionModel,
)
FAMILIES: dict[str, type[ModelSection]] = {
    get_args(section.model_fields["family"].annotation)[0]: section for section in SECTIONS
}
"""Sections by the name of their family."""

if TYPE_CHECKING:
    ModelSettings = ModelSection
else:
    ModelSettings = Annotated[
        functools.reduce(operator.or_, SECTIONS), Field(discriminator="family")
    ]
