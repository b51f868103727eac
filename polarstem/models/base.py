# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface of all models, what a family says of itself, and what is saved of all alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from polarstem.errors import PolarstemError
from polarstem.models.options import FamilyOptions, parse
from polarstem.models.saved import (
    CHECKSUM,
    FILES,
    FORMAT,
    read_description,
    verify_files,
    write_description,
)

if TYPE_CHECKING:
    from polarstem.data.patterns import PatternSet
    from polarstem.data.stream import PatternStream
    from polarstem.models.job import FitJob

Array = NDArray[np.float32]
_MOST_PIXELS = 2048**2
"""Of a pattern that a model looks at: what `model.json` says of it is believed up to that."""


class Model(ABC):
    """A classifier of diffraction patterns by projected polarization direction.

    Parameters
    ----------
    options : mapping
        The family's options.
    class_names : sequence of str
        Names of the classes, in the order of the class index.
    class_directions : sequence of float
        Their directions [degrees, counter-clockwise from +x, y up].

    Attributes
    ----------
    family : str
        Name of the family: of its file, and in the config.
    options_type : type
        Dataclass of the family's options.
    is_network : bool
        Whether it is a network, which is trained by epochs and chosen by validation accuracy.
    on_principal_components : bool
        Whether it sees principal components of the patterns.
    respects_symmetry : bool
        Whether it is made so that turned and mirrored patterns get turned and mirrored answers.
    files : tuple of str
        Names of what it writes beside ``model.json``; their checksums are verified at loading.
    settings
        The options of this model, as `options_type`.
    pattern_shape : tuple of int or None
        (ky, kx) of the patterns the model was trained on; None before `fit`.
    info : dict
        JSON-plain facts that travel with a saved model (name, training specimens, provenance).
    """

    family: ClassVar[str]
    options_type: ClassVar[type[FamilyOptions]] = FamilyOptions
    is_network: ClassVar[bool] = False
    on_principal_components: ClassVar[bool] = False
    respects_symmetry: ClassVar[bool] = False
    files: ClassVar[tuple[str, ...]] = ()
    settings: Any

    def __init__(
        self,
        options: Mapping[str, Any],
        class_names: Sequence[str],
        class_directions: Sequence[float],
    ) -> None:
        if len(class_names) < 2 or len(class_names) != len(class_directions):
            raise PolarstemError(
                f"A model needs two or more classes, each with a direction; got "
                f"{len(class_names)} names and {len(class_directions)} directions."
            )
        self.options = dict(options)
        self.settings = parse(self.options_type, self.options, f"models.{self.family}")
        self.class_names = [str(name) for name in class_names]
        self.class_directions = np.asarray(class_directions, float)
        self.pattern_shape: tuple[int, int] | None = None
        self.info: dict[str, Any] = {}

    @classmethod
    @abstractmethod
    def describe(cls, settings: Mapping[str, Any]) -> str:
        """Say in a line what a model of these settings is, as one would in a paper.

        Parameters
        ----------
        settings : mapping
            The model's section of the config; what is left out takes its default.
        """

    @property
    def filter(self) -> str:
        """Which training patterns the model wants: "none" (all) or one of `filtering.FILTERS`."""
        return str(self.settings.filter)

    @abstractmethod
    def fit(self, train: PatternSet, validation: PatternSet, job: FitJob) -> Self:
        """Learn from labelled patterns.

        Parameters
        ----------
        train, validation : PatternSet
            Patterns of the two splits, with the same classes and shape.
        job : FitJob
            Seed, working folder, threads and the like.
        """

    def fit_stream(self, stream: PatternStream, job: FitJob) -> Self:
        """Learn from a stream of patterns; here, from a fixed number of them, on one thread.

        Parameters
        ----------
        stream : PatternStream
            The stream.
        job : FitJob
            As for `fit`.
        """
        train = stream.sample(stream.settings["fixed"], "train")
        validation = stream.sample(stream.settings["validation"], "validation")
        self.info["stream"] = {"patterns": train.n}
        return self.fit(train, validation, replace(job, threads=1))

    @abstractmethod
    def predict_proba(self, patterns: NDArray[Any]) -> Array:
        """Class probabilities (n, n_classes) of patterns (n, ky, kx)."""

    @abstractmethod
    def embed(self, patterns: NDArray[Any]) -> Array:
        """Feature vectors (n, d) of patterns (n, ky, kx)."""

    @abstractmethod
    def _write(self, directory: Path) -> None:
        """Write the family's files into an existing directory."""

    @abstractmethod
    def _read(self, directory: Path, device: str) -> None:
        """Restore what `_write` wrote."""

    def save(self, directory: Path | str) -> None:
        """Write the model into a directory, which is created."""
        from polarstem.provenance import versions

        shape = self._fitted_shape()
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        self._write(directory)
        description = {
            "format": FORMAT,
            "family": self.family,
            "options": self.options,
            "class_names": self.class_names,
            "class_directions_deg": self.class_directions.tolist(),
            "pattern_shape": list(shape),
            "versions": versions(),
            **self.info,
        }
        write_description(directory, description, self.files)

    @classmethod
    def load(cls, directory: Path | str, device: str = "auto") -> Self:
        """Restore a model from the directory that `save` wrote."""
        description = read_description(directory)
        try:
            model = cls(
                description.pop("options"),
                description.pop("class_names"),
                description.pop("class_directions_deg"),
            )
            ky, kx = description.pop("pattern_shape")
            model.pattern_shape = (int(ky), int(kx))
            if not 0 < ky * kx <= _MOST_PIXELS:
                raise ValueError(f"patterns of {ky} x {kx} pixels")
            verify_files(Path(directory), description)
            own = {"format", "family", FILES, CHECKSUM}
            model.info = {k: v for k, v in description.items() if k not in own}
            model._read(Path(directory), device)
            # what does not fit together is found here, not in the middle of a map
            answer = model.predict_proba(np.ones((1, int(ky), int(kx)), np.float32))
            if answer.shape != (1, len(model.class_names)):
                raise ValueError(f"answers of shape {answer.shape}")
        except PolarstemError:
            raise
        except Exception as error:
            raise PolarstemError(
                f"The saved model {directory} is incomplete or damaged ({type(error).__name__}); "
                "delete the directory and train the model again."
            ) from error
        return model

    def _fitted_shape(self) -> tuple[int, int]:
        if self.pattern_shape is None:
            raise PolarstemError("The model is not trained yet; call fit, or load a saved one.")
        return self.pattern_shape

    def _checked(self, patterns: NDArray[Any]) -> Array:
        """Patterns as float32 (n, ky, kx), or an error that says what is wrong with them."""
        shape = self._fitted_shape()
        patterns = np.asarray(patterns)
        if patterns.ndim != 3 or patterns.shape[1:] != shape:
            raise PolarstemError(
                f"The patterns have shape {patterns.shape}; the model was trained on "
                f"(n, {shape[0]}, {shape[1]}): crop or bin them to its detector."
            )
        return np.ascontiguousarray(patterns, np.float32)

    def _check_training(self, train: PatternSet, validation: PatternSet) -> None:
        """Refuse sets that nothing can be learned from, and remember the pattern shape."""
        for split, patterns in (("training", train), ("validation", validation)):
            if list(patterns.class_names) != self.class_names:
                raise PolarstemError(
                    f"The {split} set has the classes {', '.join(patterns.class_names)}, the "
                    f"model has {', '.join(self.class_names)}; they must be the same."
                )
            found = np.bincount(patterns.class_index, minlength=len(self.class_names)) > 0
            if not found.all():
                absent = ", ".join(np.array(self.class_names)[~found])
                raise PolarstemError(
                    f"The {split} set has no pattern of class {absent}; give every class a "
                    f"specimen in each split (specimens: per_class)."
                )
        if tuple(train.shape) != tuple(validation.shape):
            raise PolarstemError(
                f"Training patterns have shape {tuple(train.shape)}, validation patterns "
                f"{tuple(validation.shape)}; one detector must serve both."
            )
        self.pattern_shape = (int(train.shape[0]), int(train.shape[1]))
