"""Evaluation by training: the networks of an architecture are built, inherit weights, train, and are evaluated."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from archloom.checkpoints.drafts import EpisodeDraft
from archloom.checkpoints.experience import EXPERIENCE, Episodes
from archloom.checkpoints.mix import mix
from archloom.checkpoints.mutate import mutate_weights
from archloom.checkpoints.state import TrainingState, labelled
from archloom.checkpoints.store import Kind, Place
from archloom.errors import InputError, unknown
from archloom.spaces.base import HasDetails, HasModules, SearchSpace
from archloom.tasks.base import CollectsExperience, PlansAhead, Task, Training, UsesExperience, WritesDraft
from archloom.types import MIXED, Goal, Inherit, Proposal, Resource, Result, Weights


class TrainingEvaluator:
    """Trains architectures of `space` on `task`.

    A proposal's fidelity is how many epochs its training has had in all when it is evaluated; 0: the task's own. One
    that inherits continues from the state of its base, some layers taken from other states as its recipe says, and is
    evaluated after the missing epochs. What its recipe could not provide is in the result's details, and what the space
    says of the network (`HasDetails`). If the task's trainings collect experience, they leave it (`LeavesFiles`).
    """

    def __init__(self, task: Task, space: SearchSpace, scores: Sequence[str], report: Sequence[str] = ()) -> None:
        for name in scores:
            if name not in task.goals:
                raise unknown("metric", name, task.goals)
        self.goals: dict[str, Goal] = {name: task.goals[name] for name in scores}
        self.resource = Resource("epochs", task.epochs, open_ended=True)
        self.leaves: Kind | None = EXPERIENCE if isinstance(task, CollectsExperience) else None
        self._task = task
        self._space = space
        self._report = tuple(report)

    def evaluate(
        self, proposal: Proposal, weights: Mapping[int, Weights] | None, rng: np.random.Generator
    ) -> tuple[Result, Weights | None]:
        result, state, _ = self.evaluate_with_files(proposal, weights, (), None, rng)
        return result, state

    def evaluate_with_files(
        self,
        proposal: Proposal,
        weights: Mapping[int, Weights] | None,
        files: Sequence[Sequence[Episodes]],
        place: Place | None,
        rng: np.random.Generator,
    ) -> tuple[Result, TrainingState, Sequence[Episodes] | None]:
        started = time.perf_counter()
        reach = self.resource.resolve(proposal.fidelity)
        seed = int(rng.integers(1 << 62))
        training = self._task.begin(proposal.arch, seed)
        details = dict(self._space.details(proposal.arch)) if isinstance(self._space, HasDetails) else {}
        if proposal.inherit is not None:
            state, taken = self._inherited(proposal, proposal.inherit, weights or {}, training, rng)
            details |= taken
            training.resume(state)
            if proposal.inherit.diverges:
                training.reseed(seed)  # a child that continued its parent's random numbers would be its twin
        if training.epochs > reach:
            raise InputError(f"fidelity {reach}: the inherited state has already trained for {training.epochs} epochs")
        if isinstance(training, PlansAhead):
            training.train_until(reach)
        with ExitStack() as opened:
            if isinstance(training, UsesExperience):
                training.recall([part for file in files for part in file])
                if place is not None and isinstance(training, WritesDraft):
                    read = () if proposal.inherit is None else proposal.inherit.files.get(EXPERIENCE.name, ())
                    training.write_to(opened.enter_context(EpisodeDraft(place, read)))
            training.train(reach - training.epochs)
        metrics = training.evaluate()
        result = Result(
            {name: metrics[name] for name in self.goals if name in metrics},
            {name: metrics[name] for name in self._report if name in metrics},
            cost_s=time.perf_counter() - started,
            details=details,
        )
        left = training.experience() if isinstance(training, UsesExperience) else None
        return result, training.state(), left

    def _inherited(
        self,
        proposal: Proposal,
        inherit: Inherit,
        weights: Mapping[int, Weights],
        fresh: Training,
        rng: np.random.Generator,
    ) -> tuple[TrainingState, dict[str, Any]]:
        """The state that a proposal's recipe describes, and what the record keeps of it; `fresh` is newly built."""
        state: TrainingState = weights[inherit.base]
        details: dict[str, Any] = {}
        if inherit.donors:
            donors = {gene: None if trial is None else weights[trial] for gene, trial in inherit.donors.items()}
            owners = {gene: self._modules(gene) for gene in range(len(proposal.arch.genes))}
            state, report = mix(state, donors, fresh.state(), owners, inherit.shrink, inherit.perturb)
            _check_owned(owners, [weights[inherit.base], fresh.state(), *filter(None, donors.values())])
            details = {MIXED: report.to_json()}
        return mutate_weights(state, rng) if inherit.mutate else state, details

    def _modules(self, gene: int) -> Sequence[str]:
        if not isinstance(self._space, HasModules):
            raise InputError(
                f"space {self._space.name!r} does not declare which modules a gene owns, so its weights cannot be "
                "mixed: give it modules(gene)"
            )
        return self._space.modules(gene)


def _check_owned(owners: Mapping[int, Sequence[str]], states: Sequence[TrainingState]) -> None:
    """InputError if no gene owns a tensor of any of these networks, though they differ.

    Equal ones may all be made of layers without tensors. `spaces.ownership` looks at more networks, before a run, if
    the space builds them; here a task does.
    """
    prefixes = [prefix for owned in owners.values() for prefix in owned]
    tensors = [labelled(state.networks) for state in states]
    names = {name for each in tensors for name in each}
    differ = len({frozenset((name, tensor.shape) for name, tensor in each.items()) for each in tensors}) > 1
    if prefixes and differ and not any(f"{name}.".startswith(f"{p}.") for name in names for p in prefixes):
        raise InputError(
            f"no gene owns a tensor of the networks that are mixed: modules(gene) gives {prefixes[0]!r}, and names are "
            f"like {min(names)!r}; is it misspelled?"
        )
