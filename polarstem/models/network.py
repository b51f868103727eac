# SPDX-License-Identifier: GPL-3.0-or-later
"""What all networks share: backbone, 512-unit layer, head, training and saving."""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from polarstem.errors import PolarstemError
from polarstem.models.augmentation import Augmentation
from polarstem.models.base import PREDICTION_BATCH, Array, Model
from polarstem.models.heads import HEADS
from polarstem.models.history import read_history, write_history
from polarstem.models.options import NetworkOptions, parse
from polarstem.models.preprocessing import Preprocessing
from polarstem.models.staging import stage

if TYPE_CHECKING:
    from polarstem.data.patterns import PatternSet
    from polarstem.data.stream import PatternStream
    from polarstem.models.examples import Examples, TrainingPatterns
    from polarstem.models.history import Epoch

logger = logging.getLogger(__name__)

HIDDEN = 512
WEIGHTS_FILE = "weights.safetensors"
HISTORY_FILE = "history.csv"


class PatternNetwork(nn.Module):
    """Raw patterns (n, ky, kx) to embeddings (n, d): scaling, backbone, 512 units, head.

    Parameters
    ----------
    preprocessing : Preprocessing
        Scales the patterns.
    backbone : Module
        Maps images (n, channels, ky, kx) to features (n, anything).
    head : str
        A name in `HEADS`.
    directions : sequence of float
        Directions of the classes [degrees].
    """

    def __init__(
        self,
        preprocessing: Preprocessing,
        backbone: nn.Module,
        head: str,
        directions: Sequence[float],
        shape: tuple[int, int],
    ) -> None:
        super().__init__()
        self.preprocessing = preprocessing
        self.backbone = backbone
        self.hidden = nn.Linear(count_features(backbone, (preprocessing.channels, *shape)), HIDDEN)
        self.head = HEADS[head](HIDDEN, directions)
        self.to(memory_format=torch.channels_last)

    def forward(self, patterns: Tensor) -> Tensor:
        """Embeddings of raw patterns."""
        features = self.backbone(self.preprocessing(patterns))
        embedding: Tensor = self.head(torch.relu(self.hidden(features)))
        return embedding


def count_features(backbone: nn.Module, shape: tuple[int, int, int]) -> int:
    """Length of a backbone's output, found by trying it on one image (channels, ky, kx)."""
    training = backbone.training
    with torch.no_grad():
        output = backbone.eval()(torch.zeros(1, *shape))
    backbone.train(training)
    if output.ndim != 2:
        raise ValueError(f"its output has shape {tuple(output.shape)}")
    return int(output.shape[1])


def resolve_device(device: str) -> torch.device:
    """The torch device for "auto", "cpu" or "gpu"."""
    available = torch.cuda.is_available()
    if device == "gpu" and not available:
        raise PolarstemError(
            "A GPU was asked for (device: gpu) but torch sees none; use device: auto or cpu, or "
            "check the driver and CUDA_VISIBLE_DEVICES."
        )
    return torch.device("cuda" if available and device != "cpu" else "cpu")


