# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of a network by lightning, the same whether or not it was interrupted.

After every epoch the whole state goes to one file, written aside and renamed. All that is
random (order, augmentation, dropout) is seeded anew from the seed, the epoch and the step,
so a run that goes on from that file computes the same numbers, on a CPU bit for bit, as one
that never stopped.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor

from polarstem.errors import PolarstemError
from polarstem.files import atomic_path
from polarstem.models.augmentation import Augmentation
from polarstem.models.examples import Batch, Examples, TrainingPatterns
from polarstem.models.history import Epoch
from polarstem.models.options import TrainingOptions
from polarstem.models.pattern_network import PatternNetwork
from polarstem.seeds import derive_seed

logger = logging.getLogger(__name__)

CHECKPOINT_FILE = "last.ckpt"
_STATE = "polarstem"


class _Loop(LightningModule):
    """Steps of training and validation, the history and the best weights."""

    def __init__(
        self,
        network: PatternNetwork,
        augmentation: Augmentation,
        references: Batch,
        settings: TrainingOptions,
        seed: int,
        identity: str,
    ) -> None:
        super().__init__()
        self.network = network
        self.augmentation = augmentation
        self.settings = settings
        self.seed = seed
        self.identity = identity
        self.history: list[Epoch] = []
        self.best: dict[str, Tensor] = {}
        self._references = references

    def configure_optimizers(self) -> Any:
        """Adam, with a constant learning rate or one cycle of it."""
        settings = self.settings
        optimizer = torch.optim.Adam(
            self.network.parameters(),
            settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,  # a third of the time
        )
        if settings.schedule == "constant":
            return optimizer
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, settings.learning_rate, int(self.trainer.estimated_stepping_batches)
        )
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    def on_train_epoch_start(self) -> None:
        """Start the epoch's clock and sums."""
        self._started = time.monotonic()
        self._train = torch.zeros(2, dtype=torch.float64, device=self.device)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Loss of a batch."""
        seed = derive_seed(self.seed, "step", self.current_epoch, index)
        torch.manual_seed(seed)  # dropout and the like
        generator = torch.Generator(self.device).manual_seed(seed)
        patterns, labels = self.augmentation(*batch[:2], generator)
        loss: Tensor = self.network.head.loss(self.network(patterns), labels, *batch[2:])
        self._train += torch.stack([loss.detach() * len(labels), loss.new_tensor(len(labels))])
        return loss

    def on_validation_epoch_start(self) -> None:
        """Give the head its references, from a sample of clean training patterns."""
        self._check = torch.zeros(3, dtype=torch.float64, device=self.device)
        head = self.network.head
        if head.uses_references:
            patterns, labels = self._references[:2]
            parts = [self.network(part.to(self.device)) for part in patterns.split(256)]
            head.learn_references(torch.cat(parts), labels.to(self.device))

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        """Add up loss and hits of a batch."""
        patterns, labels = batch
        embedding = self.network(patterns)
        loss = self.network.head.validation_loss(embedding, labels) * len(labels)
        hits = (self.network.head.logits(embedding).argmax(dim=1) == labels).sum()
        self._check += torch.stack([loss, hits, loss.new_tensor(len(labels))])

    def on_validation_epoch_end(self) -> None:
        """Keep the weights if they are the best so far."""
        loss, hits, n = self._check.tolist()
        self._validation = (loss / n, hits / n)
        if math.isfinite(loss) and loss / n < min(
            (epoch.validation_loss for epoch in self.history), default=math.inf
        ):
            state = self.network.state_dict()
            self.best = {key: value.detach().cpu().clone() for key, value in state.items()}
        self.log("validation_loss", loss / n, prog_bar=True)
        self.log("validation_accuracy", hits / n, prog_bar=True)

    def on_train_epoch_end(self) -> None:
        """Note the epoch."""
        total, n = self._train.tolist()
        seconds = time.monotonic() - self._started
        epoch = Epoch(self.current_epoch, total / n, *self._validation, seconds)
        self.history.append(epoch)
        logger.info(
            "epoch %d of at most %d: training loss %.4f, validation loss %.4f, accuracy %.4f "
            "(%.1f s, %.0f patterns/s)",
            epoch.epoch + 1,
            self.settings.max_epochs,
            *epoch[1:],
            n / seconds,
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what lightning does not know."""
        last = len(self.history) >= self.settings.max_epochs
        checkpoint[_STATE] = {
            "identity": self.identity,
            "finished": last or self.trainer.should_stop,
            "history": [tuple(epoch) for epoch in self.history],
            "best": self.best,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take it back."""
        self.restore(checkpoint[_STATE])

    def restore(self, state: dict[str, Any]) -> None:
        """Take history and best weights from a checkpoint."""
        self.history = [Epoch(*row) for row in state["history"]]
        self.best = state["best"]


class _SaveLast(Checkpoint):
    """Write the state after each epoch. Being a `Checkpoint` it runs after early stopping."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write aside, then rename: a kill leaves the old file or the new one."""
        with atomic_path(self.path) as temporary:
            trainer.save_checkpoint(temporary)


def train_network(
    network: PatternNetwork,
    augmentation: Augmentation,
    train: TrainingPatterns,
    validation: Examples,
    settings: TrainingOptions,
    *,
    workdir: Path,
    seed: int,
    device: torch.device,
    progress: bool,
    identity: object,
) -> list[Epoch]:
    """Train a network; it ends with the weights of the lowest validation loss.

    Parameters
    ----------
    network : PatternNetwork
        With its preprocessing fitted.
    augmentation : Augmentation
        Applied to training batches.
    train : TrainingPatterns
        A fixed set, or a stream.
    validation : Examples
        The validation split.
    settings : TrainingOptions
        Optimiser and stopping.
    workdir : Path
        Folder of the checkpoint that a run goes on from.
    seed : int
        Seed of order, augmentation and dropout.
    device : torch.device
        Where to compute.
    progress : bool
        Whether to draw a bar.
    identity : object
        What else the result depends on (JSON-plain); a checkpoint with another identity,
        seed, settings or data is not used.

    Returns
    -------
    list of Epoch
        The history.
    """
    if isinstance(train, Examples):  # a stream says itself how long it is
        settings = settings.for_patterns(len(train))
    loop = _Loop(
        network,
        augmentation,
        train.references(seed),
        settings,
        seed,
        _fingerprint(identity, seed, asdict(settings), train.digest(), validation.digest()),
    )
    path = workdir / CHECKPOINT_FILE
    state = _usable_checkpoint(path, loop.identity)
    if state is not None and state["finished"]:
        loop.restore(state)
    else:
        logger.info(
            "training on %s (CUDA_VISIBLE_DEVICES=%s), %d training patterns per epoch, "
            "%d validation patterns",
            device.type,
            os.environ.get("CUDA_VISIBLE_DEVICES", "unset"),
            train.per_epoch,
            len(validation),
        )
        with _quiet_lightning():
            trainer = Trainer(
                accelerator="gpu" if device.type == "cuda" else "cpu",
                devices=1,
                max_epochs=settings.max_epochs,
                callbacks=[
                    EarlyStopping("validation_loss", patience=settings.patience),
                    _SaveLast(path),
                ],
                logger=False,
                enable_progress_bar=progress,
                enable_model_summary=False,
                num_sanity_val_steps=0,
                inference_mode=False,
                default_root_dir=workdir,
            )
            try:
                trainer.fit(
                    loop,
                    train.loader(settings.batch_size, derive_seed(seed, "shuffle")),
                    validation.loader(256, None),
                    ckpt_path=path if state is not None else None,
                )
            except SIGTERMException as error:
                # Lightning's own exit status would be 0, as if all had gone well.
                raise SystemExit(143) from error
    if not loop.best:
        raise PolarstemError(
            "Training diverged: the validation loss was never finite; lower "
            f"training.learning_rate (now {settings.learning_rate:g})."
        )
    network.load_state_dict(loop.best)
    return loop.history


def _fingerprint(*parts: object) -> str:
    text = json.dumps([*parts, torch.__version__], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _usable_checkpoint(path: Path, identity: str) -> dict[str, Any] | None:
    """Our part of the checkpoint if it is whole and belongs to this very training."""
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)[_STATE]
        found = state["identity"]
    except Exception as error:  # a torn file can fail in any way inside torch or zipfile
        logger.info("%s cannot be read (%s); training starts over", path, type(error).__name__)
        return None
    if found != identity:
        logger.info("%s belongs to other data or options; training starts over", path)
        return None
    logger.info("going on after epoch %d, from %s", len(state["history"]), path)
    return state


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep lightning's tips and hints out of the log; its errors still come through."""
    names = ("lightning.pytorch", "lightning.fabric")
    levels = {name: logging.getLogger(name).level for name in names}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        for name in names:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


@contextmanager
def torch_session(seed: int, threads: int) -> Iterator[None]:
    """Seeded, deterministic torch with a number of threads; the caller's state comes back."""
    before = (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    with torch.random.fork_rng():
        torch.manual_seed(derive_seed(seed, "weights"))
        torch.set_num_threads(threads)
        if not torch.cuda.is_available():
            torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            yield
        finally:
            torch.set_num_threads(before[0])
            torch.use_deterministic_algorithms(before[1], warn_only=before[2])
