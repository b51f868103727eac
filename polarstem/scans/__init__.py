# SPDX-License-Identifier: GPL-3.0-or-later
"""Scans of a microscope: read, calibrated and placed on the lattice."""
