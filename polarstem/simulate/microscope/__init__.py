# SPDX-License-Identifier: GPL-3.0-or-later
"""The microscope: illumination, probe positions, detector, noise, and conditions at random."""
