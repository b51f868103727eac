# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machine is to blame for, in one sentence: memory, disks and rights."""

from __future__ import annotations

import errno
import os

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_FAILING = {errno.EIO, errno.ESTALE, errno.ENXIO, errno.ENODEV, errno.ETIMEDOUT}
# how torch, HDF5, FFTW and the threads of numerical libraries tell of it, without a class of theirs
_NO_MEMORY = ("out of memory", "not enough memory", "allocate memory", "memory allocation failed")


def sentence_of(error: BaseException) -> str | None:
    """Tell of an error that neither the input nor the program is to blame for.

    Parameters
    ----------
    error : exception
        Any.

    Returns
    -------
    str or None
        What happened, where, and what to do; None if the error is of another kind.
    """
    text = " ".join(str(error).split())
    code = error.errno if isinstance(error, OSError) else None
    if (
        isinstance(error, MemoryError)
        or code == errno.ENOMEM
        or (isinstance(error, RuntimeError) and any(said in text.lower() for said in _NO_MEMORY))
    ):
        return (
            f"The memory is used up{f' ({text})' if text else ''}; nothing half done was kept: run "
            "fewer jobs at a time or close other programs, on a cluster ask for more (mem_mb), and "
            "run the same command again."
        )
    if not isinstance(error, OSError) or code is None:
        return None
    name = error.filename if isinstance(error.filename, str | bytes | os.PathLike) else None
    where = "a file" if name is None else os.fsdecode(name)
    why = os.strerror(code)
    if code in FULL:
        return (
            f"The disk is full: {where} could not be written ({why}); free some space and run the "
            "same command again."
        )
    if code in _FORBIDDEN:
        return (
            f"{where} may not be read or written by you ({why}); ask for the right to, or work in "
            "a folder of your own."
        )
    if code in _FAILING:
        return (
            f"The disk or the network failed at {where} ({why}); see whether the folder can be "
            "reached, and run the same command again."
        )
    if code in (errno.EMFILE, errno.ENFILE):
        return f"Too many files are open ({why}); raise the limit (ulimit -n) and run again."
    return None
