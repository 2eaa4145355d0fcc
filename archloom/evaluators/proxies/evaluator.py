"""The evaluator that scores untrained networks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from archloom.data.images.labelled import ImageData
from archloom.errors import InputError, unknown
from archloom.evaluators.proxies import COSTS, PROXIES
from archloom.evaluators.proxies.candidate import Batch, Candidate, weights_of
from archloom.evaluators.proxies.options import ProxyOptions
from archloom.spaces.base import Buildable
from archloom.tasks.training import device_of
from archloom.types import Arch, Goal, Proposal, Resource, Result, Weights, resolve_fidelity
from archloom.utils import seeds

FAILED = "failed"
"""Among the details of a result: the proxies that have no score, with the reasons."""


def _as_built(weight: Tensor, random: torch.Generator) -> None:
    """Leave a weight as it is."""


def _kaiming(weight: Tensor, random: torch.Generator) -> None:
    nn.init.kaiming_normal_(weight, generator=random)


def _xavier(weight: Tensor, random: torch.Generator) -> None:
    nn.init.xavier_normal_(weight, generator=random)


def _normal(weight: Tensor, random: torch.Generator) -> None:
    nn.init.normal_(weight, generator=random)


INITS: Mapping[str, Callable[[Tensor, torch.Generator], None]] = {
    "default": _as_built,
    "kaiming": _kaiming,
    "xavier": _xavier,
    "normal": _normal,
}
"""What draws the weights of a layer again, by the name of the option."""


class Scores:
    """Scores architectures of a space by proxies.

    `shape` (c, h, w) is that of an image; `images` are those to draw batches from, None if no proxy sees any.
    InputError for a device that there is not, and for fewer images than a batch has.
    """

    def __init__(
        self, space: Buildable, options: ProxyOptions, shape: tuple[int, int, int], images: ImageData | None
    ) -> None:
        self._space = space
        self._options = options
        self._shape = shape
        self._images = images
        self._device = device_of(options.device)
        if images is not None and options.batch_size > len(images.train):
            raise InputError(
                f"task option batch_size={options.batch_size}: {images.name} has {len(images.train)} images to draw "
                f"from; expected 2 to {len(images.train)}"
            )

    def of(self, arch: Arch, proxies: Sequence[str]) -> tuple[dict[str, float], dict[str, str]]:
        """The score of an architecture by each of the proxies, and the reasons of those that have none."""
        sums, reasons = dict.fromkeys(proxies, 0.0), dict[str, str]()
        for repeat in range(self._options.repeats):
            with torch.random.fork_rng(devices=[]):
                candidate = self._candidate(arch, repeat)
                for name in proxies:
                    try:
                        sums[name] += PROXIES[name].score(candidate)
                    except ArithmeticError as error:
                        reasons.setdefault(name, str(error))
        scores = {name: total / self._options.repeats for name, total in sums.items()}
        for name, score in scores.items():
            if not math.isfinite(score):
                reasons.setdefault(name, f"{name} is {score}")
        return {name: score for name, score in scores.items() if name not in reasons}, reasons

    def _candidate(self, arch: Arch, repeat: int) -> Candidate:
        """The network of an architecture with the weights and the images of a repeat."""
        weights, again, inside = (
            seeds.stream(self._options.seed, "proxy.weights", repeat).integers(2**63, size=3).tolist()
        )
        network = self._space.build(arch, weights)
        random, draw = torch.Generator().manual_seed(again), INITS[self._options.init]
        with torch.no_grad():
            for weight in weights_of(network):
                draw(weight, random)
        torch.default_generator.manual_seed(inside)  # a network of the user's may draw while it runs
        return Candidate(network.to(self._device), self._shape, self._batches[repeat] if self._images else None)

    @cached_property
    def _batches(self) -> Sequence[Batch]:
        """One for each repeat, drawn without replacement."""
        assert self._images is not None  # noqa: S101 - asked for only then
        part, size, batches = self._images.train, self._options.batch_size, []
        for repeat in range(self._options.repeats):
            rows = seeds.stream(self._options.seed, "proxy.images", repeat).permutation(len(part))[:size]
            images = torch.tensor(part.images[rows]).to(self._device).float().div_(127.5).sub_(1.0)
            batches.append(Batch(images, torch.tensor(part.labels[rows]).to(self._device)))
        return batches


class ProxyEvaluator:
    """Answers with scores of untrained networks: proxies, and the costs in `COSTS`.

    A score that the network does not have is a failed trial if selection needs it; in the report it is absent.
    """

    resource: Resource | None = None

    def __init__(self, scores: Scores, goals: Mapping[str, Goal], report: Sequence[str]) -> None:
        for name in (*goals, *report):
            if COSTS.get(name, name) not in PROXIES:
                raise unknown("proxy", name, PROXIES)
        self.goals = dict(goals)
        self._report = tuple(name for name in report if name not in goals)
        self._scores = scores

    def evaluate(
        self, proposal: Proposal, weights: Mapping[int, Weights] | None, rng: np.random.Generator
    ) -> tuple[Result, Weights | None]:
        started = time.perf_counter()
        resolve_fidelity(None, proposal.fidelity)
        asked = {name: COSTS.get(name, name) for name in (*self.goals, *self._report)}
        found, reasons = self._scores.of(proposal.arch, tuple(dict.fromkeys(asked.values())))
        seconds = time.perf_counter() - started
        failed = [asked[name] for name in self.goals if asked[name] in reasons]
        if failed:
            return Result.failed(reasons[failed[0]], seconds), None
        values = {name: found[proxy] for name, proxy in asked.items() if proxy in found}
        scores = {name: values[name] for name in self.goals}
        report = {name: values[name] for name in self._report if name in values}
        return Result(scores, report, seconds, details={FAILED: reasons} if reasons else {}), None
