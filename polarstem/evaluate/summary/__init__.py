# SPDX-License-Identifier: GPL-3.0-or-later
"""The headline numbers, in entries that say what they are."""
