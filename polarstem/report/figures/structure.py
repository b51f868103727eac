# SPDX-License-Identifier: GPL-3.0-or-later
"""Figure of the crystals: the projected unit cell of each class and the wheel of directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ase
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Rectangle
from numpy.typing import NDArray

from polarstem.report.figures import style
from polarstem.structures.build import projected_basis, read_specimen
from polarstem.structures.templates import SITES

ARROW_FACTOR = 8
_FILL = {"A": "#C9A6E8", "B": "#5FB0B7", "O": "#E8553D"}
_RADIUS = {"A": 0.42, "B": 0.32, "O": 0.2}  # [Å], for the eye


@dataclass(frozen=True)
class ProjectedCell:
    """One projected unit cell.

    Attributes
    ----------
    class_name : str
    direction_deg : float
        Direction of the projected polarization [deg], NaN along the beam.
    polarization : float
        Length of the projected polarization [µC/cm²], NaN where it is not known.
    lengths : tuple of float
        Size of the cell along x and y [Å].
    kinds : list of str
        "A", "B" or "O" of each atom.
    labels : dict of str to str
        Elements of each kind.
    ideal, shift : ndarray, shape (atoms, 2)
        Undisplaced positions and displacements (x right, y up) [Å].
    """

    class_name: str
    direction_deg: float
    polarization: float
    lengths: tuple[float, float]
    kinds: list[str]
    labels: dict[str, str]
    ideal: NDArray[np.float64]
    shift: NDArray[np.float64]


def project_cell(atoms: ase.Atoms) -> ProjectedCell:
    """Take the first projected cell of a specimen without defect."""
    info = atoms.info
    site, quarters = projected_basis(tuple(info["zone_axis"]))
    lengths = np.array(info["cell_lengths_angstrom"], dtype=float)
    ideal = quarters[:, :2] * lengths[:2] / 4
    kinds = [SITES[s] for s in site]
    symbols = np.array(atoms.get_chemical_symbols()).reshape(-1, len(site))
    labels = {}
    for kind in "ABO":
        columns = [i for i, k in enumerate(kinds) if k == kind]
        labels[kind] = "/".join(sorted(set(symbols[:, columns].ravel())))
    for kind in "AB":  # an averaged site carries one of its elements only
        shares = info.get(f"virtual_{kind.lower()}_site", {})
        labels[kind] = "/".join(sorted(shares)) or labels[kind]
    return ProjectedCell(
        class_name=info["class_name"],
        direction_deg=float(info["direction_deg"]),
        polarization=float(np.hypot(*info["polarization_uC_cm2"][:2])),
        lengths=(float(lengths[0]), float(lengths[1])),
        kinds=kinds,
        labels=labels,
        ideal=ideal,
        shift=atoms.positions[: len(site), :2] - ideal,
    )


def draw_structure(
    structure_paths: Sequence[Path | str], output: Path | str | Sequence[Path | str]
) -> None:
    """Draw the projected cell of one specimen per class, and the wheel of directions.

    Parameters
    ----------
    structure_paths : sequence of path
        Specimens as extended XYZ. The first of each class is drawn.
    output : path or paths
        PNG file.
    """
    cells: dict[str, ProjectedCell] = {}
    zone_axis: list[int] = []
    for path in structure_paths:
        atoms = read_specimen(path)
        if atoms.info["defect"] is None and atoms.info["class_name"] not in cells:
            cells[atoms.info["class_name"]] = project_cell(atoms)
            zone_axis = atoms.info["zone_axis"]
    ordered = sorted(
        cells.values(), key=lambda cell: (np.isnan(cell.direction_deg), cell.direction_deg)
    )
    columns = min(8, len(ordered))
    rows = -(-len(ordered) // columns)
    with style.new_figure(style.WIDTH_IN, 3.0 + 1.12 * rows) as figure:
        heights = [3.0, 1.12 * rows]
        top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0]
        large, wheel = top.subplots(1, 2, width_ratios=[1.15, 1])
        shown = next((c for c in ordered if c.direction_deg % 90 == 45), ordered[0])
        _draw_cell(large, shown, large=True)
        style.draw_wheel(wheel, [c.class_name for c in ordered], [c.direction_deg for c in ordered])
        beam = "".join(str(i) for i in zone_axis)
        large.set_title(f"one projected cell of class {shown.class_name}, beam along [{beam}]")
        wheel.set_title(f"classes: projected direction of P\n({style.CONVENTION})")
        grid = bottom.subplots(rows, columns, squeeze=False)
        for axes, cell in zip(grid.flat, ordered, strict=False):
            _draw_cell(axes, cell, large=False)
        for axes in grid.flat[len(ordered) :]:
            axes.axis("off")
        style.save(figure, output)


def _draw_cell(axes: Axes, cell: ProjectedCell, large: bool) -> None:
    width, height = cell.lengths
    axes.add_patch(Rectangle((0, 0), width, height, fill=False, ec="0.6", lw=0.8, ls="--"))
    for kind, position, shift in zip(cell.kinds, cell.ideal, cell.shift, strict=True):
        order = 3 if kind == "O" else 2  # O shows on the B column that it shares
        for place in _images(position, cell.lengths):
            look = {"fc": _FILL[kind], "ec": "0.25", "lw": 0.6, "zorder": order}
            axes.add_patch(Circle(place, _RADIUS[kind], **look))
            dx, dy = ARROW_FACTOR * shift
            if np.hypot(dx, dy) > 0.05:
                axes.annotate(
                    "",
                    xy=(place[0] + dx, place[1] + dy),
                    xytext=place,
                    arrowprops={
                        "arrowstyle": "-|>",
                        "color": "black",
                        "lw": 1.1 if large else 0.7,
                        "mutation_scale": (9 if large else 5) * min(1.0, np.hypot(dx, dy) + 0.3),
                        "shrinkA": 0,
                        "shrinkB": 0,
                    },
                    zorder=4,
                )
    colour = style.direction_colour(cell.direction_deg)
    if large:
        _annotate(axes, cell)
    else:
        axes.set_title(
            cell.class_name,
            bbox={"boxstyle": "round,pad=0.2", "fc": (*colour, 0.5), "ec": "none"},
            pad=3,
        )
    if not np.isnan(cell.direction_deg):
        _draw_polarization(axes, cell, large)
    margin = 0.55
    axes.set(
        xlim=(-margin, width + margin + (2.6 if large else 0)), ylim=(-margin, height + margin)
    )
    axes.set_aspect("equal")
    axes.axis("off")


def _images(
    position: NDArray[np.float64], lengths: tuple[float, float]
) -> list[tuple[float, float]]:
    """An atom and its periodic images on the edges of the cell."""
    (x, y), (width, height) = map(float, position), lengths
    across = (x, x + width) if x < 1e-6 else (x,)
    up = (y, y + height) if y < 1e-6 else (y,)
    return [(u, v) for u in across for v in up]


def _draw_polarization(axes: Axes, cell: ProjectedCell, large: bool) -> None:
    angle = np.radians(cell.direction_deg)
    x, y = cell.lengths[0] / 2, cell.lengths[1] / 2
    dx, dy = 0.46 * min(cell.lengths) * np.array([np.cos(angle), np.sin(angle)])
    axes.annotate(
        "",
        xy=(x + dx, y + dy),
        xytext=(x - dx, y - dy),
        arrowprops={
            "arrowstyle": "simple,head_width=1.1,head_length=0.9,tail_width=0.5",
            "mutation_scale": 22 if large else 9,
            "fc": style.direction_colour(cell.direction_deg),
            "ec": "0.3",
            "lw": 0.6,
            "shrinkA": 0,
            "shrinkB": 0,
        },
        zorder=1,
    )


def _annotate(axes: Axes, cell: ProjectedCell) -> None:
    """Scale bar and legend to the right of the large cell."""
    width, height = cell.lengths
    x = width + 0.75
    handles = [
        Line2D([], [], ls="", marker="o", ms=size, mfc=_FILL[kind], mec="0.25", label=text)
        for kind, size, text in (
            ("A", 11, f"{cell.labels['A']} (A site)"),
            ("B", 9, f"{cell.labels['B']} (B site)"),
            ("O", 6, cell.labels["O"]),
        )
    ]
    handles.append(
        Line2D(
            [], [], color="black", marker=">", ms=4, lw=1.1, label=f"displacement × {ARROW_FACTOR}"
        )
    )
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(x - 0.2, height + 0.4),
                bbox_transform=axes.transData, labelspacing=0.9, borderpad=0)  # fmt: skip
    size = "not known" if np.isnan(cell.polarization) else f"{cell.polarization:.0f} µC/cm²"
    axes.text(x, 0.95, f"{cell.class_name}: |P| in projection\n{size}", va="bottom")
    axes.plot([x, x + 1], [0.2, 0.2], color="black", lw=2.5, solid_capstyle="butt")
    axes.text(x + 0.5, 0.05, "1 Å", ha="center", va="top")
