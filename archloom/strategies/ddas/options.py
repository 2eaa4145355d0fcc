"""The options of DDAS, and its four settings (thesis table 3.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from archloom.errors import InputError
from archloom.learners.mlp import StartName
from archloom.strategies.ddas.noise import Gaussian, Noise, OnStagnation, OrnsteinUhlenbeck, Uniform
from archloom.utils.options import NonNegativeFloat, NonNegativeInt, Options, PositiveFloat, PositiveInt, UnitInterval

SettingName = Literal["random", "noiseless", "gaussian", "four_stage"]
StageName = Literal["explore", "exploit", "fourth"]
Decay = Annotated[float, msgspec.Meta(ge=0, lt=1)]
Number = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]


@dataclass(frozen=True)
class DdasOptions(Options):
    """Defaults are printed in the thesis, unless it says otherwise.

    setting: random: every action is random. noiseless: the actor's output with noise from U(-noise_width, noise_width).
        gaussian: with noise from N(0, noise_sigma). four_stage: like gaussian, then without noise, and with that of an
        Ornstein-Uhlenbeck process whenever the search stagnates.
    explore, exploit, fourth: steps of random actions, of the actor's, and of the fourth stage; none: those of the
        setting, 500, 1000 and 0, for four_stage 500 each.
    loss: the metric of the reward's second term, of which less is better. Only needed if its weight is not 0.
    accuracy_weight, loss_weight: of the reward's two terms.
    hidden: widths of the hidden layers of both networks.
    actor_lr: Adam's rate for the actor. Printed 1e-4, which may saturate the actor, so that its outputs tie.
    critic_lr: Adam's rate for the critic.
    beta1, beta2: Adam's decay rates.
    gamma: the discount.
    soft_update: the share by which the target networks follow with every update.
    batch_size: experiences in an update, drawn with replacement. There is one update a step.
    capacity, fourth_capacity: experiences kept, the latest, and of how many an update draws in the fourth stage.
    noise_width, noise_sigma: see setting. The thesis does not say whether 0.05 is a standard deviation, as here.
    ou_theta, ou_sigma, ou_dt, ou_mu, ou_start: x <- x + theta (mu - x) dt + sigma sqrt(dt) N(0, 1), from x = start.
        Printed: not given.
    patience: T_stag, so many similar steps in a row bring the process on, for as many steps.
    similar: a step is similar if less than this share of the pairs of decision and option is new. Printed 6 of 16.
    clip: actions are clipped to [0, 1] after the noise, and kept like that. Printed: not given.
    weights: how networks start: uniform, as PyTorch's layers do, or orthogonal, with last layers a thousandth of that,
        as in the code that the thesis builds on. Printed: not given.
    """

    setting: SettingName = "noiseless"
    explore: NonNegativeInt | None = None
    exploit: NonNegativeInt | None = None
    fourth: NonNegativeInt | None = None
    loss: str = "valid_loss"
    accuracy_weight: NonNegativeFloat = 0.5
    loss_weight: NonNegativeFloat = 0.5
    hidden: Annotated[tuple[PositiveInt, ...], msgspec.Meta(min_length=1)] = (256, 256, 256)
    actor_lr: PositiveFloat = 3e-5
    critic_lr: PositiveFloat = 1e-3
    beta1: Decay = 0.9
    beta2: Decay = 0.99
    gamma: Decay = 0.99
    soft_update: UnitInterval = 1e-3
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 64
    capacity: PositiveInt = 1_000_000
    fourth_capacity: PositiveInt = 500
    noise_width: NonNegativeFloat = 1e-5
    noise_sigma: NonNegativeFloat = 0.05
    ou_theta: NonNegativeFloat = 0.15
    ou_sigma: NonNegativeFloat = 0.2
    ou_dt: PositiveFloat = 1.0
    ou_mu: Number = 0.0
    ou_start: Number = 0.0
    patience: PositiveInt = 32
    similar: UnitInterval = 0.375
    clip: bool = True
    weights: StartName = "uniform"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.accuracy_weight and not self.loss_weight:
            raise InputError("accuracy_weight=0 and loss_weight=0: no reward is left; expected one above 0")
        if not self.steps:
            raise InputError("explore, exploit and fourth are 0: expected at least one step")

    @property
    def steps(self) -> int:
        """Of a whole run."""
        return sum(stage.steps for stage in self.stages())

    def stages(self) -> Sequence[Stage]:
        """The stages of a run, in their order."""
        return SETTINGS[self.setting].stages(self)


@dataclass(frozen=True)
class Stage:
    """So many steps that are alike. Without `noise` actions are random and nothing is learnt; with it they are the
    actor's, and each step is followed by an update from the latest `window` experiences."""

    name: StageName
    steps: int
    noise: Noise | None
    window: int


@dataclass(frozen=True)
class Setting:
    """The lengths of the stages unless the options say otherwise, and the noise of the second."""

    explore: int
    exploit: int
    fourth: int
    noise: Callable[[DdasOptions], Noise]

    def lengths(self, options: DdasOptions) -> tuple[int, int, int]:
        return (
            self.explore if options.explore is None else options.explore,
            self.exploit if options.exploit is None else options.exploit,
            self.fourth if options.fourth is None else options.fourth,
        )

    def stages(self, options: DdasOptions) -> Sequence[Stage]:
        explore, exploit, fourth = self.lengths(options)
        return (
            Stage("explore", explore, None, options.capacity),
            Stage("exploit", exploit, self.noise(options), options.capacity),
            Stage("fourth", fourth, _on_stagnation(options), options.fourth_capacity),
        )


class RandomSetting(Setting):
    """Explores as long as the others do everything."""

    def stages(self, options: DdasOptions) -> Sequence[Stage]:
        return (Stage("explore", sum(self.lengths(options)), None, options.capacity),)


def _uniform(options: DdasOptions) -> Noise:
    return Uniform(options.noise_width)


def _gaussian(options: DdasOptions) -> Noise:
    return Gaussian(options.noise_sigma)


def _on_stagnation(options: DdasOptions) -> Noise:
    o = options
    process = OrnsteinUhlenbeck(o.ou_theta, o.ou_sigma, o.ou_dt, o.ou_mu, o.ou_start)
    return OnStagnation(process, o.patience, o.similar)


SETTINGS: Mapping[SettingName, Setting] = {
    "random": RandomSetting(500, 1000, 0, _uniform),
    "noiseless": Setting(500, 1000, 0, _uniform),
    "gaussian": Setting(500, 1000, 0, _gaussian),
    "four_stage": Setting(500, 500, 500, _gaussian),
}
