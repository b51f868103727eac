# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeds are the same everywhere and differ where they should."""

from __future__ import annotations

import hashlib
from pathlib import Path

import abtem
import ase
import numpy as np
import torch
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from polarstem.provenance import provenance
from polarstem.seeds import derive_seed, derive_share
from polarstem.simulate.microscope.noise import count_electrons


def test_known_value() -> None:
    # sha256 of "1<unit separator>static-RU-train-0", its first 63 bits
    digest = hashlib.sha256(b"1\x1fstatic-RU-train-0").hexdigest()
    assert derive_seed(1, "static-RU-train-0") == int(digest[:16], 16) // 2
    assert derive_seed(20260315) == 5754519709664890101


def test_many_seeds_differ() -> None:
    """Of 31 bits, about nine pairs of so many would be equal."""
    seeds = {derive_seed(7, "block", number) for number in range(200_000)}
    assert len(seeds) == 200_000


def test_shares_are_even() -> None:
    shares = [derive_share(1, "amplitude", number) for number in range(4000)]
    assert 0 <= min(shares) < 0.01
    assert 0.99 < max(shares) < 1
    assert abs(sum(shares) / len(shares) - 0.5) < 4 * (12 * len(shares)) ** -0.5


def test_parts_do_not_run_into_each_other() -> None:
    seeds = [derive_seed(*p) for p in [("a", "bc"), ("ab", "c"), ("abc",), ("a", "b", "c"), ("a",)]]
    assert len(set(seeds)) == len(seeds)


@given(st.lists(st.one_of(st.integers(), st.text(), st.floats(allow_nan=False)), min_size=1))
def test_range(parts: list[object]) -> None:
    assert 0 <= derive_seed(*parts) < 2**63
    assert derive_seed(*parts) == derive_seed(*parts)


def test_every_generator_takes_a_seed() -> None:
    """The largest possible one stands for all; torch's own generator keeps 32 bits of it."""
    largest = 2**63 - 1
    atoms = ase.Atoms("Cu", cell=(3, 3, 3), pbc=True)
    moved = [
        next(iter(abtem.FrozenPhonons(atoms, num_configs=1, sigmas=0.1, seed=(seed,)))).positions
        for seed in (largest, largest % 2**32, largest % 2**31)
    ]
    counts = [
        count_electrons(torch.full((64,), 20.0), seed)
        for seed in (largest, largest % 2**32, largest % 2**31)
    ]
    drawn = [
        torch.rand(4, generator=torch.Generator().manual_seed(seed))
        for seed in (largest, largest % 2**31)
    ]
    for several in (moved, counts, drawn):
        for other in several[1:]:
            assert not np.allclose(several[0], other)


def test_a_file_keeps_a_seed(tmp_path: Path) -> None:
    path = tmp_path / "seeded.nc"
    xr.Dataset(attrs=provenance({}, seed=2**63 - 1)).to_netcdf(path)
    with xr.open_dataset(path) as data:
        assert int(data.attrs["seed"]) == 2**63 - 1
