# SPDX-License-Identifier: GPL-3.0-or-later
"""Detector and beam, as the patterns themselves tell them."""
