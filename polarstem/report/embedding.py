# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates of the pages, and figures within them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup
from PIL import Image

from polarstem.errors import PolarstemError
from polarstem.shipped_files import shipped

TEMPLATES = shipped("resources/report")
PIXELS_PER_INCH = 134  # a figure two columns wide fills the page
_MIME = {".png": "image/png", ".svg": "image/svg+xml"}


def embed(path: Path) -> dict[str, Any]:
    """Turn a figure into a data URI, with the size [pixels] to show it at.

    All figures are shown at the same scale, so that their texts have one size.
    """
    if path.suffix not in _MIME:
        raise PolarstemError(f"The figure {path} is neither PNG nor SVG; give one of these.")
    content = path.read_bytes()
    if path.suffix == ".svg":
        root = ElementTree.fromstring(content)
        inches = [float(root.attrib[side].removesuffix("pt")) / 72 for side in ("width", "height")]
    else:
        with Image.open(path) as image:
            inches = [n / dpi for n, dpi in zip(image.size, image.info["dpi"], strict=True)]
    data = base64.b64encode(content).decode("ascii")
    width, height = (round(PIXELS_PER_INCH * side) for side in inches)
    uri = Markup(f"data:{_MIME[path.suffix]};base64,{data}")
    return {"uri": uri, "width": width, "height": height}
