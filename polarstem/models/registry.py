# SPDX-License-Identifier: GPL-3.0-or-later
"""Model families by name: each is a file of `polarstem.models.family`."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarstem.errors import PolarstemError
from polarstem.models import family as folder
from polarstem.models.saved import read_description

if TYPE_CHECKING:
    from polarstem.models.base import Model


def families() -> list[str]:
    """Names of the families that `create` knows."""
    return sorted(module.name for module in pkgutil.iter_modules(folder.__path__))


@cache
def model_class(family: str) -> type[Model]:
    """The class of a family, which answers what it is without a model being made.

    Raises
    ------
    PolarstemError
        If there is no such family, or its file does not hold one class of its name.
    """
    from polarstem.models.base import Model

    if family not in families():
        near = difflib.get_close_matches(family, families(), n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise PolarstemError(
            f"There is no model family '{family}' (known: {', '.join(families())}){hint}"
        )
    module = importlib.import_module(f"{folder.__name__}.{family}")
    found = [
        item
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, Model) and vars(item).get("family") == family
    ]
    if len(found) != 1:
        raise PolarstemError(
            f"{module.__file__} holds {len(found)} models with family = '{family}'; it must hold "
            "one, a subclass of polarstem.models.base.Model."
        )
    return found[0]


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
