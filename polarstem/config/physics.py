# SPDX-License-Identifier: GPL-3.0-or-later
"""Config sections for the crystals and the microscope."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from polarstem.structures.imperfections import MOST_TILT_DEG
from polarstem.structures.phase_numbers import PhaseName
from polarstem.structures.variants import ZONE_AXES

# polar coefficients C_nm and their angles up to fifth order, as abTEM names them
ABERRATIONS = (
    *("C10", "C12", "phi12", "C21", "phi21", "C23", "phi23", "C30", "C32", "phi32", "C34", "phi34"),
    *("C41", "phi41", "C43", "phi43", "C45", "phi45"),
    *("C50", "C52", "phi52", "C54", "phi54", "C56", "phi56"),
)


def wavelength(energy_kv: float) -> float:
    """Relativistic wavelength of electrons [Å] (CODATA 2018)."""
    # h c [keV Å] and twice the rest energy [keV]
    return 12.398419843 / math.sqrt(energy_kv * (energy_kv + 2 * 510.99895))


def band_mrad(energy_kv: float, sampling: float) -> float:
    """Largest scattering angle that a grid simulates: two thirds of its Nyquist angle [mrad].

    Parameters
    ----------
    energy_kv : float
        Energy of the electrons [keV].
    sampling : float
        The coarser of the grid's two samplings [Å].
    """
    return 1e3 * wavelength(energy_kv) / 3 / sampling


class Section(BaseModel):
    """A config section: no unknown keys, no changes after the check."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _even(value: int) -> int:
    if value % 2:
        raise ValueError(
            "must be even: an odd number of pixels per cell makes a cubic crystal look polar"
        )
    return value


def _zone_axis(value: tuple[int, int, int]) -> tuple[int, int, int]:
    if value not in ZONE_AXES:
        raise ValueError("must be [0, 0, 1] or [1, 1, 0]")
    return value


def _aberrations(value: dict[str, float]) -> dict[str, float]:
    for name in value:
        if name not in ABERRATIONS:
            raise ValueError(f"{name!r} is no aberration; known: {', '.join(ABERRATIONS)}")
    return value


Count = Annotated[int, Field(ge=1)]
Cells = tuple[Count, Count]
NUMBER, WORD, AUTO = "as a number", "as a word", "auto"


def _word_or_number(value: Any) -> str:
    """Tell which form a key has, so that its errors are told for that form alone."""
    return WORD if isinstance(value, str) else NUMBER


Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]


class Defect(Section):
    """A column of wrong or missing atoms in the cell nearest the middle of the field."""

    kind: Literal["vacancy_column", "antisite_column"] = Field(
        description="`vacancy_column` removes a column of atoms; `antisite_column` puts the "
        "other cation in it"
    )
    site: Literal["A", "B", "O"] = Field(
        "A", description="which column; `O` only for `vacancy_column`"
    )

    @model_validator(mode="after")
    def _cations_are_exchanged(self) -> Defect:
        if self.kind == "antisite_column" and self.site == "O":
            raise ValueError("an antisite exchanges cations; use site A or B, or `vacancy_column`")
        return self


