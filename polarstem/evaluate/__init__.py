# SPDX-License-Identifier: GPL-3.0-or-later
"""Predictions, their scores with intervals, and the headline numbers."""
