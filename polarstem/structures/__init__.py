# SPDX-License-Identifier: GPL-3.0-or-later
"""Perovskite crystals: materials, polar variants and their projected classes, specimens.

Import from the modules: `variants` and `crystals` are light (no numpy), `build` needs ASE.
"""