class Structures(Section):
    """The crystals: material, polar phase, orientation and size."""

    material: str | dict[str, Any] = Field(
        "KNN",
        description="a name in resources/crystals.yaml; or a mapping of the same form for any "
        "other ABO3 perovskite; or two structure files, `{parent: cubic.cif, polar: polar.cif}`, "
        "whose difference is the polar mode, with other keys of a material where they are known. "
        "See docs/crystals.md",
    )
    phase: PhaseName = Field(
        "O",
        description="polar phase: `T` polar along <001>, `O` along <110>, `R` along <111>; or `M` "
        "and the digits of any other polar axis, smallest first, such as `M113`. Its classes are "
        "the directions in which <113> are seen; where the material does not describe the phase, "
        "the template of the nearest axis is scaled and turned",
    )
    zone_axis: Annotated[tuple[int, int, int], AfterValidator(_zone_axis)] = Field(
        (0, 0, 1), description="pseudo-cubic direction of the beam: [0, 0, 1] or [1, 1, 0]"
    )
    a_site: Literal["random", "ordered", "virtual"] = Field(
        "random",
        description="A-site cations: placed at random by each specimen's seed, in rock-salt order, "
        "or one averaged atom",
    )
    b_site: Literal["random", "virtual"] | None = Field(
        None,
        description="B-site cations of a material that has several, such as Pb(Zr,Ti)O3: at random "
        "or one averaged atom; null: at random where those of the A site are, else averaged. "
        "Scenes have both sites at random",
    )
    amplitude: Annotated[float, Field(ge=0, le=3)] = Field(
        1.0, description="factor on the polar displacements; 0 is the cubic control"
    )
    amplitude_spread: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0,
        description="specimens draw their amplitudes evenly from `amplitude` times 1 -/+ this: "
        "each test specimen its own, in the other splits one for all classes",
    )
    polar_direction: Literal["class", "free"] = Field(
        "class",
        description="where the polar vector points: along the polar axis of the class; or anywhere "
        "in space, as long as the direction of no other class is nearer to how it is seen, so that "
        "specimens of all classes together are a continuum (docs/vector.md)",
    )
    composition_spread: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        0.0,
        description="with an averaged A site, specimens draw the share of its first element (of "
        "the B site's where B alone is mixed and averaged) "
        "from the material's share -/+ this: test specimens from the middle tenth of that "
        "range, others from the twentieths at its ends, so that no test crystal is like one that "
        "was trained on; where it is 0, the amplitudes are parted so instead. See docs/learning.md",
    )
    octahedral_tilt_deg: Annotated[float, Field(ge=0, le=MOST_TILT_DEG)] = Field(
        0.0,
        description="turn of the oxygen octahedra [degrees] about each axis that the material's "
        "`octahedral_tilts` of the phase turns them about, in every specimen; conditions of an "
        "emulated experiment draw another. The crystal repeats every other cell then: its matrices "
        "hold as many, and classes share none",
    )
    metric: Literal["cubic", "phase"] = Field(
        "cubic",
        description="lattice metric: a common cubic cell, or the cell of the phase (whose unequal "
        "axes tell the polar axis without any displacement)",
    )
    cells: Cells = Field(
        (6, 6), description="lateral size of the simulated field [unit cells along x and y]"
    )
    end_on: bool = Field(
        False, description="also simulate the variants polar along the beam, as one more class"
    )
    defect: Defect | None = Field(None, description="a defect in the middle of the field, or null")


class Scan(Section):
    """Probe positions of each specimen."""

    positions: tuple[Count, Count] = Field(
        (8, 8), description="number of probe positions [rows (y) and columns (x)]"
    )
    cells: tuple[Count, Count] = Field(
        (1, 1), description="unit cells that the positions cover [along y and x]"
    )
    offset: Literal["random", "centre"] = Field(
        "random",
        description="where the grid starts: a random fraction of a step from each specimen's seed, "
        "or half a step",
    )


class Detector(Section):
    """Pixelated detector, the same for all thicknesses, energies and cells."""

    pixels: Annotated[int, Field(ge=8, le=1024)] = Field(
        48, description="detector pixels along each side"
    )
    mrad_per_pixel: Positive = Field(2.0, description="angle per detector pixel [mrad]")


class Phonons(Section):
    """Thermal motion as frozen phonons (Einstein model)."""

    configurations: Annotated[int, Field(ge=0)] = Field(
        0, description="frozen-phonon configurations per specimen; 0 is a static lattice"
    )
    scale: Positive = Field(
        1.0, description="factor on the rms displacements of the elements in the material"
    )


Pixels = Annotated[int, Field(ge=8, le=512), AfterValidator(_even)]


