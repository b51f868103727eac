# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tests.corpus`: damaged inputs of all kinds, and how each of them ended."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.corpus.attempt import Outcome, attempt
from tests.corpus.kinds import COUNTS, KINDS


def main(arguments: list[str] | None = None) -> int:
    """Try inputs of the chosen kinds; the exit code tells whether all ended well."""
    parser = argparse.ArgumentParser(prog="python -m tests.corpus", description=__doc__)
    parser.add_argument("kinds", nargs="*", help=f"of {', '.join(KINDS)}; all by default")
    parser.add_argument("--count", type=int, help="inputs of each kind")
    parser.add_argument("--seed", type=int, default=0, help="the first")
    parser.add_argument("--show", action="store_true", help="tell every outcome")
    chosen = parser.parse_args(arguments)
    bad = 0
    for name in chosen.kinds or KINDS:
        kind, begun = KINDS[name](), time.monotonic()
        outcomes: list[Outcome] = []
        for seed in range(chosen.seed, chosen.seed + (chosen.count or COUNTS[name])):
            outcome = attempt(kind, seed)
            outcomes.append(outcome)
            if chosen.show or not outcome.good:
                told = f"{outcome.what:.300}\n  {outcome.end}: {outcome.detail:.3000}"
                print(f"{name} {seed}: {told}\n", flush=True)
        ends = Counter(outcome.end for outcome in outcomes)
        bad += sum(not outcome.good for outcome in outcomes)
        print(
            f"{name}: {len(outcomes)} inputs, {dict(ends)}; at most "
            f"{max(o.memory_mb for o in outcomes):.0f} MB and "
            f"{max(o.seconds for o in outcomes):.1f} s, {time.monotonic() - begun:.0f} s in all",
            flush=True,
        )
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
