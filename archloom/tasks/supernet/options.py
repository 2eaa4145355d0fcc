"""What there is to choose: how a supernet is made, how its paths are measured, how a search goes on training it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any, Literal

import msgspec

from archloom.data.images.labelled import SplitRule
from archloom.errors import InputError
from archloom.utils.options import NonNegativeFloat, NonNegativeInt, Options, PositiveFloat, PositiveInt, UnitInterval

Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]


@dataclass(frozen=True)
class SupernetOptions(Options):
    """Everything that a supernet's file depends on, beside its space, its images and archloom's version.

    size: images are resized to `size` x `size` pixels; 0 leaves them as they are.
    train_images, valid_images: the most images of each part; 0: all.
    valid_share, split_seed: the share of the training images that is split off for validation, if the set has no such
        part of its own, and the seed of that choice.
    normalisation: of the images.
    sampling: what each mini-batch trains: "paths", one drawn uniformly (Guo et al. 2020; Li & Talwalkar 2020), or "all"
        operations at once, every weight 1 (the warm-up of DDAS).
    epochs: passes over the training images.
    batch_size, lr, final_lr, momentum, weight_decay: of stochastic gradient descent; the learning rate falls from `lr`
        to `final_lr` as a cosine.
    clip: the largest norm of a gradient; 0 does not clip.
    augment: changes of the training images, made in this order.
    cutout: the side in pixels of the square that the change of this name blanks; 0: half of each side.
    partial: PC-DARTS's K: operations see one of so many channels, the others bypass them. 1: all channels.
    affine: whether normalisations have weights of their own.
    precision: of the arithmetic in training and measuring; weights are float32.
    seed: of the weights, of the order of images and of the paths.
    """

    size: Annotated[NonNegativeInt, msgspec.Meta(description="0 leaves images as they are")] = 0
    train_images: Annotated[NonNegativeInt, msgspec.Meta(description="0 is all images")] = 0
    valid_images: Annotated[NonNegativeInt, msgspec.Meta(description="0 is all images")] = 0
    valid_share: Share = 0.2
    split_seed: NonNegativeInt = 0
    normalisation: Literal["range", "mean_std"] = "range"
    sampling: Literal["paths", "all"] = "paths"
    epochs: PositiveInt = 50
    batch_size: Annotated[int, msgspec.Meta(ge=2, description="normalisation over a batch needs two images")] = 64
    lr: PositiveFloat = 0.025
    final_lr: NonNegativeFloat = 0.001
    momentum: UnitInterval = 0.9
    weight_decay: NonNegativeFloat = 3e-4
    clip: NonNegativeFloat = 5.0
    augment: tuple[Literal["none", "shift", "flip", "crop", "cutout"], ...] = ()
    cutout: NonNegativeInt = 0
    partial: PositiveInt = 1
    affine: bool = False
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: NonNegativeInt = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.final_lr > self.lr:
            raise InputError(f"task option final_lr={self.final_lr}: expected at most lr, {self.lr}")
        if self.cutout and "cutout" not in self.augment:
            raise InputError(
                f"task option cutout={self.cutout}: add cutout to augment, as in augment=shift,flip,cutout"
            )

    @property
    def split(self) -> SplitRule:
        """Which images train and which validate."""
        return SplitRule(self.valid_share, self.split_seed, self.train_images, self.valid_images)


@dataclass(frozen=True)
class FrozenOptions(SupernetOptions):
    """How paths of a finished supernet are measured; beside the options of making it, if it is not there yet.

    norm: batch normalisation takes the statistics of the validation "batch"; the "running" averages of training, which
        all paths share; or, to "recalibrate", those of a path on some training batches.
    eval_batch_size: about how many images are classified at once; with norm=batch the results depend on it.
    recalibration: training batches that recalibrate.
    measured_images: how many validation images a search measures on, always the same ones; 0: all.
    device: PyTorch's name of one: cpu, cuda, cuda:1.
    """

    norm: Literal["batch", "running", "recalibrate"] = "batch"
    eval_batch_size: Annotated[int, msgspec.Meta(ge=2, description="normalisation over a batch needs two images")] = 250
    recalibration: PositiveInt = 10
    measured_images: Annotated[NonNegativeInt, msgspec.Meta(description="0 is all images")] = 0
    device: str = "cpu"


@dataclass(frozen=True)
class StepOptions(FrozenOptions):
    """How a supernet goes on training while it is searched, from a warmed-up one; defaults are those of DDAS.

    steps: M, mini-batches along the path that a query proposes.
    step_lr: their learning rate, constant.
    """

    sampling: Literal["paths", "all"] = "all"
    epochs: PositiveInt = 75
    steps: PositiveInt = 25
    step_lr: PositiveFloat = 0.001


def only_measuring() -> Sequence[str]:
    """The options that say how paths are measured, and that nothing in a supernet's file depends on."""
    made = {field.name for field in fields(SupernetOptions)}
    return [field.name for field in fields(FrozenOptions) if field.name not in made and field.name != "device"]


def making(options: SupernetOptions) -> SupernetOptions:
    """Only what the file depends on."""
    return SupernetOptions(**{field.name: getattr(options, field.name) for field in fields(SupernetOptions)})


def as_plain(options: SupernetOptions) -> dict[str, Any]:
    """As JSON has it."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(making(options)).items()}
