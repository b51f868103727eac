# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pass over a scan gave, brought together: lattice, anomalies, the map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from polarstem.errors import PolarstemError
from polarstem.maps.anomaly import score
from polarstem.maps.dataset import MOST_PATTERNS, Classes, assemble, described
from polarstem.maps.pooling import answer, cell_means, pooled, renumbered, whole_cells
from polarstem.maps.predict import Answers
from polarstem.maps.setup import Setup
from polarstem.models.calibration import Calibration
from polarstem.scans.calibration.steps import Status, Step
from polarstem.scans.specimen.cells import Cells, Lattice, boxes
from polarstem.scans.specimen.handedness import Handedness, handedness
from polarstem.scans.specimen.lattice import find_lattice
from polarstem.scans.specimen.rings import ring_signals

Arrays = dict[str, NDArray[Any]]


def lattice_of(
    setup: Setup, answers: Answers, templates_nm: float | None, rotation_deg: float
) -> Lattice:
    """Find the crystal's lattice in what virtual detectors saw.

    Parameters
    ----------
    setup : Setup
        Scan and model.
    answers : Answers
        Of all positions.
    templates_nm : float or None
        Thickness of the library's patterns that tell where the A column is [nm].
    rotation_deg : float
        About the angle of the crystal's x axis from the scan's [degrees].
    """
    cell = tuple(setup.trained["cell_angstrom"])
    if not setup.wants("lattice"):
        return boxes(setup.step_nm, cell, "The lattice was not looked for")
    templates = None
    if setup.library is not None and templates_nm is not None:
        scale = setup.trained["mrad_per_pixel"] / setup.trained["semiangle_mrad"]
        templates = ring_signals(setup.library.templates(templates_nm).mean(0), scale)
    images = answers.signals.reshape(*setup.scan.shape[:2], -1)
    return find_lattice(images, setup.step_nm, cell, rotation_deg=rotation_deg, templates=templates)


def aligned(lattice: Lattice, rotation_deg: float) -> Lattice:
    """The same lattice, described by the edges nearest to a rotation of the crystal [degrees]."""
    if lattice.rotation is None:
        return lattice
    quarters = round((rotation_deg - lattice.rotation.value) / 90) % 4
    down, right = lattice.vectors
    for _ in range(quarters):  # counter-clockwise
        down, right = right, -down
    rotation = replace(lattice.rotation, value=lattice.rotation.value + 90 * quarters)
    return replace(lattice, vectors=np.stack([down, right]), rotation=rotation)


def handedness_of(
    setup: Setup, answers: Answers, lattice: Lattice, cells: Cells, templates_nm: float | None
) -> Handedness | None:
    """Compare the patterns with simulated ones turned in all ways; None where it cannot be done.

    Parameters
    ----------
    setup, answers, templates_nm
        As for `lattice_of`.
    lattice : Lattice
        As found; boxes tell no place in the cell.
    cells : Cells
        Its cells.
    """
    if setup.library is None or templates_nm is None or not lattice.found:
        return None
    y, x = (np.where(answers.measured, axis.ravel(), np.nan) for axis in (cells.y, cells.x))
    return handedness(answers.pattern, y, x, setup.library, templates_nm)


def lattice_step(setup: Setup, lattice: Lattice) -> Step:
    """What became of the search for the lattice."""
    status: Status = "done" if lattice.found else "impossible"
    if not setup.wants("lattice"):
        status = "off"
    values = {"quality": lattice.quality, "agreement": lattice.agreement, "margin": lattice.margin}
    return Step("lattice", status, lattice.sentence, values)


def anomalies_of(setup: Setup, answers: Answers, lattice: Lattice, cells: Cells) -> Arrays:
    """Anomaly scores of positions (ny, nx) and cells; nan where they cannot be told."""
    if setup.reference is not None:
        images = answers.features.reshape(*setup.scan.shape[:2], -1)
        vectors = lattice.vectors / np.array(lattice.step_nm)
        try:
            return score(setup.reference, images, vectors, cells.index)
        except PolarstemError as error:
            setup.warnings.append(f"Anomalies were not looked for. {error}")
    shape, count = setup.scan.shape[:2], len(cells.row)
    return {
        "anomaly": np.full(shape, np.nan, np.float32),
        "flagged": np.zeros(shape, bool),
        "cell_anomaly": np.full(count, np.nan, np.float32),
        "cell_flagged": np.zeros(count, bool),
    }


def map_of(
    setup: Setup,
    answers: Answers,
    cells: Cells,
    anomalies: Arrays,
    classes: Classes,
    attributes: Mapping[str, Any],
) -> xr.Dataset:
    """The map as a data set; see `polarstem.maps.dataset`."""
    calibration = Calibration.of(setup.model)
    found = answer(answers.probability, calibration.threshold)
    positions = described(found, answers.probability, classes)
    positions |= {name: anomalies[name].ravel() for name in ("anomaly", "flagged")}
    positions |= {n: getattr(answers, n) for n in ("bright_field", "dark_field", "total")}
    com = classes.vectors_in_scan(answers.com)
    positions |= {"com_x": com[:, 0], "com_y": com[:, 1]}

    kept = whole_cells(cells.index.ravel(), answers.measured)
    index = renumbered(cells.index.ravel(), kept, answers.measured)
    positions |= {"cell": index}
    positions |= {n: getattr(cells, n[-1]).ravel().astype(np.float32) for n in ("cell_y", "cell_x")}
    probability = pooled(answers.probability, index, calibration)
    table = described(answer(probability, calibration.cell_threshold), probability, classes)
    table |= {n: anomalies[f"cell_{n}"][kept] for n in ("anomaly", "flagged")}
    table |= {"row": cells.row[kept], "column": cells.column[kept]}
    table |= {"centre_y": cells.centre[kept, 0], "centre_x": cells.centre[kept, 1]}
    table["count"] = np.bincount(index[index >= 0], minlength=len(kept)).astype(np.int32)
    pixels = np.float32(np.prod(answers.pattern.shape[1:]))
    table["pattern"] = cell_means(answers.pattern, index) / pixels
    if len(index) <= MOST_PATTERNS:
        positions["pattern"] = answers.pattern.astype(np.float32) / pixels
    mrad = setup.trained["mrad_per_pixel"]
    shape = (setup.scan.shape[0], setup.scan.shape[1])
    return assemble(shape, setup.step_nm, positions, table, classes, mrad, attributes)
