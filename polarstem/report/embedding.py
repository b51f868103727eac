# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates of the pages, and what is put into them: figures, styles, scripts and their data."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jinja2
from markupsafe import Markup
from PIL import Image

from polarstem.errors import PolarstemError
from polarstem.shipped_files import shipped

TEMPLATES = shipped("resources/report")
PIXELS_PER_INCH = 134  # a figure two columns wide fills the page
_MIME = {".png": "image/png", ".svg": "image/svg+xml", ".csv": "text/csv"}
_KINDS = {".png": "PNG", ".svg": "SVG", ".csv": "data"}


def template(name: str, **filters: Callable[..., str]) -> jinja2.Template:
    """A template of `TEMPLATES`, with filters of its own."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters
    return environment.get_template(name)


def verbatim(*names: str) -> Markup:
    """Files of `TEMPLATES` one after another, for a style or script element."""
    return Markup("".join((TEMPLATES / name).read_text(encoding="utf-8") for name in names))


def script_data(content: Any) -> Markup:
    """JSON for a script element, in which "<" may begin what ends it."""
    text = json.dumps(content, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


def embed(path: Path) -> dict[str, Any]:
    """Turn a figure into a data URI, with the size [pixels] to show it at, and its other files.

    All figures are shown at the same scale, so that their texts have one size. ``files`` has name,
    kind and data URI of PNG, SVG and data of the same name; that of the shown one is None, so that
    it is in the page once.
    """
    if path.suffix not in (".png", ".svg"):
        raise PolarstemError(f"The figure {path} is neither PNG nor SVG; give one of these.")
    content = path.read_bytes()
    if path.suffix == ".svg":
        root = ElementTree.fromstring(content)
        inches = [float(root.attrib[side].removesuffix("pt")) / 72 for side in ("width", "height")]
    else:
        with Image.open(path) as image:
            inches = [n / dpi for n, dpi in zip(image.size, image.info["dpi"], strict=True)]
    width, height = (round(PIXELS_PER_INCH * side) for side in inches)
    files = [
        {
            "name": other.name,
            "kind": kind,
            "uri": None if suffix == path.suffix else _data_uri(other.read_bytes(), suffix),
        }
        for suffix, kind in _KINDS.items()
        if (other := path.with_suffix(suffix)).exists()
    ]
    uri = _data_uri(content, path.suffix)
    return {"uri": uri, "width": width, "height": height, "files": files}


def _data_uri(content: bytes, suffix: str) -> Markup:
    data = base64.b64encode(content).decode("ascii")
    return Markup(f"data:{_MIME[suffix]};base64,{data}")
