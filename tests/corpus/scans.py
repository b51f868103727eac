# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged detector files of every reader, looked at as `polarstem inspect` does."""

from __future__ import annotations

import json
import random
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.corpus.mutate import NAMES, anything, damaged_bytes
from tests.corpus.sheets import disc_scan

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "data"
SHAPE = {"scan_shape": [3, 4]}
OPTICS = {"semiangle_mrad": 24, "mrad_per_pixel": 5.3}
_LARGEST = 700_000  # bytes of a real file that is taken along
_OF_48_PIXELS = {"hdf5", "empad", "netcdf"}
_HDF5 = (".h5", ".hdf5", ".hspy", ".emd", ".app5", ".nc")

Maker = Callable[[Path, np.ndarray], tuple[Path, dict[str, Any]]]

name = "detector file"


def _tests() -> Any:
    """The module of tests that writes files of all vendors."""
    sys.path.insert(0, str(ROOT / "tests" / "unit" / "scans"))
    try:
        import test_file_kinds
        import test_readers
    finally:
        sys.path.pop(0)
    return test_readers, test_file_kinds


def tiff_stack(folder: Path, patterns: np.ndarray) -> tuple[Path, dict[str, Any]]:
    options = {"metadata": {"axes": "RQYX"}, "photometric": "minisblack"}
    tifffile.imwrite(folder / "scan.tif", patterns, compression="zlib", **options)
    return folder / "scan.tif", {}


def tiff_pages(folder: Path, patterns: np.ndarray) -> tuple[Path, dict[str, Any]]:
    tifffile.imwrite(folder / "scan.tif", patterns.reshape(12, *patterns.shape[2:]))
    return folder / "scan.tif", SHAPE


def pngs(folder: Path, patterns: np.ndarray) -> tuple[Path, dict[str, Any]]:
    (folder / "scan").mkdir()
    for y, x in np.ndindex(3, 4):
        Image.fromarray(patterns[y, x]).save(folder / "scan" / f"y{y}_x{x}.png")
    return folder / "scan", {}


def bare(folder: Path, patterns: np.ndarray) -> tuple[Path, dict[str, Any]]:
    patterns.tofile(folder / "scan.raw")
    raw = {"dtype": "uint16", "frame_shape": list(patterns.shape[2:])}
    return folder / "scan.raw", {"raw": raw, **SHAPE}


def emd1(folder: Path, patterns: np.ndarray) -> tuple[Path, dict[str, Any]]:
    _tests()[1].emd1(folder / "scan.h5", patterns)
    return folder / "scan.h5", {"energy_kv": 200}


def zspy(folder: Path, patterns: np.ndarray) -> tuple[Path, dict[str, Any]]:
    _tests()[1].zspy(folder / "scan.zspy", patterns)
    return folder / "scan.zspy", {}


def packed_zspy(folder: Path, patterns: np.ndarray) -> tuple[Path, dict[str, Any]]:
    _tests()[1].zspy(folder / "scan", patterns)
    with zipfile.ZipFile(folder / "scan.zspy", "w") as file:
        for part in (folder / "scan").rglob("*"):
            if part.is_file():
                file.write(part, part.relative_to(folder / "scan"))
    shutil.rmtree(folder / "scan")
    return folder / "scan.zspy", {}


def dectris(folder: Path, patterns: np.ndarray) -> tuple[Path, dict[str, Any]]:
    with h5py.File(folder / "scan_master.h5", "w") as master:
        with h5py.File(folder / "scan_data_000001.h5", "w") as file:
            flat = patterns.reshape(12, *patterns.shape[2:])
            file.create_dataset("entry/data/data", data=flat, chunks=(1, *flat.shape[1:]))
        link = h5py.ExternalLink("scan_data_000001.h5", "entry/data/data")
        master["entry/data/data_000001"] = link
        master["entry/instrument/detector/saturation_value"] = 4000
        master["entry/instrument/detector/x_pixel_size"] = 75e-6
    with h5py.File(folder / "scan.h5", "w") as file:
        told = {"NumPixelsX": 4, "NumPixelsY": 3, "High Tension": 2e5, "Pixel Size": 0.1}
        file.create_group("STEM Metadata").attrs.update(told)
    return folder / "scan_master.h5", {}


def prz(folder: Path, patterns: np.ndarray) -> tuple[Path, dict[str, Any]]:
    from rsciio.pantarhei import file_writer

    file_writer(str(folder / "packed.zip"), _tests()[0].signal(patterns))
    # as the microscope's software does it: nothing is compressed
    packed, file = folder / "packed.zip", folder / "scan.prz"
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    (folder / "packed.zip").unlink()
    return folder / "scan.prz", {}


