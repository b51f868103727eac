# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns and mirrors of the projected lattice.

The module uses the standard library only, because Snakemake imports it whenever it parses the
workflow.
"""

from __future__ import annotations

Turn = tuple[tuple[int, int], tuple[int, int]]
"""Rows of a 2 x 2 matrix of whole numbers that acts on columns (x, y), y up."""

IDENTITY: Turn = ((1, 0), (0, 1))
