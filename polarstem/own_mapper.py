# SPDX-License-Identifier: GPL-3.0-or-later
"""From a crystal and a microscope to a folder that maps: a configuration, and Snakemake."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from polarstem.config.learning import Stream
from polarstem.config.mapper_plan import plan_sentences, settings_text
from polarstem.config.mapper_recipe import STREAM, Request, mapper_config, mapper_settings
from polarstem.errors import PolarstemError
from polarstem.files import atomic_path
from polarstem.shipped_files import CLONE
from polarstem.yaml_files import read_yaml

CONFIG, MODEL = "mapper.yaml", "model"
_MADE = Path("results") / "reference_model"  # by the workflow, in a folder of its own
_NEEDED = {
    "material": "the crystal's name in resources/crystals.yaml",
    "phase": "its polar phase: T, O or R, or M and the digits of an axis",
    "energy_kv": "accelerating voltage [kV]",
    "semiangle_mrad": "convergence semi-angle [mrad]",
}
# options of Snakemake with which a cluster may do the work
_ELSEWHERE = ("--executor", "-e", "--profile", "--workflow-profile")


def request_for(
    *,
    material: str | None = None,
    material_parent: Path | str | None = None,
    material_polar: Path | str | None = None,
    phase: str | None = None,
    energy_kv: float | None = None,
    semiangle_mrad: float | None = None,
    zone_axis: Sequence[int] | None = None,
    effort: str = "default",
    scan: Path | str | None = None,
    sheet: Path | str | None = None,
) -> Request:
    """Put together what a mapper is asked for, from numbers and a scan that it is to serve.

    Parameters
    ----------
    material, phase, energy_kv, semiangle_mrad, zone_axis, effort
        As for `Request`; those that the scan tells may be left out.
    material_parent, material_polar : path, optional
        Two structure files in place of a name, see
        `polarstem.structures.structure_pair.material_of_pair`; they tell the phase, too.
    scan, sheet : path, optional
        Detector file and scan sheet: optics, zone axis and detector are taken from there.

    Raises
    ------
    PolarstemError
        If something is missing, or numbers and scan contradict each other.
    """
    given: dict[str, Any] = {"material": material, "phase": phase}
    if material_parent is not None or material_polar is not None:
        given |= _from_files(material, material_parent, material_polar, phase)
    given |= {"energy_kv": energy_kv, "semiangle_mrad": semiangle_mrad}
    reach = pixel = None
    if scan is not None:
        from polarstem.scans.served_by import agreed, wanted_by

        wanted = wanted_by(scan, sheet, semiangle_mrad)
        for name in ("energy_kv", "semiangle_mrad"):
            given[name] = agreed(name, given[name], getattr(wanted, name), wanted.path)
        reach, pixel = wanted.reach_mrad, wanted.pixel_mrad
        if zone_axis is None and wanted.zone_axis is not None:
            zone_axis = wanted.zone_axis.value
    elif sheet is not None:
        raise PolarstemError(f"The scan sheet {sheet} belongs to a scan; name that with --for.")
    if missing := [name for name, value in given.items() if value is None]:
        told = ", ".join(f"--{n.replace('_', '-')} ({_NEEDED[n]})" for n in missing)
        where = f", and neither {scan} nor its sheet has it" if scan is not None else ""
        raise PolarstemError(f"A mapper needs {told}{where}; add to the command what is missing.")
    x, y, z = zone_axis or (0, 0, 1)
    return Request(**given, zone_axis=(x, y, z), effort=effort, reach_mrad=reach, pixel_mrad=pixel)


def _from_files(
    material: str | None, parent: Path | str | None, polar: Path | str | None, phase: str | None
) -> dict[str, Any]:
    """Material and phase of two structure files."""
    if material is not None:
        raise PolarstemError(
            f"The crystal is {material} by --material and another by its structure files; leave "
            "one of them out."
        )
    if parent is None or polar is None:
        raise PolarstemError(
            "A crystal of two structure files needs both --material-parent and --material-polar."
        )
    from polarstem.structures.structure_pair import material_of_pair

    made = material_of_pair(parent, polar)
    return {"material": made, "phase": phase or next(iter(made["lattice"]))}


def told_beforehand(
    request: Request, folder: Path, cores: int, options: Sequence[str] = ()
) -> Iterator[str]:
    """Say what a mapper takes, learns from and is tested on, before anything is written.

    Raises
    ------
    PolarstemError
        If the request is wrong, or the folder another's.
    """
    config = mapper_config(request)
    check_folder(folder, mapper_settings(request))
    yield f"A mapper for {request}, in {folder / MODEL}."
    if not isinstance(request.material, str):
        rms = request.material["debye_waller_rms_angstrom"]
        told = ", ".join(f"{element} {value:g} Å" for element, value in rms.items())
        yield (
            f"Structure files tell no thermal motion: these root-mean-square displacements are "
            f"assumed: {told}. They tell no Born charges: no polarization in µC/cm² is given."
        )
    elsewhere = any(option.partition("=")[0] in _ELSEWHERE for option in options)
    yield from plan_sentences(config, None if elsewhere else cores)


def check_folder(folder: Path, part: dict[str, Any]) -> None:
    """Refuse a folder that holds something else than the beginnings of this mapper.

    Parameters
    ----------
    folder : path
        Where the mapper is made, or was begun.
    part : dict
        From `polarstem.config.mapper_recipe.mapper_settings`.

    Raises
    ------
    PolarstemError
        If the folder holds another configuration, or files and none.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise PolarstemError(f"{folder} is a file; name a folder to make with --out.")
    path = folder / CONFIG
    if not path.exists():
        if any(folder.iterdir()):
            raise PolarstemError(
                f"The folder {folder} holds other files and no {CONFIG}; name a new one with --out."
            )
        return
    there = read_yaml(path, "The configuration")
    if there == part:
        return
    differing = ", ".join(_differing(there, part)) if isinstance(there, dict) else "all of it"
    raise PolarstemError(
        f"{path} is of another mapper: {differing}; name another folder with --out, or ask for "
        "the same as it was begun with."
    )


