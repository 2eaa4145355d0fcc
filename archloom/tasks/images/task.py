"""Image classification: supervised training with cross-entropy, scored by accuracy in percent."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import torch
from torch import Tensor, nn
from torch.nn import functional

from archloom.data.images.labelled import NAMED, SHARE, ImageData, SplitRule, open_images
from archloom.errors import InputError
from archloom.spaces.base import Buildable
from archloom.spaces.convnet import NETWORK, ConvNet
from archloom.tasks.images.augment import AUGMENTATIONS, AugmentSettings
from archloom.tasks.images.parts import NORMALISATIONS, Part
from archloom.tasks.network import DivergedError, NetworkTraining
from archloom.tasks.training import (
    EpochStreams,
    MakeOptimiser,
    device_of,
)
from archloom.types import Arch, Goal
from archloom.utils import seeds
from archloom.utils.options import NonNegativeFloat, NonNegativeInt, Options, PositiveFloat, PositiveInt

EVALUATION_BATCH = 500
"""Images that are classified at once during evaluation."""


def _sgd(parameters: Iterator[nn.Parameter], lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """With Nesterov's momentum of 0.9."""
    return torch.optim.SGD(parameters, lr, momentum=0.9, weight_decay=weight_decay, nesterov=True)


def _adamw(parameters: Iterator[nn.Parameter], lr: float, weight_decay: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr, weight_decay=weight_decay, fused=True)  # a third of the time on CPUs


OPTIMISERS: Mapping[str, MakeOptimiser] = {"sgd": _sgd, "adamw": _adamw}


def _constant(progress: float) -> float:
    return 1.0


def _cosine(progress: float) -> float:
    """Loshchilov & Hutter 2017, equation 5, without restarts: from 1 to 0."""
    return 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0)))


SCHEDULES: Mapping[str, Callable[[float], float]] = {"constant": _constant, "cosine": _cosine}
"""The factor on the learning rate, as a function of the share of epochs that has passed."""


