# SPDX-License-Identifier: GPL-3.0-or-later
"""All benchmarks: a table, ``bench.json`` with its rows, and ``bench/scaling.svg``.

With --reduced the files are called ``bench_reduced``, so that they never pass for the real ones.
"""

from __future__ import annotations

from pathlib import Path

import torch

from benchmarks import against_abtem, direct_multislice, measurement, propagation, scaling
from benchmarks.common import parser
from benchmarks.rows import Options, table, write_rows


def main() -> None:
    """Run everything."""
    options = parser(__doc__)
    options.add_argument("--results", type=Path, default=Path("results"), help="folder to write to")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    name = "bench_reduced" if given.reduced else "bench"
    rows = []
    for program in (against_abtem, propagation, measurement, direct_multislice):
        rows += program.rows(Options(given.reduced, given.threads))
    write_rows(rows, given.results / f"{name}.json")
    scaling.write(given.results / name, given.reduced, given.threads)
    print(table(rows))


if __name__ == "__main__":
    main()