class Simulate(Section):
    """Simulation of the diffraction patterns."""

    engine: Literal["auto", "scattering_matrix", "multislice", "thermal_matrices"] = Field(
        "auto",
        description="`scattering_matrix` computes a crystal once for all probe positions and for "
        "all specimens that are turns of it; it needs a crystal that repeats in the plane and "
        "rests: no cations at random, no defect, no phonons. `multislice` (abTEM) takes "
        "any. `auto` takes the matrix where it can. Both give the same patterns; under a tilt "
        "between two samples of the aperture they differ by up to a per cent. "
        "`thermal_matrices`: crystals to train on without end, see `train.sources`; "
        "`phonons.configurations` matrices of columns one cell wide, each with cations at random "
        "along the beam (or averaged) and atoms displaced at random",
    )
    device: Literal["cpu", "gpu"] = Field(
        "cpu",
        description="where waves are propagated; `gpu` needs CuPy for multislice, and a torch "
        "that sees a GPU for scattering matrices",
    )
    energy_kv: Annotated[float, Field(ge=20, le=1500)] = Field(
        200.0, description="accelerating voltage [kV]"
    )
    semiangle_mrad: Annotated[float, Field(gt=0, le=100)] = Field(
        24.0, description="convergence semi-angle [mrad]"
    )
    pixels_per_cell: Pixels = Field(
        40, description="pixels of the wave function per pseudo-cubic lattice constant; even"
    )
    accuracy: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.01,
        description="how far the grid, and how far the size of the field, may change patterns of "
        "moving atoms (relative L1); for `pixels_per_cell` and `structures.cells` on `auto`, and "
        "for warnings of values set by hand. See docs/accuracy.md",
    )
    slices: Literal["planes", "atoms"] = Field(
        "planes",
        description="`planes`: one atomic plane for each slice, in which displacements along the "
        "beam cannot be seen; `atoms`: every height of the cell's atoms its own slice, which "
        "shows them and takes twice as long",
    )
    projection: Literal["exact", "abtem"] = Field(
        "exact",
        description="potential of a slice: `exact` sums the atoms where they stand; `abtem` is "
        "abTEM's own infinite projection, which shares each atom among four pixels, for "
        "comparison",
    )
    scan: Scan = Field(default_factory=Scan, description="probe positions")
    detector: Detector = Field(default_factory=Detector, description="detector grid")
    phonons: Phonons = Field(default_factory=Phonons, description="thermal motion")
    tilt_mrad: tuple[
        Annotated[float, Field(ge=-50, le=50)], Annotated[float, Field(ge=-50, le=50)]
    ] = Field((0.0, 0.0), description="beam tilt against the zone axis [mrad; x right, y up]")
    aberrations: Annotated[dict[str, float], AfterValidator(_aberrations)] = Field(
        default_factory=dict,
        description="aberration coefficients by abTEM's polar names, e.g. `{C10: -50}` (defocus "
        "+50 Å) or `{C30: 1.0e4}` [Å; angles `phi..` in rad]",
    )
    memory_mb: Annotated[int, Field(ge=200)] = Field(
        1000,
        description="memory for the waves of one batch of probe positions, and for a potential "
        "that several batches share [MB]; a larger one is made anew for each, slice by slice",
    )


_Auto = Annotated[Literal["auto"], Tag(WORD)]
_CellsOrAuto = Annotated[Annotated[Cells, Tag(NUMBER)] | _Auto, Discriminator(_word_or_number)]
_PixelsOrAuto = Annotated[Annotated[Pixels, Tag(NUMBER)] | _Auto, Discriminator(_word_or_number)]


class StructuresSection(Structures):
    """The crystals: material, polar phase, orientation and size."""

    cells: _CellsOrAuto = Field(  # type: ignore[assignment]
        "auto",
        description="lateral size of the simulated field [unit cells along x and y]; `auto`: the "
        "smallest that `simulate.accuracy` allows at the largest thickness",
    )


class SimulateSection(Simulate):
    """Simulation of the diffraction patterns."""

    pixels_per_cell: _PixelsOrAuto = Field(  # type: ignore[assignment]
        "auto",
        description="pixels of the wave function per pseudo-cubic lattice constant, even; `auto`: "
        "the fewest that hold the detector and that `simulate.accuracy` allows at the largest "
        "thickness of the run",
    )
