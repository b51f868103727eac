# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures of the conventions are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from docs import draw_conventions as drawn

IMAGES = Path(drawn.__file__).parent / "images"


@pytest.mark.parametrize("name", drawn.PICTURES)
def test_picture_is_as_the_code_draws_it(name):
    text = (IMAGES / f"{name}.svg").read_text(encoding="utf-8")
    assert text == drawn.PICTURES[name](), "run `python docs/draw_conventions.py`"


def test_up_is_at_the_top_of_the_picture_and_ninety_degrees():
    _, x, y = drawn.arrow(100, 100, 90, 50)
    np.testing.assert_allclose((x, y), (100, 50), atol=1e-9)
    assert re.search(r'y="47\.0"[^>]*>MU<.*?>90°<', drawn.directions(), re.DOTALL)


def test_the_last_picture_is_upright():
    text = drawn.upright_from_stored()
    assert drawn.pixels(drawn.LETTER, 510 - 36, 95 - 45) in text
    assert text.count(' stroke="white"') == 3 * drawn.LETTER.size
