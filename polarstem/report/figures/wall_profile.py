# SPDX-License-Identifier: GPL-3.0-or-later
"""Figure of the displacements across a wall."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from polarstem.displacements.wall_profile import WallProfile
from polarstem.report.figures import style


def draw_wall(found: WallProfile, output: Path) -> None:
    """Draw the component along the jump against the distance, and the curve.

    Parameters
    ----------
    found : WallProfile
    output : path
        PNG to write.
    """
    distance = np.linspace(found.distance_nm.min(), found.distance_nm.max(), 401)
    (at, low, high), (width, _, _) = found.position_nm, found.width_nm
    with style.new_figure(0.6 * style.WIDTH_IN, 2.6) as figure:
        axes = figure.subplots()
        axes.axvspan(at - width / 2, at + width / 2, color="0.9", lw=0)
        axes.axvspan(low, high, color="0.75", lw=0)
        axes.errorbar(
            found.distance_nm, found.component_pm, found.scatter_pm, fmt=".", ms=4, lw=0.6,
            color=style.MODEL_COLOURS[0],
        )  # fmt: skip
        axes.plot(distance, found.curve(distance), color="black", lw=1)
        axes.set(xlabel="along the line [nm]", ylabel="displacement along its change [pm]")
        axes.set_title(
            f"wall at {at:.2f} nm, {width:.2g} nm wide; bars: {found.scatter_pm:.1f} pm", loc="left"
        )
        style.save(figure, output)
