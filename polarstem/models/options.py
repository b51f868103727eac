# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the model families as dataclasses; the config section `models` has the same keys."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from polarstem.errors import PolarstemError

T = TypeVar("T")

SCALINGS = ("standardise", "minmax", "none")
PARITIES = ("none", "even_odd")
FILTERS = ("none", "centre_of_mass", "information")
HEADS = ("classification", "regression", "prototype")
POSITIVES = ("batch", "cross_condition")
SCHEDULES = ("constant", "one_cycle")


@dataclass(frozen=True)
class PreprocessingOptions:
    """How patterns are scaled; see `polarstem.models.preprocessing`."""

    scaling: str = field(default="standardise", metadata={"choices": SCALINGS})
    sqrt: bool = False
    unit_sum: bool = False
    parity: str = field(default="none", metadata={"choices": PARITIES})


@dataclass(frozen=True)
class AugmentationOptions:
    """How training patterns are changed at random; see `polarstem.models.augmentation`."""

    paper: bool = False
    symmetry: bool = False


@dataclass(frozen=True)
class TrainingOptions:
    """How a network is trained; see `polarstem.models.training`."""

    learning_rate: float = 2e-4
    weight_decay: float = 1e-4
    batch_size: int = 128
    max_epochs: int = 20
    max_steps: int = 1_000_000
    patience: int = 5
    schedule: str = field(default="constant", metadata={"choices": SCHEDULES})

    def for_patterns(self, count: int) -> TrainingOptions:
        """Cut the epochs so that `count` training patterns take at most `max_steps` steps."""
        steps_per_epoch = -(-count // self.batch_size)
        epochs = max(1, self.max_steps // steps_per_epoch)
        return dataclasses.replace(self, max_epochs=min(self.max_epochs, epochs))


@dataclass(frozen=True)
class FamilyOptions:
    """Options that all families share."""

    filter: str = field(default="none", metadata={"choices": FILTERS})


@dataclass(frozen=True)
class NetworkOptions(FamilyOptions):
    """Options that all networks share."""

    head: str = field(default="classification", metadata={"choices": HEADS})
    positives: str = field(default="batch", metadata={"choices": POSITIVES})
    preprocessing: PreprocessingOptions = PreprocessingOptions()
    augmentation: AugmentationOptions = AugmentationOptions()
    training: TrainingOptions = TrainingOptions()


def parse(cls: type[T], given: Mapping[str, Any], where: str) -> T:
    """Build an options dataclass from a mapping, nested ones included.

    Parameters
    ----------
    cls : type
        The dataclass.
    given : mapping
        Options by name; missing ones take their default.
    where : str
        The mapping's name, for messages.

    Raises
    ------
    PolarstemError
        For an unknown option or a value that is none of the allowed ones.
    """
    fields = {item.name: item for item in dataclasses.fields(cls)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in given.items():
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(fields)}"
            raise PolarstemError(f"{where} has no option '{key}'; {hint}")
        choices = fields[key].metadata.get("choices")
        if choices and value not in choices:
            raise PolarstemError(f"{where}.{key} is '{value}'; allowed: {', '.join(choices)}")
        default = fields[key].default
        if isinstance(value, Mapping) and dataclasses.is_dataclass(default):
            value = parse(type(default), value, f"{where}.{key}")
        values[key] = value
    return cls(**values)
