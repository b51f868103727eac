# SPDX-License-Identifier: GPL-3.0-or-later
"""The check that nothing tested was trained on: no pattern, and no crystal."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from polarstem.data.dataset_file import SPLITS
from polarstem.data.separation import nearest_training_crystals
from polarstem.errors import PolarstemError
from polarstem.files import atomic_path, open_netcdf
from polarstem.provenance import provenance

logger = logging.getLogger("polarstem")


def check_leakage(
    datasets: Sequence[Path | str],
    output: Path | str,
    separation: Mapping[str, Any] | None = None,
    matrices: Mapping[str, Path | str] | None = None,
) -> None:
    """Fail if a pattern or a crystal was tested and trained on; write the manifest otherwise.

    A pattern may stand in one split of one data domain only, and the specimens of two
    splits must differ. Within one split of one domain a repeat is harmless to the
    statistics of a split and is counted in the manifest. Where `separation` is given, test
    crystals must be so far from training crystals, too.

    Parameters
    ----------
    datasets : sequence of path
        All data sets of a run.
    output : path
        JSON manifest: for each data domain and split the number of patterns, specimens,
        patterns per class, repeats, and the combined hash of the patterns; and, under
        ``nearest_training_crystal``, what `nearest_training_crystals` found.
    separation : mapping, optional
        From `polarstem.config.separation.separation_settings`.
    matrices : mapping of str to path, optional
        Scattering matrix of each crystal that is compared.

    Raises
    ------
    PolarstemError
        Naming what shares a pattern, or two specimens that are nearly one crystal.
    """
    hashes, places, manifest = [], [], {}
    specimens: dict[str, str] = {}
    labels: list[tuple[str, str]] = []
    for path in datasets:
        with open_netcdf(path, "data set") as data:
            domain = data.attrs["data_domain"]
            names = data["specimen_name"].values
            split = data["split"].values
            own = data["pattern_hash"].values
            index = data["specimen_index"].values
            entry: dict[str, Any] = {}
            for number, split_name in enumerate(SPLITS):
                inside = split == number
                if not inside.any():
                    continue
                members = sorted({str(names[i]) for i in np.unique(index[inside])})
                for member in members:
                    if specimens.setdefault(member, split_name) != split_name:
                        raise PolarstemError(
                            f"Specimen {member} stands in the {specimens[member]} split and, in "
                            f"data domain {domain}, in the {split_name} split; a specimen may be "
                            "in one split only."
                        )
                classes = data["class_index"].values[inside]
                per_class = np.bincount(classes, minlength=data.sizes["class"])
                unique = np.unique(own[inside])
                entry[split_name] = {
                    "patterns": int(inside.sum()),
                    "repeats": int(inside.sum() - len(unique)),
                    "specimens": members,
                    "patterns_per_class": dict(
                        zip(map(str, data["class_name"].values), map(int, per_class), strict=True)
                    ),
                    "hash": f"{int(np.bitwise_xor.reduce(unique)):016x}",
                }
                hashes.append(unique)
                places.append(np.full(len(unique), len(labels), np.int32))
                labels.append((domain, split_name))
            manifest[domain] = entry
    _raise_on_repeat(np.concatenate(hashes), np.concatenate(places), labels)
    content: dict[str, Any] = {"domains": manifest}
    if separation is not None:
        content["nearest_training_crystal"] = nearest_training_crystals(separation, matrices or {})
    content["provenance"] = provenance({"datasets": sorted(manifest), "separation": separation})
    with atomic_path(output) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    logger.info("no pattern stands in two splits (%d patterns)", sum(map(len, hashes)))


def _raise_on_repeat(
    hashes: np.ndarray, places: np.ndarray, labels: Sequence[tuple[str, str]]
) -> None:
    order = np.argsort(hashes, kind="stable")
    hashes, places = hashes[order], places[order]
    repeated = np.flatnonzero(hashes[1:] == hashes[:-1])
    if len(repeated):
        first, second = (labels[places[i]] for i in (repeated[0], repeated[0] + 1))
        raise PolarstemError(
            f"{len(repeated)} patterns stand twice, for example in the {first[1]} split of "
            f"{first[0]} and the {second[1]} split of {second[0]}; make the specimens differ "
            "(structures.a_site: random, or a composition_spread) so that no test pattern "
            "has been trained on."
        )
