"""The options of image classification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import msgspec

from archloom.data.images.labelled import SHARE, SplitRule
from archloom.errors import InputError
from archloom.tasks.images.optimisation import LearningRate, OptimiserSettings
from archloom.utils.options import NonNegativeFloat, NonNegativeInt, Options, PositiveFloat, PositiveInt

Probability = Annotated[float, msgspec.Meta(ge=0, lt=1)]


@dataclass(frozen=True)
class ImagesOptions(Options):
    """How networks are trained.

    An epoch is one pass over the training images in a new order, or `steps_per_epoch` batches of them, if that is not
    0; images that do not fill a batch are left out. Networks are trained for `epochs` by default. `momentum` and
    `nesterov` are those of "sgd". Gradients whose norm is above `max_grad_norm` are scaled down to it; 0 leaves them as
    they are.

    The learning rate rises linearly from 0 to `lr` in `warmup_epochs`, then `schedule` "cosine" or "linear" lets it
    fall to `final_lr` at the end of `epochs`, whatever the fidelity; with `schedule_until` "fidelity" at the end of
    the epochs that a proposal asks for. A training that goes on, as asha's promotions do, then goes on at the place of
    the longer schedule that it has reached, so that its learning rate rises again.

    `augment` names changes of the training images, made in this order; `cutout` is the side in pixels of the square
    that "cutout" blanks, where 0 is half of each side of the image. `normalisation` gives pixels values in [-1, 1]
    ("range"), or values with mean 0 and standard deviation 1 over each channel of the training images ("mean_std").
    `size` resizes images to `size` x `size` pixels; 0 leaves them as they are.

    `drop_path` is the probability with which networks that can drop paths do so at the end of the schedule; it rises
    linearly from 0. With `auxiliary_weight` networks have an auxiliary head, whose loss is added with this weight; of
    archloom's spaces `darts` and those of random graphs (`hnag`, `rnag`) have both.

    `valid_share` of the training images of each class are split off for validation if no such part is published, drawn
    from `split_seed`; `train_images` and `valid_images` are the most images of each part, 0 for all. With
    `train_on_valid` networks are trained on the validation images too, and only what they do on test images is
    measured: for networks whose search is over. `device` is PyTorch's name of one: cpu, cuda, cuda:1.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {"batch": "batch_size", "batches": "steps_per_epoch"}

    epochs: PositiveInt = 20
    batch_size: Annotated[int, msgspec.Meta(ge=2, description="normalisation over a batch needs two images")] = 64
    steps_per_epoch: Annotated[NonNegativeInt, msgspec.Meta(description="0 is all images")] = 0
    optimiser: Literal["sgd", "adamw"] = "adamw"
    lr: PositiveFloat = 0.002
    final_lr: NonNegativeFloat = 0.0
    warmup_epochs: NonNegativeFloat = 0.0
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    schedule_until: Literal["epochs", "fidelity"] = "epochs"
    momentum: Probability = 0.9
    nesterov: bool = True
    weight_decay: NonNegativeFloat = 0.01
    max_grad_norm: Annotated[NonNegativeFloat, msgspec.Meta(description="0 does not clip")] = 0.0
    augment: tuple[Literal["none", "shift", "flip", "crop", "cutout"], ...] = ()
    cutout: Annotated[NonNegativeInt, msgspec.Meta(description="0 is half of each side")] = 0
    normalisation: Literal["range", "mean_std"] = "range"
    label_smoothing: Probability = 0.0
    drop_path: Probability = 0.0
    auxiliary_weight: NonNegativeFloat = 0.0
    size: Annotated[NonNegativeInt, msgspec.Meta(description="0 leaves images as they are")] = 0
    valid_share: Annotated[float, msgspec.Meta(gt=0, lt=1)] = SHARE
    split_seed: NonNegativeInt = 0
    train_images: Annotated[NonNegativeInt, msgspec.Meta(description="0 is all images")] = 0
    valid_images: Annotated[NonNegativeInt, msgspec.Meta(description="0 is all images")] = 0
    train_on_valid: bool = False
    device: str = "cpu"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.final_lr > self.lr:
            raise InputError(f"task option final_lr={self.final_lr}: expected at most lr, {self.lr}")
        if self.warmup_epochs >= self.epochs:
            raise InputError(
                f"task option warmup_epochs={self.warmup_epochs:g}: expected fewer than epochs, {self.epochs}"
            )
        if self.cutout and "cutout" not in self.augment:
            raise InputError(
                f"task option cutout={self.cutout}: add cutout to augment, as in augment=shift,flip,cutout"
            )

    def steps_of(self, images: int) -> int:
        """The steps of an epoch on so many images."""
        whole = images // self.batch_size
        return min(self.steps_per_epoch or whole, whole)

    @property
    def rule(self) -> SplitRule:
        """How the images are shared out."""
        return SplitRule(self.valid_share, self.split_seed, self.train_images, self.valid_images)

    @property
    def optimiser_settings(self) -> OptimiserSettings:
        return OptimiserSettings(self.lr, self.weight_decay, self.momentum, self.nesterov)

    @property
    def learning_rate(self) -> LearningRate:
        return LearningRate(self.schedule, self.lr, self.final_lr, self.warmup_epochs)
