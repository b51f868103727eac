# SPDX-License-Identifier: GPL-3.0-or-later
"""Which data domains the figure of example patterns shows."""

from __future__ import annotations

from polarstem.config.model import Config


def example_domains(config: Config) -> list[str]:
    """Used data domains that are like the reference domain but for the thickness.

    They have its specimens, its conditions and its dose; the reference domain is one of them.
    """
    reference = config.domains[config.evaluate.reference_domain]
    alike = {"specimens", "conditions", "dose_electrons"}
    return [
        name
        for name in config.used_domains()
        if all(getattr(config.domains[name], key) == getattr(reference, key) for key in alike)
    ]