def blo(folder: Path, patterns: np.ndarray) -> tuple[Path, dict[str, Any]]:
    from rsciio.blockfile import file_writer

    square = np.pad(patterns, ((0, 0),) * 3 + ((0, 0),))[..., :16].astype(np.uint8)
    signal = _tests()[0].signal(square, ("nm", "cm"))
    file_writer(str(folder / "scan.blo"), signal, show_progressbar=False)
    return folder / "scan.blo", {}


def _makers() -> list[Maker]:
    """All ways to write a file; a file that the system's libraries cannot write is left out."""
    more = [tiff_stack, tiff_pages, pngs, bare, emd1, zspy, packed_zspy, dectris, prz, blo]
    return [*_tests()[0].MAKERS, *more]


@cache
def bases() -> list[tuple[str, Path, Path, dict[str, Any]]]:
    """Sound files: their name, the folder of each, the scan in it, what its sheet needs."""
    top, found = Path(tempfile.mkdtemp(prefix="polarstem-corpus-scans-")), []
    discs = np.random.default_rng(1).poisson(disc_scan()).astype(np.uint16)
    for make in _makers():
        folder = top / make.__name__
        folder.mkdir()
        patterns = discs[..., 5:11, 5:13] if make.__name__ in _OF_48_PIXELS else discs
        try:
            path, sheet = make(folder, patterns)
        except (ModuleNotFoundError, pytest.skip.Exception):  # a plugin that is not installed
            continue
        found.append((make.__name__, folder, path, sheet))
    if REAL.is_dir():
        real = sorted(p for p in REAL.rglob("*") if p.is_file() and p.suffix not in (".md", ".jpg"))
        for path in real:
            if path.stat().st_size < _LARGEST and path.suffix not in (".hdr", ".txt", ".csv"):
                found.append((path.name, path.parent, path, {}))
    return found


def prepare() -> None:
    """Open every sound file, which imports what reads it, and look at one."""
    from polarstem.scans.files.readers import open_scan
    from polarstem.scans.inspection import inspect

    for kind, _, path, sheet in bases():
        if path.is_relative_to(REAL):
            continue
        scan = open_scan(path, {**OPTICS, **sheet})
        list(scan.blocks())
        if kind == "npy":
            list(inspect(scan, threads=1).sentences())


