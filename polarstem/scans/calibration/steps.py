# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a calibration: what each finds, in words, figures and arrays for a diagram."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError
from polarstem.scans.calibration.centre import Plane, fit_plane
from polarstem.scans.calibration.disc import Disc, find_disc
from polarstem.scans.calibration.pixels import bad_pixels, saturated_share
from polarstem.scans.calibration.rotation import Rotation
from polarstem.scans.scan import Scan
from polarstem.scans.sourced import Origin, Sourced

_SEEN = 0.95  # of the edge of the disc: less, and the beam is beyond the detector
_AGREE = 0.03  # of the disc's radius
_SATURATED = 1e-4  # of the lit values
_SIGNIFICANT = 3.0  # standard errors of an ellipticity
_AGREE_DEG = 5.0

Status: TypeAlias = Literal["done", "off", "impossible", "given"]


@dataclass(frozen=True)
class Step:
    """One step, for the summary and the figures.

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
        What a diagram of the step shows.
    """

    name: str
    status: Status
    sentence: str
    values: dict[str, float] = field(default_factory=dict)
    diagnostics: dict[str, NDArray[Any]] = field(default_factory=dict)


@dataclass
class Findings:
    """What the steps have found so far.

    Attributes
    ----------
    scan : Scan
    sheet : Sheet
    steps : list of Step
    settings : dict of str to Sourced
    warnings : list of str
    """

    scan: Scan
    sheet: Sheet
    steps: list[Step] = field(default_factory=list)
    settings: dict[str, Sourced] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def off(self, step: str) -> bool:
        """Whether the sheet leaves a step out."""
        return step in self.sheet.off

    def pixels(self, total: NDArray[np.float64], some: NDArray[Any]) -> NDArray[np.bool_]:
        """Bad pixels and saturation.

        Parameters
        ----------
        total : ndarray, shape (ky, kx)
            Sum of the sample.
        some : ndarray, shape (n, ky, kx)
            Patterns to look for saturation in.

        Returns
        -------
        ndarray of bool, shape (ky, kx)
            Pixels to leave out.
        """
        scan, named, off = self.scan, self.scan.bad_pixels, self.off("pixels")
        found = np.zeros_like(named) if off else bad_pixels(total, scan.dtype.kind in "ui")
        found &= ~named
        told = "others are not looked for" if off else f"{found.sum()} more stand out"
        bad = named | found
        share = saturated_share(some[:, ~bad], scan.maximum)
        if share > _SATURATED:
            self.warnings.append(
                f"{share:.2%} of the lit values are as high as the detector can count "
                f"({scan.maximum}): it is saturated there, and shares of intensity are wrong."
            )
        self.steps.append(
            Step(
                "pixels",
                "off" if off else "done",
                f"{named.sum()} bad pixels are named, {told}.",
                {"named": int(named.sum()), "found": int(found.sum()), "saturated_share": share},
                {"bad_pixels": bad, "total": total},
            )
        )
        return bad

    def disc(self, mean: NDArray[np.float64]) -> Disc | None:
        """The bright-field disc; None if no step asks for it, or it is not there but known.

        Raises
        ------
        PolarstemError
            If it lies partly beyond the detector, or is not there and nothing is known.
        """
        if {"centring", "disc", "ellipticity"} <= set(self.sheet.off):
            return None
        try:
            disc = find_disc(mean)
        except PolarstemError:
            if self.scan.mrad_per_pixel is not None:
                return None
            raise
        if disc.seen < _SEEN:
            raise PolarstemError(
                f"{1 - disc.seen:.0%} of the edge of the bright-field disc lies beyond the "
                f"detector of {self.scan.path}; all of it is needed: choose a `region` of the scan "
                "where it is there, or record the scan again."
            )
        return disc

    def centring(
        self, disc: Disc | None, places: NDArray[np.float64], found: NDArray[np.float64]
    ) -> Plane:
        """Where the optic axis meets the detector.

        Parameters
        ----------
        disc : Disc, optional
            In the mean pattern.
        places, found : ndarray, shape (tile, 2)
            Rows and columns of the scan, and of the disc there (nan where it was not found);
            none if the disc was not looked for.

        Returns
        -------
        Plane

        Raises
        ------
        PolarstemError
            If the sheet's centre lies beyond the detector.
        """
        rows, columns, *pixels = self.scan.shape
        middle = ((rows - 1) / 2, (columns - 1) / 2)
        good = np.logical_and(*np.isfinite(found).T)
        if good.any():
            plane = fit_plane(places[: len(good)][good], found[good])
            row, column = plane.at(*middle)
            moved = float(np.abs(plane.slopes.T @ (rows, columns)).max())
            # what the specimen does to the edge is common to all tiles
            error = float(np.hypot(plane.error, disc.centre_error if disc else 0))
            centre = Sourced(
                (float(row), float(column)), "pixels", "estimated",
                f"edge of the disc in {good.sum()} parts of the scan",
            )  # fmt: skip
            self._step(
                "centring", "done",
                f"The optic axis meets the detector at row {row:.2f}, column {column:.2f} (middle "
                f"of the scan, standard error {error:.2f} pixels) and moves by {moved:.2f} "
                "pixels over the scan.",
                {"error_pixels": error, "moved_pixels": moved},
                {
                    "places": places[good], "centres": found[good],
                    "residuals": plane.residuals, "slopes": plane.slopes,
                },
            )  # fmt: skip
        else:
            centre, status = self._centre_without_disc(pixels)
            values = {}
            if disc is not None:
                apart = float(np.linalg.norm(disc.centre - centre.value))
                values["from_disc_pixels"] = apart
                if apart > 0.1 * disc.radius:
                    self.warnings.append(
                        f"The centre that is taken ({centre.origin}) is {apart:.1f} pixels from "
                        f"that of the bright-field disc, {disc.centre[0]:.1f}, "
                        f"{disc.centre[1]:.1f}: check `centre`."
                    )
            plane = Plane(
                np.zeros(2), np.array(centre.value), np.zeros((2, 2)), 0.0, np.empty((0, 2))
            )
            self._step("centring", status, centre.note, values)
        self.settings["centre"] = centre
        return plane

    def _centre_without_disc(self, pixels: list[int]) -> tuple[Sourced, Status]:
        centre = self.sheet.centre
        if centre is None:
            middle = ((pixels[0] - 1) / 2, (pixels[1] - 1) / 2)
            note = "The middle of the detector is taken for the centre."
            status: Status = "off" if self.off("centring") else "impossible"
            return Sourced(middle, "pixels", "assumed", note), status
        if not (0 <= centre[0] <= pixels[0] - 1 and 0 <= centre[1] <= pixels[1] - 1):
            raise PolarstemError(
                f"The centre {list(centre)} of the scan sheet lies beyond the detector of "
                f"{self.scan.path}, which has {pixels[0]} rows and {pixels[1]} columns."
            )
        return Sourced(centre, "pixels", "sheet", "One centre for all positions."), "given"

    def scale(self, disc: Disc | None, fallback: Sourced | None, mean: NDArray[np.float64]) -> None:
        """Angle per pixel, as given or from the disc.

        Parameters
        ----------
        disc : Disc, optional
        fallback : Sourced, optional
            Semi-angle for a scan that does not say [mrad].
        mean : ndarray, shape (ky, kx)
            Mean pattern, for the diagram.

        Raises
        ------
        PolarstemError
            If there is neither.
        """
        given = self.scan.mrad_per_pixel
        semiangle = self.scan.semiangle_mrad or fallback or self._semiangle(disc, given)
        self.settings["semiangle_mrad"] = semiangle
        diagrams: dict[str, NDArray[Any]] = {"mean_pattern": mean}
        if disc is None or self.off("disc"):
            if given is None:
                raise PolarstemError(
                    f"The angle per detector pixel of {self.scan.path} is not known and the disc "
                    "is not looked at; give `mrad_per_pixel`, `disc_radius_pixels`, or "
                    "`camera_length_mm` and `pixel_um` in the scan sheet."
                )
            self.settings["mrad_per_pixel"] = given
            sentence = f"{given.value:.4g} mrad per pixel, not compared with the disc."
            self._step("disc", "off" if self.off("disc") else "impossible", sentence, {}, diagrams)
            return
        measured = float(semiangle.value / disc.radius)
        spread = 1.96 * disc.radius_error
        self.settings["disc_radius_pixels"] = Sourced(
            disc.radius, "pixels", "estimated", "steepest fall of the mean pattern",
            (disc.radius - spread, disc.radius + spread),
        )  # fmt: skip
        values = {"radius_pixels": disc.radius, "radius_error_pixels": disc.radius_error}
        diagrams |= {"edge": disc.edge, "centre": disc.centre}
        if given is None:
            error = measured * spread / disc.radius
            self.settings["mrad_per_pixel"] = Sourced(
                measured, "mrad", "estimated", "semi-angle over the radius of the disc",
                (measured - error, measured + error),
            )  # fmt: skip
            sentence = (
                f"The disc has a radius of {disc.radius:.2f} pixels: {measured:.4g} mrad per pixel."
            )
            self._step("disc", "done", sentence, values, diagrams)
            return
        self.settings["mrad_per_pixel"] = given
        apart = measured / given.value - 1
        if abs(apart) > _AGREE:
            self.warnings.append(
                f"The {given.origin} gives {given.value:.4g} mrad per pixel, the disc's radius of "
                f"{disc.radius:.1f} pixels and {semiangle.value:g} mrad ({semiangle.origin}) "
                f"{measured:.4g}; the {given.origin} is believed: check `mrad_per_pixel` and "
                "`semiangle_mrad`."
            )
        self._step(
            "disc", "given",
            f"{given.value:.4g} mrad per pixel; by the disc's radius of {disc.radius:.2f} pixels "
            f"it would be {measured:.4g} ({apart:+.1%}).",
            values | {"disagreement": apart}, diagrams,
        )  # fmt: skip

    def _semiangle(self, disc: Disc | None, mrad_per_pixel: Sourced | None) -> Sourced:
        """From the radius of the disc."""
        if disc is None or mrad_per_pixel is None:
            raise PolarstemError(
                f"The semi-angle of {self.scan.path} is not known; give `semiangle_mrad` in the "
                "scan sheet."
            )
        ends = disc.radius + 1.96 * disc.radius_error * np.array((-1, 1))
        low, high = (ends * mrad_per_pixel.value).tolist()
        value, note = disc.radius * mrad_per_pixel.value, "radius of the disc"
        return Sourced(float(value), "mrad", "estimated", note, (low, high))

    def ellipse(self, disc: Disc | None) -> None:
        """Ellipticity of the disc; none if it is not significant."""
        values: dict[str, float] = {}
        status: Status = "off" if self.off("ellipticity") else "impossible"
        sentence = "The patterns are taken as round."
        value, angle = 0.0, 0.0
        origin: Origin = "assumed"
        note = "round"
        if disc is not None and status != "off":
            values = {"ellipticity": disc.ellipticity, "error": disc.ellipticity_error}
            status = "done"
            sentence = (
                f"The disc is {disc.ellipticity:.1%} longer at {disc.ellipticity_deg:.0f} degrees "
                f"than across (standard error {disc.ellipticity_error:.1%})"
            )
            if disc.ellipticity > _SIGNIFICANT * disc.ellipticity_error:
                value, angle, origin = disc.ellipticity, disc.ellipticity_deg, "estimated"
                note = "edge of the disc"
                sentence += ", which is undone."
            else:
                sentence += ": it is taken as round."
        self.settings["ellipticity"] = Sourced(value, "", origin, note)
        self.settings["ellipticity_deg"] = Sourced(angle, "degrees", origin, note)
        self._step("ellipticity", status, sentence, values)

    def rotation(self, rotation: Rotation | None) -> None:
        """Scan-to-detector rotation: as given, or by least curl.

        Parameters
        ----------
        rotation : Rotation, optional
            None if the step is off.
        """
        given = self.scan.settings.get("detector_rotation_deg")
        if given is not None:
            self.settings["detector_rotation_deg"] = given
        if rotation is None:
            told = "not known" if given is None else "not compared with the deflections"
            self._step("rotation", "off", f"The rotation of the detector is {told}.")
            return
        status: Status = "done"
        if given is not None:
            status = "given"
            self._compare(given, rotation)
        elif rotation.angle is not None:
            self.settings["detector_rotation_deg"] = rotation.angle
            if not rotation.settled:
                self.warnings.append(
                    f"The deflections tell the rotation of the detector, {rotation.angle.value:.1f}"
                    " degrees, modulo 180 degrees only: unless the templates settle it, all "
                    "directions may be reversed; give `detector_rotation_deg` in the scan sheet."
                )
        else:
            status = "impossible"
            self.warnings.append(
                f"{rotation.sentence} Give `detector_rotation_deg` in the scan sheet."
            )
        if rotation.transposed:
            self.warnings.append(
                "Transposed patterns would have less curl: check `detector_transpose` and the "
                "flips of the scan sheet."
            )
        self._step(
            "rotation", status, rotation.sentence,
            {"error_deg": rotation.error_deg, "contrast": rotation.contrast},
            {
                "angles_deg": rotation.angles_deg,
                "curl": rotation.curl,
                "curl_transposed": rotation.curl_transposed,
            },
        )  # fmt: skip

    def _compare(self, given: Sourced, rotation: Rotation) -> None:
        if rotation.angle is None:
            return
        apart = (given.value - rotation.angle.value + 90) % 180 - 90
        if abs(apart) > max(_AGREE_DEG, 3 * rotation.error_deg):
            self.warnings.append(
                f"The {given.origin} says that the detector is turned by {given.value:g} degrees, "
                f"but the curl of the deflections is least at {rotation.angle.value:.1f} degrees "
                f"(modulo 180, standard error {rotation.error_deg:.1f}); the {given.origin} is "
                "believed."
            )

    def _step(
        self,
        name: str,
        status: Status,
        sentence: str,
        values: dict[str, float] | None = None,
        diagrams: dict[str, NDArray[Any]] | None = None,
    ) -> None:
        self.steps.append(Step(name, status, sentence, values or {}, diagrams or {}))
