"""Optimisers, and how the learning rate changes in the course of a training."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from archloom.utils.optimisers import SGD, AdamW

Parameters = Iterator[nn.Parameter]


@dataclass(frozen=True)
class OptimiserSettings:
    """What optimisers are made with; `momentum` and `nesterov` are for SGD."""

    lr: float
    weight_decay: float = 0.0
    momentum: float = 0.9
    nesterov: bool = True


def _sgd(parameters: Parameters, settings: OptimiserSettings) -> torch.optim.Optimizer:
    nesterov = settings.nesterov and settings.momentum > 0  # without momentum there is nothing to look ahead with
    return SGD(
        parameters, settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay, nesterov=nesterov
    )


def _adamw(parameters: Parameters, settings: OptimiserSettings) -> torch.optim.Optimizer:
    # Fused, it takes a third of the time on CPUs.
    return AdamW(parameters, settings.lr, weight_decay=settings.weight_decay, fused=True)


OPTIMISERS: Mapping[str, Callable[[Parameters, OptimiserSettings], torch.optim.Optimizer]] = {
    "sgd": _sgd,
    "adamw": _adamw,
}


def _constant(progress: float) -> float:
    return 1.0


def _cosine(progress: float) -> float:
    """Loshchilov & Hutter 2017, equation 5, without restarts: from 1 to 0."""
    return 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0)))


def _linear(progress: float) -> float:
    return 1.0 - min(progress, 1.0)


SCHEDULES: Mapping[str, Callable[[float], float]] = {"constant": _constant, "cosine": _cosine, "linear": _linear}
"""From 1 to 0, as a function of the share of the epochs after the warm-up that has passed."""


@dataclass(frozen=True)
class LearningRate:
    """The learning rate at any time: it rises from 0 to `lr` in `warmup` epochs, then falls to `final` as `schedule`
    says.
    """

    schedule: str
    lr: float
    final: float = 0.0
    warmup: float = 0.0

    def at(self, begin: float, end: float, horizon: float) -> float:
        """That of a step which lasts from `begin` to `end`, in epochs; `horizon` is where the schedule ends."""
        if end <= self.warmup:
            return self.lr * end / self.warmup
        rest = horizon - self.warmup
        progress = max(begin - self.warmup, 0.0) / rest if rest > 0 else 1.0
        return self.final + (self.lr - self.final) * SCHEDULES[self.schedule](progress)


HORIZONS: Mapping[str, Callable[[int, int], int]] = {
    "epochs": lambda epochs, fidelity: epochs,
    "fidelity": lambda epochs, fidelity: fidelity,
}
"""Where schedules end, of the task's epochs and of those that a proposal asks for."""
