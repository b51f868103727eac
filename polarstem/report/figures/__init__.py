# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of the report, one module each; `draw.draw_figures` draws them all."""
