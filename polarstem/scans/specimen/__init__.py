# SPDX-License-Identifier: GPL-3.0-or-later
"""The crystal under the beam: lattice, orientation, thickness and tilt."""
