# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the pictures of conventions.md: `python docs/draw_conventions.py`.

Angles, names and the order of transpose and flips are taken from the code, so that the pictures
show what it does.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from polarstem.config.sheet import Sheet  # noqa: E402
from polarstem.scans.corrections import upright  # noqa: E402
from polarstem.scans.files.writers import as_stored  # noqa: E402
from polarstem.scans.specimen.turns import PlaneTurn  # noqa: E402
from polarstem.structures.variants import classes  # noqa: E402

INK, SOFT, BLUE, RED = "#222", "#999", "#0a58a6", "#b03a10"
HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" '
    'role="img" font-family="sans-serif" font-size="13">\n<title>{title}</title>\n'
    '<rect width="{w}" height="{h}" rx="8" fill="white"/>\n'
)
DETECTOR_DEG, CRYSTAL_DEG = 30.0, 20.0
LETTER = np.array(
    [[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0]], dtype=np.uint8
)
STORED = Sheet(detector_transpose=True, detector_flip_x=True)


def text(x: float, y: float, words: str, colour: str = INK, anchor: str = "middle") -> str:
    """Words at a place of the picture."""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{words}</text>\n'


def arrow(
    x: float, y: float, angle_deg: float, length: float, colour: str = INK
) -> tuple[str, float, float]:
    """An arrow from (x, y), counter-clockwise from right with y up, and where its head is."""
    right, up = PlaneTurn(angle_deg).vectors(np.array([1.0, 0.0]))
    tip = x + length * right, y - length * up  # pictures count y down
    wings = [PlaneTurn(angle_deg + side).vectors(np.array([-9.0, 0.0])) for side in (24, -24)]
    points = " ".join(f"{tip[0] + w[0]:.1f},{tip[1] - w[1]:.1f}" for w in wings)
    line = (
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{tip[0]:.1f}" y2="{tip[1]:.1f}" stroke="{colour}" '
        f'stroke-width="2"/>\n<polygon points="{tip[0]:.1f},{tip[1]:.1f} {points}" '
        f'fill="{colour}"/>\n'
    )
    return line, *tip


def arc(x: float, y: float, start_deg: float, end_deg: float, radius: float, colour: str) -> str:
    """An arc of a circle about (x, y), counter-clockwise."""
    ends = [PlaneTurn(a).vectors(np.array([radius, 0.0])) for a in (start_deg, end_deg)]
    (x0, y0), (x1, y1) = ((x + e[0], y - e[1]) for e in ends)
    path = f"M {x0:.1f} {y0:.1f} A {radius} {radius} 0 0 0 {x1:.1f} {y1:.1f}"
    return f'<path d="{path}" fill="none" stroke="{colour}"/>\n'


def pixels(image: np.ndarray, left: float, top: float, size: float = 18) -> str:
    """An image whose row 0 is on top."""
    found = ""
    for row, column in np.ndindex(image.shape):
        fill = "#cfd8e3" if image[row, column] == 0 else BLUE
        found += (
            f'<rect x="{left + column * size:.1f}" y="{top + row * size:.1f}" width="{size}" '
            f'height="{size}" fill="{fill}" stroke="white"/>\n'
        )
    return found


def directions() -> str:
    """The classes of phase O along [001], and how arrays are counted."""
    found = HEAD.format(w=620, h=320, title="Directions and arrays")
    x, y = 165, 165
    for polar in classes("O", (0, 0, 1)):
        if np.isnan(polar.direction_deg):
            continue
        line, *_ = arrow(x, y, polar.direction_deg, 85, BLUE)
        right, up = PlaneTurn(polar.direction_deg).vectors(np.array([118.0, 0.0]))
        found += line + text(x + right, y - up, f"{polar.name}")
        found += text(x + right, y - up + 15, f"{polar.direction_deg:g}°", SOFT)
    found += text(470, 42, "an array: [row, column]")
    found += pixels(np.zeros((5, 6), np.uint8), 410, 70, 22)
    found += text(395, 87, "0", SOFT) + text(395, 175, "4", SOFT)
    found += text(421, 62, "0", SOFT) + text(531, 62, "5", SOFT)
    line, *_ = arrow(372, 80, 270, 90)
    found += line + text(372, 190, "rows, down")
    line, *_ = arrow(420, 205, 0, 110)
    found += line + text(475, 226, "columns, right")
    found += text(475, 268, "arrays count down, angles turn", SOFT)
    found += text(475, 286, "counter-clockwise as seen", SOFT)
    return found + "</svg>\n"


def rotations() -> str:
    """What the two angles of a scan sheet mean."""
    found = HEAD.format(w=620, h=300, title="Rotations of detector and crystal")
    on_detector = DETECTOR_DEG + CRYSTAL_DEG
    for left, title, angles in (
        (60, "the scan, upright", {"scan's x": 0.0, "crystal's x": CRYSTAL_DEG}),
        (
            370,
            "the detector, upright",
            {"detector's x": 0.0, "scan's x": DETECTOR_DEG, "crystal's x": on_detector},
        ),
    ):
        x, y = left + 20, 230
        found += (
            f'<rect x="{left - 20}" y="40" width="250" height="220" fill="none" stroke="#ccc"/>\n'
        )
        found += text(left + 105, 28, title)
        for name, angle in angles.items():
            colour = RED if name.startswith("crystal") else BLUE if name.startswith("scan") else INK
            line, tip_x, tip_y = arrow(x, y, angle, 130, colour)
            found += line + text(tip_x + 8, tip_y - 6 if angle else tip_y + 18, name, colour)
        steps = sorted(angles.values())
        for number, (low, high) in enumerate(pairwise(steps)):
            radius = 60.0 + 22 * number
            name = "crystal_rotation_deg" if high == steps[-1] else "detector_rotation_deg"
            colour = RED if high == steps[-1] else BLUE
            found += arc(x, y, low, high, radius, colour)
            found += text(left + 225, 60 + 17 * number, f"{name}: {high - low:g}", colour, "end")
    return found + "</svg>\n"


def upright_from_stored() -> str:
    """In which order a file is set upright."""
    found = HEAD.format(w=620, h=200, title="From the stored pattern to the upright one")
    stored = as_stored(LETTER[None, None], STORED)[0, 0]
    transposed = upright(stored, Sheet(detector_transpose=True))
    steps = (
        ("as stored", stored),
        ("detector_transpose: true", transposed),
        ("then detector_flip_x: true", upright(stored, STORED)),
    )
    for number, (words, image) in enumerate(steps):
        middle = 110 + 200 * number
        height, width = image.shape
        found += pixels(image, middle - width * 9, 95 - height * 9)
        found += text(middle, 180, words)
        if number:
            line, *_ = arrow(middle - 120, 95, 0, 40)
            found += line
    return found + "</svg>\n"


PICTURES = {
    "directions": directions,
    "rotations": rotations,
    "upright": upright_from_stored,
}


def main() -> None:
    """Write all pictures."""
    for name, draw in PICTURES.items():
        path = ROOT / "docs" / "images" / f"{name}.svg"
        path.write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
