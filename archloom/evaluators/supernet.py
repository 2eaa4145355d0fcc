"""Evaluation with shared weights: a path of a supernet is measured, or trained a little and then measured."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from archloom.checkpoints.state import TrainingState
from archloom.errors import InputError, unknown
from archloom.tasks.costs import costs_of
from archloom.tasks.supernet.options import StepOptions
from archloom.tasks.supernet.shared import Batch, Measured, SharedNetwork
from archloom.tasks.training import epoch_streams
from archloom.types import Arch, Goal, Proposal, Result, Weights

GOALS: Mapping[str, Goal] = {"valid_accuracy": "max", "valid_loss": "min", "params_m": "min", "flops_m": "min"}
"""Accuracy in percent and mean cross-entropy along a path; millions of parameters and FLOPs of its plain network."""

ONE_SHOT = "one_shot"
"""In the details of a result that nothing came before: what all operations at once come to."""


class _Measuring:
    """What both evaluators share: which metrics they give, and how."""

    resource = None

    def __init__(self, shared: SharedNetwork, space: Any, scores: Sequence[str], report: Sequence[str]) -> None:
        for name in (*scores, *report):
            if name not in GOALS:
                raise unknown("metric", name, GOALS)
        self.goals: dict[str, Goal] = {name: GOALS[name] for name in scores}
        self._report = tuple(report)
        self._shared, self._space = shared, space

    def _result(self, arch: Arch, found: Measured, started: float, details: Mapping[str, Any]) -> Result:
        metrics = {"valid_accuracy": found.accuracy, "valid_loss": found.loss}
        if not metrics.keys() >= {*self.goals, *self._report}:
            metrics |= costs_of(self._space, arch, self._shared.image)
        return Result(
            {name: metrics[name] for name in self.goals},
            {name: metrics[name] for name in self._report},
            cost_s=time.perf_counter() - started,
            details=details,
        )


class FrozenSupernet(_Measuring):
    """Measures paths of a supernet whose weights stay as they are: an architecture's answer is the same, whenever and
    wherever it is asked for."""

    def __init__(self, shared: SharedNetwork, space: Any, scores: Sequence[str], report: Sequence[str] = ()) -> None:
        super().__init__(shared, space, scores, report)
        self._whole: dict[str, Sequence[Batch]] = {}

    def evaluate(
        self, proposal: Proposal, weights: Mapping[int, Weights] | None, rng: np.random.Generator
    ) -> tuple[Result, None]:
        started = time.perf_counter()
        found = self._shared.measure(self._space.path(proposal.arch))
        return self._result(proposal.arch, found, started, {}), None

    def measure(self, arch: Arch, part: str) -> Measured:
        """On all images of a part, "valid" or "test", however many a search measures on."""
        if part not in self._whole:
            self._whole[part] = self._shared.whole(part)
        return self._shared.measure(self._space.path(arch), self._whole[part])


class SharedTraining(_Measuring):
    """Trains a supernet along the proposed path, then measures it (thesis "ddas-cadam", Algorithm 1).

    A proposal that inherits goes on from its base's state, any other from `start`; M mini-batches are drawn without
    replacement, as far as the images reach. The state is the whole supernet's, with its momentum.
    """

    def __init__(
        self,
        shared: SharedNetwork,
        space: Any,
        start: TrainingState,
        one_shot: Mapping[str, float],
        scores: Sequence[str],
        report: Sequence[str] = (),
    ) -> None:
        super().__init__(shared, space, scores, report)
        self._start, self._one_shot = start, dict(one_shot)

    def evaluate(
        self, proposal: Proposal, weights: Mapping[int, Weights] | None, rng: np.random.Generator
    ) -> tuple[Result, TrainingState]:
        started, inherit = time.perf_counter(), proposal.inherit
        state, details = self._start, {ONE_SHOT: self._one_shot} if self._one_shot else {}
        if inherit is not None:
            if inherit.donors or inherit.mutate:
                raise InputError(
                    "the recipe mixes or mutates weights, and a supernet's are shared by all architectures already: "
                    "search it with a strategy that goes on from one trial's state, ddas say, or from none"
                )
            state, details = (weights or {})[inherit.base], {}
        path = self._space.path(proposal.arch)
        self._shared.load(state)
        self._train(path, int(rng.integers(1 << 62)))
        found = self._shared.measure(path)
        return self._result(proposal.arch, found, started, details), self._shared.state()

    def _train(self, path: Any, seed: int) -> None:
        shared, options = self._shared, self._shared.options
        assert isinstance(options, StepOptions)  # noqa: S101 - what the problem makes it with
        shared.network.train()
        labels, size = shared.train.labels, min(options.batch_size, len(shared.train.labels))
        with epoch_streams(seed, 0, shared.device) as streams:
            for step in range(options.steps):
                place = step % (len(labels) // size)
                if place == 0:
                    order = torch.randperm(len(labels), generator=streams.order).to(shared.device)
                images, classes = shared.train.batch(order[place * size : (place + 1) * size])
                shared.step(path, shared.changed(images, streams.augment), classes, options.step_lr)