def make(folder: Path, seed: int) -> str:
    """Write a scan and its sheet, one of them damaged."""
    rng = random.Random(seed)
    found = bases()
    kind, source, path, needed = found[seed % len(found)]
    if kind.startswith(("test_", "0", "Quad", "Single")) and path.suffix == ".mib":
        files = [path, path.with_suffix(".hdr")]  # of its folder only its own
        for each in files:
            shutil.copyfile(each, folder / each.name)
    else:
        shutil.copytree(source, folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
    scan = folder / path.relative_to(source)
    sheet = {**OPTICS, **needed}
    files = sorted(f for f in folder.rglob("*") if f.is_file() and f.suffix not in (".md",))
    victim = scan if scan.is_file() and rng.random() < 0.7 else rng.choice(files)
    told = ""
    if rng.random() < 0.1:
        key = rng.choice(
            ("dataset", "select", "scan_shape", "reader", "exchange_axes", "energy_kv")
        )
        sheet[key] = anything(rng)
        told = f"{key} = {sheet[key]!r:.60}; "
    if victim.suffix in _HDF5 and rng.random() < 0.5:
        told += _damage_hdf5(victim, rng)
    elif victim.suffix == ".npy" and rng.random() < 0.4:
        told += _damage_npy(victim, rng)
    elif scan.is_dir() and rng.random() < 0.4:
        told += _damage_folder(scan, victim, rng)
    else:
        data, what = damaged_bytes(victim.read_bytes(), rng)
        victim.write_bytes(data)
        told += what
    (folder / "corpus-sheet.json").write_text(json.dumps([scan.name, sheet], default=str))
    return f"{kind}, {victim.name}: {told}"


def attempt(folder: Path) -> None:
    """Open it, look at it, and read all of it."""
    from polarstem.scans.files.readers import open_scan
    from polarstem.scans.inspection import inspect

    name, sheet = json.loads((folder / "corpus-sheet.json").read_text())
    scan = open_scan(folder / name, sheet)
    if scan.shape[0] * scan.shape[1] <= 10_000:
        for _ in scan.blocks(memory_mb=1):
            pass
    list(inspect(scan, threads=1).sentences())


def _damage_folder(scan: Path, victim: Path, rng: random.Random) -> str:
    match rng.randrange(5):
        case 0:
            victim.unlink()
            return "left out"
        case 1:
            odd = rng.choice(
                [n for n in NAMES if "/" not in n and "\0" not in n and 0 < len(n) < 60]
            )
            victim.rename(victim.with_name(f"{odd}{victim.suffix}"))
            return f"renamed {odd!r}"
        case 2:
            victim.unlink()
            victim.mkdir()
            return "a folder of that name"
        case 3:
            victim.unlink()
            victim.symlink_to(
                rng.choice(("/nowhere", ".", "/etc/passwd", "/dev/zero", victim.name))
            )
            return "a link"
        case _:
            number = rng.choice(("9" * 30, "00", "-1", "y9_x9", "1"))
            victim.rename(victim.with_name(f"{number}{victim.suffix}"))
            return f"named {number}"


def _damage_npy(victim: Path, rng: random.Random) -> str:
    shape, kind = rng.choice(
        [((3, 4, 10**6, 10**6), "u2"), ((10**9, 16, 18), "u2"), ((), "f8"), ((0, 4, 16, 18), "u2"),
         ((3, 4, 16, 0), "u2"), ((3, 4, 16, 18), "O"), ((3, 4, 16, 18), "U3"), ((12, 288), "c16"),
         ((3, 4, 16, 18), "f2"), ((3, 4, 16, 18), "?"), ((1, 1, 1, 3, 4, 2), "u1"),
         ((3, 4, 16, 18), "M8[s]"), ((-3, 4, 16, 18), "u2"), ((3, 4, 1, 1), "f8")]
    )  # fmt: skip
    header = f"{{'descr': '|{kind}', 'fortran_order': {rng.random() < 0.3}, 'shape': {shape!r}, }}"
    if kind not in ("O", "?", "u1"):
        header = header.replace("|", rng.choice("<>"))
    head = header.encode().ljust(117) + b"\n"
    body = rng.randbytes(rng.choice((0, 100, 12 * 16 * 18 * 2, 12 * 16 * 18 * 8)))
    victim.write_bytes(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + body)
    return f"{kind} of {shape} in {len(body)} bytes"


def _damage_hdf5(victim: Path, rng: random.Random) -> str:
    """Something wrong in a file that HDF5 itself finds sound."""
    with h5py.File(victim, "a") as file:
        parts: list[Any] = []
        file.visititems(lambda _, part: parts.append(part))
        part = rng.choice(parts)
        data = [p for p in parts if isinstance(p, h5py.Dataset) and p.ndim >= 2] or [part]
        where = str(part.name)
        match rng.randrange(6):
            case 0 | 1 if len(part.attrs):
                key = rng.choice(sorted(part.attrs))
                value = anything(rng)
                try:
                    part.attrs[key] = value
                except (TypeError, ValueError, OSError):
                    part.attrs[key] = str(value)[:60].replace("\0", "")
                return f"{where}@{key} = {value!r:.60}"
            case 2:
                del file[where]
                return f"no {where}"
            case 3:
                holder = str(rng.choice(data).name)
                del file[holder]
                shape, kind = rng.choice(
                    [((3, 4, 200_000, 200_000), "u2"), ((10**6, 10**6, 16, 18), "u2"),
                     ((3, 4, 16, 18), "S5"), ((3, 4, 16, 18), "c16"), ((0, 4, 16, 18), "u2"),
                     ((3, 4, 16, 0), "u2"), ((3, 4, 16, 18), "f8"), ((5,), "u2"), ((), "u2"),
                     ((3, 4, 16, 18), [("a", "u2"), ("b", "f4")]), ((2, 3, 4, 16, 18, 2), "u2"),
                     ((3, 4, 16, 18), h5py.string_dtype()), ((3, 4, 30_000, 30_000), "f8")]
                )  # fmt: skip
                chunks = rng.choice((None, True)) if shape and 0 not in shape else None
                file.create_dataset(holder, shape, kind, chunks=chunks)
                return f"{holder} of {shape} {kind} without values"
            case 4:
                del file[where]
                file[where] = rng.choice(
                    [h5py.SoftLink(where), h5py.SoftLink("/nowhere"), h5py.SoftLink("/"),
                     h5py.ExternalLink("/etc/passwd", "x"), h5py.ExternalLink(victim.name, where),
                     h5py.ExternalLink("../../outside.h5", "x")]
                )  # fmt: skip
                return f"{where} is a link to {type(file.get(where, getlink=True)).__name__}"
            case _:
                odd = rng.choice(
                    [n for n in NAMES if n and "\0" not in n and n not in "/." and len(n) < 999]
                )
                try:
                    file.move(where, f"{odd}")
                except (ValueError, OSError):
                    return "nothing"
                return f"{where} renamed {odd!r}"
