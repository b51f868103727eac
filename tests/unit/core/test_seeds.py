# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeds are the same everywhere and differ where they should."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from polarstem.seeds import derive_seed


def test_known_value() -> None:
    # sha256 of "1<unit separator>static-RU-train-0", its first 31 bits
    digest = hashlib.sha256(b"1\x1fstatic-RU-train-0").hexdigest()
    assert derive_seed(1, "static-RU-train-0") == int(digest[:8], 16) // 2
    assert derive_seed(20260315) == 1339828527


def test_parts_do_not_run_into_each_other() -> None:
    seeds = [derive_seed(*p) for p in [("a", "bc"), ("ab", "c"), ("abc",), ("a", "b", "c"), ("a",)]]
    assert len(set(seeds)) == len(seeds)


@given(st.lists(st.one_of(st.integers(), st.text(), st.floats(allow_nan=False)), min_size=1))
def test_range(parts: list[object]) -> None:
    assert 0 <= derive_seed(*parts) < 2**31
    assert derive_seed(*parts) == derive_seed(*parts)
