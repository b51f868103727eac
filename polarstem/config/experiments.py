# SPDX-License-Identifier: GPL-3.0-or-later
"""Config sections for experiments: scans of one's own, and virtual ones whose truth is known."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Discriminator, Field, Tag

from polarstem.config.conditions import MAPPED, NAMED
from polarstem.config.experiment_conditions import SceneConditions
from polarstem.config.physics import Count, Positive, Section
from polarstem.config.sheet import Sheet
from polarstem.structures.scenes.recipe import Charge, DefectKind, SceneKind


def _form(value: Any) -> str:
    return NAMED if isinstance(value, str) else MAPPED


Orientation = Literal[
    "scan_transpose",
    "scan_flip_x",
    "scan_flip_y",
    "detector_transpose",
    "detector_flip_x",
    "detector_flip_y",
]
DEFECTS: frozenset[str] = frozenset(get_args(DefectKind))
"""Kinds of scenes with a defect."""


class Scene(Section):
    """A specimen with domains or a defect, scanned by multislice with moving atoms."""

    kind: SceneKind = Field(
        description="what is in the field: domains, a wall, a defect, or something that is neither "
        "(`single_domain`, `tilt_ramp`, `a_cluster`). Walls are named by the angle between the "
        "polar axes on both sides; `wall_seen_90` by that of their projections, and every phase "
        "has one along [0, 0, 1]; in `wall_bloch` and `wall_neel`, of 180 degrees, the "
        "polarization turns within the wall's plane and out of it. In `gradient` it grows from "
        "nothing along x, in `monoclinic` it lies off the class's axis. `antiphase_boundary`, "
        "`ruddlesden_popper` and `edge_dislocation` are there along [0, 0, 1] alone"
    )
    cells: tuple[Annotated[int, Field(ge=3)], Annotated[int, Field(ge=3)]] = Field(
        (12, 12),
        description="scanned unit cells along x and y; fewer than three need not hold a whole cell "
        "to map",
    )
    positions_per_cell: Annotated[int, Field(ge=2)] = Field(
        6,
        description="probe positions along the shorter edge of a projected cell; the step is the "
        "same in both directions",
    )
    margin_cells: Annotated[int, Field(ge=3)] = Field(
        4, description="cells of crystal around the scanned ones"
    )
    thickness_nm: Positive = Field(20.0, description="thickness [nm]")
    classes: tuple[str, ...] | None = Field(
        None,
        description="classes of the domains, by name; of four, counter-clockwise from the upper "
        "right; null for those that the phase has at the angles of the kind",
    )
    amplitude: Annotated[float, Field(ge=0, le=3)] = Field(
        1.0, description="factor on the polar displacements"
    )
    crystal_rotation_deg: Annotated[float, Field(ge=-360, le=360)] = Field(
        0.0, description="the crystal's x axis against the scan's, counter-clockwise [degrees]"
    )
    wall_width_nm: Positive = Field(
        0.8, description="width w of walls, where the polarization goes as tanh(2 s / w) [nm]"
    )
    charge: Charge = Field(
        "neutral", description="how a wall is turned, and with it its bound charge"
    )
    inclination_deg: Annotated[float, Field(ge=0, lt=90)] = Field(
        8.0, description="`wall_inclined`: angle between wall and beam [degrees]"
    )
    turned_deg: Annotated[float, Field(ge=-90, le=90)] = Field(
        15.0,
        description="`monoclinic`: angle of the polar axis to that of its class, about the beam "
        "[degrees]",
    )
    columns: Count = Field(
        4, description="`a_vacancy_column`, `b_antisite`: number of such columns"
    )
    cluster_radius_nm: Positive = Field(2.0, description="`a_cluster`: radius of the cluster [nm]")
    cluster_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.9, description="`a_cluster`: share of the first A-site element in it"
    )
    tilt_mrad: Annotated[float, Field(ge=0, le=20)] = Field(
        2.5, description="`tilt_ramp`: the tilt goes from minus to plus this along x [mrad]"
    )
    detector_rotation_deg: Annotated[float, Field(ge=-360, le=360)] = Field(
        0.0,
        description="angle by which the scan's x axis appears turned counter-clockwise on the "
        "detector [degrees]; its sheet says so",
    )
    stored: dict[Orientation, bool] = Field(
        default_factory=dict,
        description="how the file holds the scan, by the keys of its sheet: `{scan_transpose: "
        "true}`",
    )
    conditions: SceneConditions = Field(
        default_factory=lambda: SceneConditions(
            source_fwhm_angstrom=(0.9, 0.9), dose_electrons=(1e5, 1e5)
        ),
        description="what microscope and specimen draw from, as for emulated experiments; it needs "
        "a dose, and moving atoms need a source of a fifth of a cell or more",
    )
    simulate: dict[str, Any] = Field(
        default_factory=dict, description="keys of `simulate` that differ, such as the detector"
    )


class Experiment(Section):
    """A scan to map: a file, or a virtual experiment."""

    scan: str | None = Field(None, description="detector file or folder of images to map")
    sheet: (
        Annotated[Annotated[str, Tag(NAMED)] | Annotated[Sheet, Tag(MAPPED)], Discriminator(_form)]
        | None
    ) = Field(None, description="what the file lacks or gets wrong: a scan sheet, or its file")
    force: bool = Field(
        False, description="map it even if the model was not trained for it; every output says so"
    )
    scene: Scene | None = Field(None, description="a virtual experiment instead of a file")
    reality: str | None = Field(
        None,
        pattern=r"^[a-z][a-z0-9_]*$",
        description="how its specimen or scan departs from the ideal, in one word: experiments of "
        "the same word are scored together, as `maps.reality.<word>`",
    )