@dataclass(frozen=True)
class ImagesOptions(Options):
    """How networks are trained.

    An epoch is one pass over the training images in a new order, or `steps_per_epoch` batches of them, if that is not
    0; images that do not fill a batch are left out. Networks are trained for `epochs` by default; over as many,
    `schedule` "cosine" lets the learning rate `lr` fall to 0. `augment` names changes of the training images, made in
    this order; `cutout` is the side in pixels of the square that "cutout" blanks, where 0 is half of each side of the
    image. `normalisation` gives pixels values in [-1, 1] ("range"), or values with mean 0 and standard deviation 1 over
    each channel of the training images ("mean_std"). `size` resizes images to `size` x `size` pixels; 0 leaves them as
    they are.

    `valid_share` of the training images of each class are split off for validation if no such part is published, drawn
    from `split_seed`; `train_images` and `valid_images` are the most images of each part, 0 for all. `device` is
    PyTorch's name of one: cpu, cuda, cuda:1.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {"batch": "batch_size", "batches": "steps_per_epoch"}

    epochs: PositiveInt = 20
    batch_size: Annotated[int, msgspec.Meta(ge=2, description="normalisation over a batch needs two images")] = 64
    steps_per_epoch: Annotated[NonNegativeInt, msgspec.Meta(description="0 is all images")] = 0
    optimiser: Literal["sgd", "adamw"] = "adamw"
    lr: PositiveFloat = 0.002
    weight_decay: NonNegativeFloat = 0.01
    schedule: Literal["constant", "cosine"] = "constant"
    augment: tuple[Literal["none", "shift", "flip", "crop", "cutout"], ...] = ()
    cutout: Annotated[NonNegativeInt, msgspec.Meta(description="0 is half of each side")] = 0
    normalisation: Literal["range", "mean_std"] = "range"
    label_smoothing: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    size: Annotated[NonNegativeInt, msgspec.Meta(description="0 leaves images as they are")] = 0
    valid_share: Annotated[float, msgspec.Meta(gt=0, lt=1)] = SHARE
    split_seed: NonNegativeInt = 0
    train_images: Annotated[NonNegativeInt, msgspec.Meta(description="0 is all images")] = 0
    valid_images: Annotated[NonNegativeInt, msgspec.Meta(description="0 is all images")] = 0
    device: str = "cpu"

    @property
    def rule(self) -> SplitRule:
        """How the images are shared out."""
        return SplitRule(self.valid_share, self.split_seed, self.train_images, self.valid_images)


class ImagesTask:
    """Classification of a set of images with the networks of `archloom.spaces.convnet` unless `on` gives another
    space.

    Networks take images (B, c, h, w) of values as `normalisation` says and give logits (B, classes).
    """

    name = "images"
    space_name = "convnet"
    Options = ImagesOptions
    report: ClassVar[Sequence[str]] = ("test_accuracy",)
    final_options: ClassVar[Collection[str]] = ("device",)
    optional_settings: ClassVar[Collection[str]] = ("image_size",)

    def __init__(self, data: ImageData, settings: ImagesOptions | None = None, space: Buildable | None = None) -> None:
        self.data = data
        self.options = settings or ImagesOptions()
        self.epochs = self.options.epochs
        height, width = data.size
        self.space_settings: Mapping[str, Any] = {
            "image_channels": data.channels,
            "classes": len(data.classes),
            "image_size": height if height == width else (height, width),
        }
        self.space = space or ConvNet(image_channels=data.channels, classes=len(data.classes))
        self.device = device_of(self.options.device)
        if self.options.batch_size > len(data.train):
            raise InputError(
                f"task option batch_size={self.options.batch_size}: {data.name} has {len(data.train)} images to train "
                f"on; expected 2 to {len(data.train)}"
            )

    @classmethod
    def open(cls, data: str, settings: Mapping[str, Any], environ: Mapping[str, str]) -> ImagesTask:
        """The task for the images with this name or path (see `archloom.data.images.labelled.open_images`).

        `settings` are values of `ImagesOptions`. InputError for settings that do not fit.
        """
        chosen = ImagesOptions(**settings)
        return cls(open_images(data, environ, chosen.size, chosen.rule), chosen)

    @classmethod
    def named(cls) -> Collection[str]:
        """The names of data sets; anything else is a path."""
        return NAMED

    def on(self, space: Buildable) -> ImagesTask:
        """The same task for the networks of another space."""
        return ImagesTask(self.data, self.options, space)

    @property
    def goals(self) -> Mapping[str, Goal]:
        """Accuracy in percent and mean cross-entropy on the validation part, and parameters in millions."""
        return {"valid_accuracy": "max", "valid_loss": "min", "params_m": "min"}

    @cached_property
    def parts(self) -> Mapping[str, Part]:
        """Training, validation and test images on the device."""
        named = {"train": self.data.train, "valid": self.data.valid, "test": self.data.test}
        normalisation = NORMALISATIONS[self.options.normalisation](self.data.train, self.device)
        return {name: Part.of(split, self.device, normalisation) for name, split in named.items()}

    def begin(self, arch: Arch, seed: int) -> ImagesTraining:
        weights = int(seeds.stream(seed, "weights").integers(2**63))
        return ImagesTraining(self, self.space.build(arch, weights), seed)


class ImagesTraining(NetworkTraining):
    """A network in training. See `archloom.tasks.base.Training`.

    On the CPU two trainings are identical, bit for bit, if they use the same number of threads.
    """

    def __init__(self, task: ImagesTask, network: nn.Module, seed: int) -> None:
        self._task = task
        self._settings = task.options
        # Convolutions take a third less time if the channels of a pixel are adjacent in memory.
        self.network: nn.Module = network.to(task.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        make = OPTIMISERS[self._settings.optimiser]
        self._optimiser = make(self.network.parameters(), self._settings.lr, self._settings.weight_decay)
        super().__init__({NETWORK: self.network}, {NETWORK: self._optimiser}, seed, task.device)

    def run_epoch(self, streams: EpochStreams) -> None:
        self.network.train()
        data, settings = self._task.parts["train"], self._settings
        whole = len(data.labels) // settings.batch_size
        steps = min(settings.steps_per_epoch or whole, whole)
        changes = [AUGMENTATIONS[name] for name in settings.augment]
        how = AugmentSettings(data.normalisation.black, settings.cutout)
        order = torch.randperm(len(data.labels), generator=streams.order).to(self._task.device)
        for step in range(steps):
            images, labels = data.batch(order[step * settings.batch_size : (step + 1) * settings.batch_size])
            for change in changes:
                images = change(images, streams.augment, how)
            self._step(images, labels, self.epochs + step / steps)

    def _step(self, images: Tensor, labels: Tensor, time: float) -> None:
        """One step of the optimiser, `time` epochs after the start."""
        rate = SCHEDULES[self._settings.schedule](time / self._settings.epochs)
        for group in self._optimiser.param_groups:
            group["lr"] = self._settings.lr * rate
        loss = functional.cross_entropy(self.network(images), labels, label_smoothing=self._settings.label_smoothing)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()

    def evaluate(self) -> Mapping[str, float]:
        """Accuracies in percent on validation and test images, mean cross-entropy on validation images, parameters.

        DivergedError if the cross-entropy is not finite: the network's activations overflow. Test images without finite
        logits count as errors.
        """
        valid_accuracy, valid_loss = self._measure(self._task.parts["valid"])
        if not math.isfinite(valid_loss):
            raise DivergedError(f"the validation loss is {valid_loss} after epoch {self.epochs}")
        test_accuracy, _ = self._measure(self._task.parts["test"])
        parameters = sum(parameter.numel() for parameter in self.network.parameters())
        return {
            "valid_accuracy": valid_accuracy,
            "valid_loss": valid_loss,
            "params_m": parameters / 1e6,
            "test_accuracy": test_accuracy,
        }

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
