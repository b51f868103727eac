# SPDX-License-Identifier: GPL-3.0-or-later
"""Scattering matrices: one multislice per plane wave, then any measurement without another."""
