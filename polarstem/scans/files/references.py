# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of the detector without a specimen: dark and gain references, masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError, reason_of
from polarstem.scans.files.declared import believe

_IMAGES = (".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg", ".gif")
_MEMORY = 64e6  # bytes of frames that are averaged at once


def read_reference(path: str, shape: tuple[int, int], key: str) -> NDArray[np.float64]:
    """The mean of the frames of a reference, as the detector stores them; NaN where one is.

    Parameters
    ----------
    path : str
        A .npy file, an image, a .mib file of any number of frames, or a detector file.
    shape : tuple of int
        Rows and columns that it must have.
    key : str
        Key of the sheet, for messages.

    Raises
    ------
    PolarstemError
        If it cannot be read or has another shape.
    """
    file = Path(path)
    if not file.is_file():
        raise PolarstemError(f"There is no file {path}, which `{key}` of the scan sheet names.")
    frames = _frames(file, key)
    if frames.shape[-2:] != shape:
        raise PolarstemError(
            f"The {key} reference {path} has {frames.shape[-2]} x {frames.shape[-1]} pixels, but "
            f"the detector of the scan {shape[0]} x {shape[1]} as stored."
        )
    total, step = np.zeros(shape), max(1, int(_MEMORY / (8 * np.prod(shape))))
    for start in range(0, len(frames), step):
        total += np.asarray(frames[start : start + step], dtype=np.float64).sum(axis=0)
    return total / len(frames)


def _frames(file: Path, key: str) -> NDArray[Any]:
    """Frames (n, ky, kx) of a reference."""
    from polarstem.scans.files.images import grey
    from polarstem.scans.files.merlin import mib_frames

    suffix = file.suffix.lower()
    try:
        if suffix == ".npy":
            found = np.load(file, mmap_mode="r", allow_pickle=False)
        elif suffix == ".mib":
            found = mib_frames(file)[0][:, ::-1]  # as the scan's own are read
        elif suffix in _IMAGES:
            found = _pages(file) if suffix in (".tif", ".tiff") else grey(file)
        else:
            found = _detector_file(file)
    except PolarstemError:
        raise
    except Exception as error:  # whatever a decoder stumbles over
        reason = reason_of(error)
        raise PolarstemError(f"The {key} reference {file} cannot be read: {reason}.") from error
    if found.ndim < 2 or found.dtype.kind not in "uif":
        raise PolarstemError(
            f"The {key} reference {file} holds an array of shape {found.shape} {found.dtype}, "
            "where an image was expected."
        )
    frames: NDArray[Any] = found.reshape(-1, *found.shape[-2:])
    return frames


def _pages(file: Path) -> NDArray[Any]:
    import tifffile

    from polarstem.scans.files.images import grey

    try:
        with tifffile.TiffFile(file) as opened:
            believe(file, sum(series.nbytes for series in opened.series))
            stack: NDArray[Any] = opened.asarray()
    except Exception as error:  # whatever the decoder stumbles over
        raise ValueError(str(error)) from error
    return stack if stack.ndim == 3 and stack.shape[-1] not in (3, 4) else grey(file)


def _detector_file(file: Path) -> NDArray[Any]:
    from polarstem.scans.files.formats import stored_file

    frames = stored_file(file, Sheet()).frames
    rows, columns = frames.scan_shape
    whole = np.ones((rows, columns), dtype=bool)
    return frames.take(slice(0, rows), slice(0, columns), whole)


def read_mask(path: str, shape: tuple[int, ...], key: str, what: str) -> NDArray[np.bool_]:
    """Where a grey or colour image is not 0; how opaque it is says nothing.

    Parameters
    ----------
    path : str
        The image.
    shape : tuple of int
        Rows and columns that it must have.
    key, what : str
        Key of the sheet and what a pixel stands for, for messages.

    Raises
    ------
    PolarstemError
        If it cannot be read or has another shape.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            if (image.height, image.width) != tuple(shape):  # before it is unpacked
                raise PolarstemError(
                    f"The {key} image {path} has {image.height} x {image.width} pixels, but needs "
                    f"one per {what}: {shape[0]} x {shape[1]}."
                )
            if image.mode in ("P", "PA", "CMYK"):
                image = image.convert("RGB")  # type: ignore[assignment]
            values, alpha = np.asarray(image) != 0, image.mode[-1] in "Aa"
    except PolarstemError:
        raise
    except Exception as error:  # decoders fail in as many ways as a file can be broken
        reason = reason_of(error)
        raise PolarstemError(f"The {key} image {path} cannot be read: {reason}.") from error
    if values.ndim == 3:
        values = np.any(values[..., : -1 if alpha else None], axis=-1)
    return values
