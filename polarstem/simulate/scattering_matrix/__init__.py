# SPDX-License-Identifier: GPL-3.0-or-later
"""Engine for crystals that repeat in the plane: one run, then any measurement."""
