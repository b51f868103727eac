# SPDX-License-Identifier: GPL-3.0-or-later
"""Thickness of SrTiO3 [001] from five measured position-averaged patterns, as a figure.

The images are those of W. Xu and J. M. LeBeau, arXiv:1708.00855 (``Database/*.jpg`` of the GitHub
repository subangstrom/DeepDiffraction, GPL-3.0): 8-bit JPEG, 13.6 mrad; the energy is not stated,
200 keV is assumed. ``python benchmarks/srtio3_thickness.py FOLDER FIGURE.png`` reads them from a
folder and prints a table. With ``--model DIR`` it also asks a trained model for the polarization
that this crystal does not have.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import ase
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import map_coordinates
from scipy.optimize import minimize

from benchmarks.thickness_fit import Geometry, PatternLibrary, ThicknessFit
from polarstem.config.physics import Simulate
from polarstem.models.base import Model
from polarstem.models.calibration import Calibration
from polarstem.models.registry import load_model
from polarstem.report.figures.style import new_figure, save
from polarstem.simulate.microscope.camera import Camera, pixel_angles
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.position_averaged import position_averaged
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix

LATTICE = 3.905  # Å
# B = 0.6214, 0.4398 and 0.7323 Å^2 at room temperature: Abramov et al., Acta Cryst. B51, 942 (1995)
RMS_DISPLACEMENT = {"Sr": 0.0887, "Ti": 0.0746, "O": 0.0963}
SEMIANGLE_MRAD = 13.6
# file and thickness as its authors state it [nm]
IMAGES = {
    "01-on_zone_50-51nm.jpg": (50, 51),
    "03-on_zone_52-53nm.jpg": (52, 53),
    "05-on_zone_61-63nm.jpg": (61, 63),
    "07-on_zone_79-80nm.jpg": (79, 80),
    "09-on_zone_94-95nm.jpg": (94, 95),
}


def srtio3() -> Crystal:
    """One cubic cell, an atomic plane in the middle of each half."""
    places = [(0, 0, 0.25), (0.5, 0.5, 0.25), (0.5, 0.5, 0.75), (0.5, 0, 0.75), (0, 0.5, 0.75)]
    atoms = ase.Atoms("SrOTiO2", scaled_positions=places, cell=[LATTICE] * 3, pbc=True)
    return Crystal(atoms, (1, 1, 1), 2, LATTICE, {}, RMS_DISPLACEMENT)


def pattern_library(pixels: int = 112) -> PatternLibrary:
    """Patterns of 10 to 110 nm in steps of four cells, with thermal smearing, up to 28 mrad."""
    detector = {"pixels": pixels, "mrad_per_pixel": 56 / pixels}
    settings = Simulate.model_validate(
        {"pixels_per_cell": 40, "semiangle_mrad": SEMIANGLE_MRAD, "detector": detector}
    )
    thicknesses = (np.arange(26, 282, 4) * LATTICE / 10).tolist()
    matrix = compute_scattering_matrix(
        srtio3(), thicknesses, settings, cells=(12, 12), thermal_scale=1.0
    )
    eye = VirtualMicroscope(matrix, settings.detector)
    camera, untilted = Camera.of(settings.detector), np.zeros((1, 2))
    patterns = position_averaged(eye, camera, untilted, SEMIANGLE_MRAD)[:, 0]
    return PatternLibrary(patterns, np.array(thicknesses), 56 / pixels, SEMIANGLE_MRAD, fold=4)


def read_image(path: Path) -> NDArray[np.float64]:
    """Grey values, taken as proportional to electrons."""
    with Image.open(path) as image:
        return np.asarray(image, dtype=np.float64)


def inversion_residual(image: NDArray[np.float64], geometry: Geometry) -> float:
    """Sum of absolute differences to the inverted pattern over twice its sum, at the best centre.

    Within 1.6 times the semi-angle. A centrosymmetric crystal on its zone axis has none: this is
    the floor that a polarization has to rise above.
    """
    radius = int(1.6 * SEMIANGLE_MRAD * geometry.pixels_per_mrad)
    grid = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(float)
    inside = np.hypot(*grid) <= radius

    def residual(centre: NDArray[np.float64]) -> float:
        values = map_coordinates(image, grid + centre[:, None, None], order=1)
        difference = np.abs(values - values[::-1, ::-1])
        return float(difference[inside].sum() / (2 * values[inside].sum()))

    found = minimize(residual, np.array(geometry.centre), method="Nelder-Mead")
    return float(found.fun)


def directions(
    model: Model, image: NDArray[np.float64], geometry: Geometry, scale: float = 1.0
) -> tuple[float, int]:
    """What a model makes of the polarization of an image.

    Parameters
    ----------
    model : Model
        Trained for another crystal; its grid of pixels is read from its file.
    image : ndarray, shape (rows, columns)
        Grey values.
    geometry : Geometry
        Of the pattern in the image.
    scale : float
        Factor on the angles: the model's semi-angle over `SEMIANGLE_MRAD` gives the disc the size
        that it knows, 1 leaves the reflections where they are.

    Returns
    -------
    probability : float
        Of the most probable class, calibrated.
    classes : int
        In the conformal set: the model has an answer where it is one.
    """
    trained = model.info["trained_for"]
    pixels, finer = trained["pixels"], 8
    along = pixel_angles(pixels * finer, trained["mrad_per_pixel"] / finer / scale)
    turn = np.deg2rad(geometry.rotation_deg)
    x, y = np.multiply(np.meshgrid(along, along), geometry.pixels_per_mrad)
    rows = geometry.centre[0] + np.cos(turn) * y - np.sin(turn) * x
    columns = geometry.centre[1] + np.cos(turn) * x + np.sin(turn) * y
    fine = map_coordinates(image, (rows, columns), order=1)
    pattern = fine.reshape(pixels, finer, pixels, finer).mean(axis=(1, 3))
    calibration = Calibration.of(model)
    [probability] = calibration.apply(model.predict_proba(pattern[None].astype(np.float32)))
    return float(probability.max()), int((probability >= (calibration.threshold or 1.0)).sum())


def draw(library: PatternLibrary, fits: dict[str, ThicknessFit], output: Path) -> None:
    """Measured and simulated patterns, and how well each thickness fits."""
    half = library.patterns.shape[-1] * library.mrad_per_pixel / 2
    with new_figure(7.2, 4.5) as figure:
        rows = figure.subplots(3, len(fits), height_ratios=(1, 1, 0.95))
        for name, fit, (top, middle, bottom) in zip(fits, fits.values(), rows.T, strict=True):
            low, high = IMAGES[name]
            bright = fit.measured.max()
            for axes, pattern in ((top, fit.measured), (middle, fit.simulated)):
                axes.imshow(
                    np.sqrt(np.clip(pattern / bright, 0, None)),
                    vmin=0.1,
                    vmax=1,
                    cmap="magma",
                    extent=(-half, half, -half, half),
                )
                axes.set(xticks=[], yticks=[], xlim=(-24, 24), ylim=(-24, 24))
                axes.spines[:].set_visible(False)
            top.set_title(f"stated {low}\N{EN DASH}{high} nm")
            middle.set_title(f"found {fit.thickness_nm:.1f} nm")
            bottom.axvspan(low, high, color="#E69F00", linewidth=0, label="stated")
            bottom.plot(library.thickness_nm, 100 * fit.residual, color="#0072B2", linewidth=1.2)
            bottom.axvline(
                fit.thickness_nm, color="black", linewidth=0.8, linestyle="--", label="found"
            )
            bottom.set(ylim=(0, 40), xlim=(10, 110), xticks=(25, 50, 75, 100))
            bottom.tick_params(labelleft=bottom is rows[2, 0])
        rows[0, 0].plot([-22, -12], [-22, -22], color="white", linewidth=2)
        rows[0, 0].text(-22, -20.5, "10 mrad", color="white", va="bottom", fontsize=7)
        rows[0, 0].set_ylabel("measured")
        rows[1, 0].set_ylabel("simulated")
        rows[2, 0].set_ylabel("residual [%]")
        rows[2, 0].legend(loc="lower right", fontsize=7, handlelength=1, borderaxespad=0)
        figure.supxlabel("thickness of the simulated pattern [nm]", fontsize=8.5)
        save(figure, output)


def main() -> None:
    """Fit all images, print a table and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder with the images")
    parser.add_argument("figure", type=Path, help="PNG or SVG to write")
    parser.add_argument("--model", type=Path, help="folder of a trained model")
    arguments = parser.parse_args()
    library = pattern_library()
    model = load_model(arguments.model) if arguments.model else None
    fits = {}
    print("stated nm  found nm  interval nm  residual  rotation  disc px  inversion residual")
    for name, (low, high) in IMAGES.items():
        image = read_image(arguments.folder / name)
        fits[name] = fit = library.fit(image)
        floor = inversion_residual(image, fit.geometry)
        ends = "\N{EN DASH}".join(f"{end:.1f}" for end in fit.interval_nm)
        radius = SEMIANGLE_MRAD * fit.geometry.pixels_per_mrad
        print(
            f"{low}-{high}      {fit.thickness_nm:6.1f}    {ends:11}  {fit.residual.min():.3f}"
            f"     {fit.geometry.rotation_deg:.1f}      {radius:.1f}    {floor:.4f}"
        )
        if model is not None:
            same_disc = model.info["trained_for"]["semiangle_mrad"] / SEMIANGLE_MRAD
            for scale in (1.0, same_disc):
                probability, classes = directions(model, image, fit.geometry, scale)
                print(
                    f"    angles times {scale:.2f}: no class above {probability:.2f}, "
                    f"{classes} classes in the conformal set"
                )
    draw(library, fits, arguments.figure)


if __name__ == "__main__":
    main()
