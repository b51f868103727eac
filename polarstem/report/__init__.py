# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures and the HTML report.

`FIGURES` is light to import, so that the workflow can name its outputs.
"""

# Figures in the order of the story, with the formats they are written in. Those made of images
# are PNG alone.
FIGURES: dict[str, tuple[str, ...]] = {
    "fair_comparison": ("png", "svg"),
    "structure": ("png",),
    "examples": ("png",),
    "accuracy": ("png", "svg"),
    "training": ("png", "svg"),
    "transfer": ("png", "svg"),
    "ladder": ("png", "svg"),
    "experiment": ("png", "svg"),
    "confusion": ("png", "svg"),
    "thickness": ("png", "svg"),
    "information": ("png", "svg"),
    "vector_bound": ("png", "svg"),
    "position": ("png",),
    "resources": ("png", "svg"),
}
