# SPDX-License-Identifier: GPL-3.0-or-later
"""Waves on a grid: which plane waves there are, their band, and their Fourier transforms."""
