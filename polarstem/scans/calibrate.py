# SPDX-License-Identifier: GPL-3.0-or-later
"""What the patterns themselves tell of detector and beam, from a sample of a scan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError
from polarstem.scans.centre import Plane, fit_plane
from polarstem.scans.disc import Disc, find_disc, fit_edge, mended
from polarstem.scans.pixels import bad_pixels, saturated_share
from polarstem.scans.resample import Resampler, centre_of_mass
from polarstem.scans.rotation import Rotation, scan_rotation
from polarstem.scans.scan import Scan
from polarstem.scans.sourced import Sourced

_TILES = 5  # down and across the scan
_TILE = 6  # positions along each side of a tile: neighbours, for the curl; about a cell
_SAMPLE_BYTES = 160e6
_SEEN = 0.95  # of the edge of the disc: less, and the beam is beyond the detector
_AGREE = 0.03  # of the disc's radius
_SATURATED = 1e-4  # of the lit values
_COVERED = 0.98  # of the model's grid

Status: TypeAlias = Literal["done", "off", "impossible", "given"]


@dataclass(frozen=True)
class Step:
    """One step of the calibration, for the summary and the figures.

    Attributes
    ----------
    name : str
        As in the sheet's ``off``.
    status : {"done", "off", "impossible", "given"}
    sentence : str
        What was found, in plain words.
    values : dict of str to number
        The figures of the sentence.
    diagnostics : dict of str to ndarray
        What a figure of the step shows.
    """

    name: str
    status: Status
    sentence: str
    values: dict[str, float] = field(default_factory=dict)
    diagnostics: dict[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Calibration:
    """Detector and beam of a scan.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns of the scan and of the patterns.
    plane : Plane
        Centres of the patterns.
    settings : dict of str to Sourced
        ``mrad_per_pixel``, ``semiangle_mrad``, ``disc_radius_pixels``, ``centre``,
        ``ellipticity``, ``ellipticity_deg``, ``detector_rotation_deg``: those that are known.
    bad : ndarray of bool, shape (ky, kx)
        Pixels that are left out.
    steps : tuple of Step
    warnings : tuple of str
    tiles : ndarray, shape (tile, ky, kx)
        Mean patterns of parts of the scan.
    tile_centres : ndarray, shape (tile, 2)
        Centres by the plane [pixels].
    trained_for : Mapping
        What the model was trained for.
    """

    shape: tuple[int, int, int, int]
    plane: Plane
    settings: dict[str, Sourced]
    bad: NDArray[np.bool_]
    steps: tuple[Step, ...]
    warnings: tuple[str, ...]
    tiles: NDArray[np.float64]
    tile_centres: NDArray[np.float64]
    trained_for: Mapping[str, Any]

    @property
    def mrad_per_pixel(self) -> float:
        """Angle per detector pixel [mrad]."""
        return float(self.settings["mrad_per_pixel"].value)

    @property
    def detector_rotation(self) -> Sourced | None:
        """By which the scan's x axis appears turned counter-clockwise on the detector."""
        return self.settings.get("detector_rotation_deg")

    def centres(self, index: ArrayLike) -> NDArray[np.float64]:
        """Centres of patterns, shape (n, 2) [pixels].

        Parameters
        ----------
        index : array_like of int, shape (n,)
            Positions, counted along the rows of the upright scan.
        """
        return self.plane.at(*np.divmod(np.asarray(index), self.shape[1]))

    def resampler(
        self,
        turned_deg: float = 0.0,
        pixels: int | None = None,
        mrad_per_pixel: float | None = None,
    ) -> Resampler:
        """A resampler to the model's grid, or to another.

        Parameters
        ----------
        turned_deg : float
            By which what shall lie along the model's x axis appears turned counter-clockwise on
            the detector [degrees]: detector rotation plus crystal rotation.
        pixels : int, optional
            Along each side; the model's if left out.
        mrad_per_pixel : float, optional
            Of the grid [mrad]; the model's if left out.

        Returns
        -------
        Resampler
            Called with patterns and their `centres`.
        """
        return Resampler(
            (self.shape[2], self.shape[3]),
            self.mrad_per_pixel,
            pixels or int(self.trained_for["pixels"]),
            mrad_per_pixel or float(self.trained_for["mrad_per_pixel"]),
            turned_deg,
            float(self.settings["ellipticity"].value),
            float(self.settings["ellipticity_deg"].value),
            self.bad if self.bad.any() else None,
        )

    def mean_pattern(
        self,
        turned_deg: float = 0.0,
        pixels: int | None = None,
        mrad_per_pixel: float | None = None,
    ) -> NDArray[np.float64]:
        """Mean pattern of the sample on a grid (see `resampler`), shape (pixels, pixels)."""
        resampler = self.resampler(turned_deg, pixels, mrad_per_pixel)
        return resampler(self.tiles, self.tile_centres).mean(0, dtype=np.float64)


