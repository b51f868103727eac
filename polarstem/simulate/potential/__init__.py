# SPDX-License-Identifier: GPL-3.0-or-later
"""What the beam meets: crystals, how their atoms move, and the potential of their slices."""
