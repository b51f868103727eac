# SPDX-License-Identifier: GPL-3.0-or-later
"""Multislice simulation of 4D-STEM patterns with abTEM, measured on a fixed detector."""
