# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading and checking a scan sheet: every problem at once, each in one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from polarstem.config.check import explain
from polarstem.config.experiments import Experiment
from polarstem.config.sheet import Sheet
from polarstem.errors import ProblemsError
from polarstem.yaml_files import read_yaml

__all__ = ["Sheet", "SheetError", "load_sheet"]


class SheetError(ProblemsError):
    """A wrong scan sheet; the text lists every problem that was found."""


def load_sheet(source: Path | str | Mapping[str, Any] | Sheet | None) -> Sheet:
    """Read and check a scan sheet.

    Parameters
    ----------
    source : path, mapping, Sheet or None
        A YAML file, its parsed content, or nothing: then all is left to the detector file.
        Files that a YAML sheet names are looked for beside it.

    Returns
    -------
    Sheet
        The sheet with all defaults filled in.

    Raises
    ------
    PolarstemError
        If the file cannot be read, or listing every problem: where, what was found, what is
        allowed, a hint.
    """
    if source is None or isinstance(source, Sheet):
        return source or Sheet()
    if isinstance(source, Mapping):
        return _check(source, "The scan sheet")
    path = Path(source)
    data = read_yaml(path, "The scan sheet")
    sheet = _check({} if data is None else data, f"The scan sheet {path}")
    files = {k: getattr(sheet, k) for k in ("mask", "bad_pixels", "dark", "gain")}
    beside = {k: str(path.parent / v) for k, v in files.items() if isinstance(v, str)}
    return sheet.model_copy(update=beside)


def _check(data: object, name: str) -> Sheet:
    data = _innermost(data, name)
    if not isinstance(data, Mapping):
        raise SheetError(name, ["(top level): expected keys such as `step_nm`"])
    try:
        sheet = Sheet.model_validate(data)
    except ValidationError as error:
        raise SheetError(name, explain(error, Sheet)) from None
    problems = list(_cross_checks(sheet))
    if problems:
        raise SheetError(name, problems)
    return sheet


def _innermost(data: object, name: str) -> object:
    """The sheet within a configuration's `experiments`, where that was given instead."""
    if isinstance(data, Mapping) and "experiments" in data:
        data = data["experiments"]
        if not isinstance(data, Mapping) or len(data) != 1:
            held = ", ".join(map(str, data)) if isinstance(data, Mapping) else repr(data)
            text = f"experiments: a scan sheet belongs to one experiment, but here are {held}"
            raise SheetError(name, [f"{text}; write the keys below `sheet` of one by themselves"])
        (data,) = data.values()
        if isinstance(data, Mapping):
            data = {"sheet": None, **data}
    if isinstance(data, Mapping) and "sheet" in data and set(data) <= set(Experiment.model_fields):
        data = data["sheet"]
        if isinstance(data, str):
            raise SheetError(name, [f"sheet: is a file of its own; give {data} instead"])
    return {} if data is None else data


def _cross_checks(sheet: Sheet) -> Iterator[str]:
    """Keys that do not go together."""
    lengths = {"camera_length_mm": sheet.camera_length_mm, "pixel_um": sheet.pixel_um}
    given = [name for name, value in lengths.items() if value is not None]
    ways = [k for k in ("mrad_per_pixel", "disc_radius_pixels") if getattr(sheet, k) is not None]
    if len(given) == 1:
        (missing,) = set(lengths) - set(given)
        yield f"{given[0]}: tells the angle per pixel only together with `{missing}`; add that"
    if len(ways) + bool(given) > 1:
        told = " and ".join(ways + given)
        yield f"{ways[0]}: the angle per pixel is given more than once, by {told}; keep one"
    if len(set(sheet.off)) < len(sheet.off):
        yield "off: a step stands there twice"
    if sheet.raw is not None and sheet.scan_shape is None:
        yield "raw: bare numbers do not say how they were scanned; add `scan_shape`"
    if sheet.raw is not None and sheet.reader not in ("auto", "raw"):
        yield f"raw: is for bare numbers, which the reader {sheet.reader!r} does not read"
    if sheet.raw is None and sheet.reader == "raw":
        yield "reader: 'raw' needs the layout of the file; add `raw`"
