# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the axes of the scan and of the detector are exchanged in a file.

Patterns have a bright disc in the dark, at the same place everywhere, and the counts of a scan's
positions differ little. Of exchanged axes the opposite is seen.
"""

from __future__ import annotations

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from polarstem.scans.calibration.sample import read, scattered
from polarstem.scans.scan import Scan

_POSITIONS = 600
_FLAT = 0.6  # contrast of a mean pattern below which it may be an image of the scan
_STEEP = 0.8  # contrast of the positions' counts above which they may be a pattern
_BRIGHT = 0.25  # of the highest counts
_SHARES = 0.01, 0.8  # of the positions that are bright
_INSIDE, _OUTSIDE = 0.75, 0.1  # that are bright within a circle as large as they are, and beyond


def axes_look_exchanged(scan: Scan, mean: NDArray[np.floating]) -> str:
    """Why the axes look exchanged; empty if they do not.

    Parameters
    ----------
    scan : Scan
        Positions are read where the mean pattern leaves a doubt.
    mean : ndarray, shape (ky, kx)
        Of some patterns.
    """
    smooth = scipy.ndimage.gaussian_filter(mean, 1.0)
    if min(scan.shape[:2]) < 8 or _contrast(smooth.ravel(), 1) > _FLAT:
        return ""
    index = scattered(scan, _POSITIONS)
    totals = np.zeros(scan.shape[0] * scan.shape[1])
    for where, sums in read(scan, index, lambda i, p: (i, p.sum((1, 2), dtype=np.float64))):
        totals[where] = sums
    counts = totals[index]
    if _contrast(counts, 5) < _STEEP:
        return ""
    bright = counts > _BRIGHT * np.quantile(counts, 0.98)
    places = np.stack(np.divmod(index, scan.shape[1]), 1)
    if not _SHARES[0] < bright.mean() < _SHARES[1]:
        return ""
    apart = np.linalg.norm(places - places[bright].mean(0), axis=1)
    within = apart <= np.sqrt(bright.mean() * scan.shape[0] * scan.shape[1] / np.pi)
    if bright[within].mean() < _INSIDE or bright[~within].mean() > _OUTSIDE:
        return ""
    key = "remove `exchange_axes`" if scan.sheet.exchange_axes else "set `exchange_axes: true`"
    return (
        f"The axes of scan and detector of {scan.path} look exchanged: the counts of its "
        f"{scan.shape[0]} x {scan.shape[1]} positions form a bright disc, while its patterns of "
        f"{scan.shape[2]} x {scan.shape[3]} pixels have none; {key} in the scan sheet."
    )


def _contrast(values: NDArray[np.floating], percent: float) -> float:
    low, high = np.percentile(values, (percent, 100 - percent))
    return float((high - low) / max(high + low, 1e-300))
