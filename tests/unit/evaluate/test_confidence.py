# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores of probabilities against torchmetrics, scikit-learn and plain loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import brier_score_loss, log_loss
from torchmetrics.functional.classification import multiclass_calibration_error

from polarstem.errors import PolarstemError
from polarstem.evaluate.scores.per_specimen import ensemble, specimen_scores
from polarstem.evaluate.scores.predictions import DomainPredictions
from polarstem.models.calibration import Calibration

EIGHT = np.arange(8) * 45.0


def predictions(n=1600, specimens=8, seed=0, side=10, calibration=None, sharp=1.5):
    """Scans of side x side positions, with errors that grow rarer with the confidence."""
    rng = np.random.default_rng(seed)
    logits = sharp * rng.normal(size=(n, 8))
    probability = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    specimen = np.repeat(np.arange(specimens), n // specimens)
    true = specimen % 8
    # the logits of the most probable class go to the truth most of the time
    swap = rng.random(n) < probability.max(1)
    best, rows = probability.argmax(1), np.arange(n)
    top, own = probability[rows, best].copy(), probability[rows, true].copy()
    probability[rows[swap], best[swap]] = own[swap]
    probability[rows[swap], true[swap]] = top[swap]
    place = np.arange(n) % side**2
    return DomainPredictions(
        run=dict(model="m", family="cnn", head="classification", source="s", seed=str(seed)),
        domain="d",
        class_names=[f"C{k}" for k in range(8)],
        class_directions=EIGHT,
        probability=probability.astype("f4"),
        class_index=true,
        specimen=specimen,
        specimen_names=[f"s{i}" for i in range(specimens)],
        thickness=10.0 + np.arange(n) // side**2 % (n // specimens // side**2 or 1),
        cell_y=(place // side) / side,
        cell_x=(place % side) / side,
        scan_y=place // side,
        scan_x=place % side,
        calibration=calibration or Calibration(),
    )


def evaluated(part, weights=None):
    scores = specimen_scores(part)
    weights = np.ones(scores.n) if weights is None else np.asarray(weights, float)
    return {name: value[0] for name, value in scores.evaluate(weights[None]).items()}


def test_probabilities_agree_with_the_libraries():
    part = predictions()
    found = evaluated(part)
    probability = part.probability / part.probability.sum(1, keepdims=True, dtype=float)
    expected = log_loss(part.class_index, probability, labels=range(8))
    assert found["nll"] == pytest.approx(expected, rel=1e-5)
    expected = brier_score_loss(part.class_index, probability, labels=range(8), scale_by_half=False)
    assert found["brier"] == pytest.approx(expected, rel=1e-5)
    expected = multiclass_calibration_error(
        torch.tensor(part.probability), torch.tensor(part.class_index), 8, n_bins=15
    )
    assert found["ece"] == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize(("n", "tolerance"), [(160, 1e-12), (6400, 2e-3)])
def test_selective_scores_agree_with_a_loop_over_sorted_patterns(n, tolerance):
    part = predictions(n)
    order = np.argsort(-part.probability.max(1))
    wrong = (part.predicted != part.class_index)[order]
    flip = ((part.predicted - part.class_index) % 8 == 4)[order]
    kept = int(0.8 * n)
    found = evaluated(part)
    risks = [wrong[: i + 1].mean() for i in range(n)]
    assert found["aurc"] == pytest.approx(np.mean(risks), abs=tolerance)
    assert found["accuracy_at_80"] == pytest.approx(1 - wrong[:kept].mean(), abs=tolerance)
    assert found["flip_rate_at_80"] == pytest.approx(flip[:kept].mean(), abs=tolerance)
    assert found["accuracy_at_80"] > found["accuracy"]


def test_patterns_of_equal_confidence_are_not_told_apart():
    part = predictions(160)
    flat = np.full((160, 8), 0.1, "f4")
    flat[np.arange(160), part.predicted] = 0.3
    found = evaluated(replace(part, probability=flat))
    assert found["aurc"] == pytest.approx(1 - found["accuracy"])
    assert found["accuracy_at_80"] == pytest.approx(found["accuracy"])


@pytest.mark.parametrize("n", [1600, 3200])
def test_a_weight_is_so_many_copies(n):
    """Weighted sums over specimens are the scores of a set that holds specimens repeatedly."""
    part = predictions(n, 8, 3, calibration=Calibration(threshold=0.4, cell_threshold=0.2))
    copies = [2, 0, 1, 1, 3, 1, 0, 1]
    rows = np.concatenate(
        [np.flatnonzero(part.specimen == s) for s in range(8) for _ in range(copies[s])]
    )
    owner = np.repeat(np.arange(sum(copies)), n // 8)
    columns = {
        name: getattr(part, name)[rows]
        for name in (
            "probability", "class_index", "thickness", "cell_y", "cell_x", "scan_y", "scan_x"
        )
    }  # fmt: skip
    names = [f"s{i}" for i in range(sum(copies))]
    repeated = evaluated(replace(part, specimen=owner, specimen_names=names, **columns))
    weighted = evaluated(part, copies)
    assert set(repeated) == set(weighted)
    for name, value in weighted.items():
        # ranks are binned by those of the set at hand
        assert value == pytest.approx(repeated[name], rel=1e-2 if "80" in name else 1e-3), name


def test_sets_by_hand():
    part = predictions(200, 2, 5, calibration=Calibration(threshold=0.7))
    found = evaluated(part)
    sizes, held = [], []
    for probability, truth in zip(part.probability.astype(float), part.class_index, strict=True):
        total, members = 0.0, []
        for label in np.argsort(-probability):
            members.append(label)
            total += probability[label]
            if total >= 0.7:
                break
        sizes.append(len(members))
        held.append(truth in members)
    assert found["conformal_size"] == pytest.approx(np.mean(sizes))
    assert found["abstained"] == pytest.approx(np.mean(np.array(sizes) != 1))
    assert found["conformal_coverage"] == pytest.approx(np.mean(held))
    assert "abstained_cells" not in found  # no threshold of cells


def test_scans_count_the_same_for_coverage():
    """Two scans of one specimen, one of the other, of which one is four times as long."""
    part = predictions(150, 2, 5, calibration=Calibration(threshold=0.7))
    specimen = np.repeat([0, 1], [50, 100])
    scan = np.repeat([0, 1, 2], [10, 40, 100])
    part = replace(part, specimen=specimen, thickness=np.array([10.0, 20.0, 10.0])[scan])
    found = evaluated(part)
    sets = part.calibration.sets(part.probability)
    for name, values in (
        ("coverage", sets[np.arange(150), part.class_index]),
        ("answered", sets.sum(1) == 1),
    ):
        means = [values[scan == k].mean() for k in range(3)]
        assert found[name] == pytest.approx(np.mean(means)), name
    assert found["coverage"] != pytest.approx(found["conformal_coverage"], abs=1e-3)


def test_doses_decide_how_sure_a_pattern_is():
    fitted = Calibration(threshold=0.9, threshold_per_decade=-0.1, dose_low=1e3, dose_high=1e6)
    part = predictions(200, 2, 5, calibration=fitted)
    dark, bright, unknown = (
        evaluated(replace(part, dose=dose))["answered"]
        for dose in (np.full(200, 1e3), np.full(200, 1e6), None)
    )
    assert dark == unknown < bright


def test_cells_by_hand():
    fitted = Calibration(
        cell_temperature=0.2, cell_threshold=0.75, cell_positions=200.0, cell_power=1.0
    )
    part = predictions(1600, 8, 1, calibration=fitted)
    found = evaluated(part)
    logs = np.log(part.probability.astype(float)).reshape(16, 100, 8).mean(1)
    pooled = np.exp(logs / 0.4) / np.exp(logs / 0.4).sum(1, keepdims=True)  # half of the patterns
    truth = part.class_index[::100]
    right = pooled.argmax(1) == truth
    answered = pooled.max(1) >= 0.75
    assert found["cell_accuracy"] == pytest.approx(right.mean())
    assert found["cell_flip_rate"] == pytest.approx(((pooled.argmax(1) - truth) % 8 == 4).mean())
    assert found["abstained_cells"] == pytest.approx(1 - answered.mean())
    assert found["answered_cell_accuracy"] == pytest.approx(right[answered].mean())
    assert found["cells_answered_wrong"] == pytest.approx((answered & ~right).mean())
    assert found["cell_coverage"] >= found["cell_accuracy"] > found["accuracy"]
    assert 0 < found["abstained_cells"] < 1


def test_too_few_positions_make_no_cell():
    part = predictions(200, 8, side=5, calibration=Calibration(cell_threshold=0.2))
    assert not {name for name in evaluated(part) if "cell" in name}


def test_classes_along_the_beam_have_no_flips():
    part = replace(predictions(160), class_directions=np.array([np.nan] * 8))
    assert np.isnan(evaluated(part)["flip_rate_at_80"])


def test_seeds_that_err_apart_are_better_together():
    parts = [predictions(seed=seed, sharp=1.0) for seed in range(4)]
    together = ensemble(parts)
    assert together.run["model"] == "m_ensemble"
    assert together.probability == pytest.approx(
        np.mean([p.probability for p in parts], axis=0), abs=1e-6
    )
    assert evaluated(together)["accuracy"] > max(evaluated(p)["accuracy"] for p in parts)


def test_ensembles_share_what_every_seed_has():
    parts = [
        replace(predictions(160), calibration=Calibration(threshold=t, cell_temperature=2.0))
        for t in (0.4, 0.6)
    ]
    assert ensemble(parts).calibration == Calibration(threshold=0.5, cell_temperature=2.0)
    parts[1] = replace(parts[1], calibration=Calibration())
    assert ensemble(parts).calibration.threshold is None
    with pytest.raises(PolarstemError, match="different patterns of d"):
        ensemble([parts[0], replace(parts[1], scan_y=parts[1].scan_y + 1)])
