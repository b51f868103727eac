# SPDX-License-Identifier: GPL-3.0-or-later
"""The information limit of a mapper that is not trained yet."""

from __future__ import annotations

import numpy as np
import pytest

from polarstem.config.mapper_recipe import Request, mapper_settings
from polarstem.evaluate.limit.before_training import electrons_by_thickness, limit_sentence


@pytest.mark.slow
def test_half_the_displacements_take_four_times_the_electrons():
    part = mapper_settings(Request("KNN", "T", 80, 20, effort="look"))
    whole = electrons_by_thickness(part)
    part["structures"]["amplitude"] = 0.5
    half = electrons_by_thickness(part)
    assert list(whole) == [10, 15, 20, 25, 30, 40, 50]
    ratio = np.array([half[nm] / whole[nm] for nm in whole])
    # differences of intensities go with the displacement, what counting tells with their square
    assert ratio.min() > 2.5
    assert ratio.max() < 6
    assert 10 < min(whole.values()) < max(whole.values()) < 1e5


def test_thicknesses_without_an_answer_are_named():
    told = limit_sentence({10.0: 1234.0, 20.0: 5.6e6, 30.0: 2.1e6}, (3e3, 2e6))
    assert (
        "1,200 at 10 nm, 5,600,000 at 20 nm, 2,100,000 at 30 nm. At 20, 30 nm there is no" in told
    )
    assert told.endswith("with 3,000 to 2,000,000 electrons per pattern, which it learns from.")
    told = limit_sentence({10.0: 1234.0}, (3e3, 2e6))
    assert told.endswith("It learns from 3,000 to 2,000,000 electrons per pattern.")
