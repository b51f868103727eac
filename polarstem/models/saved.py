# SPDX-License-Identifier: GPL-3.0-or-later
"""What a saved model says of itself: ``model.json``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polarstem.errors import PolarstemError

MODEL_FILE = "model.json"
FORMAT = 1
CHECKSUM, FILES = "checksum", "files"
"""Keys of the digest of all other keys, and of those of the files beside; a `model.json` without
them (an earlier version's, or one edited by hand) is not verified."""


def write_description(
    directory: Path, description: Mapping[str, Any], files: Sequence[str]
) -> None:
    """Write ``model.json`` with its own digest and those of the files beside it."""
    digests = {name: _digest((directory / name).read_bytes()) for name in files}
    whole = json.loads(json.dumps(dict(description) | {FILES: digests}))
    text = json.dumps(whole | {CHECKSUM: _own_digest(whole)}, indent=1) + "\n"
    (directory / MODEL_FILE).write_text(text, encoding="utf-8")


def verify_files(directory: Path, description: Mapping[str, Any]) -> None:
    """Raise `PolarstemError` for a file that is not the one the model was saved with."""
    for name, digest in description.get(FILES, {}).items():
        path = directory / name
        if not path.is_file():
            raise PolarstemError(
                f"The saved model {directory} is incomplete or damaged (it lacks {name}); "
                "delete the directory and train the model again."
            )
        if _digest(path.read_bytes()) != digest:
            raise PolarstemError(
                f"{path} is damaged or of another model: it does not match its checksum in "
                f"{MODEL_FILE}; delete the directory and train the model again."
            )


def _digest(content: bytes) -> str:
    return f"blake2b:{hashlib.blake2b(content, digest_size=16).hexdigest()}"


def _own_digest(description: Mapping[str, Any]) -> str:
    own = {key: value for key, value in description.items() if key != CHECKSUM}
    return _digest(json.dumps(own, sort_keys=True).encode())


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
    if description.get(CHECKSUM, _own_digest(description)) != _own_digest(description):
        raise PolarstemError(
            f"{path} has changed since it was written: its checksum does not match; delete the "
            f"directory and train the model again, or take out {CHECKSUM!r} if the change is meant."
        )
    return description
