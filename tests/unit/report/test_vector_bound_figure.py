# SPDX-License-Identifier: GPL-3.0-or-later
"""The smallest displacement told from zero, as it is drawn."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from polarstem.evaluate.limit.vector_bound import bound_entries, read_vector_bound
from polarstem.report.figures.vector_bound import _over_dose, _over_thickness, draw_vector_bound


def lines_of(draw, *arguments):
    """Curves of a panel, by colour and line style, in order."""
    figure, axes = plt.subplots()
    draw(axes, *arguments)
    lines = [line for line in axes.get_lines() if len(line.get_xdata()) == 2]
    plt.close(figure)
    return [np.asarray(line.get_ydata()) for line in lines]


def test_curves_are_three_times_the_summary(drawn):
    entries = bound_entries(drawn.vector_bound)
    data = read_vector_bound(drawn.vector_bound)

    def told(amplitude, nm, dose, knowledge):
        return 3 * entries[f"vector.bound_pm.{amplitude}.{nm}.{dose}.{knowledge}"]["value"]

    curves = lines_of(_over_dose, data.sel(amplitude=0), 20.0)
    thin, thick = ([told(0, nm, dose, "unknown") for dose in (1000, 100000)] for nm in (5, 20))
    # of each thickness the curve and its fits, of which the first has none
    np.testing.assert_allclose(curves[0], thin)
    ratio = [
        entries[f"vector.fit_over_bound.0.20.{dose}.unknown"]["value"] for dose in (1000, 100000)
    ]
    np.testing.assert_allclose(curves[1], thick)
    np.testing.assert_allclose(curves[2], thick * np.sqrt(ratio))
    curves = lines_of(_over_thickness, data, 1e3, 20.0)
    wanted = [
        [told(amplitude, nm, 1000, knowledge) for nm in (5, 20)]
        for amplitude in (0, 1)
        for knowledge in ("known", "unknown")
    ]
    np.testing.assert_allclose(curves, wanted)


def test_a_run_without_it_says_so(drawn, tmp_path):
    draw_vector_bound(None, drawn.config, tmp_path / "none.png")
    assert 0 < (tmp_path / "none.png").stat().st_size < 20_000


@pytest.mark.parametrize("zone_axis", [[0, 0, 1], [1, 1, 0]])
def test_figure_is_drawn_for_both_zone_axes(drawn, tmp_path, zone_axis):
    config = {"structures": {"zone_axis": zone_axis}}
    draw_vector_bound(drawn.vector_bound, config, tmp_path / "bound.png")
    assert (tmp_path / "bound.png").stat().st_size > 20_000
