# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from synthetic_patterns import DIRECTIONS, NAMES, lopsided_patterns

from polarstem.data.patterns import PatternSet
from polarstem.errors import PolarstemError
from polarstem.models import FitJob, create

PLAIN = {
    "lda": LinearDiscriminantAnalysis(solver="svd"),
    "logistic": LogisticRegression(max_iter=1000),
}


def noisy_set(n: int, seed: int, size: int = 12, classes: int = 8) -> PatternSet:
    """Patterns with as many directions of variation as pixels; two classes are left and right."""
    patterns, label = lopsided_patterns(n, seed, size)
    patterns += np.random.default_rng(seed).normal(0, 2e-4, patterns.shape).astype("f4")
    if classes == 2:
        keep = label % 4 == 0
        names, directions = [NAMES[0], NAMES[4]], [0.0, 180.0]
        return PatternSet.from_arrays(patterns[keep], label[keep] // 4, names, directions)
    return PatternSet.from_arrays(patterns, label, NAMES, DIRECTIONS)


def turned(patterns: PatternSet) -> tuple[np.ndarray, np.ndarray]:
    """Rows of pixels and classes of patterns in every turn and mirror, by their directions."""
    values, angle = patterns.read(slice(None)), patterns.class_directions[patterns.class_index]
    rows, classes = [], []
    for mirrored, direction in ((values, angle), (values[:, ::-1], -angle)):
        for turns in range(4):
            new = (direction + 90 * turns) % 360
            known = np.isclose(new[:, None], patterns.class_directions)
            if known.any(axis=1).all():
                rows.append(np.rot90(mirrored, turns, axes=(1, 2)).reshape(patterns.n, -1))
                classes.append(known.argmax(axis=1))
    return np.concatenate(rows), np.concatenate(classes)


@pytest.mark.parametrize("classifier", PLAIN)
@pytest.mark.parametrize("classes", [2, 8])
def test_equals_the_plain_pipeline(tmp_path, classifier, classes):
    train, test = noisy_set(2000, 0, classes=classes), noisy_set(400, 1, classes=classes)
    options = {
        "classifier": classifier,
        "components": 60,
        "preprocessing": {"scaling": "none"},
    }
    model = create("linear", options, train.class_names, train.class_directions)
    model.fit(train, test, FitJob(tmp_path, seed=0))
    plain = make_pipeline(PCA(60, whiten=True), PLAIN[classifier])
    plain.fit(*turned(train))
    patterns = test.read(slice(None))
    expected = plain.predict_proba(patterns.reshape(test.n, -1))
    found = model.predict_proba(patterns)
    assert np.abs(found - expected).mean() < 0.02
    assert (found.argmax(1) == expected.argmax(1)).mean() > 0.9
    assert (found.argmax(1) == test.class_index).mean() > 0.5
    components = model.embed(turned(train)[0].reshape(-1, *train.shape))
    np.testing.assert_allclose(components.std(axis=0), 1, atol=0.25)
    assert components.shape[1] == 60


def test_too_few_patterns_are_told(make_set, tmp_path):
    train = make_set(160, 0)
    model = create("linear", {}, train.class_names, train.class_directions)
    with pytest.raises(PolarstemError, match=r"160 training patterns .* 300 components"):
        model.fit(train, train, FitJob(tmp_path, seed=0))
