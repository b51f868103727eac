# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of how a scan was calibrated, and of its thickness and tilt.

`diagnostics.nc` holds the arrays of each step of the calibration under ``{step}_{name}``. A panel
whose arrays are missing says why, in the words of the step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, PowerNorm
from matplotlib.patches import Annulus, Circle

from polarstem.report.figures import style
from polarstem.report.figures.map_parts import placed, scale_bar, stamp, stamp_height
from polarstem.report.map_files import MapFiles

_BLUE, _RED = style.MODEL_COLOURS[:2]


def draw_calibration(files: MapFiles, output: Path) -> None:
    """Draw the mean pattern, the centres, the rotation curve and the lattice."""
    room = stamp_height(files.stamp)
    with style.new_figure(style.WIDTH_IN, 5.9 + room, top=room) as figure:
        stamp(figure, files.stamp)
        grid = figure.subplots(2, 2)
        _panel(grid[0, 0], files, "(a) mean pattern", "pixels", ["mean"], _mean_pattern)
        _panel(
            grid[0, 1], files, "(b) centre of the beam over the scan", "centring",
            ["position", "measured", "plane"], _centres,
        )  # fmt: skip
        _panel(
            grid[1, 0], files, "(c) rotation from scan to detector", "rotation",
            ["angle", "curl"], _rotation,
        )  # fmt: skip
        _panel(grid[1, 1], files, "(d) unit cells over the dark field", "lattice", [], _lattice)
        style.save(figure, output)


def draw_thickness_tilt(files: MapFiles, output: Path) -> None:
    """Draw how thickness and tilt were found, and the pattern that they were found from."""
    room = stamp_height(files.stamp)
    rows: Any = [["nm"] * 3 + ["tilt"] * 3, ["measured"] * 2 + ["simulated"] * 2 + ["rest"] * 2]
    with style.new_figure(style.WIDTH_IN, 5.6 + room, top=room) as figure:
        stamp(figure, files.stamp)
        grid = figure.subplot_mosaic(rows, height_ratios=(2.6, 2.3))
        _panel(grid["nm"], files, "(a) thickness", "thickness", ["nm", "residual"], _thickness)
        grid["tilt"].set_title("(b) tilt of the beam", loc="left")
        if (files.summary.get("tilt_mrad") or {}).get("value") is not None:
            _tilt(grid["tilt"], files)
        else:
            _say(grid["tilt"], files, "tilt")
        for name, title in (
            ("measured", "(c) mean pattern, measured"),
            ("simulated", "(d) the same, simulated"),
            ("rest", "(e) measured less simulated"),
        ):
            _panel(
                grid[name], files, title, "thickness", ["measured", "simulated"],
                partial(_averaged, name=name),
            )  # fmt: skip
        style.save(figure, output)


def _panel(
    axes: Axes,
    files: MapFiles,
    title: str,
    step: str,
    needed: list[str],
    draw: Callable[[Axes, dict[str, Any], MapFiles], None],
) -> None:
    """Draw a panel from the arrays of a step, or say why there are none."""
    axes.set_title(title, loc="left")
    prefix = f"{step}_"
    arrays = {
        str(name).removeprefix(prefix): values.values
        for name, values in files.diagnostics.variables.items()
        if str(name).startswith(prefix)
    }
    if all(name in arrays for name in needed):
        draw(axes, arrays, files)
    else:
        _say(axes, files, step)


def _say(axes: Axes, files: MapFiles, step: str) -> None:
    """Write into a panel what became of a step."""
    said = [s for s in files.summary.get("steps", []) if s["name"] == step]
    text = said[0]["sentence"] if said else "This step left no figures."
    axes.axis("off")
    axes.text(
        0.5, 0.5, text, ha="center", va="center", wrap=True, color="0.35",
        transform=axes.transAxes,
    )  # fmt: skip


def _mean_pattern(axes: Axes, found: dict[str, Any], files: MapFiles) -> None:
    mean = np.maximum(found["mean"].astype(float), 0)
    bad = found.get("bad", np.zeros(mean.shape)).astype(bool)
    good = mean[~bad]
    high = good.max() if good.size and good.max() > 0 else 1.0
    norm = LogNorm(vmin=max(np.percentile(good, 1), 1e-4 * high), vmax=high, clip=True)
    image = axes.imshow(mean, norm=norm, cmap=style.PATTERN_CMAP, interpolation="nearest")
    bar = axes.inset_axes((1.03, 0.0, 0.05, 1.0))
    axes.figure.colorbar(image, cax=bar, label="counts")
    y, x = np.nonzero(bad)
    axes.scatter(
        x, y, s=22, fc="none", ec="#56D3FF", lw=0.9, label=f"{len(y)} bad pixels" if len(y) else ""
    )
    centre, radius = _attribute(files, "centre"), _attribute(files, "radius_pixels")
    if centre is not None and radius is not None:
        middle = (float(centre[1]), float(centre[0]))
        axes.add_patch(Circle(middle, float(radius), fill=False, ec="white", lw=1.0, ls="--"))
        axes.plot(*middle, "+", color="white", ms=8, mew=1.0)
        axes.plot([], [], "--", color="0.4", lw=1, label=f"disc, radius {float(radius):.1f} pixels")
    axes.set(xlabel="column [pixel]", ylabel="row [pixel]")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, handletextpad=0.4)


