# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps of polarization from 4D-STEM scans, and the stages of the benchmark one file at a time."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from polarstem import __version__
from polarstem.completion import SHELLS
from polarstem.errors import PolarstemError
from polarstem.logs import job_log
from polarstem.shipped_files import CLONE, shipped

if TYPE_CHECKING:
    import xarray as xr

EXAMPLES = {
    "check": "check tests/configs/tiny.yaml",
    "estimate": "estimate config.yaml --cores 8",
    "build": "build ideal-RU-train-0 --output crystal.xyz",
    "simulate": "simulate crystal.xyz --output patterns.nc",
    "predict": "predict results/models/cnn/t20/0 results/datasets/t20.nc --output predictions.nc",
    "inspect": "inspect scan.mib --sheet scan.yaml --figure scan.png",
    "map": "map scan.mib --model results/reference_model --sheet scan.yaml --out my_map",
    "vectors": "vectors my_map --model results/reference_model --out my_displacements",
    "model": "model --material BaTiO3 --phase T --energy-kv 300 --semiangle-mrad 21 --out batio3",
    "complete": "complete bash",
    "docs": "docs",
}
"""A command line for each command, as its help shows it."""


def _check(arguments: argparse.Namespace) -> None:
    from polarstem.config import load
    from polarstem.config.accuracy_warnings import accuracy_warnings
    from polarstem.config.plan import all_specimens

    config = load(*arguments.config)
    name = " over ".join(str(path) for path in reversed(arguments.config))
    print(
        f"{name}: valid; {len(all_specimens(config))} specimens, "
        f"{len(config.used_domains())} data domains, {len(config.runs())} models to train.",
        flush=True,
    )
    for sentence in accuracy_warnings(config):
        print(f"Warning: {sentence}.", file=sys.stderr)


def _estimate(arguments: argparse.Namespace) -> None:
    from polarstem.config import load
    from polarstem.config.estimate import guesses, sentence, table
    from polarstem.config.work import all_jobs

    if arguments.cores < 1:
        raise PolarstemError(f"--cores is {arguments.cores}, but a run needs at least one.")
    planned = all_jobs(load(*arguments.config))
    print(table(planned))
    print(sentence(planned, arguments.cores))
    if guessed := guesses(planned):
        print(f"Never measured, so guessed: {', '.join(guessed)}.")


def _build(arguments: argparse.Namespace) -> None:
    from polarstem.config import load
    from polarstem.config.jobs import structure_settings
    from polarstem.config.plan import all_specimens
    from polarstem.structures.build import build_specimen, write_specimen
    from polarstem.structures.recipes import make_recipe

    config = load(arguments.config)
    plans = {plan.name: plan for plan in all_specimens(config)}
    if arguments.specimen not in plans:
        from polarstem.config.cross_checks import nearest

        raise PolarstemError(
            f"There is no specimen {arguments.specimen!r}; "
            f"{nearest(arguments.specimen, list(plans))}"
        )
    settings = structure_settings(config, plans[arguments.specimen])
    write_specimen(build_specimen(make_recipe(**settings)), arguments.output)


def _simulate(arguments: argparse.Namespace) -> None:
    from polarstem.config import jobs, load, plan
    from polarstem.structures.build import read_specimen

    config = load(arguments.config)
    name = read_specimen(arguments.structure).info["specimen"]
    plans = {specimen.name: specimen for specimen in plan.all_specimens(config)}
    if name not in plans:
        raise PolarstemError(
            f"{arguments.structure} is specimen {name!r}, which {arguments.config} does not plan; "
            "give the configuration it was built with."
        )
    settings = jobs.simulation_settings(config, plans[name])
    if settings["engine"] == "multislice":
        from polarstem.simulate.jobs.simulate_patterns import simulate_specimen as simulate

        if "conditions" in settings:
            from polarstem.simulate.jobs.emulate_specimen import emulate_specimen as simulate

        simulate(arguments.structure, arguments.output, settings, arguments.threads)
        return
    from polarstem.simulate.jobs.compute_scattering_matrix import compute_matrix
    from polarstem.simulate.jobs.measure_patterns import measure_specimen

    crystal, _ = plan.crystal_of(config, plans[name])
    with TemporaryDirectory() as folder:
        matrix = Path(folder) / f"{crystal.name}.nc"
        compute_matrix(matrix, jobs.matrix_settings(config, crystal), arguments.threads)
        measure_specimen(arguments.structure, matrix, arguments.output, settings)


def _predict(arguments: argparse.Namespace) -> None:
    from polarstem.evaluate.scores.write_predictions import predict_patterns

    predict_patterns(arguments.model, arguments.datasets, arguments.output)


