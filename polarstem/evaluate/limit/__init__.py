# SPDX-License-Identifier: GPL-3.0-or-later
"""The least error that physics allows, and models held against it."""