def _centres(axes: Axes, found: dict[str, Any], files: MapFiles) -> None:
    """Deviations of the blocks' centres from the plane, as arrows at the blocks."""
    y, x = found["position"].T
    rest = found["measured"] - found["plane"]
    drift = np.ptp(found["plane"], axis=0)
    longest = float(np.hypot(*rest.T).max()) or 1.0
    spacing = float(np.sqrt(max(np.ptp(y), 1) * max(np.ptp(x), 1) / len(y)))
    axes.quiver(
        x, y, rest[:, 1], -rest[:, 0], color=_BLUE, angles="uv", pivot="mid",
        scale_units="x", scale=longest / spacing, width=0.006,
    )  # fmt: skip
    axes.set(
        xlabel="scan column", ylabel="scan row", aspect="equal",
        xlim=(x.min() - spacing, x.max() + spacing), ylim=(y.max() + spacing, y.min() - spacing),
    )  # fmt: skip
    rms = np.sqrt((rest**2).sum(1).mean())
    axes.text(
        0.5, -0.22,
        f"arrows: measured less plane, rms {rms:.3f} px, longest {longest:.3f} px\n"
        f"the plane itself moves by {drift[0]:.2f} px down, {drift[1]:.2f} px across",
        transform=axes.transAxes, ha="center", va="top", fontsize=7.5,
    )  # fmt: skip


def _rotation(axes: Axes, found: dict[str, Any], files: MapFiles) -> None:
    axes.plot(found["angle"], found["curl"], color=_BLUE, label="as stored")
    if "curl_transposed" in found:
        axes.plot(
            found["angle"], found["curl_transposed"], color=_RED, ls="--", label="axes exchanged"
        )
    chosen = _attribute(files, "rotation_deg")
    if chosen is not None:
        axes.axvline(
            float(chosen), color="0.3", lw=0.9, ls=":", label=f"taken: {float(chosen):.1f}°"
        )
    axes.set(
        xlabel="rotation [°]", ylabel="rms curl of the centre of mass",
        xlim=(found["angle"].min(), found["angle"].max()), ylim=(0, None),
    )  # fmt: skip
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, handlelength=1.4,
                columnspacing=1.0)  # fmt: skip


def _lattice(axes: Axes, found: dict[str, Any], files: MapFiles) -> None:
    """Dark field with the edges of the unit cells: where the fraction of the cell starts anew."""
    data = files.data
    low, high = data["dark_field"].quantile([0.005, 0.995]).values
    axes.imshow(data["dark_field"].values, cmap="gray", vmin=low, vmax=high, **placed(files))
    x, y = np.meshgrid(data["x"].values, data["y"].values)
    for name in ("cell_y", "cell_x"):
        phase = 2 * np.pi * data[name].values
        if np.isfinite(phase).all():
            # where the sine crosses 0 on the side of the cosine's maximum
            level = np.where(np.cos(phase) > 0, np.sin(phase), np.nan)
            axes.contour(x, y, level, [0.0], colors=style.MODEL_COLOURS[5], linewidths=0.7)
    scale_bar(axes, files)


def _thickness(axes: Axes, found: dict[str, Any], files: MapFiles) -> None:
    axes.plot(found["nm"], found["residual"], color=_BLUE, marker="o", ms=3)
    said = files.summary.get("thickness_nm") or {}
    if said.get("interval"):
        axes.axvspan(*said["interval"], color="0.88", lw=0, label="interval")
    if said.get("value") is not None:
        value = float(said["value"])
        axes.axvline(value, color="0.3", lw=0.9, ls=":", label=f"{value:.1f} nm")
    axes.set(xlabel="thickness [nm]", ylabel="residual", ylim=(0, None))
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="best")


def _tilt(axes: Axes, files: MapFiles) -> None:
    """The tilt as a point, and the interval of its length as a ring."""
    said = files.summary["tilt_mrad"]
    x, y = (float(v) for v in said["value"])
    low, high = said["interval"] or (np.hypot(x, y),) * 2
    reach = max(4.0, 1.25 * high, 1.25 * np.hypot(x, y))
    if high > low:
        ring = Annulus((0, 0), high, min(high - low, 0.999 * high), fc="0.85", label="interval")
        axes.add_patch(ring)
    axes.axhline(0, color="0.6", lw=0.7)
    axes.axvline(0, color="0.6", lw=0.7)
    label = f"({x:.1f}, {y:.1f}) mrad".replace("-", "\u2212")
    axes.plot(x, y, "o", color=_RED, label=label)
    axes.set(
        xlabel="tilt along the crystal's x [mrad]", ylabel="along y, up [mrad]", aspect="equal",
        xlim=(-reach, reach), ylim=(-reach, reach),
    )  # fmt: skip
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1))


def _averaged(axes: Axes, found: dict[str, Any], files: MapFiles, *, name: str) -> None:
    """The measured or simulated position-averaged pattern, or their difference in per cent."""
    axes.set(xticks=[], yticks=[])
    axes.spines[["top", "right"]].set_visible(True)
    brightest = float(np.nanmax(found["measured"])) or 1.0
    if name == "rest":
        rest = 100 * (found["measured"] - found["simulated"]) / brightest
        limit = float(np.nanpercentile(np.abs(rest), 99.5)) or 1.0
        look: dict[str, Any] = {"vmin": -limit, "vmax": limit, "cmap": style.SIGNED_CMAP}
        image = axes.imshow(rest, interpolation="nearest", **look)
    else:
        norm = PowerNorm(0.5, vmin=0, vmax=100.0, clip=True)
        image = axes.imshow(
            100 * found[name] / brightest, norm=norm, cmap=style.PATTERN_CMAP,
            interpolation="nearest",
        )  # fmt: skip
    label = "% of the brightest pixel"
    ticks = None if name == "rest" else [0, 5, 20, 50, 100]
    axes.figure.colorbar(
        image, ax=axes, location="bottom", fraction=0.05, pad=0.03, label=label, ticks=ticks
    )


def _attribute(files: MapFiles, name: str) -> Any:
    return files.diagnostics.attrs.get(name)
