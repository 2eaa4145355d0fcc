"""What graph_bo believes of architectures: the models of objectives and constraints, given all that is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from archloom.constraints import Criteria
from archloom.strategies.graph_bo.acquisition import NO_RAYS, Rays
from archloom.strategies.graph_bo.candidates import Candidates, Numbers
from archloom.strategies.graph_bo.kernel import Float64, Inputs, Kernel
from archloom.strategies.graph_bo.knowledge import Knowledge
from archloom.strategies.graph_bo.models import Bounded, Promise, Surrogate, nearness
from archloom.strategies.graph_bo.options import GraphBoOptions
from archloom.strategies.graph_bo.targets import WARPS, standard_with
from archloom.types import Proposal

SUCCESS = "success"
"""The name of the model of whether a trial will succeed."""


class Beliefs:
    """The models of what is known; hyper-parameters are kept from one time to the next, posteriors until more is known.

    `fits` are hyper-parameters as `dump` gave them.
    """

    def __init__(
        self,
        candidates: Candidates,
        knowledge: Knowledge,
        criteria: Criteria,
        options: GraphBoOptions,
        fits: Mapping[str, Any],
    ) -> None:
        self.candidates, self.knowledge, self.criteria, self.options = candidates, knowledge, criteria, options
        self._fits = fits
        self._surrogates: dict[str, Surrogate] = {}
        self._given: tuple[int, Promise] | None = None

    def promise(self, pending: Sequence[Proposal], rng: np.random.Generator) -> Promise:
        """The acquisition function, as if what is in flight had come out as expected."""
        if self._given is None or self._given[0] != self.knowledge.evaluations:
            self._given = self.knowledge.evaluations, self._promise()
        count = len(self.criteria.objectives)
        in_flight = self.inputs(
            self.candidates.numbers(proposal.arch for proposal in pending), self._context_of(pending)
        )
        return self._given[1].believing(in_flight, Rays.drawn(count, rng) if count > 1 else NO_RAYS)

    def dump(self) -> dict[str, Any]:
        """The hyper-parameters, as plain data."""
        return {name: [model.theta.copy(), model.fitted] for name, model in self._surrogates.items()}

    @cached_property
    def kernel(self) -> Kernel:
        """The kernel of all models: what it has to go by."""
        o, layout = self.options, self.candidates.layout
        groups = np.repeat(np.arange(len(layout.groups)), layout.widths) if o.codes else np.empty(0, np.intp)
        stats = len(self.candidates.telling) if o.statistics else 0
        return Kernel(groups, stats, self.knowledge.contexts, o.linear)

    def inputs(self, numbers: Numbers, context: Float64 | None = None) -> Inputs:
        """Architectures as the kernel sees them; without a context, at the highest fidelity of this problem."""
        codes, stats = self.candidates.rows(numbers)
        if context is None:
            context = np.zeros((len(numbers), self.knowledge.contexts))
        return Inputs(
            codes if self.options.codes else codes[:, :0], stats if self.options.statistics else stats[:, :0], context
        )

    def targets(self) -> Float64:
        """(n, m) what the models of the objectives learn of all answers."""
        warp, count = WARPS[self.options.warp], len(self.criteria.objectives)
        return np.stack([self.knowledge.targets(objective, warp) for objective in range(count)], axis=1)

    def _promise(self) -> Promise:
        """Given what is known, and nothing in flight."""
        knowledge, targets = self.knowledge, self.targets()
        rows = self.inputs(self.candidates.numbers(a.arch for a in knowledge.answers), knowledge.context())
        objectives = [
            self._surrogate(f"objective {i}").given(rows, targets[:, i]) for i in range(len(self.criteria.objectives))
        ]
        final = knowledge.final()
        feasible = [row for row in final.tolist() if self.criteria.feasible(knowledge.answers[row].result)]
        return Promise(objectives, self._constraints(rows), targets[feasible] if len(final) else targets, NO_RAYS)

    def _constraints(self, rows: Inputs) -> list[Bounded]:
        """Those of the criteria, and that a trial succeeds, once some have failed."""
        found, own = [], self.knowledge.own()
        for number, constraint in enumerate(self.criteria.constraints if len(own) else ()):
            values = np.array([result.scores[constraint.metric] for result in self.knowledge.results(own)])
            targets, bound = standard_with(values, constraint.bound)
            telling = nearness(values, constraint.bound)
            posterior = self._surrogate(f"constraint {number}").given(rows[own], targets, telling)
            found.append(Bounded(posterior, bound, constraint.at_most))
        if self.knowledge.failed and len(own):
            failed = self.inputs(self.candidates.numbers(self.knowledge.failed))
            succeeded = np.concatenate([np.ones(len(own)), np.zeros(len(failed))])
            targets, bound = standard_with(succeeded, 0.5)
            joined = Inputs.joined([rows[own], failed])
            posterior = self._surrogate(SUCCESS).given(joined, targets, 1.0 - succeeded)  # failures are what it knows
            found.append(Bounded(posterior, bound, at_most=False, avoided=True))
        return found

    def _surrogate(self, name: str) -> Surrogate:
        if name not in self._surrogates:
            theta, fitted = self._fits.get(name, (self.kernel.prior, 0))
            self._surrogates[name] = Surrogate(self.kernel, np.array(theta, np.float64), int(fitted))
        return self._surrogates[name]

    def _context_of(self, pending: Sequence[Proposal]) -> Float64:
        context = np.zeros((len(pending), self.knowledge.contexts))
        context[:, 0] = [self.knowledge.depth(self.knowledge.resolved(proposal.fidelity)) for proposal in pending]
        return context
