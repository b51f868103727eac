# SPDX-License-Identifier: GPL-3.0-or-later
"""netCDF files that tell when a bit of them has changed since they were written.

The chunks of an array carry HDF5's Fletcher-32 checksum, which every program that reads them
verifies chunk by chunk: large files are checked as they are read. The rest (attributes,
dimensions, names, scalars and texts) is small; its BLAKE2b digest is the attribute ``checksum``,
verified when a file is opened. The attribute ``written_as`` tells a file under another one's name.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr
from xarray.backends import NetCDF4DataStore
from xarray.backends.netCDF4_ import NetCDF4ArrayWrapper
from xarray.core.indexing import LazilyIndexedArray

from polarstem.errors import PolarstemError
from polarstem.files import atomic_path

CHECKSUM, WRITTEN_AS = "checksum", "written_as"
_CHUNK = 2**22  # bytes of the chunks of large arrays, which are read and checked whole


class CheckedDataset(netCDF4.Dataset):
    """A netCDF4 file whose new arrays have checksums."""

    def createVariable(  # type: ignore[override]  # noqa: N802 (its name)
        self, varname: str, datatype: Any, dimensions: Any = (), **options: Any
    ) -> Any:
        """As `netCDF4.Dataset.createVariable`."""
        if datatype is not str and dimensions:
            options["fletcher32"] = True
        return super().createVariable(varname, datatype, dimensions, **options)


@contextmanager
def new_netcdf(path: Path | str, folders: int = 1) -> Iterator[CheckedDataset]:
    """Yield a new netCDF file that takes the place of `path` when it is whole.

    Parameters
    ----------
    path : path
        The file.
    folders : int
        How many of the folders above it belong to its name.

    Raises
    ------
    PolarstemError
        As `polarstem.files.atomic_path`.
    """
    with atomic_path(path) as temporary, CheckedDataset(temporary, "w") as file:
        yield file
        parts = Path(path).absolute().parts[-folders - 1 :]
        file.setncattr(WRITTEN_AS, "/".join(parts))
        seal(file)


def save_netcdf(
    data: xr.Dataset, path: Path | str, encoding: Mapping[str, Mapping[str, Any]] | None = None
) -> None:
    """Write a data set whole or not at all.

    Parameters
    ----------
    data : Dataset
        What to write.
    path : path
        The file.
    encoding : mapping, optional
        As for `xarray.Dataset.to_netcdf`.

    Raises
    ------
    PolarstemError
        As `polarstem.files.atomic_path`.
    """
    with new_netcdf(path) as file:
        fill_netcdf(data, file, encoding)


def fill_netcdf(
    data: xr.Dataset,
    file: CheckedDataset,
    encoding: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write a data set into an open file."""
    chosen: dict[Any, dict[str, Any]] = {}
    for name, variable in data.variables.items():
        chosen[name] = dict((encoding or {}).get(str(name), {}))
        if variable.dtype.kind not in "OUT" and variable.dims and variable.size:
            chosen[name].setdefault("chunksizes", _chunks(variable))
    data.dump_to_store(NetCDF4DataStore(file, mode="w"), encoding=chosen)


def _chunks(variable: xr.Variable) -> tuple[int, ...]:
    """Planes of the last two dimensions, as many at once as `_CHUNK` holds, in equal parts."""
    shape = list(variable.shape)
    for axis in range(max(0, len(shape) - 2)):
        rest = variable.dtype.itemsize * math.prod(shape[axis + 1 :])
        parts = math.ceil(shape[axis] * rest / _CHUNK)
        shape[axis] = max(1, math.ceil(shape[axis] / parts))
    return tuple(shape)


def seal(file: netCDF4.Dataset) -> None:
    """Write the digest of all that has no checksum of its own."""
    file.setncattr(CHECKSUM, _digest(file))


