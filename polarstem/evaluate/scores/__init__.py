# SPDX-License-Identifier: GPL-3.0-or-later
"""Class probabilities of test patterns, and what they score, with intervals."""