def _inspect(arguments: argparse.Namespace) -> None:
    from polarstem.scans.inspection import inspect_scan

    found = inspect_scan(arguments.scan, arguments.sheet, threads=arguments.threads)
    for sentence in found.sentences():
        print(sentence)
    if arguments.figure is not None:
        from polarstem.report.figures.scan_inspection import draw_inspection

        draw_inspection(found, arguments.figure)
        print(arguments.figure)


def _map(arguments: argparse.Namespace) -> None:
    from polarstem.maps.mapper import map_scan
    from polarstem.report.map_page import finish_map

    map_scan(
        arguments.scan,
        arguments.model,
        arguments.out,
        arguments.sheet,
        force=arguments.force,
        threads=arguments.threads,
        finish=partial(finish_map, model=arguments.model[0]),
    )
    print(f"{arguments.out / 'map.html'}")


def _vectors(arguments: argparse.Namespace) -> None:
    from polarstem.displacements.displacement_map import measure_displacements, said
    from polarstem.files import atomic_path
    from polarstem.report.displacement_page import PAGE_FILE, write_displacement_folder

    if arguments.out.exists():
        raise PolarstemError(
            f"The output folder {arguments.out} exists, and nothing is overwritten; name another "
            "one, or delete it."
        )
    found = measure_displacements(arguments.map, arguments.model, threads=arguments.threads)
    sentence = said(found)
    with atomic_path(arguments.out) as folder:
        write_displacement_folder(found, folder)
        if arguments.line is not None:
            sentence += f"\n{_wall(found, arguments.line, folder / 'wall.png')}"
    print(sentence)
    print(arguments.out / PAGE_FILE)


def _wall(found: xr.Dataset, line: Sequence[float], picture: Path) -> str:
    """Fit and draw the wall across a line; what cannot be told costs nothing else."""
    from polarstem.displacements.wall_profile import wall_profile
    from polarstem.report.figures.wall_profile import draw_wall

    x0, y0, x1, y1 = line
    try:
        wall = wall_profile(found, (x0, y0), (x1, y1))
    except PolarstemError as error:
        return str(error)
    draw_wall(wall, picture)
    return str(wall)


def _model(arguments: argparse.Namespace) -> None:
    from polarstem import own_mapper

    if arguments.cores is not None and arguments.cores < 1:
        raise PolarstemError(f"--cores is {arguments.cores}, but a run needs at least one.")
    asked = (
        "material",
        "material_parent",
        "material_polar",
        "phase",
        "energy_kv",
        "semiangle_mrad",
        "zone_axis",
        "effort",
    )
    chosen = {name: getattr(arguments, name) for name in (*asked, "scan", "sheet")}
    request, options = own_mapper.request_for(**chosen), list(arguments.options)
    if arguments.cores is not None:
        options = ["--cores", str(arguments.cores), *options]
    cores = arguments.cores or os.cpu_count() or 1
    for sentence in own_mapper.told_beforehand(request, arguments.out, cores, options):
        print(sentence, flush=True)
    if arguments.dry_run:
        print(own_mapper.limit_told(request, cores), flush=True)
        print(own_mapper.settings_of(request), end="")
        return
    made = own_mapper.make_mapper(request, arguments.out, options)
    print(f"python -m polarstem map SCAN --model {made} --out MAP")


def _docs(arguments: argparse.Namespace) -> None:
    from polarstem.config.docs import reference_text, schema_text
    from polarstem.files import atomic_path

    for path, text in (
        (CLONE / "docs" / "config.md", reference_text()),
        (CLONE / "workflow" / "schemas" / "config.schema.json", schema_text()),
    ):
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        print(path)


def _complete(arguments: argparse.Namespace) -> None:
    from polarstem.completion import completion_script

    print(completion_script(parser(), arguments.shell), end="")


