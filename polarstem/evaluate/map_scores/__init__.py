# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps of virtual experiments held against their truth."""
