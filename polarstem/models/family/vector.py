# SPDX-License-Identifier: GPL-3.0-or-later
"""A network whose answer is a density over the plane of polar displacements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from polarstem.errors import PolarstemError
from polarstem.models.base import Array
from polarstem.models.family.equivariant import EquivariantModel

if TYPE_CHECKING:
    from polarstem.data.patterns import PatternSet
    from polarstem.data.stream import PatternStream
    from polarstem.models.group_network import TurningHead
    from polarstem.models.job import FitJob

_BATCH = 1024


class VectorModel(EquivariantModel):
    """The layers of the equivariant network; the density turns with the pattern."""

    family = "vector"
    learns = "polar"
    _template_pm = float("nan")

    @classmethod
    def describe(cls, settings: Mapping[str, Any]) -> str:
        """What it does that others do not."""
        return "network that turns with the pattern and answers with a density of displacements"

    def fit(self, train: PatternSet, validation: PatternSet, job: FitJob) -> Self:
        """Learn from patterns whose polar vectors are known, which data sets do not tell."""
        if np.isnan(train.polar).any() or np.isnan(validation.polar).any():
            raise PolarstemError(
                "A model of the family vector learns from a stream, whose crystals are polar in "
                "any direction; give it such a source (train.runs)."
            )
        return super().fit(train, validation, job)

    def fit_stream(self, stream: PatternStream, job: FitJob) -> Self:
        """Learn from a stream of patterns."""
        self._template_pm = stream.template_pm
        return super().fit_stream(stream, job)

    def calibrated_facts(self, patterns: PatternSet) -> dict[str, Any]:
        """What joins the densities of a cell's patterns, where the unit is known."""
        if np.isnan(self._template_pm):
            return {}
        from polarstem.models.displacement_calibration import INFO_KEY, fit_displacements
        from polarstem.models.displacement_grid import images
        from polarstem.models.group_network import Group

        group = Group(self._fitted_shape(), self.class_directions.tolist())
        parts = [self.displacement_density(some) for _, some in patterns.batches(_BATCH)]
        found = fit_displacements(
            np.concatenate(parts), patterns, images(group.matrices), self._template_pm
        )
        return {INFO_KEY: found.attributes()}

    def displacement_density(self, patterns: NDArray[Any]) -> Array:
        """Densities of patterns (n, ky, kx) on the nodes of the grid, shape (n, node)."""
        from polarstem.models.displacement_scores import DisplacementScores

        head = self._trained().head
        assert isinstance(head, DisplacementScores)
        return self._map(patterns, lambda embedding: head.log_density(embedding).exp())

    def _head(self) -> TurningHead:
        from polarstem.models.displacement_scores import DisplacementScores

        return DisplacementScores
