# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening a scan: the file, the sheet, and what both say.

Handedness: patterns are taken as RosettaSciIO gives them, first row on top. For Merlin's .mib
it turns the chip's rows over, so that the numbers which the chip can be told to show read
upright, with row 0 at the bottom; LiberTEM leaves them as stored. Whatever a microscope does
beyond that, the sheet's transposes and flips undo.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from polarstem.scans.files.formats import stored_file
from polarstem.scans.scan import Scan
from polarstem.scans.sheet import load_sheet


def open_scan(path: Path | str, sheet: Any = None) -> Scan:
    """Open a scan; patterns are read later, as they are asked for.

    Parameters
    ----------
    path : path
        A detector file, or a folder of images.
    sheet : path, mapping, Sheet or None
        See `load_sheet`.

    Returns
    -------
    Scan
        The scan, upright.

    Raises
    ------
    PolarstemError
        If the file is absent, truncated, of an unknown format or does not fit the sheet.
    """
    sheet = load_sheet(sheet)
    return Scan(stored_file(Path(path), sheet), sheet)
