# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pass over a scan gave, brought together as a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from polarstem.maps.anomaly import at_walls
from polarstem.maps.dataset import MOST_PATTERNS, Classes, assemble, described
from polarstem.maps.pooling import answer, cell_means, pooled, renumbered, whole_cells
from polarstem.maps.predict import Answers
from polarstem.maps.setup import Setup
from polarstem.maps.specimen import Specimen
from polarstem.maps.withheld import Doubt, Reason, reasons
from polarstem.models.calibration import Calibration
from polarstem.scans.specimen.cells import Cells

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Pooled:
    """Positions sorted into whole cells.

    Attributes
    ----------
    index : ndarray of int32, shape (n,)
        Cell of each position, numbered from 0; -1 for none.
    kept : ndarray of int, shape (cell,)
        Number of each cell among all of the lattice's.
    """

    index: NDArray[np.int32]
    kept: NDArray[np.int64]

    @classmethod
    def of(cls, cells: Cells, usable: NDArray[np.bool_]) -> Pooled:
        """Cells that keep most of their positions where these are usable."""
        kept = whole_cells(cells.index.ravel(), usable)
        return cls(renumbered(cells.index.ravel(), kept, usable), kept)


def map_of(
    setup: Setup,
    answers: Answers,
    cells: Cells,
    pooled_cells: Pooled,
    anomalies: Arrays,
    vacuum: NDArray[np.bool_],
    specimen: Specimen,
    classes: Classes,
    doubts: Sequence[Doubt],
    attributes: Mapping[str, Any],
) -> xr.Dataset:
    """The map as a data set; see `polarstem.maps.dataset`."""
    calibrations = [Calibration.of(model) for model in setup.models]
    dose = answers.total
    sets = [c.sets(answers.by_model[:, i], dose) for i, c in enumerate(calibrations)]
    positions = _answers(answers.by_model, sets, classes)
    why = reasons(answers.measured, vacuum, positions.pop("alone"), positions.pop("agreed"), doubts)
    positions |= {"withheld": why, "answered": np.asarray(why == Reason.ANSWERED), "vacuum": vacuum}
    positions |= {name: anomalies[name].ravel() for name in ("anomaly", "flagged")}
    positions["flagged"] = positions["flagged"] & ~vacuum
    positions |= {n: getattr(answers, n) for n in ("bright_field", "dark_field", "total")}
    com = classes.vectors_in_scan(answers.com)
    positions |= {"com_x": com[:, 0], "com_y": com[:, 1]}
    index, kept = pooled_cells.index, pooled_cells.kept
    positions |= {"cell": index}
    positions |= {n: getattr(cells, n[-1]).ravel().astype(np.float32) for n in ("cell_y", "cell_x")}

    count = np.bincount(index[index >= 0], minlength=len(kept)).astype(np.int32)
    pools = [pooled(answers.by_model[:, i], index, c, dose) for i, c in enumerate(calibrations)]
    sets = [c.cell_sets(each, count) for c, each in zip(calibrations, pools, strict=True)]
    table = _answers(np.stack(pools, axis=1), sets, classes)
    full, no_vacuum = np.ones(len(kept), bool), np.zeros(len(kept), bool)
    why = reasons(full, no_vacuum, table.pop("alone"), table.pop("agreed"), doubts)
    table |= {"withheld": why, "answered": np.asarray(why == Reason.ANSWERED)}
    table |= {n: anomalies[f"cell_{n}"][kept] for n in ("anomaly", "flagged")}
    table |= {"row": cells.row[kept], "column": cells.column[kept]}
    table["at_wall"] = at_walls(
        table["class_index"], table["answered"], table["row"], table["column"]
    )
    origin = np.array(setup.scan.origin) * setup.step_nm
    centre = cells.centre[kept] + origin
    table |= {"centre_y": centre[:, 0], "centre_x": centre[:, 1]}
    table["count"] = count
    table |= specimen.of_cells(classes, len(kept))
    pixels = np.float32(np.prod(answers.pattern.shape[1:]))
    table["pattern"] = cell_means(answers.pattern, index) / pixels
    if len(index) <= MOST_PATTERNS:
        positions["pattern"] = answers.pattern.astype(np.float32) / pixels
    mrad = setup.trained["mrad_per_pixel"]
    shape = (setup.scan.shape[0], setup.scan.shape[1])
    return assemble(
        shape, setup.step_nm, positions, table, classes, mrad, attributes, (origin[0], origin[1])
    )


def _answers(
    by_model: NDArray[np.floating], sets: Sequence[NDArray[np.bool_]], classes: Classes
) -> Arrays:
    """Answers of all models together: their mean, and whether each gives the same one class."""
    probability = by_model.mean(1)
    each = [answer(by_model[:, i], inside) for i, inside in enumerate(sets)]
    together = answer(probability, np.logical_or.reduce(sets))
    found = described(together, probability, classes)
    same = np.stack([one.class_index == together.class_index for one in each], axis=1)
    found["alone"] = np.asarray(np.logical_and.reduce([one.answered for one in each]))
    found["agreed"] = np.asarray(same.all(1))
    if len(each) > 1:
        found["agreement"] = same.mean(1).astype(np.float32)
    return found