def _digest(file: netCDF4.Dataset) -> str:
    """Digest of names, dimensions, types, attributes and the values without a checksum."""
    told: list[Any] = [
        {name: len(dimension) for name, dimension in file.dimensions.items()},
        _attributes(file),
    ]
    for name, variable in file.variables.items():
        checked = variable.filters().get("fletcher32", False)
        kind = "str" if variable.dtype is str else variable.dtype.name
        told.append([name, kind, variable.dimensions, bool(checked), _attributes(variable)])
        if not checked:
            variable.set_auto_maskandscale(False)
            told.append(np.asarray(variable[...]).tolist())
    text = json.dumps(told, sort_keys=True)
    return f"blake2b:{hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}"


def _attributes(of: Any) -> dict[str, Any]:
    found = {name: of.getncattr(name) for name in of.ncattrs() if name != CHECKSUM}
    return {
        name: [str(np.asarray(value).dtype), np.asarray(value).tolist()]
        for name, value in found.items()
    }


def open_checked(path: Path, what: str) -> xr.Dataset:
    """Open a netCDF file lazily; what is read from it later is verified then.

    Parameters
    ----------
    path : Path
        An existing file.
    what : str
        What it holds, for messages.

    Raises
    ------
    PolarstemError
        If it is truncated, damaged, not netCDF, or another file by its own account. Reading a
        damaged array raises the same.
    """
    store = None
    try:
        store = _Store.open(path)
        store.what = what
        _verify(store.ds, path, what)
        return xr.open_dataset(store, decode_timedelta=False)
    except (OSError, ValueError, RuntimeError, AttributeError) as error:
        if store is not None:
            store.close()
        raise PolarstemError(
            f"The {what} file {path} ({path.stat().st_size} bytes) is truncated or not netCDF; "
            f"{_remedy(what)}."
        ) from error
    except BaseException:
        if store is not None:
            store.close()
        raise


def _verify(file: netCDF4.Dataset, path: Path, what: str) -> None:
    """Raise unless the file's digest is right; files of others have none."""
    if CHECKSUM not in file.ncattrs():
        return
    if file.getncattr(CHECKSUM) != _digest(file):
        raise _damaged(path, what, ", or take out its attribute `checksum` if the change is meant")
    if WRITTEN_AS not in file.ncattrs():
        return
    own = file.getncattr(WRITTEN_AS)
    parts = path.absolute().parts[-len(own.split("/")) :]
    # in a folder of another name it was put by someone who knows
    if parts[0] == own.split("/")[0] and "/".join(parts) != own:
        raise PolarstemError(
            f"The {what} file {path} was written as {own} and holds that one's data; put it "
            "back, or delete it and run the same command again."
        )


@contextmanager
def told_if_damaged(path: Path | str, what: str) -> Iterator[None]:
    """Tell of a failed reading by the file's name."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise _damaged(path, what) from error


def _damaged(path: Path | str, what: str, otherwise: str = "") -> PolarstemError:
    return PolarstemError(
        f"The {what} file {path} is damaged: what it holds does not match its checksums; "
        f"{_remedy(what)}{otherwise}."
    )


def _remedy(what: str) -> str:
    if what == "scan":
        return "copy it anew from where it came from"
    return "delete it and run the same command again"


class _Array(NetCDF4ArrayWrapper):
    """An array of a file that tells its name if it is damaged."""

    __slots__ = ()

    def _getitem(self, key: Any) -> Any:
        with told_if_damaged(self.datastore._filename, self.datastore.what):
            return super()._getitem(key)


class _Store(NetCDF4DataStore):
    """xarray's own store with such arrays."""

    __slots__ = ("what",)
    what: str

    def get_attrs(self) -> Any:
        """Without those of the file alone: what is made of the data is another file."""
        return {n: v for n, v in super().get_attrs().items() if n not in (CHECKSUM, WRITTEN_AS)}

    def open_store_variable(self, name: str, var: Any) -> xr.Variable:
        variable = super().open_store_variable(name, var)
        return variable._replace(data=LazilyIndexedArray(_Array(name, self)))