def calibrate(
    scan: Scan, sheet: Sheet, trained_for: Mapping[str, Any], threads: int = 1
) -> Calibration:
    """Calibrate a scan from a sample of its patterns.

    The sample is of tiles of neighbouring positions, spread over the scan.

    Parameters
    ----------
    scan : Scan
    sheet : Sheet
        Its ``off`` names steps to leave out.
    trained_for : Mapping
        Of the model: ``semiangle_mrad``, ``pixels`` and ``mrad_per_pixel`` are used.
    threads : int
        Tiles looked at at once.

    Returns
    -------
    Calibration

    Raises
    ------
    PolarstemError
        If the beam lies beyond the detector, or there is neither a disc nor a calibration.
    """
    warnings: list[str] = []
    steps: list[Step] = []
    settings: dict[str, Sourced] = {}
    tiles = list(_tiles(scan))
    patterns = scan.read(np.concatenate([tile.ravel() for tile in tiles]))
    ends = np.cumsum([tile.size for tile in tiles])
    parts = np.split(patterns, ends[:-1])
    with ThreadPoolExecutor(threads) as pool:
        means = np.stack(list(pool.map(_mean, parts)))
        bad = _pixels(scan, sheet, means, parts, steps, warnings)
        total = mended(np.average(means, axis=0, weights=np.diff(ends, prepend=0)), bad)
        disc = _disc(scan, sheet, total)

        def edge(mean: NDArray[np.float64]) -> NDArray[np.float64]:
            assert disc is not None
            try:
                return fit_edge(mended(mean, bad), disc, _reach(disc), shape_too=False).centre
            except PolarstemError:  # nothing to see here: the other tiles tell
                return np.full(2, np.nan)

        places = np.array([[np.mean(i) for i in np.divmod(tile, scan.shape[1])] for tile in tiles])
        centring = "centring" not in sheet.off and sheet.centre is None and disc is not None
        found = np.array(list(pool.map(edge, means))) if centring else np.empty((0, 2))
    plane = _centring(scan, sheet, disc, places, found, steps, settings)
    _scale(scan, sheet, disc, trained_for, total, steps, settings, warnings)
    _ellipse(sheet, disc, steps, settings)
    calibration = Calibration(
        scan.shape, plane, settings, bad, (), (), means, plane.at(*places.T), trained_for
    )
    _coverage(calibration, warnings)
    _rotation(scan, sheet, calibration, tiles, patterns, steps, settings, warnings)
    return Calibration(
        scan.shape, plane, settings, bad, tuple(steps), tuple(warnings), means,
        calibration.tile_centres, trained_for,
    )  # fmt: skip


