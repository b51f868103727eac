# SPDX-License-Identifier: GPL-3.0-or-later
"""Displacements in picometres, by fitting the patterns of displaced crystals to a mapped scan."""
