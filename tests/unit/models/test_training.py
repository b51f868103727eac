# SPDX-License-Identifier: GPL-3.0-or-later
"""An interrupted training must give the numbers of an undisturbed one."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from synthetic_patterns import ROOT
from torch import nn

from polarstem.errors import PolarstemError
from polarstem.models import FitJob, create, examples, training
from polarstem.models.family import cnn
from polarstem.models.options import TrainingOptions

TRAINING = {"learning_rate": 1e-3, "batch_size": 32, "max_epochs": 4}
ALL_THAT_IS_RANDOM = {
    "head": "prototype",
    "augmentation": {"paper": True, "symmetry": True},
    "training": {**TRAINING, "schedule": "one_cycle"},
}


class Killed(BaseException):
    """Stands for kill -9: nothing may catch it and tidy up."""


@pytest.fixture
def fit(make_set):
    train, validation = make_set(170, 0, 16), make_set(40, 1, 16)

    def run(folder, options=ALL_THAT_IS_RANDOM, seed=5, **keywords):
        model = create("cnn", options, train.class_names, train.class_directions)
        return model.fit(train, validation, FitJob(folder, seed=seed, **keywords))

    return run


@pytest.fixture
def chancy_network(monkeypatch):
    """A small network with dropout and batch statistics: all that a resumed run could lose."""

    def backbone(self, shape, pretrained):
        convolution = nn.Conv2d(1, 4, 3, stride=2)
        return nn.Sequential(convolution, nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(0.2))

    monkeypatch.setattr(cnn.CnnModel, "_backbone", backbone)


def die_after(monkeypatch, epochs, step=None):
    """Kill the training when so many epochs are saved, or some steps into the next."""
    if step is None:
        real = training._SaveLast.on_train_epoch_end

        def save(self, trainer, pl_module):
            real(self, trainer, pl_module)
            if len(pl_module.history) == epochs:
                raise Killed

        monkeypatch.setattr(training._SaveLast, "on_train_epoch_end", save)
    else:
        real_step = training._Loop.training_step

        def training_step(self, batch, index):
            if len(self.history) == epochs and index == step:
                raise Killed
            return real_step(self, batch, index)

        monkeypatch.setattr(training._Loop, "training_step", training_step)


def assert_same(first, second):
    weights, others = first.network.state_dict(), second.network.state_dict()
    assert weights.keys() == others.keys()
    for key, value in weights.items():
        assert torch.equal(value, others[key]), key
    assert [row[:-1] for row in first.history] == [row[:-1] for row in second.history]


@pytest.mark.usefixtures("chancy_network")
@pytest.mark.parametrize(("epochs", "step"), [(1, None), (2, 3), (0, 2), (4, None)])
def test_resumed_run_equals_an_undisturbed_one(fit, tmp_path, monkeypatch, caplog, epochs, step):
    caplog.set_level(logging.INFO)
    undisturbed = fit(tmp_path / "whole")
    assert len(undisturbed.history) == 4
    with monkeypatch.context() as patch:
        die_after(patch, epochs, step)
        with pytest.raises(Killed):
            fit(tmp_path / "cut")
    torch.manual_seed(epochs)  # the caller's state must not matter
    caplog.clear()
    assert_same(fit(tmp_path / "cut"), undisturbed)
    assert (f"going on after epoch {epochs}" in caplog.text) == (epochs > 0)
    assert caplog.text.count("of at most") == 4 - epochs


@pytest.mark.usefixtures("chancy_network")
def test_seed_decides_the_result(fit, tmp_path):
    first = fit(tmp_path / "a")
    torch.rand(7)
    assert_same(fit(tmp_path / "b"), first)
    assert fit(tmp_path / "c", seed=6).history[0].train_loss != first.history[0].train_loss


@pytest.mark.usefixtures("chancy_network")
def test_early_stopping_survives_a_kill(fit, tmp_path, monkeypatch):
    """A run that had stopped must not train on, and patience goes on counting."""
    real = training._Loop.on_validation_epoch_end

    def worse(self):
        loss = [0.5, 0.6, 0.7, 0.8, 0.1, 0.1][len(self.history)]
        self._check[0] = loss * self._check[2]
        real(self)

    monkeypatch.setattr(training._Loop, "on_validation_epoch_end", worse)
    options = {"training": {**TRAINING, "max_epochs": 6, "patience": 3}}
    whole = fit(tmp_path / "whole", options)
    assert len(whole.history) == 4
    for epochs in (2, 4):
        with monkeypatch.context() as patch:
            die_after(patch, epochs)
            with pytest.raises(Killed):
                fit(tmp_path / str(epochs), options)
        assert_same(fit(tmp_path / str(epochs), options), whole)


@pytest.mark.usefixtures("chancy_network")
def test_best_weights_are_kept_not_the_last(fit, tmp_path, monkeypatch):
    seen = []
    real = training._Loop.on_validation_epoch_end

    def worse(self):
        seen.append({k: v.clone() for k, v in self.network.state_dict().items()})
        self._check[0] = [0.5, 0.2, 0.4, 0.3][len(self.history)] * self._check[2]
        real(self)

    monkeypatch.setattr(training._Loop, "on_validation_epoch_end", worse)
    network = fit(tmp_path, {"training": TRAINING}).network
    assert len(seen) == 4
    for key, value in network.state_dict().items():
        assert torch.equal(value, seen[1][key])


@pytest.mark.usefixtures("chancy_network")
def test_torn_or_foreign_checkpoint_starts_over(fit, tmp_path, monkeypatch, caplog):
    undisturbed = fit(tmp_path / "whole")
    checkpoint = tmp_path / "whole" / training.CHECKPOINT_FILE
    content = checkpoint.read_bytes()
    caplog.set_level(logging.INFO)
    for torn in (b"", content[: len(content) // 2], b"x" * 500):
        checkpoint.write_bytes(torn)
        caplog.clear()
        assert_same(fit(tmp_path / "whole"), undisturbed)
        assert "cannot be read" in caplog.text
    caplog.clear()
    other = fit(tmp_path / "whole", seed=9)
    assert "other data or options" in caplog.text
    assert other.history[0].train_loss != undisturbed.history[0].train_loss


@pytest.mark.usefixtures("chancy_network")
def test_patterns_on_disk_give_the_same(fit, tmp_path):
    assert_same(fit(tmp_path / "disk", memory_mb=0), fit(tmp_path / "memory"))
    assert {path.name for path in (tmp_path / "disk").iterdir()} == {
        "train.npy",
        "validation.npy",
        "last.ckpt",
    }


@pytest.mark.usefixtures("chancy_network")
def test_settings_of_torch_come_back_and_nothing_is_littered(fit, tmp_path, monkeypatch, capfd):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    before = (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())
    state = torch.get_rng_state()
    fit(tmp_path / "work", threads=1)
    assert before == (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())
    assert torch.equal(state, torch.get_rng_state())
    assert list((tmp_path / "here").iterdir()) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("chancy_network")
def test_divergence_is_told(fit, tmp_path, monkeypatch):
    def broken(self, batch, index):
        self._check += torch.tensor([torch.nan, 0, len(batch[1])])

    monkeypatch.setattr(training._Loop, "validation_step", broken)
    with pytest.raises(PolarstemError, match="diverged"):
        fit(tmp_path)


def test_batches_cover_all_rows_and_leave_no_single_one():
    for n, size in ((2, 128), (129, 128), (257, 128), (1000, 128), (7, 2), (3, 2)):
        batches = examples._Batches(n, size, seed=1)
        rows = list(batches)
        assert len(rows) == len(batches)
        assert sorted(np.concatenate(rows)) == list(range(n))
        assert min(map(len, rows)) >= 2
        assert max(map(len, rows)) <= max(size, 3)


@pytest.mark.slow
def test_kill_9_at_any_moment(make_set, tmp_path):
    """The real thing: a process killed twice, then left alone."""
    np.savez(
        tmp_path / "data.npz",
        **{
            f"{name}_{key}": value
            for name, patterns in (("train", make_set(600, 0)), ("check", make_set(80, 1)))
            for key, value in (("x", patterns.read(slice(None))), ("y", patterns.class_index))
        },
    )
    code = f"""
