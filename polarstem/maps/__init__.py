# SPDX-License-Identifier: GPL-3.0-or-later
"""Polarization maps of scans."""