def _tiles(scan: Scan) -> Iterator[NDArray[np.int64]]:
    """Positions of the tiles, each of shape (rows, columns); masked tiles are passed over."""
    rows, columns, *pixels = scan.shape
    most = _SAMPLE_BYTES / (int(np.prod(pixels)) * scan.dtype.itemsize) / _TILES**2
    side = int(np.clip(np.sqrt(most), 1, _TILE))
    sizes = [min(side, length) for length in (rows, columns)]
    starts = [
        np.unique(np.linspace(0, length - size, min(_TILES, length // size)).astype(int))
        for length, size in zip((rows, columns), sizes, strict=True)
    ]
    whole = [
        np.add.outer(np.arange(row, row + sizes[0]) * columns, np.arange(sizes[1]) + column)
        for row in starts[0]
        for column in starts[1]
    ]
    included = scan.included.ravel()
    if kept := [tile for tile in whole if included[tile].all()]:
        yield from kept
    else:  # nothing of that size
        for position in scan.sample(_TILES**2):
            yield np.array([[position]])


def _mean(patterns: NDArray[Any]) -> NDArray[np.float64]:
    wide = np.uint64 if patterns.dtype.kind == "u" else None
    mean: NDArray[np.float64] = patterns.sum(0, dtype=wide) / len(patterns)
    return mean


def _reach(disc: Disc) -> float:
    return max(0.1 * disc.radius, 3.0)


def _pixels(
    scan: Scan,
    sheet: Sheet,
    means: NDArray[np.float64],
    parts: list[NDArray[Any]],
    steps: list[Step],
    warnings: list[str],
) -> NDArray[np.bool_]:
    """Bad pixels and saturation."""
    named = scan.bad_pixels
    counts = np.array([len(part) for part in parts])
    total = np.tensordot(counts, means, 1)
    off = "pixels" in sheet.off
    found = np.zeros_like(named) if off else bad_pixels(total, scan.dtype.kind in "ui") & ~named
    bad = named | found
    told = f"{named.sum()} bad pixels are named, "
    told += "others are not looked for." if off else f"{found.sum()} more stand out."
    share = saturated_share(np.concatenate([part[:1] for part in parts])[:, ~bad], scan.maximum)
    if share > _SATURATED:
        warnings.append(
            f"{share:.2%} of the lit values are as high as the detector can count "
            f"({scan.maximum}): it is saturated there, and shares of intensity are wrong."
        )
    values = {"named": int(named.sum()), "found": int(found.sum()), "saturated_share": share}
    steps.append(
        Step("pixels", "off" if off else "done", told, values, {"bad_pixels": bad, "total": total})
    )
    return bad


def _disc(scan: Scan, sheet: Sheet, total: NDArray[np.float64]) -> Disc | None:
    """The bright-field disc, unless nothing is asked of it or it is not there but known."""
    if {"centring", "disc", "ellipticity"} <= set(sheet.off):
        return None
    try:
        disc = find_disc(total)
    except PolarstemError:
        if scan.mrad_per_pixel is not None:
            return None
        raise
    if disc.seen < _SEEN:
        raise PolarstemError(
            f"{1 - disc.seen:.0%} of the edge of the bright-field disc lies beyond the detector of "
            f"{scan.path}; the whole disc is needed: choose a `region` of the scan where it is "
            "there, or record it again."
        )
    return disc


def _centring(
    scan: Scan,
    sheet: Sheet,
    disc: Disc | None,
    places: NDArray[np.float64],
    found: NDArray[np.float64],
    steps: list[Step],
    settings: dict[str, Sourced],
) -> Plane:
    """Where the optic axis meets the detector."""
    pixels = np.array(scan.shape[2:])
    good = np.isfinite(found).all(1)
    status: Status = "done"
    if len(found) and good.any():
        plane = fit_plane(places[good], found[good])
        span = plane.slopes * np.array(scan.shape[:2])[:, None]
        note = f"edge of the disc in {good.sum()} parts of the scan"
        row, column = plane.at(*(np.array(scan.shape[:2]) / 2 - 0.5))
        sentence = (
            f"The optic axis meets the detector at row {row:.2f}, column {column:.2f} (middle of "
            f"the scan, standard error {plane.error:.2f} pixels) and moves by "
            f"{np.abs(span).sum(0).max():.2f} pixels over the scan."
        )
        origin: Literal["estimated", "sheet", "assumed"] = "estimated"
    else:
        if sheet.centre is not None:
            centre, origin, status = np.array(sheet.centre), "sheet", "given"
            sentence, note = "The sheet names the centre; it is taken for all positions.", ""
        else:
            centre, origin = (pixels - 1) / 2, "assumed"
            status = "off" if "centring" in sheet.off else "impossible"
            sentence = note = "The middle of the detector is taken for the centre."
        if ((centre < 0) | (centre > pixels - 1)).any():
            raise PolarstemError(
                f"The centre {sheet.centre} of the scan sheet lies beyond the detector of "
                f"{scan.path}, which has {pixels[0]} rows and {pixels[1]} columns."
            )
        plane = Plane(np.zeros(2), centre, np.zeros((2, 2)), 0.0, np.empty((0, 2)))
    middle = plane.at(*(np.array(scan.shape[:2]) / 2 - 0.5))
    settings["centre"] = Sourced(tuple(map(float, middle)), "pixels", origin, note)
    values = {"error_pixels": plane.error}
    if disc is not None:
        apart = float(np.linalg.norm(disc.centre - middle))
        values["from_disc_pixels"] = apart
    diagnostics = {
        "places": places[good] if len(good) else places[:0],
        "centres": found[good],
        "residuals": plane.residuals,
        "slopes": plane.slopes,
    }
    steps.append(Step("centring", status, sentence, values, diagnostics))
    return plane


def _scale(
    scan: Scan,
    sheet: Sheet,
    disc: Disc | None,
    trained_for: Mapping[str, Any],
    total: NDArray[np.float64],
    steps: list[Step],
    settings: dict[str, Sourced],
    warnings: list[str],
) -> None:
    """Angle per pixel, from the disc or as given."""
    semiangle = scan.semiangle_mrad or Sourced(
        float(trained_for["semiangle_mrad"]), "mrad", "assumed", "as the model was trained for"
    )
    settings["semiangle_mrad"] = semiangle
    given = scan.mrad_per_pixel
    values: dict[str, float] = {}
    diagnostics: dict[str, NDArray[Any]] = {"mean_pattern": total}
    if disc is not None:
        diagnostics |= {"edge": disc.edge, "centre": disc.centre}
        values = {"radius_pixels": disc.radius, "radius_error_pixels": disc.radius_error}
    if "disc" in sheet.off or disc is None:
        if given is None:
            raise PolarstemError(
                f"The angle per detector pixel of {scan.path} is not known and the disc is not "
                "looked at; give `mrad_per_pixel`, `disc_radius_pixels`, or `camera_length_mm` "
                "and `pixel_um` in the scan sheet."
            )
        settings["mrad_per_pixel"] = given
        sentence = f"{given.value:.4g} mrad per pixel, not compared with a disc."
        status: Status = "off" if "disc" in sheet.off else "impossible"
    else:
        settings["disc_radius_pixels"] = Sourced(
            disc.radius, "pixels", "estimated", "steepest fall of the mean pattern",
            (disc.radius - 1.96 * disc.radius_error, disc.radius + 1.96 * disc.radius_error),
        )  # fmt: skip
        measured = semiangle.value / disc.radius
        if given is None:
            status = "done"
            error = 1.96 * disc.radius_error / disc.radius * measured
            settings["mrad_per_pixel"] = Sourced(
                measured, "mrad", "estimated", "semi-angle over the radius of the disc",
                (measured - error, measured + error),
            )  # fmt: skip
            sentence = (
                f"The disc has a radius of {disc.radius:.2f} pixels: {measured:.4g} mrad per pixel."
            )
        else:
            status = "given"
            settings["mrad_per_pixel"] = given
            apart = measured / given.value - 1
            values["disagreement"] = apart
            sentence = (
                f"{given.value:.4g} mrad per pixel; by the disc's radius of {disc.radius:.2f} "
                f"pixels it would be {measured:.4g} ({apart:+.1%})."
            )
            if abs(apart) > _AGREE:
                warnings.append(
                    f"The {given.origin} gives {given.value:.4g} mrad per pixel, the disc's radius "
                    f"of {disc.radius:.1f} pixels and {semiangle.value:g} mrad "
                    f"({semiangle.origin}) {measured:.4g}; the {given.origin} is believed: check "
                    "`mrad_per_pixel` and `semiangle_mrad`."
                )
    steps.append(Step("disc", status, sentence, values, diagnostics))


def _ellipse(
    sheet: Sheet, disc: Disc | None, steps: list[Step], settings: dict[str, Sourced]
) -> None:
    """Ellipticity of the disc."""
    value, angle, origin, note = 0.0, 0.0, "assumed", "none"
    values: dict[str, float] = {}
    status: Status = "off" if "ellipticity" in sheet.off else "impossible"
    sentence = "The patterns are taken as round."
    if disc is not None:
        values = {"ellipticity": disc.ellipticity, "error": disc.ellipticity_error}
    if disc is not None and "ellipticity" not in sheet.off:
        status = "done"
        origin = "estimated"
        value, angle, note = disc.ellipticity, disc.ellipticity_deg, "edge of the disc"
        sentence = (
            f"The disc is {value:.1%} longer at {angle:.0f} degrees than across (standard error "
            f"{disc.ellipticity_error:.1%})."
        )
    settings["ellipticity"] = Sourced(value, "", origin, note)  # type: ignore[arg-type]
    settings["ellipticity_deg"] = Sourced(angle, "degrees", origin, note)  # type: ignore[arg-type]
    steps.append(Step("ellipticity", status, sentence, values))


def _coverage(calibration: Calibration, warnings: list[str]) -> None:
    covered = calibration.resampler(45.0).covered(calibration.tile_centres.mean(0))
    if covered.mean() < _COVERED:
        warnings.append(
            f"Up to {1 - covered.mean():.0%} of the angles that the model looks at lie beyond the "
            "detector; they are filled from the nearest that do not."
        )


def _rotation(
    scan: Scan,
    sheet: Sheet,
    calibration: Calibration,
    tiles: list[NDArray[np.int64]],
    patterns: NDArray[Any],
    steps: list[Step],
    settings: dict[str, Sourced],
    warnings: list[str],
) -> None:
    """Scan-to-detector rotation, from the tiles."""
    given = scan.settings.get("detector_rotation_deg")
    if given is not None:
        settings["detector_rotation_deg"] = given
    if "rotation" in sheet.off:
        told = "not compared with the deflections" if given else "not known"
        steps.append(Step("rotation", "off", f"The rotation of the detector is {told}."))
        return
    rotation = _from_curl(scan, calibration, tiles, patterns)
    sentence = rotation.sentence
    status: Status = "done"
    if rotation.transposed:
        warnings.append(
            "Transposed patterns would have less curl: check `detector_transpose` and the flips of "
            "the scan sheet."
        )
    if given is not None:
        status = "given"
        if rotation.angle is not None:
            apart = (given.value - rotation.angle.value + 90) % 180 - 90
            if abs(apart) > max(5.0, 3 * rotation.error_deg):
                warnings.append(
                    f"The detector is said to be turned by {given.value:g} degrees, but the curl "
                    f"of the deflections is least at {rotation.angle.value:.1f} degrees (modulo "
                    f"180, standard error {rotation.error_deg:.1f}); the {given.origin} is "
                    "believed."
                )
    elif rotation.angle is not None:
        settings["detector_rotation_deg"] = rotation.angle
        if not rotation.settled:
            warnings.append(
                f"The rotation of the detector, {rotation.angle.value:.1f} degrees, is known modulo "
                "180 degrees only: all directions may be reversed; give `detector_rotation_deg` in "
                "the scan sheet."
            )
    else:
        status = "impossible"
        warnings.append(
            f"{sentence} Directions are given as if it were 0: set `detector_rotation_deg`."
        )
    steps.append(
        Step(
            "rotation", status, sentence,
            {"error_deg": rotation.error_deg, "contrast": rotation.contrast},
            {
                "angles_deg": rotation.angles_deg,
                "curl": rotation.curl,
                "curl_transposed": rotation.curl_transposed,
            },
        )
    )  # fmt: skip


def _from_curl(
    scan: Scan,
    calibration: Calibration,
    tiles: list[NDArray[np.int64]],
    patterns: NDArray[Any],
) -> Rotation:
    """Least curl over tiles of neighbouring positions."""
    resampler = calibration.resampler()
    index = np.concatenate([tile.ravel() for tile in tiles])
    images = resampler(patterns, calibration.centres(index))
    shape = (len(tiles), *tiles[0].shape)
    deflection = centre_of_mass(images, resampler.model_mrad_per_pixel).reshape(*shape, 2)
    angle = np.arange(resampler.pixels) - (resampler.pixels - 1) / 2
    apart = np.hypot(angle, angle[:, None]) * resampler.model_mrad_per_pixel
    beyond = apart > 1.1 * calibration.settings["semiangle_mrad"].value
    dark_field = images[:, beyond].sum(1).reshape(shape)
    step = scan.step_nm.value if scan.step_nm is not None else (1.0, 1.0)
    return scan_rotation(deflection, step, dark_field)
