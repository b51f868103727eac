# SPDX-License-Identifier: GPL-3.0-or-later
"""A scale by which the disc would not fit onto the detector is told with the scan's own numbers."""

from __future__ import annotations

import pytest

from polarstem.errors import PolarstemError
from polarstem.maps.specimen import refuse_narrow
from polarstem.scans.sourced import Sourced


def test_scale_three_times_off_is_told_in_the_numbers_of_the_scan():
    """64 pixels of 0.25 mrad from the beam to the edge hold no disc of 24 mrad."""
    settings = {"mrad_per_pixel": Sourced(0.25, "mrad", "sheet")}
    settings["disc_radius_pixels"] = Sourced(32.0, "pixels", "estimated")
    with pytest.raises(PolarstemError) as caught:
        refuse_narrow(64, settings, 24.0)
    text = str(caught.value)
    assert "With 0.25 mrad per pixel, as the sheet gives it" in text
    assert "reaches to 16 mrad from the beam, less than the disc of 24 mrad" in text
    assert "by the radius of the disc it would be 0.75 mrad" in text
    refuse_narrow(64, {"mrad_per_pixel": Sourced(0.75, "mrad", "sheet")}, 24.0)
    # nine tenths of the disc are enough
    refuse_narrow(64, {"mrad_per_pixel": Sourced(0.34, "mrad", "file")}, 24.0)
