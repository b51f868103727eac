# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scan asks of a mapper that is to serve it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from polarstem.config.mapper_recipe import Request
from polarstem.errors import PolarstemError
from polarstem.own_mapper import request_for
from polarstem.scans.served_by import wanted_by

PIXELS, RADIUS, CENTRE = 60, 12.0, (29.0, 31.5)
KNOWN = {"step_nm": 0.05, "energy_kv": 300, "semiangle_mrad": 21, "zone_axis": [0, 0, 1]}


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """Counts of a disc that lies a little off the middle of the detector."""
    y, x = np.indices((PIXELS, PIXELS))
    distance = np.hypot(y - CENTRE[0], x - CENTRE[1])
    disc = 200 * np.clip(RADIUS + 0.5 - distance, 0, 1) + 0.5 * np.exp(-distance / 20)
    counts = np.random.default_rng(1).poisson(np.broadcast_to(disc, (12, 12, PIXELS, PIXELS)))
    np.save(tmp_path / "scan.npy", counts.astype(np.uint16))
    return tmp_path / "scan.npy"


def sheet(scan: Path, **changes: object) -> Path:
    known = {key: value for key, value in (KNOWN | changes).items() if value is not None}
    path = scan.with_name("scan.yaml")
    path.write_text(yaml.safe_dump(known), encoding="utf-8")
    return path


def test_optics_zone_axis_and_detector_are_those_of_the_scan(scan):
    wanted = wanted_by(scan, sheet(scan))
    assert (wanted.energy_kv.value, wanted.semiangle_mrad.value) == (300, 21)
    # 21 mrad over the radius of the disc; the beam is 27.5 + 0.5 pixels from the right edge
    assert wanted.pixel_mrad == pytest.approx(21 / RADIUS, rel=0.03)
    assert wanted.reach_mrad == pytest.approx(28 * wanted.pixel_mrad, rel=0.01)
    given = wanted_by(scan, sheet(scan, mrad_per_pixel=1.8))
    assert given.pixel_mrad == pytest.approx(1.8)
    request = request_for(material="BaTiO3", phase="T", scan=scan, sheet=sheet(scan))
    expected = Request("BaTiO3", "T", 300, 21)
    for name in ("energy_kv", "semiangle_mrad", "zone_axis", "effort"):
        assert getattr(request, name) == getattr(expected, name)
    along = request_for(
        material="KNN", phase="O", scan=scan, sheet=sheet(scan, zone_axis=[1, 1, 0])
    )
    assert along.zone_axis == (1, 1, 0)


def test_what_the_scan_does_not_say_is_asked_for_or_added(scan):
    crystal = {"material": "BaTiO3", "phase": "T", "scan": scan}
    with pytest.raises(PolarstemError, match=r"needs --energy-kv .*neither .*scan.npy nor its sh"):
        request_for(**crystal, sheet=sheet(scan, energy_kv=None))
    found = request_for(
        **crystal, sheet=sheet(scan, energy_kv=None, semiangle_mrad=None), energy_kv=200.0,
        semiangle_mrad=24.0,
    )  # fmt: skip
    assert (found.energy_kv, found.semiangle_mrad) == (200, 24)
    assert found.pixel_mrad == pytest.approx(24 / RADIUS, rel=0.03)
    assert request_for(**crystal, sheet=sheet(scan), energy_kv=300.0).energy_kv == 300


def test_a_command_that_contradicts_the_scan_is_refused(scan):
    with pytest.raises(PolarstemError, match=r"--energy-kv is 200, but .*scan.npy has 300 kV \(sh"):
        request_for(material="BaTiO3", phase="T", scan=scan, sheet=sheet(scan), energy_kv=200.0)
