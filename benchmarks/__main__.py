# SPDX-License-Identifier: GPL-3.0-or-later
"""All benchmarks: a table, ``bench.json`` with its rows, and the figures of ``bench``.

With --reduced the files are called ``bench_reduced``, so that they never pass for the real ones.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks import (
    against_abtem,
    direct_multislice,
    error_time,
    measurement,
    propagation,
    scaling,
)
from benchmarks.common import parser, set_up
from benchmarks.rows import table, write_rows


def main() -> None:
    """Run everything."""
    options = parser(__doc__)
    options.add_argument("--results", type=Path, default=Path("results"), help="folder to write to")
    given = options.parse_args()
    how = set_up(given)
    name = "bench_reduced" if given.reduced else "bench"
    rows = []
    for program in (against_abtem, propagation, measurement, direct_multislice):
        rows += program.rows(how)
    write_rows(rows, given.results / f"{name}.json")
    scaling.write(given.results / name, given.reduced, given.threads)
    error_time.write(given.results / name, given.reduced)
    print(table(rows))


if __name__ == "__main__":
    main()