class NetworkModel(Model):
    """A network with one of the heads, trained by lightning.

    Subclasses say which options they take and make the network.
    """

    options_type: ClassVar[type[NetworkOptions]] = NetworkOptions

    def __init__(
        self,
        options: Mapping[str, Any],
        class_names: Sequence[str],
        class_directions: Sequence[float],
    ) -> None:
        super().__init__(options, class_names, class_directions)
        self.settings = parse(self.options_type, self.options, f"models.{self.family}")
        self.network: PatternNetwork | None = None
        self.history: list[Epoch] = []
        self.device = torch.device("cpu")

    @property
    def filter(self) -> str:
        """Which training patterns the model wants."""
        return self.settings.filter

    @abstractmethod
    def _build(self, pretrained: bool) -> PatternNetwork:
        """Make the network for patterns of the fitted shape."""

    def fit(
        self,
        train: PatternSet,
        validation: PatternSet,
        *,
        workdir: Path,
        seed: int,
        threads: int = 1,
        device: str = "auto",
        progress: bool = False,
        memory_mb: int = 1500,
    ) -> Self:
        """Learn from labelled patterns; see `Model.fit`."""
        from polarstem.models.examples import Examples

        self._check_training(train, validation)
        workdir.mkdir(parents=True, exist_ok=True)
        examples = Examples(
            stage(train, workdir / "train.npy", memory_mb), train.class_index, self._scans(train)
        )
        check = Examples(
            stage(validation, workdir / "validation.npy", memory_mb), validation.class_index
        )
        self._train(examples, examples, check, workdir, seed, threads, device, progress)
        return self

    def fit_stream(
        self,
        stream: PatternStream,
        *,
        workdir: Path,
        seed: int,
        threads: int = 1,
        device: str = "auto",
        progress: bool = False,
        memory_mb: int = 1500,
    ) -> Self:
        """Learn from a stream of patterns, one process measuring while another learns."""
        from polarstem.models.examples import Examples
        from polarstem.models.streaming import StreamedPatterns

        workdir.mkdir(parents=True, exist_ok=True)
        validation = stream.sample(stream.settings["validation"], "validation")
        self.pattern_shape = stream.shape
        check = Examples(validation.read(slice(None)), validation.class_index)
        streamed = StreamedPatterns(
            stream,
            self.settings.training.max_epochs,
            workers=threads - 1,
            unpolar=HEADS[self.settings.head].takes_unpolar,
            conditions=self.settings.positives == "cross_condition",
        )
        polar = streamed.first.labels >= 0
        sample = Examples(streamed.first.patterns[polar], streamed.first.labels[polar])
        started = time.monotonic()
        self._train(streamed, sample, check, workdir, seed, 1, device, progress)
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
        self,
        examples: TrainingPatterns,
        sample: Examples,
        check: Examples,
        workdir: Path,
        seed: int,
        threads: int,
        device: str,
        progress: bool,
    ) -> None:
        """Train the network; scaling and head are fitted on a sample of training patterns."""
        from polarstem.models.training import torch_session, train_network

        self.device = resolve_device(device)
        with torch_session(seed, threads):
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
                workdir=workdir,
                seed=seed,
                device=self.device,
                progress=progress,
                identity=(self.family, self.options, self.class_names),
            )
            self.network = network.to(self.device).eval()
            with torch.no_grad():
                self._finish_head(sample, check)

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

    def _finish_head(self, train: Any, validation: Any) -> None:
        """Fit what the head takes from clean patterns after training."""
        head = self._trained().head
        if head.uses_references:
            embedding, labels = self._tensors(train.patterns), self._labels(train.labels)
            head.learn_references(embedding, labels)
        head.calibrate(self._tensors(validation.patterns), self._labels(validation.labels))

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
        with torch.no_grad():
            result: Array = self._tensors(self._checked(patterns), function).cpu().numpy()
        return result

    def _tensors(
        self, patterns: Array, function: Callable[[Tensor], Tensor] = lambda embedding: embedding
    ) -> Tensor:
        """Apply a function of the embeddings batch by batch."""
        network = self._trained()
        parts = []
        for start in range(0, max(1, len(patterns)), PREDICTION_BATCH):
            batch = np.array(patterns[start : start + PREDICTION_BATCH])
            parts.append(function(network(torch.from_numpy(batch).to(self.device))))
        return torch.cat(parts)

    def _labels(self, labels: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(labels).to(self.device)

    def _write(self, directory: Path) -> None:
        from safetensors.torch import save

        state = self._trained().state_dict()
        # as bytes: safetensors' own file would be readable by its owner alone
        weights = save({key: value.cpu().contiguous() for key, value in state.items()})
        (directory / WEIGHTS_FILE).write_bytes(weights)
        write_history(directory / HISTORY_FILE, self.history)

    def _read(self, directory: Path, device: str) -> None:
        from safetensors.torch import load_file

        network = self._build(pretrained=False)
        network.load_state_dict(load_file(directory / WEIGHTS_FILE))
        self.device = resolve_device(device)
        self.network = network.to(self.device).eval()
        self.history = read_history(directory / HISTORY_FILE)


class BackboneModel(NetworkModel):
    """A network of a backbone, 512 units and any head; subclasses make the backbone."""

    @abstractmethod
    def _backbone(self, shape: tuple[int, int, int], pretrained: bool) -> nn.Module:
        """Make the part that turns images (n, *shape) into features (n, anything)."""

    def _build(self, pretrained: bool) -> PatternNetwork:
        shape = self._fitted_shape()
        preprocessing = Preprocessing(shape, self.settings.preprocessing)
        return PatternNetwork(
            preprocessing,
            self._backbone((preprocessing.channels, *shape), pretrained),
            self.settings.head,
            self.class_directions.tolist(),
            shape,
        )
