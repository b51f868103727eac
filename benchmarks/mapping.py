# SPDX-License-Identifier: GPL-3.0-or-later
"""From a detector file to the files of a map: patterns per second and memory.

A scan of 64 x 64 positions is mapped from 256 x 256 pixels of 16 bits, and compared with a bare
loop that reads the same file and bins its patterns, both on the same number of threads. Figures
and page, and the whole command in a process of its own, are timed apart. With --large, a scan of
256 x 256 positions (8.6 GB) is mapped in a process of its own, whose peak memory is measured, and
with --detector a small one on so many pixels along each side.

Patterns are the templates of the model's library, on finer pixels and with counting noise.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import dask.array as da
import h5py
import numpy as np
import scipy.ndimage

from benchmarks.common import parser, say, set_up, timed
from benchmarks.rows import Options, Row, compare, table, throughput, write_rows
from polarstem.maps.mapper import map_scan
from polarstem.models.saved import read_description
from polarstem.report.figures.maps import draw_map_figures
from polarstem.report.map_page import write_map_page
from polarstem.scans.files.writers import write_hspy
from polarstem.simulate.pattern_library import FILE_NAME, Library

PIXELS, DOSE, NM = 256, 3e5, 12.0
SIDE, LARGE_SIDE = 64, 256  # positions
DETECTOR_PIXELS = 24576  # along a side of all patterns of a scan on a large detector
STEPS = 6.25  # positions along a cell: none is met at the same place again soon
MEMORY_GB = 2.0
_BINNED = 32
_RATIO = ">= 0.6"


def write_scan(path: Path, model: Path, side: int, pixels: int = PIXELS) -> None:
    """Write a scan of four domains; one larger than `SIDE` repeats."""
    library, tile = Library.open(model), min(side, SIDE)
    cell_nm = read_description(model)["trained_for"]["cell_angstrom"][0] / 10
    counts = np.empty((tile, tile, pixels, pixels), np.uint16)
    templates = library.templates(NM)
    places, fine = templates.shape[1], pixels // library.pixels
    rng = np.random.default_rng(0)
    for y in range(tile):
        for x in range(tile):
            quadrant = 2 * (2 * y // tile) + 2 * x // tile
            row, column = (int(places * n / STEPS) % places for n in (y, x))
            pattern = templates[2 * quadrant % len(templates), row, column]
            smooth = scipy.ndimage.zoom(pattern, fine, order=1, grid_mode=True, mode="nearest")
            counts[y, x] = rng.poisson(DOSE * smooth / smooth.sum())
    whole = da.from_array(counts, chunks=(4, tile, pixels, pixels))
    for axis in (0, 1):
        whole = da.concatenate([whole] * (side // tile), axis=axis)
    write_hspy(
        path,
        whole,
        step_nm=(cell_nm / STEPS,) * 2,
        mrad_per_pixel=library.mrad_per_pixel / fine,
        energy_kv=library.settings["simulate"]["energy_kv"],
        semiangle_mrad=library.semiangle_mrad,
    )


def read_and_bin(path: Path) -> None:
    """Read a scan and bin its patterns, nothing else."""
    fine = PIXELS // _BINNED
    with h5py.File(path) as file:
        (experiment,) = file["Experiments"].values()
        data = experiment["data"]
        for first in range(0, len(data), 4):
            block = data[first : first + 4].reshape(-1, _BINNED, fine, _BINNED, fine)
            block.sum((2, 4), dtype=np.float32)


def mapping_rows(model: Path, folder: Path, options: Options) -> list[Row]:
    """Time the mapping of a small scan, its figures, and the command."""
    side = SIDE // 4 if options.reduced else SIDE
    count, scan = side**2, folder / "scan.hspy"
    say(f"  writing {count} patterns")
    write_scan(scan, model, side)
    names = ("ours", "theirs", "drawing", "command")
    times: dict[str, list[float]] = {name: [] for name in names}
    for run in range(options.runs + 1):
        out = folder / f"map{run}"
        found = {
            "ours": timed(partial(map_scan, scan, model, out, threads=options.threads))[0],
            "theirs": timed(partial(read_and_bin, scan))[0],
        }
        if run:  # the first run compiles
            found["drawing"] = timed(partial(_draw, out, model))[0]
            found["command"] = timed(partial(_command, scan, model, folder / f"c{run}"))[0]
            for name, seconds in found.items():
                times[name].append(seconds)
            say(f"  run {run}: " + ", ".join(f"{k} {v:.2f} s" for k, v in found.items()))
    size = f"{side} x {side} x {PIXELS} x {PIXELS}"
    at_least = "" if options.reduced else ">= 1500"
    return [
        throughput(
            f"map {size} from file to files", times["ours"], count, options, target=at_least
        ),
        compare(
            f"map {size} against reading and binning it",
            times["ours"],
            times["theirs"],
            options,
            target="" if options.reduced else _RATIO,
            note="theirs: h5py and numpy on one thread",
        ),
        throughput("figures and page of the map", times["drawing"], count, options),
        throughput("the whole command", times["command"], count, options),
    ]


def _draw(out: Path, model: Path) -> None:
    draw_map_figures(out)
    write_map_page(out, model / FILE_NAME)


def _command(scan: Path, model: Path, out: Path) -> None:
    command = [sys.executable, "-m", "polarstem", "map", scan, "--model", model, "--out", out]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)


# ru_maxrss would count what the parent had in memory when it started the process
_MEASURED = """
import sys, time
from polarstem.maps.mapper import map_scan
start = time.perf_counter()
map_scan(*sys.argv[1:4], threads=int(sys.argv[4]))
lines = open("/proc/self/status").read().splitlines()
print(time.perf_counter() - start, next(line.split()[1] for line in lines if "VmHWM" in line))
"""


def measured(scan: Path, model: Path, out: Path, options: Options) -> tuple[float, float]:
    """Seconds and peak resident memory [GB] of a process that maps a scan, on Linux."""
    say(f"  mapping {scan.stat().st_size / 1e9:.1f} GB")
    given = [str(item) for item in (scan, model, out, options.threads)]
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, *given], check=True, capture_output=True, text=True
    )
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    say("  " + ", ".join(f"{k} {v:.1f} s" for k, v in summary["seconds"].items()))
    seconds, kilobytes = done.stdout.split()[-2:]
    return float(seconds), int(kilobytes) * 1024 / 1e9


def large_rows(model: Path, folder: Path, options: Options) -> list[Row]:
    """Time and memory of a large scan."""
    scan = folder / "large.hspy"
    say("  writing")
    write_scan(scan, model, LARGE_SIDE)
    seconds, memory = measured(scan, model, folder / "large", options)
    theirs = timed(lambda: read_and_bin(scan))[0]
    _tell(memory)
    size = f"map {LARGE_SIDE} x {LARGE_SIDE} x {PIXELS} x {PIXELS}"
    return [
        throughput(f"{size} from file to files", [seconds], LARGE_SIDE**2, options),
        compare(
            f"{size} against reading and binning it", [seconds], [theirs], options, target=_RATIO
        ),
    ]


def detector_rows(model: Path, folder: Path, options: Options, pixels: int) -> list[Row]:
    """Time and memory of a scan on a large detector."""
    side, scan = DETECTOR_PIXELS // pixels, folder / "detector.hspy"
    write_scan(scan, model, side, pixels)
    seconds, memory = measured(scan, model, folder / "detector", options)
    _tell(memory)
    size = f"map {side} x {side} x {pixels} x {pixels}"
    return [throughput(f"{size} from file to files", [seconds], side**2, options)]


def _tell(memory: float) -> None:
    print(f"{memory:.2f} GB, target <= {MEMORY_GB:g}")


def main() -> None:
    """Run from the command line."""
    options = parser(__doc__)
    options.add_argument("--model", type=Path, default=Path("results/reference_model"))
    options.add_argument("--folder", type=Path, help="where scans are written; temporary if absent")
    options.add_argument("--large", action="store_true", help="map 8.6 GB instead")
    options.add_argument("--detector", type=int, help="map patterns of so many pixels instead")
    options.add_argument("--output", type=Path, help="JSON file to write")
    given = options.parse_args()
    chosen = set_up(given)
    with TemporaryDirectory(dir=given.folder) as folder:
        if given.large:
            rows = large_rows(given.model, Path(folder), chosen)
        elif given.detector:
            rows = detector_rows(given.model, Path(folder), chosen, given.detector)
        else:
            rows = mapping_rows(given.model, Path(folder), chosen)
    print(table(rows))
    if given.output:
        write_rows(rows, given.output)


if __name__ == "__main__":
    main()
