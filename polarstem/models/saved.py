# SPDX-License-Identifier: GPL-3.0-or-later
"""What a saved model says of itself: ``model.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from polarstem.errors import PolarstemError

MODEL_FILE = "model.json"
FORMAT = 1


def read_description(directory: Path | str) -> dict[str, Any]:
    """Read and check ``model.json`` of a saved model."""
    path = Path(directory) / MODEL_FILE
    try:
        description: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        written = description["format"]
        if written == FORMAT and not isinstance(description["family"], str):
            raise ValueError("its family is no name")
    except FileNotFoundError:
        raise PolarstemError(
            f"{directory} is not a saved model: it has no {MODEL_FILE}; give the directory that "
            "the rule train_model wrote."
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise PolarstemError(
            f"{path} is broken and cannot be read as a model's description; delete the "
            "directory and train the model again."
        ) from error
    if written != FORMAT:
        raise PolarstemError(
            f"{path} was written in model format {written!r:.40}, this version reads format "
            f"{FORMAT}; train the model again."
        )
    return description
