# SPDX-License-Identifier: GPL-3.0-or-later
"""Detector files: what stores patterns, opened without reading them, and written."""
