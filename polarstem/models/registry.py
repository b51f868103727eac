# SPDX-License-Identifier: GPL-3.0-or-later
"""Model families by name. A new family is one file with a decorated class and one line here."""

from __future__ import annotations

import difflib
import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from polarstem.errors import PolarstemError

if TYPE_CHECKING:
    from polarstem.models.base import Model

# Modules by family, imported only when asked for: torch alone takes seconds.
_MODULES = {
    "timm": "polarstem.models.timm_network",
    "cnn": "polarstem.models.cnn",
    "equivariant": "polarstem.models.equivariant",
    "pca_knn": "polarstem.models.pca_knn",
    "linear": "polarstem.models.linear",
    "deflection": "polarstem.models.deflection",
    "template": "polarstem.models.template",
}
_CLASSES: dict[str, type[Model]] = {}
_M = TypeVar("_M", bound="type[Model]")

MODEL_FILE = "model.json"
FORMAT = 1


def register(family: str) -> Callable[[_M], _M]:
    """Make a `Model` subclass known under a family name (class decorator)."""

    def decorate(cls: _M) -> _M:
        cls.family = family
        _CLASSES[family] = cls
        return cls

    return decorate


def families() -> list[str]:
    """Names of the families that `create` knows."""
    return sorted({*_MODULES, *_CLASSES})


def model_class(family: str) -> type[Model]:
    """The class of a family; imports its module."""
    if family not in _CLASSES:
        if family not in _MODULES:
            near = difflib.get_close_matches(family, families(), n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise PolarstemError(
                f"There is no model family '{family}' (known: {', '.join(families())}){hint}"
            )
        importlib.import_module(_MODULES[family])
    return _CLASSES[family]


def create(
    family: str,
    options: Mapping[str, Any],
    class_names: Sequence[str],
    class_directions: Sequence[float],
) -> Model:
    """Make an untrained model.

    Parameters
    ----------
    family : str
        One of `families`.
    options : mapping
        The family's options as in the config; what is left out takes its default.
    class_names : sequence of str
        Names of the classes, in the order of the class index.
    class_directions : sequence of float
        Their directions [degrees, counter-clockwise from +x, y up].
    """
    settings = {key: value for key, value in options.items() if key != "family"}
    return model_class(family)(settings, class_names, class_directions)


def read_description(directory: Path | str) -> dict[str, Any]:
    """Read and check ``model.json`` of a saved model."""
    path = Path(directory) / MODEL_FILE
    try:
        description: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        written = description["format"]
    except FileNotFoundError:
        raise PolarstemError(
            f"{directory} is not a saved model: it has no {MODEL_FILE}; give the directory that "
            "the rule train_model wrote."
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PolarstemError(
            f"{path} is broken and cannot be read as a model's description; delete the "
            "directory and train the model again."
        ) from error
    if written != FORMAT:
        raise PolarstemError(
            f"{path} was written in model format {written}, this version reads format {FORMAT}; "
            "train the model again."
        )
    return description


def load_model(directory: Path | str, device: str = "auto") -> Model:
    """Load a saved model.

    Parameters
    ----------
    directory : path
        What `Model.save` or the rule train_model wrote.
    device : {"auto", "cpu", "gpu"}
        Where networks compute; "auto" takes a GPU if torch sees one.

    Returns
    -------
    Model
        Ready for `predict_proba` and `embed`.
    """
    return model_class(read_description(directory)["family"]).load(directory, device=device)
