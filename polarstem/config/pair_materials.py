# SPDX-License-Identifier: GPL-3.0-or-later
"""Materials that a configuration gives as two structure files, made into numbers.

From there a configuration, the parameters of its jobs and what a model was trained for hold the
numbers and not the files' names: a changed file reruns what rests on it, and a model is whole
without its files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polarstem.errors import PolarstemError

PARENT, POLAR = "parent", "polar"


def with_pairs_read(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Read the structure files that a configuration names as materials.

    Parameters
    ----------
    data : mapping
        The configuration. `material` of ``structures``, there or of a specimen set, may be a
        mapping with ``parent`` and ``polar``, paths from the working directory, and other keys of
        a material.

    Returns
    -------
    data : dict
        The same with plain materials.
    problems : list of str
        What is wrong with the files.
    """
    problems: list[str] = []
    found = _read(data, "", problems)
    specimens = found.get("specimens")
    if isinstance(specimens, Mapping):
        found["specimens"] = {
            name: _read(settings, f"specimens.{name}.", problems)
            if isinstance(settings, Mapping)
            else settings
            for name, settings in specimens.items()
        }
    return found, problems


def _read(section: Mapping[str, Any], where: str, problems: list[str]) -> dict[str, Any]:
    """A section whose ``structures`` may name a pair."""
    structures = section.get("structures")
    material = structures.get("material") if isinstance(structures, Mapping) else None
    if not (isinstance(material, Mapping) and {PARENT, POLAR} & set(material)):
        return dict(section)
    from polarstem.structures.structure_pair import material_of_pair

    given = dict(material)
    files = [given.pop(key, None) for key in (PARENT, POLAR)]
    place = f"{where}structures.material"
    if not all(isinstance(file, str) for file in files):
        problems.append(f"{place}: a pair of structures needs the two files `parent` and `polar`")
        return dict(section)
    try:
        made = material_of_pair(str(files[0]), str(files[1]), **given)
    except PolarstemError as error:
        problems.append(f"{place}: {str(error).rstrip('.')}")
        return dict(section)
    return {**section, "structures": {**structures, "material": made}}  # type: ignore[dict-item]
