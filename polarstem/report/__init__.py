# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures and the HTML report.

`FIGURES` is light to import, so that the workflow can name its outputs.
"""

# Figures in the order of the story, with the formats they are written in: the first stands on the
# page, CSV holds what is drawn. Those made of images are no SVG, and pictures no CSV.
FIGURES: dict[str, tuple[str, ...]] = {
    "story": ("png", "svg", "csv"),
    "fair_comparison": ("png", "svg", "csv"),
    "structure": ("png",),
    "examples": ("png",),
    "accuracy": ("png", "svg", "csv"),
    "training": ("png", "svg", "csv"),
    "transfer": ("png", "svg", "csv"),
    "ladder": ("png", "svg", "csv"),
    "experiment": ("png", "svg", "csv"),
    "confusion": ("png", "svg", "csv"),
    "thickness": ("png", "svg", "csv"),
    "information": ("png", "svg", "csv"),
    "vector_bound": ("png", "svg", "csv"),
    "displacement_scores": ("png", "svg", "csv"),
    "position": ("png", "csv"),
    "resources": ("png", "svg", "csv"),
}
