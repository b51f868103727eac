# SPDX-License-Identifier: GPL-3.0-or-later
"""Data sets of patterns: data domains, splits, and reading them in bounded memory."""