def _differing(there: Any, asked: Any, path: str = "") -> list[str]:
    """Keys in which two configurations differ, with what they say."""
    if isinstance(there, dict) and isinstance(asked, dict):
        keys = dict.fromkeys([*there, *asked])
        return [
            text
            for key in keys
            for text in _differing(
                there.get(key, "-"), asked.get(key, "-"), f"{path}.{key}" if path else str(key)
            )
        ][:3]  # the first tell
    return [] if there == asked else [f"{path} is {there} there, {asked} is asked for"]


def _run(command: Sequence[str]) -> int:
    """Exit code of a command that is left to end by itself when both are interrupted."""
    with subprocess.Popen(command) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.wait()  # Snakemake ends its jobs first, also those on a cluster
            raise


def limit_told(request: Request, threads: int) -> str:
    """Say how many electrons an answer takes at each thickness, whatever the model.

    It takes about the time of one scattering matrix.
    """
    from polarstem.evaluate.limit.before_training import electrons_by_thickness, limit_sentence

    stream = mapper_config(request).train.sources[STREAM]
    assert isinstance(stream, Stream)
    assert stream.conditions.dose_electrons is not None
    needed = electrons_by_thickness(mapper_settings(request), threads)
    return limit_sentence(needed, stream.conditions.dose_electrons)


def settings_of(request: Request) -> str:
    """The configuration that a mapper would be made by, as text."""
    return settings_text(request, mapper_settings(request))


def make_mapper(
    request: Request, folder: Path, options: Sequence[str] = (), snakefile: Path | None = None
) -> Path:
    """Make a mapper, or go on where it was interrupted.

    Parameters
    ----------
    request : Request
        Crystal, optics, detector and effort.
    folder : path
        Gets the configuration, the workflow's results and at last the model.
    options : sequence of str
        Further options of Snakemake.
    snakefile : path, optional
        That of the repository by default.

    Returns
    -------
    path
        Folder for `python -m polarstem map --model`: model, library, anomaly reference and card.

    Raises
    ------
    PolarstemError
        If the folder is another's, the workflow is not there, or it fails.
    """
    part = mapper_settings(request)
    check_folder(folder, part)
    snakefile = snakefile or CLONE / "Snakefile"
    if not snakefile.is_file():
        raise PolarstemError(
            f"There is no workflow {snakefile}; run the command from a clone of the repository."
        )
    path = folder / CONFIG
    if not path.exists():
        with atomic_path(path) as temporary:
            temporary.write_text(settings_of(request), encoding="utf-8")
    command = [
        *(sys.executable, "-m", "snakemake", str(_MADE)),
        *("--snakefile", str(snakefile), "--directory", str(folder)),
        *("--configfile", str(path.resolve())),
        *options,
    ]
    code = _run(command)
    if code:
        raise PolarstemError(
            f"The workflow ended before the mapper was made (exit code {code}), for the reason "
            "above; the same command goes on from there."
        )
    made = folder / _MADE
    if not made.is_dir():  # a dry run of Snakemake's own, say
        raise PolarstemError(f"Snakemake made no {made}; leave out what keeps it from working.")
    with atomic_path(folder / MODEL) as temporary:
        shutil.copytree(made, temporary, ignore=shutil.ignore_patterns(".snakemake*"))
    return folder / MODEL
