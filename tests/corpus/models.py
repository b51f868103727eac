# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged folders of saved models, loaded and asked as a map does."""

from __future__ import annotations

import json
import random
import shutil
import struct
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.corpus.mutate import damaged, damaged_bytes, damaged_text

NAMES = ("RM", "RU", "MU", "LU", "LM", "LD", "MD", "RD")
DIRECTIONS = np.arange(8) * 45.0
PIXELS = 32
FAMILIES: dict[str, dict[str, Any]] = {
    "linear": {"components": 4},
    "pca_knn": {"components": 4},
    "template": {},
    "deflection": {},
    "cnn": {"training": {"max_epochs": 1}},
    "equivariant": {"channels": 4, "layers": 1, "training": {"max_epochs": 1}},
    "timm": {"architecture": "resnet10t", "training": {"max_epochs": 1}},
}
TRAINED = {
    "energy_kv": 200.0, "semiangle_mrad": 24.0, "mrad_per_pixel": 2.0, "pixels": PIXELS,
    "cell_angstrom": [3.97, 3.97], "thickness_nm": [4.0, 20.0], "zone_axis": [0, 0, 1],
}  # fmt: skip

name = "model folder"


@cache
def _folders() -> dict[str, Path]:
    """A small model of every family."""
    from polarstem.data.patterns import PatternSet
    from polarstem.models import FitJob, create

    top = Path(tempfile.mkdtemp(prefix="polarstem-corpus-models-"))
    rng = np.random.default_rng(0)
    down, right = np.mgrid[:PIXELS, :PIXELS] / PIXELS - 0.5
    label = np.arange(64) % 8
    angle = np.deg2rad(DIRECTIONS[label])[:, None, None]
    disc = np.hypot(down, right) < 0.4
    patterns = disc * (1 + 0.5 * (np.cos(angle) * right - np.sin(angle) * down))
    patterns = (patterns + 0.05 * rng.random(patterns.shape)).astype(np.float32)
    specimens = [f"{NAMES[k]}-{i}" for i, k in enumerate(label)]
    made = PatternSet.from_arrays(patterns, label, NAMES, DIRECTIONS, specimen=specimens)
    found = {}
    for family, options in FAMILIES.items():
        model = create(family, options, NAMES, DIRECTIONS)
        model.fit(made, made, FitJob(top / "work", seed=0, device="cpu"))
        model.info |= {"name": family, "trained_for": TRAINED}
        model.save(top / family)
        found[family] = top / family
    return found


def prepare() -> None:
    """Train one of every family, and load it."""
    import torch

    torch.set_num_threads(1)
    for folder in _folders().values():
        _use(folder)


def make(folder: Path, seed: int) -> str:
    """Copy a model and damage one of its files."""
    rng = random.Random(seed)
    family = list(FAMILIES)[seed % len(FAMILIES)]
    shutil.copytree(_folders()[family], folder / "model")
    files = sorted((folder / "model").iterdir())
    victim = rng.choice(files)
    match rng.randrange(8):
        case 0:
            victim.unlink()
            told = "missing"
        case 1 if victim.suffix != ".json":
            other = rng.choice([name for name in FAMILIES if name != family])
            shutil.rmtree(folder / "model")
            shutil.copytree(_folders()[other], folder / "model")
            shutil.copyfile(_folders()[family] / "model.json", folder / "model" / "model.json")
            told = f"the arrays of {other}"
        case 2 | 3 | 4:
            victim = folder / "model" / "model.json"
            described, told = damaged(json.loads(victim.read_text()), rng)
            victim.write_text(json.dumps(described, default=str))
        case 5 if victim.suffix == ".json":
            data, told = damaged_text(victim.read_text(), rng)
            victim.write_bytes(data)
        case 6 if victim.suffix == ".npz":
            told = _other_arrays(victim, rng)
        case 6 if victim.suffix == ".safetensors":
            told = _other_weights(victim, rng)
        case _:
            data, told = damaged_bytes(victim.read_bytes(), rng, header=2048)
            victim.write_bytes(data)
    return f"{family}, {victim.name}: {told}"


def attempt(folder: Path) -> None:
    """Load it as a map does, and ask it."""
    _use(folder / "model")


def _use(folder: Path) -> None:
    from polarstem.maps.trained import trained_for
    from polarstem.models import load_model

    model = load_model(folder, device="cpu")
    shape = model.pattern_shape
    assert shape is not None
    model.predict_proba(np.random.default_rng(0).random((3, *shape)))
    trained_for(model, folder)


def _other_arrays(path: Path, rng: random.Random) -> str:
    """Arrays of other shapes and types, or headers that promise more than there is."""
    with np.load(path) as stored:
        arrays = {key: stored[key] for key in stored.files}
    key = rng.choice(sorted(arrays))
    if rng.random() < 0.4:
        shape = rng.choice(((10**6, 10**6), (2**33,), (0, 10**9), (-1,)))
        head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode()
        head = head.ljust(117) + b"\n"
        path.unlink()
        np.savez(path, **{k: v for k, v in arrays.items() if k != key})
        with zipfile.ZipFile(path, "a") as file:
            written = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + bytes(64)
            file.writestr(f"{key}.npy", written)
        return f"{key} states {shape}"
    value = arrays[key]
    arrays[key] = rng.choice(
        [value[..., None], value.ravel()[:1], value.astype(str), np.zeros(0), value.T * np.nan,
         np.zeros((3, 3)), value.astype(complex), np.array(7)]
    )  # fmt: skip
    np.savez(path, **arrays)
    return f"{key} of {arrays[key].shape} {arrays[key].dtype}"


def _other_weights(path: Path, rng: random.Random) -> str:
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header, told = damaged(json.loads(data[8 : 8 + length]), rng)
    text = json.dumps(header, default=str).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])
    return told