import sys, numpy as np
from pathlib import Path
from polarstem.data.patterns import PatternSet
from polarstem.models import FitJob, create
data = np.load({str(tmp_path / "data.npz")!r})
names, directions = list("abcdefgh"), np.arange(8) * 45.0
sets = [PatternSet.from_arrays(data[k + "_x"], data[k + "_y"], names, directions)
        for k in ("train", "check")]
model = create("cnn", {ALL_THAT_IS_RANDOM!r}, names, directions)
model.fit(*sets, FitJob(Path(sys.argv[1]), seed=1)).save(sys.argv[2])
"""

    def start(name):
        work, output = str(tmp_path / f"work-{name}"), str(tmp_path / f"model-{name}")
        return subprocess.Popen([sys.executable, "-c", code, work, output], cwd=ROOT)

    assert start("whole").wait() == 0
    checkpoint = tmp_path / "work-cut" / training.CHECKPOINT_FILE
    for _ in range(2):
        process = start("cut")
        since = checkpoint.stat().st_mtime if checkpoint.exists() else 0.0
        deadline = time.monotonic() + 60
        while not (checkpoint.exists() and checkpoint.stat().st_mtime > since):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "model-cut").exists()
    assert start("cut").wait() == 0
    first, second = (
        (tmp_path / f"model-{name}" / "weights.safetensors").read_bytes()
        for name in ("whole", "cut")
    )
    assert first == second


def test_large_training_sets_get_fewer_epochs() -> None:
    settings = TrainingOptions(batch_size=64, max_epochs=40, max_steps=1000)
    assert settings.for_patterns(640).max_epochs == 40  # 10 steps an epoch
    assert settings.for_patterns(64 * 100).max_epochs == 10
    assert settings.for_patterns(64 * 100 + 1).max_epochs == 9
    assert settings.for_patterns(10**7).max_epochs == 1
