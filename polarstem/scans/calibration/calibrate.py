# SPDX-License-Identifier: GPL-3.0-or-later
"""What the patterns themselves tell of detector and beam, from a sample of a scan."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError
from polarstem.scans.calibration import findings, sentences
from polarstem.scans.calibration.calibrated import Calibration
from polarstem.scans.calibration.centre import Plane
from polarstem.scans.calibration.disc import Disc, find_centre, mended
from polarstem.scans.calibration.exchanged import axes_look_exchanged
from polarstem.scans.calibration.rotation import Rotation, scan_rotation
from polarstem.scans.calibration.sample import Pairs, Parts, choose, read, scattered
from polarstem.scans.calibration.steps import Step
from polarstem.scans.scan import Scan
from polarstem.scans.sourced import Sourced
from polarstem.scans.specimen.rings import RINGS, ring_signals_on_detector
from polarstem.scans.specimen.vacuum import OUTERMOST

__all__ = ["Calibration", "Step", "calibrate"]

_NOISE_PIXELS = 800  # along each side of what is looked at for noise


def calibrate(
    scan: Scan,
    sheet: Sheet,
    semiangle_mrad: Sourced | None = None,
    threads: int = 1,
    *,
    cell_nm: float | None = None,
    thinnest_share: float | None = None,
) -> Calibration:
    """Calibrate a scan from a sample of its patterns.

    Parameters
    ----------
    scan : Scan
    sheet : Sheet
        Its ``off`` names steps to leave out.
    semiangle_mrad : Sourced, optional
        For a scan that does not say its own [mrad].
    threads : int
        Parts looked at at once.
    cell_nm : float, optional
        Edge of the projected cell: tiles of the sample cover it [nm].
    thinnest_share : float, optional
        See `Calibration.vacuum`.

    Returns
    -------
    Calibration

    Raises
    ------
    PolarstemError
        If the beam lies beyond the detector, there is neither a disc nor a calibration, or the
        axes of scan and detector look exchanged.
    """
    look = _overview(scan, sheet, semiangle_mrad, threads)
    parts = Parts.over(scan.shape)
    signals = np.full((*scan.shape[:2], len(RINGS) + 2), np.nan, np.float32)
    flat = signals.reshape(-1, signals.shape[-1])

    def add(
        index: NDArray[np.int64], patterns: NDArray[np.generic]
    ) -> tuple[NDArray[np.int64], NDArray[np.generic]]:
        if look.radius is not None:
            at = np.tile(look.centre, (len(index), 1))
            flat[index] = ring_signals_on_detector(patterns, at, 1.0, look.radius, look.bad)
        return index, patterns

    sample, middle = choose(scan, cell_nm), _around(look.centre, scan.shape[2:])
    pairs = Pairs(scan, sample, middle)
    for index, patterns in read(scan, sample, add, threads):
        parts.add(index, patterns)  # one after the other: sums do not depend on the threads
        pairs.add(index, patterns)

    pixels = findings.look_at_pixels(scan, sheet, parts.total)
    bad = pixels.bad
    share, at, linear = findings.look_at_counts(scan, sheet, bad[middle], pairs.patterns)
    del pairs
    pixels = replace(pixels, saturated_share=share, saturated_at=at)
    positions = int(parts.count.sum())
    mean = mended(pixels.total / positions, bad)
    disc = findings.look_for_disc(scan, sheet, mean, bad)
    kept = parts.kept()
    places = parts.places[kept] / parts.count[kept][:, None]
    found = np.empty((0, 2))
    if disc is not None and sheet.centre is None and "centring" not in sheet.off:
        with ThreadPoolExecutor(threads) as pool:
            edges = pool.map(lambda n: _edge(parts.sums[n], bad, disc), kept)
            found = np.array(list(edges))
    centring = findings.look_at_centres(scan, sheet, disc, places[: len(found)], found)
    scale = findings.look_at_scale(scan, sheet, disc, semiangle_mrad)
    ellipse = findings.look_at_ellipse(sheet, disc)
    dose = findings.look_at_dose(scan, float(mean.sum()), linear)

    settings = _settings(centring, scale, ellipse, dose)
    calibration = Calibration(
        scan.shape, centring.plane, settings, bad, parts.sums[:0], np.empty((0, 2)),
        parts.count[:0], linear,
    )  # fmt: skip
    mask = None
    if "vacuum" not in sheet.off and look.radius is not None:
        mask = calibration.vacuum(signals, thinnest_share)
    vacuum = _without_vacuum(scan, sheet, mask, signals, parts, threads)
    kept = parts.kept()
    counts = parts.count[kept]
    sums = parts.sums if len(kept) == len(parts.sums) else parts.sums[kept]
    sums /= counts[:, None, None].astype(np.float32)
    part_centres = centring.plane.at(*(parts.places[kept] / counts[:, None]).T)

    rotation = None
    if "rotation" not in sheet.off and look.radius is not None:
        rotation = _least_curl(scan, centring.plane, look, signals, mask)
    turn = findings.look_at_turn(scan, rotation)
    if turn.given is not None:
        settings["detector_rotation_deg"] = turn.given
    elif rotation is not None and rotation.angle is not None:
        settings["detector_rotation_deg"] = rotation.angle
    told = [
        sentences.pixels(pixels),
        sentences.scale_of_counts(linear, "linearity" in sheet.off),
        sentences.dose(dose),
        sentences.centring(centring),
        sentences.scale(scale),
        sentences.ellipse(ellipse),
        sentences.vacuum(vacuum),
        sentences.turn(turn),
    ]
    return replace(
        calibration,
        parts=sums,
        part_centres=part_centres,
        part_counts=counts,
        vacuum_share=vacuum.share,
        steps=tuple(step for step, _ in told),
        warnings=tuple(text for _, warnings in told for text in warnings),
    )


@dataclass(frozen=True)
class _Look:
    """Where the disc is, roughly.

    Attributes
    ----------
    bad : ndarray of bool, shape (ky, kx)
        Bad pixels.
    centre : ndarray, shape (2,)
        Row and column [pixels].
    radius : float or None
        Of the disc [pixels]; None if nothing tells.
    """

    bad: NDArray[np.bool_]
    centre: NDArray[np.float64]
    radius: float | None


def _overview(scan: Scan, sheet: Sheet, semiangle: Sourced | None, threads: int) -> _Look:
    """A first look, at few positions."""
    total = np.zeros(scan.shape[2:])
    index = scattered(scan)
    for part in read(scan, index, lambda _, patterns: patterns.sum(0, dtype=np.float64), threads):
        total += part
    if not total.any():
        scan.refuse_dark(len(index))
    bad = findings.look_at_pixels(scan, sheet, total).bad
    mean = mended(total / max(len(index), 1), bad)
    if why := axes_look_exchanged(scan, mean):
        raise PolarstemError(why)
    try:
        disc = findings.look_for_disc(scan, sheet, mean, bad)
    except PolarstemError:  # more positions may show it
        disc = None
    centre, radius = (np.array(scan.shape[2:]) - 1) / 2, None
    angle = scan.semiangle_mrad or semiangle
    if disc is not None:
        centre, radius = disc.centre, disc.radius
    elif angle is not None and scan.mrad_per_pixel is not None:
        radius = float(angle.value / scan.mrad_per_pixel.value)
    if sheet.centre is not None:
        centre = np.array(sheet.centre, float)
    return _Look(bad, centre, radius)


def _around(centre: NDArray[np.float64], shape: tuple[int, ...]) -> tuple[slice, slice]:
    """As many pixels around the disc as tell of noise what there is to tell."""
    first = [
        int(np.clip(c - _NOISE_PIXELS / 2, 0, max(0, n - _NOISE_PIXELS)))
        for c, n in zip(centre, shape, strict=True)
    ]
    return slice(first[0], first[0] + _NOISE_PIXELS), slice(first[1], first[1] + _NOISE_PIXELS)


def _edge(total: NDArray[np.float32], bad: NDArray[np.bool_], disc: Disc) -> NDArray[np.float64]:
    """Centre of the disc in a part of the scan; nan if it is not there."""
    half = disc.radius * (1.3 + disc.ellipticity) + 12
    corner = np.maximum(np.floor(disc.centre - half), 0).astype(int)
    end = np.ceil(disc.centre + half).astype(int) + 1
    window = np.s_[corner[0] : end[0], corner[1] : end[1]]
    bad = bad[window]
    image = mended(total[window], bad)
    return find_centre(image, replace(disc, centre=disc.centre - corner), bad) + corner


def _settings(
    centring: findings.Centring,
    scale: findings.Scale,
    ellipse: findings.Ellipse,
    dose: findings.Dose,
) -> dict[str, Sourced]:
    disc = scale.disc
    found = {
        "centre": centring.centre,
        "mrad_per_pixel": scale.mrad_per_pixel,
        "semiangle_mrad": scale.semiangle,
        "ellipticity": Sourced(0.0, "", "assumed", "round"),
        "ellipticity_deg": Sourced(0.0, "degrees", "assumed", "round"),
    }
    if disc is not None:
        found["disc_radius_pixels"] = Sourced(
            disc.radius, "pixels", "estimated", "steepest fall of the mean pattern",
            disc.radius_interval,
        )  # fmt: skip
    if ellipse.disc is not None and ellipse.significant:
        note = "edge of the disc"
        found["ellipticity"] = Sourced(ellipse.disc.ellipticity, "", "estimated", note)
        found["ellipticity_deg"] = Sourced(
            ellipse.disc.ellipticity_deg, "degrees", "estimated", note
        )
    if dose.electrons is not None:
        found["dose_electrons"] = dose.electrons
        if dose.per_square_angstrom is not None:
            found["dose_per_square_angstrom"] = Sourced(
                dose.per_square_angstrom, "1/Å²", "estimated", dose.electrons.note
            )
    return found


def _without_vacuum(
    scan: Scan,
    sheet: Sheet,
    mask: NDArray[np.bool_] | None,
    signals: NDArray[np.float32],
    parts: Parts,
    threads: int,
) -> findings.Vacuum:
    """Take the patterns of vacuum off the sums again, unless there are no others."""
    if mask is None:
        off = "vacuum" in sheet.off
        return findings.Vacuum("off" if off else "impossible", float("nan"), 0)
    looked = np.isfinite(signals[..., OUTERMOST])
    count, empty = int(looked.sum()), np.flatnonzero(mask)
    if 0 < len(empty) < count:
        for index, patterns in read(scan, empty, lambda *block: block, threads):
            parts.add(index, patterns, -1)
    return findings.Vacuum("done", len(empty) / max(count, 1), count)


def _least_curl(
    scan: Scan,
    plane: Plane,
    look: _Look,
    signals: NDArray[np.float32],
    vacuum: NDArray[np.bool_] | None,
) -> Rotation:
    deflection = signals[..., len(RINGS) :].copy()
    centres = plane.at(*np.indices(scan.shape[:2]))
    moved = (centres - look.centre) / (look.radius or np.nan)
    deflection[..., 0] -= moved[..., 1]
    deflection[..., 1] += moved[..., 0]
    if vacuum is not None:
        deflection[vacuum] = np.nan
    step = scan.step_nm.value if scan.step_nm is not None else (1.0, 1.0)
    thickness = scan.settings.get("thickness_nm")
    highest = None if thickness is None else float(np.max(thickness.value))
    return scan_rotation(deflection, step, signals[..., OUTERMOST], highest)
