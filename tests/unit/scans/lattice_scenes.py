# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that virtual detectors give of an invented crystal, with everything known."""

from __future__ import annotations

import numpy as np

from polarstem.scans.specimen.rings import RINGS

CELL = (3.98, 3.98)  # Å
STEP = (0.0664, 0.0664)  # nm
WIDTH = 0.13  # of a column [cells]


def signals(y, x, other=0.35, width=WIDTH):
    """Shares in the rings and deflections at places of the cell: B bright, A dimmer."""
    dark, right, up = 0.0, 0.0, 0.0
    for column, weight in ((0.0, other), (0.5, 1.0)):
        down, along = ((part - column + 0.5) % 1 - 0.5 for part in (y, x))
        bump = weight * np.exp(-(down**2 + along**2) / (2 * width**2))
        dark = dark + bump
        right, up = right - along * bump, up + down * bump
    rings = [0.3 - 0.16 * dark, 0.55 + 0.08 * dark, 0.13 + 0.04 * dark, 0.02 + 0.04 * dark]
    return np.stack([*rings, 0.9 * right, 0.9 * up], axis=-1)


def templates(size=16):
    """The signals over the cell."""
    along = np.arange(size) / size
    return signals(*np.meshgrid(along, along, indexing="ij"))


def scene(
    rotation=7.3,
    shape=(72, 72),
    step=STEP,
    form=((1, 0), (0, 1)),
    rows=None,
    electrons=3e4,
    seed=0,
    other=0.35,
    doubled=0.0,
    width=WIDTH,
):
    """Images of two domains, and the place of each position in the cell, y and x.

    A place (y, x) of the scan is at (y, x) @ form + rows[y] on the crystal [nm]. A columns are as
    bright as `other` of B columns, and every second cell is brighter by a share `doubled`.
    """
    random = np.random.default_rng(seed)
    grid = np.meshgrid(*(np.arange(n) * s for n, s in zip(shape, step, strict=True)), indexing="ij")
    places = np.stack(grid, axis=-1) @ np.array(form) - (0.11, 0.29)
    if rows is not None:
        places = places + rows[:, None]
    turn = np.deg2rad(rotation)
    down, right = places[..., 0], places[..., 1]
    y = (np.sin(turn) * right + np.cos(turn) * down) / (CELL[0] / 10)
    x = (np.cos(turn) * right - np.sin(turn) * down) / (CELL[1] / 10)
    images = signals(y, x, other, width)
    images[..., :2] += doubled * 0.05 * np.cos(np.pi * (y + x))[..., None] * (1, -1)
    images[..., len(RINGS)] += 0.02 * np.sign(grid[1] - grid[1].mean() + 0.3 * grid[0])
    shares = images[..., : len(RINGS)]
    noise = np.sqrt(shares * (1 - shares) / electrons)
    images[..., : len(RINGS)] += random.normal(size=shares.shape) * noise
    images[..., len(RINGS) :] += random.normal(size=(*shape, 2)) * 0.7 / np.sqrt(electrons)
    return images, y % 1, x % 1


def apart(found, truth):
    """Distance of places in the cell [cells]."""
    return np.abs((found - truth + 0.5) % 1 - 0.5)
