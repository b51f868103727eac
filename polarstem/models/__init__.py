# SPDX-License-Identifier: GPL-3.0-or-later
"""Models that tell the projected polarization direction of a diffraction pattern.

One interface (`Model`), one file per family. A saved model is a directory without pickles::

    from polarstem.models import load_model
    probabilities = load_model("results/models/cnn/thin/0").predict_proba(patterns)

Importing this package is cheap: torch and scikit-learn are imported when a model is made.
"""

from __future__ import annotations

from polarstem.models.job import FitJob
from polarstem.models.registry import create, families, load_model, model_class

__all__ = ["FitJob", "create", "families", "load_model", "model_class"]
