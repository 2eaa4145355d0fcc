"""One instance of a supernet: trained and measured along one path after another."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from archloom.checkpoints.state import TrainingState
from archloom.data.images.labelled import ImageData
from archloom.nets.supernets.base import Path, Sharing
from archloom.nets.supernets.evaluation import batch, evaluating, recalibrated, running
from archloom.spaces.base import HasSupernet
from archloom.tasks.images.augment import AUGMENTATIONS, AugmentSettings
from archloom.tasks.images.parts import NORMALISATIONS, Part
from archloom.tasks.network import DivergedError
from archloom.tasks.supernet.options import FrozenOptions, SupernetOptions
from archloom.tasks.training import (
    device_of,
    load_network,
    network_state,
    optimiser_state,
)
from archloom.utils import seeds
from archloom.utils.optimisers import SGD

NETWORK = "supernet"
"""What the network is called in a state."""

Batch = tuple[Tensor, Tensor]
"""Images (B, c, h, w) as the network takes them, and their classes (B,)."""

PRECISIONS: Mapping[str, Callable[[torch.device], AbstractContextManager[object]]] = {
    "float32": lambda device: nullcontext(),
    "bfloat16": lambda device: torch.autocast(device.type, torch.bfloat16),
}


class Measured(NamedTuple):
    """Of a path on some images."""

    accuracy: float
    """In percent."""
    loss: float
    """Mean cross-entropy."""


class SharedNetwork:
    """A supernet of `space`, whose sizes are the space's, with its optimiser and images on a device.

    What is off the path of a step has no gradient and does not move: neither momentum nor weight decay touch it.
    (PyTorch left zero gradients behind when the thesis was written, so that both moved all weights in every step.)
    """

    def __init__(self, space: HasSupernet, data: ImageData, options: FrozenOptions | SupernetOptions) -> None:
        self.options = options
        self.space = space
        self._measuring = options if isinstance(options, FrozenOptions) else FrozenOptions()
        self.device = device_of(self._measuring.device)
        weights = int(seeds.stream(options.seed, "weights").integers(2**63))
        network = space.supernet(weights, Sharing(options.partial, options.affine))
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = SGD(self.network.parameters(), options.lr, options.momentum, weight_decay=options.weight_decay)
        self._all: list[nn.Parameter] = list(self.network.parameters())
        self._names = {f"{NETWORK}.{name}": parameter for name, parameter in self.network.named_parameters()}
        self._tensors = self.network.state_dict()
        self._shapes = {name: tensor.shape for name, tensor in self._tensors.items()}
        self._data = data
        self._autocast = PRECISIONS[options.precision]
        self._rule = NORM_RULES[self._measuring.norm]

    @property
    def image(self) -> tuple[int, int, int]:
        """The shape (c, h, w) of an image."""
        return (self._data.channels, *self._data.size)

    # -- images ---------------------------------------------------------------------------------------------------

    @cached_property
    def train(self) -> Part:
        """The images to train on."""
        return self._part("train")

    def _part(self, name: str) -> Part:
        split = {"train": self._data.train, "valid": self._data.valid, "test": self._data.test}[name]
        normalise = NORMALISATIONS[self.options.normalisation](self._data.train, self.device)
        return Part.of(split, self.device, normalise)

    @cached_property
    def searched(self) -> Sequence[Batch]:
        """The validation images that a search measures on."""
        return list(self._cut(self._part("valid"), self._measuring.measured_images))

    def whole(self, part: str) -> Sequence[Batch]:
        """All images of a part, "valid" or "test"."""
        return list(self._cut(self._part(part), 0))

    def _cut(self, part: Part, most: int) -> Iterator[Batch]:
        """Batches of nearly equal sizes: normalisation over a last one of a single image would fail."""
        rows = self._mixed(part)
        rows = rows[: most or len(rows)]
        for some in rows.tensor_split(max(1, len(rows) // self._measuring.eval_batch_size)):
            yield part.batch(some)

    def _mixed(self, part: Part) -> Tensor:
        """The rows of a part in a random order that is always the same: many sets are sorted by class, and the
        statistics of images of one class are not those of all."""
        order = seeds.stream(0, "supernet.order").permutation(len(part.labels))
        return torch.from_numpy(order).to(self.device)

    @cached_property
    def recalibration(self) -> Sequence[Tensor]:
        """Batches of training images (B, c, h, w) that statistics are taken from."""
        size = self.options.batch_size
        most = max(1, min(self._measuring.recalibration, len(self.train.labels) // size))
        rows = self._mixed(self.train)
        return [self.train.batch(rows[start : start + size])[0] for start in range(0, most * size, size)]

    def changed(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Training images with the changes that the options name."""
        how = AugmentSettings(self.train.normalisation.black, self.options.cutout)
        for name in self.options.augment:
            images = AUGMENTATIONS[name](images, generator, how)
        return images

    # -- training and measuring -----------------------------------------------------------------------------------

    def step(self, path: Path | None, images: Tensor, labels: Tensor, lr: float) -> Tensor:
        """One step of the optimiser along a path, or through all operations; the loss before it."""
        self.network.select(path)
        used = self._all if path is None else self.network.parts(path)
        group = self.optimiser.param_groups[0]
        group["lr"], group["params"] = lr, used  # others cost nothing then, not even a look
        try:
            with self._autocast(self.device):
                loss = functional.cross_entropy(self.network(images), labels)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            if self.options.clip:
                nn.utils.clip_grad_norm_(used, self.options.clip)
            self.optimiser.step()
            self.optimiser.zero_grad(set_to_none=True)
        finally:
            group["params"] = self._all
        return loss.detach()

    def measure(self, path: Path | None, batches: Sequence[Batch] | None = None) -> Measured:
        """A path on these batches, or on the images that a search measures on; nothing changes.

        DivergedError if the loss is not finite.
        """
        batches = self.searched if batches is None else batches
        self.network.select(path)
        hits, loss, count = 0, 0.0, 0
        with torch.no_grad(), self._rule(self), self._autocast(self.device):
            for images, labels in batches:
                logits = self.network(images).float()
                hits += int(logits.argmax(dim=1).eq(labels).sum())
                loss += float(functional.cross_entropy(logits, labels, reduction="sum"))
                count += len(labels)
        if not math.isfinite(loss):
            raise DivergedError(f"the loss along this path is {loss / count}: the supernet has diverged there")
        return Measured(100.0 * hits / count, loss / count)

    # -- state ----------------------------------------------------------------------------------------------------

    def state(self, rest: Mapping[str, object] | None = None) -> TrainingState:
        """Copies of all weights, statistics and momentum, on the CPU."""
        return TrainingState(
            {NETWORK: network_state(self.network)},
            optimisers={NETWORK: optimiser_state(self.optimiser, self._names)},
            rest=dict(rest or {}),
        )

    def load(self, state: TrainingState) -> None:
        """Take weights, statistics and momentum of a state; a tensor without momentum there begins at 0.

        InputError, and nothing changed, for the state of another network.
        """
        found, slots = state.networks[NETWORK], {}
        if (optimiser := state.optimisers.get(NETWORK)) is not None:
            slots = optimiser.slots
        if {name: tensor.shape for name, tensor in found.items()} != self._shapes:
            load_network(NETWORK, self.network, found)  # which says what does not fit
        # `load_state_dict` of network and optimiser would take longer than a step along a path.
        with torch.no_grad():
            for name, tensor in self._tensors.items():
                tensor.copy_(found[name])
        self.optimiser.state.clear()
        for name, parameter in self._names.items():
            for slot, value in slots.get(name, {}).items():
                self.optimiser.state[parameter][slot] = torch.empty_like(parameter, requires_grad=False).copy_(value)


NormRule = Callable[[SharedNetwork], AbstractContextManager[object]]

NORM_RULES: Mapping[str, NormRule] = {
    "batch": lambda shared: evaluating(shared.network, batch),
    "running": lambda shared: evaluating(shared.network, running),
    "recalibrate": lambda shared: recalibrated(shared.network, shared.recalibration),
}
"""Which statistics batch normalisation takes while a path is measured."""
