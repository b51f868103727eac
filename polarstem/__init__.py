# SPDX-License-Identifier: GPL-3.0-or-later
"""Polarization mapping in ferroelectrics with 4D-STEM: crystals, simulation, learning, maps.

Data flows one way through the packages: structures -> simulate -> data -> models ->
evaluate -> report. Importing this package is cheap; each module imports what it needs.
"""

__version__ = "0.1.0"
