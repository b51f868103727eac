# SPDX-License-Identifier: GPL-3.0-or-later
"""What all families of networks share: training, answering and saving."""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from polarstem.errors import PolarstemError
from polarstem.models.base import Array, Model
from polarstem.models.history import read_history, write_history
from polarstem.models.options import NetworkOptions
from polarstem.models.staging import stage

if TYPE_CHECKING:
    from torch import Tensor, nn

    from polarstem.data.patterns import PatternSet
    from polarstem.data.stream import PatternStream
    from polarstem.models.examples import Examples, TrainingPatterns
    from polarstem.models.history import Epoch
    from polarstem.models.job import FitJob
    from polarstem.models.pattern_network import PatternNetwork

logger = logging.getLogger(__name__)

WEIGHTS_FILE = "weights.safetensors"
HISTORY_FILE = "history.csv"


class NetworkModel(Model):
    """A network with one of the heads, trained by lightning.

    Subclasses say which options they take and make the network.
    """

    is_network = True
    files = (WEIGHTS_FILE, HISTORY_FILE)
    options_type: ClassVar[type[NetworkOptions]] = NetworkOptions
    settings: NetworkOptions

    def __init__(
        self,
        options: Mapping[str, Any],
        class_names: Sequence[str],
        class_directions: Sequence[float],
    ) -> None:
        from polarstem.models.pattern_network import resolve_device

        super().__init__(options, class_names, class_directions)
        self.network: PatternNetwork | None = None
        self.history: list[Epoch] = []
        self.device = resolve_device("cpu")

    @abstractmethod
    def _build(self, pretrained: bool) -> PatternNetwork:
        """Make the network for patterns of the fitted shape."""

    def fit(self, train: PatternSet, validation: PatternSet, job: FitJob) -> Self:
        """Learn from labelled patterns; see `Model.fit`."""
        from polarstem.models.examples import Examples

        self._check_training(train, validation)
        work = job.workdir
        work.mkdir(parents=True, exist_ok=True)
        examples = Examples(
            stage(train, work / "train.npy", job.memory_mb), train.class_index, self._scans(train)
        )
        check = Examples(
            stage(validation, work / "validation.npy", job.memory_mb), validation.class_index
        )
        self._train(examples, examples, check, job)
        return self

    def fit_stream(self, stream: PatternStream, job: FitJob) -> Self:
        """Learn from a stream of patterns, one process measuring while another learns."""
        from polarstem.models.examples import Examples
        from polarstem.models.heads import HEADS
        from polarstem.models.streaming import StreamedPatterns

        job.workdir.mkdir(parents=True, exist_ok=True)
        validation = stream.sample(stream.settings["validation"], "validation")
        self.pattern_shape = stream.shape
        check = Examples(validation.read(slice(None)), validation.class_index)
        streamed = StreamedPatterns(
            stream,
            self.settings.training.max_epochs,
            workers=job.threads - 1,
            unpolar=HEADS[self.settings.head].takes_unpolar,
            conditions=self.settings.positives == "cross_condition",
        )
        polar = streamed.first.labels >= 0
        sample = Examples(streamed.first.patterns[polar], streamed.first.labels[polar])
        started = time.monotonic()
        self._train(streamed, sample, check, replace(job, threads=1))
        seconds = time.monotonic() - started
        share = streamed.waited / seconds
        logger.info(
            "%.0f s, of which %.1f %% were spent waiting for patterns", seconds, 100 * share
        )
        self.info["stream"] = {
            "patterns": len(self.history) * streamed.blocks_per_epoch * stream.block_size,
            "patterns_per_epoch": streamed.blocks_per_epoch * stream.block_size,
            "uses_of_each": streamed.reuse,
            "waiting_fraction": share,
        }
        return self

    def _train(
        self, examples: TrainingPatterns, sample: Examples, check: Examples, job: FitJob
    ) -> None:
        """Train the network; scaling and head are fitted on a sample of training patterns."""
        from polarstem.models.augmentation import Augmentation
        from polarstem.models.pattern_network import finish_head, resolve_device
        from polarstem.models.training import torch_session, train_network

        self.device = resolve_device(job.device)
        with torch_session(job.seed, job.threads):
            network = self._build(pretrained=getattr(self.settings, "pretrained", False))
            network.preprocessing.fit(sample.patterns)
            self.history = train_network(
                network,
                Augmentation(
                    self._fitted_shape(),
                    self.class_directions.tolist(),
                    self.settings.augmentation,
                ),
                examples,
                check,
                self.settings.training,
                workdir=job.workdir,
                seed=job.seed,
                device=self.device,
                progress=job.progress,
                identity=(self.family, self.options, self.class_names),
            )
            self.network = network.to(self.device).eval()
            finish_head(network, sample, check, self.device)

    def _scans(self, train: PatternSet) -> NDArray[np.int64] | None:
        """Scans as conditions that positives have to differ in, if the options want them."""
        if self.settings.positives != "cross_condition":
            return None
        for index, name in enumerate(self.class_names):
            if len(np.unique(train.scan[train.class_index == index])) < 2:
                raise PolarstemError(
                    f"positives: cross_condition needs two or more scans of every class to train "
                    f"on, but {name} has one; train on more specimens or thicknesses, or use "
                    "positives: batch."
                )
        return train.scan

    def predict_proba(self, patterns: NDArray[Any]) -> Array:
        """Class probabilities (n, n_classes) of patterns (n, ky, kx)."""
        head = self._trained().head
        return self._map(patterns, lambda embedding: head.logits(embedding).softmax(dim=1))

    def embed(self, patterns: NDArray[Any]) -> Array:
        """Embeddings of patterns (n, ky, kx): (n, 128) for the prototype head, else (n, 512)."""
        return self._map(patterns, lambda embedding: embedding)

    def _trained(self) -> PatternNetwork:
        self._fitted_shape()
        assert self.network is not None
        return self.network

    def _map(self, patterns: NDArray[Any], function: Callable[[Tensor], Tensor]) -> Array:
        import torch

        from polarstem.models.pattern_network import embedded

        with torch.no_grad():
            found = embedded(self._trained(), self._checked(patterns), self.device, function)
        result: Array = found.cpu().numpy()
        return result

    def _write(self, directory: Path) -> None:
        from safetensors.torch import save

        state = self._trained().state_dict()
        # as bytes: safetensors' own file would be readable by its owner alone
        weights = save({key: value.cpu().contiguous() for key, value in state.items()})
        (directory / WEIGHTS_FILE).write_bytes(weights)
        write_history(directory / HISTORY_FILE, self.history)

    def _read(self, directory: Path, device: str) -> None:
        import torch
        from safetensors.torch import load_file

        from polarstem.models.pattern_network import resolve_device

        weights = load_file(directory / WEIGHTS_FILE)
        with torch.device("meta"):  # without memory: options may ask for more than the file holds
            shapes = {k: v.shape for k, v in self._build(pretrained=False).state_dict().items()}
        if shapes != {key: value.shape for key, value in weights.items()}:
            raise ValueError("the weights are those of another network")
        network = self._build(pretrained=False)
        network.load_state_dict(weights)
        self.device = resolve_device(device)
        self.network = network.to(self.device).eval()
        self.history = read_history(directory / HISTORY_FILE)


class BackboneModel(NetworkModel):
    """A network of a backbone, 512 units and any head; subclasses make the backbone."""

    @abstractmethod
    def _backbone(self, shape: tuple[int, int, int], pretrained: bool) -> nn.Module:
        """Make the part that turns images (n, *shape) into features (n, anything)."""

    def _build(self, pretrained: bool) -> PatternNetwork:
        from polarstem.models.pattern_network import PatternNetwork
        from polarstem.models.preprocessing import Preprocessing

        shape = self._fitted_shape()
        preprocessing = Preprocessing(shape, self.settings.preprocessing)
        return PatternNetwork(
            preprocessing,
            self._backbone((preprocessing.channels, *shape), pretrained),
            self.settings.head,
            self.class_directions.tolist(),
            shape,
        )
