# SPDX-License-Identifier: GPL-3.0-or-later
"""Speed comparisons: ``make bench`` runs them all, ``python -m benchmarks.NAME`` one of them."""
