# SPDX-License-Identifier: GPL-3.0-or-later
"""How far grid and field change patterns, beside the rules that choose them.

Relative L1 of patterns against a converged calculation, mean over random probe positions, by
scattering matrices. The grids are compared in a field of 4 x 4 cells, the fields on 32 pixels per
cell: neither hardly changes the error by the other. ``python -m benchmarks.accuracy`` prints a
table and writes ``accuracy_rules.json`` and the figure of docs/accuracy.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from benchmarks.common import from_matrices, l1, parser, perovskite, say
from benchmarks.rows import processor, rounded
from polarstem.config.accuracy import field_error, grid_error
from polarstem.config.physics import Simulate
from polarstem.files import atomic_path
from polarstem.report.figures import style
from polarstem.simulate.potential.crystal import Crystal
from polarstem.structures.crystals import load_material
from polarstem.structures.variants import Vector

# phase and variant; their polarization lies in the plane, so that every atom is off the grid
MATERIALS: dict[str, tuple[str, Vector]] = {
    "KNN": ("O", (1, 1, 0)),
    "BaTiO3": ("T", (1, 0, 0)),
    "PbTiO3": ("T", (1, 0, 0)),
}
CELLS, GRIDS, CONVERGED = 4, (32, 36, 40, 44, 48, 56, 64), 96
GRID_NM = (10.0, 20.0, 40.0)
# semi-angle [mrad]: pixels and their size [mrad], fields, converged field
APERTURES = {
    24.0: (32, 3.0, (3, 4, 5, 6, 8, 10, 12), 16),
    10.0: (40, 1.5, (4, 6, 8, 10, 12, 16), 24),
    2.5: (40, 1.0, (12, 16, 20, 24, 32), 48),
}
OFFSETS = ((3, 4), (3, 8), (3, 16), (4, 4), (4, 8), (4, 16), (6, 4))  # fields, at 24 mrad
FIELD_NM = (10.0, 20.0, 30.0, 40.0, 50.0)


@dataclass(frozen=True)
class Error:
    """One measured error and what its rule says.

    Attributes
    ----------
    of : str
        "grid" or "field".
    material : str
        The crystal.
    energy_kv, semiangle_mrad : float
        The microscope [keV, mrad].
    moving : bool
        Whether the potential is smeared by the atoms' motion.
    pixels_per_cell, cells, offsets : int
        Grid, field along each side, and grids of plane waves that are averaged over.
    thickness_nm : float
        Thickness [nm].
    measured, rule : float
        Relative L1; no rule for atoms at rest.
    """

    of: str
    material: str
    energy_kv: float
    semiangle_mrad: float
    moving: bool
    pixels_per_cell: int
    cells: int
    offsets: int
    thickness_nm: float
    measured: float
    rule: float | None


def crystal_of(material: str, thickness_nm: float) -> Crystal:
    """One cell."""
    phase, variant = MATERIALS[material]
    return perovskite(material, phase, variant, 1, thickness_nm)


def places(crystal: Crystal, count: int) -> np.ndarray:
    """Random probe positions, shape (n, 2) [Å]."""
    return np.random.default_rng(0).random((count, 2)) * crystal.cell[0]


def of_grid(material: str, energy_kv: float, moving: bool, threads: int) -> Iterator[Error]:
    """Errors of all grids."""
    crystal = crystal_of(material, max(GRID_NM))
    positions = places(crystal, 24)
    pixels = 24 if energy_kv > 200 else 32  # the band of 32 pixels per cell ends at 53 mrad

    def patterns(pixels_per_cell: int) -> np.ndarray:
        settings = Simulate.model_validate(
            {
                "energy_kv": energy_kv,
                "pixels_per_cell": pixels_per_cell,
                "detector": {"pixels": pixels, "mrad_per_pixel": 3.0},
            }
        )
        scale = float(moving)
        return from_matrices(crystal, settings, CELLS, GRID_NM, positions, scale, threads=threads)

    reference = patterns(CONVERGED)
    for grid in GRIDS:
        for nm, error in zip(GRID_NM, l1(patterns(grid), reference).tolist(), strict=True):
            rule = grid_error(
                load_material(material),
                MATERIALS[material][0],
                grid / crystal.lattice_constant,
                nm,
            )
            yield Error(
                *("grid", material, energy_kv, 24.0, moving, grid, CELLS, 1, nm),
                rounded(error),
                rounded(rule) if moving else None,
            )


def of_field(
    semiangle_mrad: float, offsets: Sequence[tuple[int, int]], threads: int
) -> Iterator[Error]:
    """Errors of all fields of KNN with moving atoms, at 200 kV."""
    crystal = crystal_of("KNN", max(FIELD_NM))
    positions = places(crystal, 12)
    pixels, size, fields, converged = APERTURES[semiangle_mrad]
    settings = Simulate.model_validate(
        {
            "semiangle_mrad": semiangle_mrad,
            "pixels_per_cell": 32,
            "detector": {"pixels": pixels, "mrad_per_pixel": size},
        }
    )

    def patterns(cells: int, count: int) -> np.ndarray:
        return from_matrices(crystal, settings, cells, FIELD_NM, positions, 1.0, count, threads)

    reference = patterns(converged, 1)
    for cells, count in (*((cells, 1) for cells in fields), *offsets):
        found = l1(patterns(cells, count), reference).tolist()
        averaged = settings.model_copy(
            update={"phonons": settings.phonons.model_copy(update={"configurations": count})}
        )
        for nm, error in zip(FIELD_NM, found, strict=True):
            rule = field_error(averaged, cells * crystal.cell[0], nm)
            yield Error(
                *("field", "KNN", 200.0, semiangle_mrad, True, 32, cells, count, nm),
                rounded(error),
                rounded(rule),
            )


def measure(reduced: bool, threads: int) -> list[Error]:
    """Measure everything, or KNN at 200 kV and 24 mrad alone."""
    materials = ("KNN",) if reduced else tuple(MATERIALS)
    errors: list[Error] = []
    for energy_kv in (200.0,) if reduced else (200.0, 80.0, 300.0):
        for material in materials:
            for moving in (True, False):
                say(f"  grid: {material}, {energy_kv:g} kV, {'moving' if moving else 'at rest'}")
                errors += of_grid(material, energy_kv, moving, threads)
    for semiangle in (24.0,) if reduced else APERTURES:
        say(f"  field: {semiangle:g} mrad")
        offsets = () if reduced or semiangle != 24.0 else OFFSETS
        errors += of_field(semiangle, offsets, threads)
    return errors


def table(errors: Sequence[Error]) -> str:
    """One line for each grid or field: measured, and in brackets the rule's value [%]."""
    lines, cases = [], dict[tuple[object, ...], list[Error]]()
    for e in errors:
        what = (e.of, e.material, e.energy_kv, e.semiangle_mrad, e.moving)
        cases.setdefault((*what, e.pixels_per_cell, e.cells, e.offsets), []).append(e)
    for case in cases.values():
        e = case[0]
        motion = "moving" if e.moving else "at rest"
        values = [
            f"{x.thickness_nm:g} nm {100 * x.measured:6.3f}"
            + (f" ({100 * x.rule:6.3f})" if x.rule is not None else "")
            for x in case
        ]
        lines.append(
            f"{e.of:5} {e.material:6} {e.energy_kv:3g} kV {e.semiangle_mrad:4g} mrad {motion:7} "
            f"{e.pixels_per_cell:2} px {e.cells:2} cells x{e.offsets:<2}  " + "  ".join(values)
        )
    return "\n".join(lines)


