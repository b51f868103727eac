# SPDX-License-Identifier: GPL-3.0-or-later
"""Walls where the labels of a map change, with nothing known of them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from polarstem.evaluate.map_scores.delivered_walls import changes, delivered_wall_scores

CELL_NM = 0.4
STEPS = 5
ROWS, COLUMNS = 6, 8
FIRST, SECOND, OTHER = 0, 2, 1  # right, up, and what lies between


def labels_of(text: str) -> list[int]:
    return ["ABC".find(letter) for letter in text]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("AABB", [(1, 2)]),
        ("AA..BB", [(1, 4)]),
        ("AACBB", [(1, 3)]),  # one wrong arrow is no domain
        ("AACAA", []),
        ("AACCBB", [(1, 2), (3, 4)]),  # two are
        ("A.ABCB.B", [(2, 5)]),
        ("AABBAA", [(1, 2), (3, 4)]),
        ("ABABAB", []),
        ("AAB", []),
        ("......", []),
        ("", []),
    ],
)
def test_labels_change_where_one_domain_gives_way_to_another(
    line: str, expected: list[tuple[int, int]]
) -> None:
    assert changes(labels_of(line)) == expected


def scan(
    labels: NDArray[np.integer], walls: list[float], slant: float = 0.0
) -> tuple[xr.Dataset, xr.Dataset]:
    """Map with labels (row, column), -1 for none, and walls at x = place + slant * y [cells].

    Domains alternate between right and up from the left to the right.
    """
    rows, columns = labels.shape
    y, x = (np.arange(n * STEPS) / STEPS for n in (rows, columns))
    down, right = np.meshgrid(y, x, indexing="ij")
    bent = right - slant * down
    steep = np.hypot(1, slant)
    domain = np.sum([bent >= wall for wall in walls], axis=0)
    distance = np.min([abs(bent - wall) / steep for wall in walls], axis=0) * CELL_NM
    classes = np.where(domain % 2 == 0, FIRST, SECOND)
    cell_row, cell_column = (
        part.ravel() for part in np.meshgrid(range(rows), range(columns), indexing="ij")
    )
    grid, coords = ("y", "x"), {"y": y * CELL_NM, "x": x * CELL_NM}
    number = down.astype(int) * columns + right.astype(int)
    found = xr.Dataset(
        {
            "cell": (grid, number),
            "cell_row": ("cell", cell_row),
            "cell_column": ("cell", cell_column),
            # the middle of the positions of a cell, from the first one
            "cell_centre_y": ("cell", (cell_row + 0.4) * CELL_NM),
            "cell_centre_x": ("cell", (cell_column + 0.4) * CELL_NM),
            "cell_class_index": ("cell", np.maximum(labels.ravel(), 0)),
            "cell_answered": ("cell", labels.ravel() >= 0),
        },
        coords | {"class_direction": ("class", 45.0 * np.arange(8))},
        {"crystal_rotation_deg": 0.0},
    )
    truth = xr.Dataset(
        {
            "domain": (grid, domain),
            "class_index": (grid, classes),
            "direction": (grid, 45.0 * classes),
            "wall_distance": (grid, distance),
            "defect": (grid, np.zeros(domain.shape, bool)),
        },
        coords,
        {
            "walls": json.dumps(
                [
                    {
                        "name": f"wall {i}",
                        "points": [[0.0, wall * CELL_NM],
                                   [rows * CELL_NM, (wall + slant * rows) * CELL_NM]],
                        "domains": [i, i + 1],
                        "angle_deg": 90.0,
                    }
                    for i, wall in enumerate(walls)
                ]
            )
        },
    )  # fmt: skip
    return found, truth


def scores(found: xr.Dataset, truth: xr.Dataset) -> dict[str, Any]:
    told = delivered_wall_scores(found, truth, CELL_NM)
    assert all(each["low"] is each["high"] is None for each in told.values())
    return told


def two_sides(at: int = 4) -> NDArray[np.int64]:
    """Labels of which those of the first `at` columns are of the first side."""
    return np.where(np.arange(COLUMNS) < at, FIRST, SECOND) * np.ones((ROWS, 1), int)


def test_right_labels_are_off_by_what_the_cells_cost() -> None:
    # middles of the cells at 3.4 and 4.4
    for place in (3.9, 3.6, 4.2):
        told = scores(*scan(two_sides(), [place]))
        assert (told["wall_found"]["value"], told["wall_found"]["n"]) == (1, ROWS)
        for name in ("error", "largest_error", "error_right_labels"):
            assert told[f"wall_{name}_cells"]["value"] == pytest.approx(abs(place - 3.9))
        assert told["wall_error_nm"]["value"] == pytest.approx(abs(place - 3.9) * CELL_NM)
        assert told["wall_gap_cells"]["value"] == 0
        assert told["wall_changes_elsewhere"]["value"] == 0
        assert told["wall_confidently_wrong_cells"]["value"] == 0
        assert told["wall_neither_side_cells"]["value"] == 0


def test_labels_that_change_elsewhere_are_off_by_as_much() -> None:
    labels = two_sides(5)
    labels[0] = two_sides(3)[0]
    labels[1, 5] = SECOND
    labels[1, 3:5] = SECOND  # in this row two cells too early
    labels[1, 2] = SECOND
    told = scores(*scan(labels, [3.9]))
    assert told["wall_found"]["value"] == 1
    assert told["wall_error_cells"]["value"] == pytest.approx((4 * 1 + 1 + 2) / 6)
    assert told["wall_largest_error_cells"]["value"] == pytest.approx(2)
    assert told["wall_error_right_labels_cells"]["value"] == pytest.approx(0, abs=1e-9)


def test_a_row_of_wrong_arrows_along_a_wall_is_seen() -> None:
    labels = two_sides()
    labels[:, 4] = OTHER
    told = scores(*scan(labels, [3.9]))
    assert told["wall_found"]["value"] == 1
    assert told["wall_error_cells"]["value"] == pytest.approx(0.5)
    assert told["wall_gap_cells"]["value"] == 1
    wrong = told["wall_confidently_wrong"]
    assert (wrong["value"], wrong["n"]) == (0.5, 2 * ROWS)
    assert told["wall_confidently_wrong_cells"]["value"] == ROWS
    assert told["wall_neither_side_cells"]["value"] == ROWS
    # an answer of the other side is wrong as well, but of a direction that is there
    told = scores(*scan(two_sides(5), [3.9]))
    assert told["wall_confidently_wrong_cells"]["value"] == ROWS
    assert told["wall_neither_side_cells"]["value"] == 0


def test_missing_answers_put_a_wall_into_their_middle() -> None:
    labels = two_sides()
    labels[:, 4:6] = -1
    found, truth = scan(labels, [3.9])
    withheld = ~found["cell_answered"]
    found["cell_class_index"] = found["cell_class_index"].where(~withheld, OTHER)
    told = scores(found, truth)
    assert told["wall_error_cells"]["value"] == pytest.approx(1)
    assert told["wall_gap_cells"]["value"] == 2
    assert told["wall_neither_side_cells"]["value"] == 0
    assert told["wall_confidently_wrong_cells"]["value"] == 0
    assert told["wall_error_right_labels_cells"]["value"] == pytest.approx(0, abs=1e-9)


def test_a_map_that_says_nothing_has_no_wall_and_no_error() -> None:
    told = scores(*scan(np.full((ROWS, COLUMNS), -1), [3.9]))
    assert (told["wall_found"]["value"], told["wall_found"]["n"]) == (0, ROWS)
    for name in ("error_cells", "error_nm", "largest_error_cells", "gap_cells"):
        assert (told[f"wall_{name}"]["value"], told[f"wall_{name}"]["n"]) == (None, 0)
    assert told["wall_confidently_wrong"]["value"] == 0


def test_a_change_out_of_reach_is_not_the_wall() -> None:
    labels = two_sides()
    labels[2] = two_sides(2)[0]
    labels[4] = two_sides(7)[0]  # a single cell at the end: no domain
    told = scores(*scan(labels, [4.1]))
    assert told["wall_found"]["value"] == pytest.approx(4 / 6)
    assert told["wall_error_cells"]["value"] == pytest.approx(0.2)
    assert told["wall_changes_elsewhere"]["value"] == 1


def test_each_wall_needs_a_change_of_its_own() -> None:
    walls = [2.9, 4.9]
    stripe = np.where(np.isin(np.arange(COLUMNS), (3, 4)), SECOND, FIRST) * np.ones((ROWS, 1), int)
    told = scores(*scan(stripe, walls))
    assert (told["wall_found"]["value"], told["wall_found"]["n"]) == (1, 2 * ROWS)
    assert told["wall_error_cells"]["value"] == pytest.approx(0, abs=1e-9)
    stripe[:, 3:] = SECOND
    stripe[3:] = FIRST
    told = scores(*scan(stripe, walls))
    assert told["wall_found"]["value"] == pytest.approx(3 / 12)
    stripe[:, :] = two_sides(3)
    stripe[:, 5:] = OTHER
    stripe[:, 7:] = SECOND  # single cells
    assert scores(*scan(stripe, walls))["wall_found"]["value"] == 1
    invented = two_sides()
    invented[:, 6:] = FIRST
    assert scores(*scan(invented, [3.9]))["wall_changes_elsewhere"]["value"] == ROWS


def test_walls_that_right_labels_would_not_show_are_not_looked_for() -> None:
    told = scores(*scan(two_sides(1), [0.9]))  # one cell on the left
    assert (told["wall_found"]["value"], told["wall_found"]["n"]) == (None, 0)
    assert told["wall_error_cells"]["value"] is None
    assert told["wall_changes_elsewhere"]["value"] == 0


def test_distances_are_across_a_slanting_wall() -> None:
    y, x = np.meshgrid(np.arange(ROWS), np.arange(COLUMNS), indexing="ij")
    labels = np.where(x - y < 2, FIRST, SECOND)  # changes at x - y = 1.5
    told = scores(*scan(labels, [1.5], slant=1.0))
    assert told["wall_error_cells"]["value"] == pytest.approx(0, abs=1e-9)
    off = np.where(x - y < 3, FIRST, SECOND)
    told = scores(*scan(off, [1.5], slant=1.0))
    assert told["wall_error_cells"]["value"] == pytest.approx(1 / np.sqrt(2))
    assert told["wall_error_right_labels_cells"]["value"] == pytest.approx(0, abs=1e-9)


def test_walls_across_columns_are_looked_for_along_them() -> None:
    labels = two_sides()
    labels[1, 4] = OTHER
    labels[2, 4:] = -1
    found, truth = scan(labels, [3.7])
    exchange = {"cell_row": "cell_column", "cell_column": "cell_row"}
    exchange |= {"cell_centre_y": "cell_centre_x", "cell_centre_x": "cell_centre_y"}
    lying = found.rename_vars(exchange).rename(y="x", x="y").transpose("y", "x", ...)
    down = truth.rename(y="x", x="y").transpose("y", "x")
    turned = [
        wall | {"points": [point[::-1] for point in wall["points"]]}
        for wall in json.loads(truth.attrs["walls"])
    ]
    down.attrs["walls"] = json.dumps(turned)
    assert scores(lying, down) == scores(found, truth)
    assert scores(found, truth)["wall_found"]["value"] == pytest.approx(5 / 6)


def test_a_map_that_is_turned_has_its_walls_in_place_and_wrong_arrows() -> None:
    found, truth = scan(two_sides(), [3.9])
    found.attrs["crystal_rotation_deg"] = 20.0
    told = scores(found, truth)
    assert told["wall_found"]["value"] == 1
    assert told["wall_error_cells"]["value"] == pytest.approx(0, abs=1e-9)
    assert told["wall_confidently_wrong"]["value"] == 1
    assert told["wall_neither_side_cells"]["value"] == 2 * ROWS


def test_answers_where_nothing_is_polar_are_wrong() -> None:
    found, truth = scan(two_sides(), [3.9])
    truth["class_index"][:, 4 * STEPS :] = -1
    told = scores(found, truth)
    assert told["wall_found"]["n"] == 0
    assert told["wall_confidently_wrong"]["value"] == 0.5


def test_scan_without_walls_has_no_scores_of_them() -> None:
    found, truth = scan(two_sides(), [3.9])
    del truth.attrs["walls"]
    assert scores(found, truth) == {}
