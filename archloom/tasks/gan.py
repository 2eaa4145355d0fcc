"""Making images: a generator and a discriminator that train against each other, scored by a Fréchet distance.

How they train is PBT-NAS's (Chebykin et al. 2023, appendix and code), which follows AdversarialNAS and AutoGAN.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar, Protocol, runtime_checkable

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from archloom.checkpoints.state import Average, TrainingState
from archloom.data.images.unlabelled import NAMES, UnlabelledImages, open_unlabelled
from archloom.errors import InputError
from archloom.metrics.frechet import BATCH, Extractor, Gaussian, open_extractor
from archloom.metrics.inception_score import SPLITS
from archloom.metrics.real_statistics import RealImages, keepable, real_statistics
from archloom.nets.gan.losses import discriminator_loss, generator_loss
from archloom.nets.gan.networks import GanNetworks
from archloom.spaces.gan import Dimensions, GanHard
from archloom.spaces.gan.dimensions import SCALE
from archloom.tasks.base import Deployed
from archloom.tasks.fit import Fit, sizes_for
from archloom.tasks.network import NetworkTraining
from archloom.tasks.training import EpochStreams, device_of, load_network, on_cpu
from archloom.types import Arch, Goal
from archloom.utils import seeds
from archloom.utils.optimisers import AdamW
from archloom.utils.options import NonNegativeInt, Options, PositiveFloat, PositiveInt

GENERATOR, DISCRIMINATOR, AVERAGE = "generator", "discriminator", "generator_ema"
"""Names in the state of a training: of both networks, and of the averaged copy of the generator's parameters."""

GENERATOR_BATCH = 2
"""The generator's batches are this many times as large as the discriminator's, unless a size is given."""

BETAS = (0.0, 0.9)
"""The betas of both Adam optimisers."""

Images = Annotated[int, msgspec.Meta(ge=2, description="a covariance needs two images")]

NUMBERS_PER_CHANNEL, LEAST_CHANNELS, MOST_CHANNELS = 12, 32, 256
"""How many channels of a generator fit images of so many numbers (pixels x channels)."""

AVERAGED_SHARE, LEAST_NEW, MOST_NEW = 30, 0.001, 0.1
"""The share of an averaged generator that each step renews: 30 / steps, within these bounds (0.001 is the paper's, for
75,000 steps)."""

EFFICIENTNET_FEATURES = 1280


@runtime_checkable
class GanBuildable(Protocol):
    """A space of pairs of a generator and a discriminator; `archloom.spaces.gan.GanSpace` is one."""

    name: str
    dimensions: Dimensions

    def build(self, arch: Arch, seed: int) -> GanNetworks: ...