def draw(errors: Sequence[Error], output: Path) -> None:
    """Error against pixels per cell, and against cells of the field, with the rules."""
    with style.new_figure(style.WIDTH_IN, 3.1) as figure:
        left, right = figure.subplots(1, 2)
        _draw_grids(left, [e for e in errors if e.of == "grid"])
        _draw_fields(right, [e for e in errors if e.of == "field" and e.semiangle_mrad == 24])
        for panel, letter in ((left, "a"), (right, "b")):
            panel.set_yscale("log")
            panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            panel.axhline(1, color="0.6", linewidth=0.7, zorder=0)
            panel.set_title(letter, loc="left", fontweight="bold")
        left.set_ylabel("error of a pattern [%]")
        style.save(figure, output)


def _draw_grids(panel: Axes, errors: Sequence[Error]) -> None:
    chosen = [e for e in errors if e.energy_kv == 200 and e.thickness_nm == 20]
    for material, colour, marker in zip(
        MATERIALS, style.MODEL_COLOURS, style.MODEL_MARKERS, strict=False
    ):
        for moving in (True, False):
            mine = [e for e in chosen if e.material == material and e.moving == moving]
            if not mine:
                continue
            x = [e.pixels_per_cell for e in mine]
            panel.plot(
                x,
                [100 * e.measured for e in mine],
                marker,
                color=colour,
                markerfacecolor=colour if moving else "white",
                label=material.replace("O3", "O\N{SUBSCRIPT THREE}") if moving else None,
            )
            rule = [(e.pixels_per_cell, 100 * e.rule) for e in mine if e.rule and e.rule > 3e-5]
            if rule:
                panel.plot(*zip(*rule, strict=True), color=colour, linewidth=1)
    panel.plot([], [], "o", color="0.3", markerfacecolor="white", label="atoms at rest")
    panel.plot([], [], color="0.3", linewidth=1, label="rule, moving atoms")
    panel.legend(loc="lower left", handlelength=1.2, borderaxespad=0)
    panel.set(xlabel="pixels per cell", xticks=GRIDS, ylim=(3e-3, 30))


def _draw_fields(panel: Axes, errors: Sequence[Error]) -> None:
    colours = dict(zip((10.0, 20.0, 50.0), style.MODEL_COLOURS, strict=False))
    for nm, colour in colours.items():
        for count, marker, line in ((1, "o", "-"), (8, "D", ":")):
            mine = [e for e in errors if e.offsets == count and e.thickness_nm == nm]
            if not mine:
                continue
            x = [e.cells for e in mine]
            panel.plot(
                x,
                [100 * e.measured for e in mine],
                marker,
                color=colour,
                markerfacecolor=colour if count == 1 else "white",
                label=f"{nm:g} nm" if count == 1 else None,
            )
            panel.plot(x, [100 * (e.rule or 0) for e in mine], line, color=colour, linewidth=1)
    panel.plot([], [], "D", color="0.3", markerfacecolor="white", label="mean of 8 offsets")
    panel.plot([], [], color="0.3", linewidth=1, label="rule")
    panel.legend(loc="upper right", handlelength=1.2, borderaxespad=0)
    panel.set(xlabel="cells along the side of the field", ylim=(0.2, 60))


def main() -> None:
    """Measure, print, write and draw from the command line."""
    options = parser(__doc__)
    options.add_argument("--results", type=Path, default=Path("results"), help="folder to write to")
    options.add_argument("--figure", type=Path, help="PNG or SVG to draw")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    errors = measure(given.reduced, given.threads)
    print(table(errors))
    name = "accuracy_rules_reduced.json" if given.reduced else "accuracy_rules.json"
    facts = {
        "machine": f"{processor()}, {given.threads} threads",
        "errors": [asdict(error) for error in errors],
    }
    with atomic_path(given.results / name) as path:
        path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    if given.figure:
        draw(errors, given.figure)


if __name__ == "__main__":
    main()
