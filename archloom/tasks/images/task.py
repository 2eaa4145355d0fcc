"""Image classification: supervised training with cross-entropy, scored by accuracy in percent."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from archloom.data.images.labelled import NAMED, ImageData, open_images
from archloom.data.images.splits import Split
from archloom.errors import InputError
from archloom.spaces.base import Buildable, SearchSpace, sample_valid
from archloom.spaces.convnet import NETWORK, ConvNet
from archloom.spaces.sizes import image_size_of
from archloom.tasks.base import Deployed
from archloom.tasks.fit import Fit, sizes_for
from archloom.tasks.images.augment import AUGMENTATIONS, AugmentSettings
from archloom.tasks.images.optimisation import HORIZONS, OPTIMISERS
from archloom.tasks.images.options import ImagesOptions
from archloom.tasks.images.parts import NORMALISATIONS, Normalisation, Part
from archloom.tasks.memory import check_batch, memory_of
from archloom.tasks.network import DivergedError, NetworkTraining
from archloom.tasks.training import EpochStreams, device_of
from archloom.types import Arch, Goal
from archloom.utils import seeds

EVALUATION_BATCH = 500
"""Images that are classified at once during evaluation."""

SEEN_AS = "networks see a byte b of each channel as"
TRAINED_ON_VALID = "networks are trained on the validation images too (train_on_valid): only test images measure them"

_NEEDS: Mapping[str, str] = {"drop_path": "drop_path", "auxiliary_weight": "auxiliary"}
"""Options that need something of the networks: what these must have. One with `auxiliary`, a head, gives its logits too
by `with_auxiliary`; `drop_path` is a probability that can be set at any time."""


class ImagesTask:
    """Classification of a set of images with the networks of `archloom.spaces.convnet` unless `on` gives another
    space.

    Networks take images (B, c, h, w) of values as `normalisation` says and give logits (B, classes).
    """

    name = "images"
    space_name = "convnet"
    Options = ImagesOptions
    report: ClassVar[Sequence[str]] = ("test_accuracy", "params_m", "memory_mb")
    final_options: ClassVar[Collection[str]] = ("device",)
    read_with: ClassVar[tuple[str, ...]] = ("size", "valid_share", "split_seed", "train_images", "valid_images")
    optional_settings: ClassVar[Collection[str]] = ("image_size",)

    def __init__(self, data: ImageData, settings: ImagesOptions | None = None, space: Buildable | None = None) -> None:
        chosen = settings or ImagesOptions()
        self.data = data
        self.train_images = _joined(data.train, data.valid) if chosen.train_on_valid else data.train
        self.options = chosen
        self.epochs = self.options.epochs
        self.space_settings: Mapping[str, Any] = {
            "image_channels": data.channels,
            "classes": len(data.classes),
            "image_size": image_size_of(*data.size),
            **({"auxiliary": True} if self.options.auxiliary_weight else {}),
        }
        self.space = space or ConvNet(image_channels=data.channels, classes=len(data.classes))
        self._memory: dict[Arch, float | None] = {}
        self.device = device_of(self.options.device)
        if self.options.batch_size > len(self.train_images):
            raise InputError(
                f"task option batch_size={self.options.batch_size}: {data.name} has {len(self.train_images)} images to "
                f"train on; expected 2 to {len(self.train_images)}"
            )

    @classmethod
    def read(cls, data: str, settings: Mapping[str, Any], environ: Mapping[str, str]) -> ImageData:
        """The images with this name or path (see `archloom.data.images.labelled.open_images`)."""
        chosen = ImagesOptions(**settings)
        return open_images(data, environ, chosen.size, chosen.rule)

    @classmethod
    def open(
        cls, data: str, settings: Mapping[str, Any], environ: Mapping[str, str], found: ImageData | None = None
    ) -> ImagesTask:
        """The task for the images with this name or path, or for those that were `found` there.

        `settings` are values of `ImagesOptions`. InputError for settings that do not fit.
        """
        return cls(cls.read(data, settings, environ) if found is None else found, ImagesOptions(**settings))

    @classmethod
    def fit(cls, found: ImageData, settings: Mapping[str, Any]) -> Fit:
        """The sizes of a population by how many steps an epoch has."""
        chosen = ImagesOptions(**settings)
        images = len(found.train) + (len(found.valid) if chosen.train_on_valid else 0)
        return Fit(sizes_for(chosen.steps_of(images), settings.get("epochs")))

    @classmethod
    def named(cls) -> Collection[str]:
        """The names of data sets; anything else is a path."""
        return NAMED

    def on(self, space: Any) -> ImagesTask:
        """The same task for the networks of another space; InputError if it builds none, or none that can do what the
        options want."""
        if not isinstance(space, Buildable):
            name = getattr(space, "name", type(space).__name__)
            raise InputError(f"space {name!r} builds no networks: task images expects build(arch, seed)")
        task = ImagesTask(self.data, self.options, space)
        if any(getattr(self.options, option) for option in _NEEDS) and isinstance(space, SearchSpace):
            task._checked(space.build(sample_valid(space, seeds.stream(0, "images.checked")), 0))
        return task

    @property
    def goals(self) -> Mapping[str, Goal]:
        """Accuracy in percent and mean cross-entropy on the validation part, unless that is trained on, parameters in
        millions, and the memory that training takes for an image, in megabytes."""
        on_valid: Mapping[str, Goal] = (
            {} if self.options.train_on_valid else {"valid_accuracy": "max", "valid_loss": "min"}
        )
        return {**on_valid, "params_m": "min", "memory_mb": "min"}

    @property
    def remarks(self) -> Sequence[str]:
        """What a user must know of the metrics, and to use a network."""
        seen = () if isinstance(self.normalisation.divisor, float) else (f"{SEEN_AS}: {self.normalisation}",)
        return (*seen, *((TRAINED_ON_VALID,) if self.options.train_on_valid else ()))

    @cached_property
    def normalisation(self) -> Normalisation:
        return NORMALISATIONS[self.options.normalisation](self.train_images, self.device)

    @cached_property
    def parts(self) -> Mapping[str, Part]:
        """Training, validation and test images on the device."""
        named = {"train": self.train_images, "valid": self.data.valid, "test": self.data.test}
        return {name: Part.of(split, self.device, self.normalisation) for name, split in named.items()}

    def begin(self, arch: Arch, seed: int) -> ImagesTraining:
        weights = int(seeds.stream(seed, "weights").integers(2**63))
        return ImagesTraining(self, arch, self._checked(self.space.build(arch, weights)), seed)

    def memory_of(self, arch: Arch) -> float | None:
        """The megabytes that autograd saves of an image (see `archloom.tasks.memory`); None if the architecture's
        network does not run on the CPU.
        """
        if arch not in self._memory:
            self._memory[arch] = None
            with suppress(Exception):  # it can be trained without this metric
                image = (self.data.channels, *self.data.size)
                self._memory[arch] = memory_of(self.space, arch, image, bool(self.options.auxiliary_weight))
        return self._memory[arch]

    def _checked(self, network: nn.Module) -> nn.Module:
        """InputError for a network that cannot drop paths, or has no auxiliary head, if the options want that."""
        for option, member in _NEEDS.items():
            value = getattr(self.options, option)
            if value and getattr(network, member, None) is None:
                raise InputError(
                    f"task option {option}={value}: {type(network).__name__} has no {member}; expected networks that "
                    "have it, as those of the spaces darts and hnag, or 0"
                )
        return network


class ImagesTraining(NetworkTraining):
    """A network in training. See `archloom.tasks.base.Training`.

    On the CPU two trainings are identical, bit for bit, if they use the same number of threads.
    """

    def __init__(self, task: ImagesTask, arch: Arch, network: nn.Module, seed: int) -> None:
        self._task = task
        self._arch = arch
        self._settings = task.options
        # Convolutions take a third less time if the channels of a pixel are adjacent in memory.
        self.network: nn.Module = network.to(task.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        make = OPTIMISERS[self._settings.optimiser]
        self._optimiser = make(self.network.parameters(), self._settings.optimiser_settings)
        self._horizon = self._settings.epochs
        super().__init__({NETWORK: self.network}, {NETWORK: self._optimiser}, seed, task.device)

    def train_until(self, epochs: int) -> None:
        self._horizon = HORIZONS[self._settings.schedule_until](self._settings.epochs, epochs)

    def run_epoch(self, streams: EpochStreams) -> None:
        if self.device.type == "cpu" and (memory := self._task.memory_of(self._arch)) is not None:
            check_batch(memory, self._settings.batch_size)
        self.network.train()
        if self._settings.drop_path:
            share = min(self.epochs / self._horizon, 1.0)
            self.network.drop_path = self._settings.drop_path * share  # type: ignore[assignment]
        data, settings = self._task.parts["train"], self._settings
        steps = settings.steps_of(len(data.labels))
        changes = [AUGMENTATIONS[name] for name in settings.augment]
        how = AugmentSettings(data.normalisation.black, settings.cutout)
        order = torch.randperm(len(data.labels), generator=streams.order).to(self._task.device)
        for step in range(steps):
            images, labels = data.batch(order[step * settings.batch_size : (step + 1) * settings.batch_size])
            for change in changes:
                images = change(images, streams.augment, how)
            begin, end = (self.epochs + passed / steps for passed in (step, step + 1))
            self._step(images, labels, settings.learning_rate.at(begin, end, self._horizon))

    def _step(self, images: Tensor, labels: Tensor, lr: float) -> None:
        """One step of the optimiser."""
        for group in self._optimiser.param_groups:
            group["lr"] = lr
        loss = self._loss(images, labels)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self._settings.max_grad_norm:
            nn.utils.clip_grad_norm_(self.network.parameters(), self._settings.max_grad_norm)
        self._optimiser.step()

    def _loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """With that of the auxiliary head, if it counts."""
        smoothing, weight = self._settings.label_smoothing, self._settings.auxiliary_weight
        if not weight:
            return functional.cross_entropy(self.network(images), labels, label_smoothing=smoothing)
        losses = [
            functional.cross_entropy(logits, labels, label_smoothing=smoothing)
            for logits in self.network.with_auxiliary(images)  # type: ignore[operator]
        ]
        return losses[0] + weight * losses[1]

    def evaluate(self) -> Mapping[str, float]:
        """Accuracies in percent on validation and test images, mean cross-entropy on validation images, parameters and
        memory, those of an auxiliary head included. Validation images that were trained on are not measured.

        DivergedError if the cross-entropy is not finite: the network's activations overflow. Test images without finite
        logits count as errors.
        """
        found = {}
        if not self._settings.train_on_valid:
            found["valid_accuracy"], found["valid_loss"] = self._measure(self._task.parts["valid"])
            self._check_loss("validation", found["valid_loss"])
        found["params_m"] = sum(parameter.numel() for parameter in self.network.parameters()) / 1e6
        if (memory := self._task.memory_of(self._arch)) is not None:
            found["memory_mb"] = memory
        found["test_accuracy"], test_loss = self._measure(self._task.parts["test"])
        if self._settings.train_on_valid:
            self._check_loss("test", test_loss)
        return found

    def deployed(self) -> Deployed:
        """The classifier: images to logits."""
        data = self._task.data
        values = f"a byte b of each channel as {self._task.normalisation}"
        return Deployed(self.network.eval(), "image", "logits", values, torch.zeros(2, data.channels, *data.size))

    def _check_loss(self, part: str, loss: float) -> None:
        if not math.isfinite(loss):
            raise DivergedError(f"the {part} loss is {loss} after epoch {self.epochs}")

    def _measure(self, part: Part) -> tuple[float, float]:
        """Accuracy in percent, and mean cross-entropy."""
        was_training, count = self.network.training, len(part.labels)
        self.network.eval()
        hits, loss = 0, 0.0
        with torch.no_grad():
            for start in range(0, count, EVALUATION_BATCH):
                images, labels = part.batch(slice(start, start + EVALUATION_BATCH))
                logits = self.network(images)
                right = logits.argmax(dim=1).eq(labels) & logits.isfinite().all(dim=1)
                hits += int(right.sum())
                loss += float(functional.cross_entropy(logits, labels, reduction="sum"))
        self.network.train(was_training)
        return 100.0 * hits / count, loss / count


def _joined(one: Split, other: Split) -> Split:
    return Split(np.concatenate([one.images, other.images]), np.concatenate([one.labels, other.labels]))