@dataclass(frozen=True)
class GanOptions(Options):
    """How generators and discriminators are trained and measured.

    An epoch is one pass over all images in a new order, or `steps_per_epoch` batches of them, if that is not 0; the
    last batch may be short. The discriminator takes a step on each batch of `batch_size` images; on every
    `generator_every`th batch of an epoch, beginning with the first, the generator takes one, on `generator_batch_size`
    images of its own. Both learn by Adam at the rate `lr`; `eps` is what it adds to the root of the second moment.

    `ema` is the share of the averaged generator that each of its steps keeps. The default 0.999 is for tens of
    thousands of steps; hundreds would hardly move it from its initial values: use 0.9 for those.

    The averaged generator is measured by the Fréchet distance of `samples` of its images to all real ones, in the
    features of `extractor`: inception (then it is the FID, and the Inception Score is reported beside it),
    efficientnet_lite0, pixels, or a function of your own as module:function. `archloom evaluate` takes `final_samples`.

    `epochs`, `ema` and `extractor`, and `channels` and `discriminator_channels` of the space, fit the data unless they
    are given (docs/pbt-nas.md has the rule); the defaults here are the paper's.

    `size` resizes images to `size` x `size` pixels, a multiple of 8; 0 resizes only those that do not fit, to the next
    multiple. `device` is PyTorch's name of one: cpu, cuda, cuda:1.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {"batch": "batch_size", "batches": "steps_per_epoch"}

    epochs: PositiveInt = 300
    batch_size: PositiveInt = 40
    steps_per_epoch: Annotated[NonNegativeInt, msgspec.Meta(description="0 is all images")] = 0
    generator_every: PositiveInt = 5
    generator_batch_size: Annotated[NonNegativeInt, msgspec.Meta(description="0 is twice batch_size")] = 0
    lr: PositiveFloat = 0.0002
    eps: PositiveFloat = 1e-4
    ema: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.999
    samples: Images = 5000
    final_samples: Images = 50000
    extractor: str = "efficientnet_lite0"
    size: Annotated[int, msgspec.Meta(ge=0, multiple_of=SCALE)] = 0
    device: str = "cpu"


class GanTask:
    """Generators of images like those of a set, with the networks of `GanHard` unless `on` gives another space.

    All training images of a set are used; they need no classes, and none are held back.
    """

    name = "gan"
    space_name = "gan_hard"
    Options = GanOptions
    final_options: ClassVar[Collection[str]] = ("final_samples", "extractor", "device")
    functions: ClassVar[Collection[str]] = ("extractor",)
    read_with: ClassVar[tuple[str, ...]] = ("size",)

    def __init__(
        self,
        data: UnlabelledImages,
        settings: GanOptions | None = None,
        space: GanBuildable | None = None,
        extractor: Extractor | None = None,
    ) -> None:
        self.data = data
        self.options = settings or GanOptions()
        self.epochs = self.options.epochs
        height, width = data.size
        if height != width or height % SCALE:
            raise InputError(
                f"{data.name} has images of {height} x {width} pixels: expected squares, sides a multiple of {SCALE}; "
                f"give a size, e.g. size={_next_size(data)}"
            )
        self.space_settings = {"image_size": height, "image_channels": data.channels}
        self.space = space or GanHard(image_size=height, image_channels=data.channels)
        self.device = device_of(self.options.device)
        self.extractor = extractor or open_extractor(self.options.extractor, self.device)
        for name in ("samples", "final_samples"):
            count, scores = getattr(self.options, name), self.extractor.scores
            if scores and count < SPLITS:
                raise InputError(f"task option {name}={count}: expected at least {SPLITS} for {scores[0]}")

    @classmethod
    def read(cls, data: str, settings: Mapping[str, Any], environ: Mapping[str, str]) -> UnlabelledImages:
        """The images with this name or path (see `archloom.data.images.unlabelled.open_unlabelled`), resized to the
        next multiple of 8 pixels unless they fit."""
        found = open_unlabelled(data, environ, GanOptions(**settings).size)
        size = _next_size(found)
        return found if found.size == (size, size) else open_unlabelled(data, environ, size)

    @classmethod
    def open(
        cls, data: str, settings: Mapping[str, Any], environ: Mapping[str, str], found: UnlabelledImages | None = None
    ) -> GanTask:
        """The task for the images with this name or path, or for those that were `found` there.

        `settings` are values of `GanOptions`. InputError for settings that do not fit.
        """
        chosen = GanOptions(**settings)
        extractor = open_extractor(chosen.extractor, device_of(chosen.device), environ)
        return cls(cls.read(data, settings, environ) if found is None else found, chosen, extractor=extractor)

    @classmethod
    def fit(cls, found: UnlabelledImages, settings: Mapping[str, Any]) -> Fit:
        """Sizes and epochs by how many steps an epoch has, `ema` by how many steps the generator then takes, channels
        and the extractor by how many numbers an image is.

        Channels are the paper's for CIFAR-10, one for 12 numbers, and at most those. Images of fewer numbers than
        EfficientNet has features are described by their pixels.
        """
        chosen = GanOptions(**settings)
        whole = -(-len(found.images) // chosen.batch_size)
        steps = min(chosen.steps_per_epoch or whole, whole)
        sizes = sizes_for(steps, settings.get("epochs"))
        generator_steps = sizes.epochs * -(-steps // chosen.generator_every)
        numbers = found.channels * found.size[0] * found.size[1]
        channels = min(max(numbers // NUMBERS_PER_CHANNEL // SCALE * SCALE, LEAST_CHANNELS), MOST_CHANNELS)
        return Fit(
            sizes,
            task={
                "epochs": sizes.epochs,
                "ema": round(1 - min(max(AVERAGED_SHARE / generator_steps, LEAST_NEW), MOST_NEW), 4),
                **({"extractor": "pixels"} if numbers < EFFICIENTNET_FEATURES else {}),
            },
            space={"channels": channels, "discriminator_channels": channels // 2},
        )

    @classmethod
    def named(cls) -> Collection[str]:
        """The names of data sets; anything else is a path."""
        return NAMES

    def on(self, space: Any) -> GanTask:
        """The same task for the networks of another space; InputError if they are not for these images."""
        if not isinstance(space, GanBuildable):
            name = getattr(space, "name", type(space).__name__)
            raise InputError(f"space {name!r} has no generators: task gan expects gan or gan_hard")
        for name, wanted in self.space_settings.items():
            made = getattr(space.dimensions, name)
            if made != wanted:
                raise InputError(
                    f"space option {name}={made}: {self.data.name} has {wanted}; omit it, the data decide "
                    f"(task.size={made} resizes them)"
                )
        return GanTask(self.data, self.options, space, self.extractor)

    @property
    def goals(self) -> Mapping[str, Goal]:
        """The name of the Fréchet distance, which depends on the extractor of its features."""
        return {self.extractor.metrics.distance: "min"}

    @property
    def report(self) -> Sequence[str]:
        """The Inception Score (more is better) and its deviation, if the extractor knows classes."""
        return self.extractor.scores

    @cached_property
    def images(self) -> Tensor:
        """All images on the device: (n, c, h, w) bytes; without a second copy on the CPU."""
        return torch.from_numpy(np.require(self.data.images, requirements=["C", "W"])).to(self.device)

    @cached_property
    def real(self) -> Gaussian:
        """The feature statistics of all real images; computed once (see `metrics.real_statistics`)."""
        return real_statistics(self.extractor, RealImages(self.data.name, self.images, self.data.sha256), os.environ)

    def prepare_evaluation(self) -> None:
        """Compute the statistics of real images, if other processes can read them then."""
        if keepable(self.extractor, os.environ):
            self.real  # noqa: B018 - is computed now

    def begin(self, arch: Arch, seed: int) -> GanTraining:
        weights = int(seeds.stream(seed, "weights").integers(2**63))
        return GanTraining(self, self.space.build(arch, weights), seed)


class GanTraining(NetworkTraining):
    """Both networks in training, and the averaged generator. See `archloom.tasks.base.Training`.

    On the CPU two trainings are identical, bit for bit, if they use the same number of threads.
    """

    def __init__(self, task: GanTask, networks: GanNetworks, seed: int) -> None:
        self._task = task
        self._settings = options = task.options
        networks.to(task.device)
        self.average: nn.Module = copy.deepcopy(networks.generator).eval().requires_grad_(False)
        self.steps = {GENERATOR: 0, DISCRIMINATOR: 0}
        trained = {GENERATOR: networks.generator, DISCRIMINATOR: networks.discriminator}
        optimisers = {
            name: AdamW(network.parameters(), options.lr, BETAS, options.eps, weight_decay=0.0, fused=True)
            for name, network in trained.items()
        }
        super().__init__(trained, optimisers, seed, task.device)

    def run_epoch(self, streams: EpochStreams) -> None:
        for network in self.networks.values():
            network.train()
        images, settings = self._task.images, self._settings
        order = torch.randperm(len(images), generator=streams.order).to(self.device)
        for step, rows in enumerate(torch.split(order, settings.batch_size)[: settings.steps_per_epoch or None]):
            real = images[rows].to(torch.get_default_dtype()).div_(127.5).sub_(1.0)
            self._discriminator_step(real, self._draw(len(rows), streams.augment))
            if step % settings.generator_every == 0:
                count = settings.generator_batch_size or GENERATOR_BATCH * settings.batch_size
                self._generator_step(self._draw(count, streams.augment))

    def _discriminator_step(self, real: Tensor, latent: Tensor) -> None:
        """On as many generated images as real ones; the generator's batch statistics see them too."""
        discriminator = self.networks[DISCRIMINATOR]
        with torch.no_grad():
            fake = self.networks[GENERATOR](latent)
        self._step(DISCRIMINATOR, discriminator_loss(discriminator(real), discriminator(fake)))

    def _generator_step(self, latent: Tensor) -> None:
        fake = self.networks[GENERATOR](latent)
        self._step(GENERATOR, generator_loss(self.networks[DISCRIMINATOR](fake)))
        with torch.no_grad():
            for mean, parameter in zip(self.average.parameters(), self.networks[GENERATOR].parameters(), strict=True):
                mean.mul_(self._settings.ema).add_(parameter, alpha=1 - self._settings.ema)

    def _step(self, network: str, loss: Tensor) -> None:
        """One step of one network; the other one's gradients are not computed."""
        self.optimisers[network].zero_grad(set_to_none=True)
        loss.backward(inputs=list(self.networks[network].parameters()))  # type: ignore[no-untyped-call]
        self.optimisers[network].step()
        self.steps[network] += 1

    def _draw(self, count: int, rng: torch.Generator) -> Tensor:
        """Latent vectors (count, latent) with the standard normal distribution."""
        return torch.randn(count, self._task.space.dimensions.latent, generator=rng).to(self.device)

    def evaluate(self) -> Mapping[str, float]:
        """The metrics of the averaged generator's images; NaN if they are not finite."""
        return self._task.extractor.measure(self._task.real, self.generate(self._settings.samples))

    def evaluate_finally(self) -> Mapping[str, float]:
        """The same for more images, none of which were used to select the generator."""
        return self._task.extractor.measure(self._task.real, self.generate(self._settings.final_samples, "final"))

    def generate(self, count: int, purpose: str = "evaluate") -> Iterator[Tensor]:
        """Batches of images (B, c, h, w) of the averaged generator, with values from 0 to 255.

        They depend only on the seed, the epochs and the purpose.
        """
        generator = self._measured()
        rng = torch.Generator().manual_seed(int(seeds.stream(self._seed, purpose, self.epochs).integers(2**63)))
        with torch.no_grad():
            for latent in torch.split(self._draw(count, rng), BATCH):
                yield generator(latent).mul(127.5).add(127.5).clamp(0, 255)

    def deployed(self) -> Deployed:
        """The averaged generator: latent vectors to images with values in [-1, 1]."""
        example = torch.zeros(2, self._task.space.dimensions.latent)
        return Deployed(self._measured(), "latent", "image", "the standard normal distribution", example)

    def _measured(self) -> nn.Module:
        """The averaged generator: averaged parameters, and the current running statistics of the generator's batch
        normalisation."""
        self.average.load_state_dict(dict(self.networks[GENERATOR].named_buffers()), strict=False)
        return self.average

    def state(self) -> TrainingState:
        state = super().state()
        averaged = {name: on_cpu(parameter) for name, parameter in self.average.named_parameters()}
        state.averages[AVERAGE] = Average(GENERATOR, averaged)
        state.rest["steps"] = dict(self.steps)
        return state

    def resume(self, state: TrainingState) -> None:
        """Continue from a state, with its random streams; settings are this task's own."""
        super().resume(state)
        buffers = dict(self.networks[GENERATOR].named_buffers())
        load_network(AVERAGE, self.average, {**buffers, **state.averages[AVERAGE].tensors})
        self.steps = {name: int(state.rest["steps"][name]) for name in self.networks}


def _next_size(data: UnlabelledImages) -> int:
    """The smallest multiple of 8 that is not below the images' sides."""
    return -(-max(data.size) // SCALE) * SCALE