def parser() -> argparse.ArgumentParser:
    """Define the commands."""
    installed = Path(sys.argv[0]).stem == "polarstem"
    main_parser = argparse.ArgumentParser(
        prog="polarstem" if installed else "python -m polarstem",
        description=__doc__,
        epilog="COMMAND --help says what a command takes.",
    )
    main_parser.add_argument(
        "--version",
        action="version",
        version=f"polarstem {__version__}",
        help="show the version and exit",
    )
    commands = main_parser.add_subparsers(required=True, metavar="COMMAND")

    command = _add(commands, "inspect", _inspect, "what a scan says of itself, without a model")
    command.add_argument("scan", type=Path, help="detector file, or folder of images")
    _add_sheet(command)
    command.add_argument("--figure", type=Path, help="PNG to draw")
    command.add_argument("--threads", type=int, help="all cores by default")

    command = _add(commands, "map", _map, "map the polarization directions of a scan")
    command.add_argument("scan", type=Path, help="detector file, or folder of numbered images")
    command.add_argument(
        "--model", type=Path, required=True, nargs="+",
        help="directory of a saved model; of several, what all of them say is an answer",
    )  # fmt: skip
    command.add_argument("--out", type=Path, required=True, help="folder to make")
    _add_sheet(command)
    command.add_argument(
        "--force", action="store_true", help="go on with a model for other optics, and stamp all"
    )
    command.add_argument("--threads", type=int, help="all cores by default")

    command = _add(commands, "vectors", _vectors, "fit displacements [pm] to the cells of a map")
    command.add_argument("map", type=Path, help="folder of a map")
    command.add_argument("--model", type=Path, required=True, help="the model it was made with")
    command.add_argument("--out", type=Path, required=True, help="folder to make")
    command.add_argument("--threads", type=int, help="all cores by default")
    command.add_argument(
        "--line",
        type=float,
        nargs=4,
        metavar=("X0", "Y0", "X1", "Y1"),
        help="line across a wall [nm, y downwards], whose position and width are fitted",
    )

    _add_model(commands)

    command = _add(commands, "check", _check, "check a configuration and say what it asks for")
    command.add_argument(
        "config",
        type=Path,
        nargs="+",
        help="configuration files; later ones change earlier ones, a part the standard benchmark",
    )

    command = _add(
        commands,
        "estimate",
        _estimate,
        "core-hours, time, memory and disk of a run beforehand",
    )
    command.add_argument("config", type=Path, nargs="+", help="configuration files, as for check")
    command.add_argument(
        "--cores", type=int, default=os.cpu_count() or 1, help="of one machine; all by default"
    )

    command = _add(commands, "build", _build, "build one specimen (extended XYZ)")
    command.add_argument("specimen", help="its name, e.g. ideal-RU-train-0")
    _add_config(command)
    command.add_argument("--output", type=Path, required=True, help="extended XYZ to write")

    command = _add(commands, "simulate", _simulate, "simulate the patterns of a built specimen")
    command.add_argument("structure", type=Path, help="its extended XYZ")
    _add_config(command)
    command.add_argument("--output", type=Path, required=True, help="netCDF to write")
    command.add_argument("--threads", type=int, default=1, help="1 by default")

    command = _add(commands, "predict", _predict, "predict the test split of data sets")
    command.add_argument("model", type=Path, help="directory of a saved model")
    command.add_argument("datasets", type=Path, nargs="+", help="data set files")
    command.add_argument("--output", type=Path, required=True, help="netCDF to write")

    command = _add(commands, "complete", _complete, "print what completes `polarstem` in a shell")
    command.add_argument("shell", choices=SHELLS, help="the shell that evaluates it")

    _add(commands, "docs", _docs, "write docs/config.md and the JSON schema")
    return main_parser


def _add(commands: Any, name: str, run: Callable[..., None], what: str) -> argparse.ArgumentParser:
    """A command with its help, which ends in an example."""
    command = commands.add_parser(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}.",
        epilog=f"Example: polarstem {EXAMPLES[name]}",
    )
    command.set_defaults(run=run)
    return command


def _add_sheet(command: argparse.ArgumentParser) -> None:
    command.add_argument("--sheet", type=Path, help="YAML: what the file lacks or gets wrong")


def _add_config(command: argparse.ArgumentParser) -> None:
    standard = shipped("config.yaml")
    told = "configuration that it belongs to, by default the standard benchmark"
    command.add_argument("--config", type=Path, default=standard, help=told)


def _add_model(commands: Any) -> None:
    command = _add(commands, "model", _model, "make a mapper for a crystal and a microscope")
    command.add_argument("--material", help="crystal, by its name in resources/crystals.yaml")
    command.add_argument(
        "--material-parent", type=Path, help="or a structure file (CIF, ...) without polarization"
    )
    command.add_argument(
        "--material-polar", type=Path, help="and one with it: their difference is the polar mode"
    )
    command.add_argument("--phase", help="polar phase: T, O, R, or M and an axis, such as M113")
    command.add_argument("--energy-kv", type=float, help="accelerating voltage [kV]")
    command.add_argument("--semiangle-mrad", type=float, help="convergence semi-angle [mrad]")
    command.add_argument(
        "--zone-axis", type=int, nargs=3, metavar=("U", "V", "W"), help="beam, 0 0 1 by default"
    )
    command.add_argument(
        "--for", dest="scan", type=Path, help="detector file that tells optics and detector"
    )
    _add_sheet(command)
    command.add_argument(
        "--effort", default="default", help="how much is learned: look, short, default or long"
    )
    command.add_argument("--out", type=Path, required=True, help="folder to make, or to go on in")
    command.add_argument("--cores", type=int, help="of this machine; all by default")
    command.add_argument(
        "--dry-run", action="store_true", help="say what it takes, and write nothing"
    )
    command.add_argument("options", nargs="*", help="after `--`: further options of Snakemake")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; wrong input ends with one sentence and exit code 1."""
    parsed = parser().parse_args(arguments)
    try:
        with job_log(None):
            parsed.run(parsed)
    except SystemExit as stop:
        return int(stop.code or 0)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    return 0
