"""The five values that every room of archloom speaks: small, frozen and JSON-able.

None of them ever holds a model, a table or a function: weights travel as a recipe (`Inherit`) and are moved by
whoever has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Goal = Literal["max", "min"]
"""Whether more or less of a metric is better."""

Weights = Any
"""The complete state of a training (`nets.state.TrainingState`). Never part of a `Trial`."""

REST = -1
"""Among the genes of a recipe: everything that no gene owns."""

MIXED = "mixed"
"""Among the details of a result: what a recipe could take from where (`nets.weights.MixReport.to_json`)."""


@dataclass(frozen=True, slots=True)
class Arch:
    """One architecture as a tuple of genes; what a gene means is known to its search space alone."""

    genes: tuple[int | float, ...]


@dataclass(frozen=True, slots=True)
class Inherit:
    """Where a child's weights come from.

    `base` is the id of the trial whose state the child starts from. `donors` maps a gene to the trial whose layer it
    takes instead (None: freshly initialised); the gene `REST` is everything that no gene owns. A donor's tensor enters
    as `shrink * donor + perturb * fresh`. With `mutate` all weights are then mutated as in SEARL (Franke et al. 2021).
    """

    base: int
    donors: Mapping[int, int | None] = field(default_factory=dict)
    shrink: float = 1.0
    perturb: float = 0.0
    mutate: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a strategy asks to have evaluated.

    `fidelity` counts the evaluator's own units (epochs, say); 0 means all there is. `note` is the strategy's private
    JSON-able message to itself: it comes back with the trial.
    """

    arch: Arch
    fidelity: int = 0
    inherit: Inherit | None = None
    note: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """What an evaluator answers.

    `scores` may be used for selection; `report` (test metrics) is for people and never reaches a strategy, nor do
    `details`: small JSON-able facts about how the evaluation went, the same whenever it is repeated. A failed
    evaluation has an `error` and no scores. `cost_s` is in seconds.
    """

    scores: Mapping[str, float] = field(default_factory=dict)
    report: Mapping[str, float] = field(default_factory=dict)
    cost_s: float = 0.0
    error: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.error is None

    @classmethod
    def failed(cls, reason: str, cost_s: float = 0.0) -> Result:
        """A result that says why there is none; the reason is kept to one line."""
        readable = reason.encode(errors="backslashreplace").decode()  # half a surrogate cannot be written down
        return cls(cost_s=cost_s, error=" ".join(readable.split()) or "unknown reason")


@dataclass(frozen=True, slots=True)
class Trial:
    """A proposal with its answer. Ids count from 0 in the order in which proposals were asked."""

    id: int
    proposal: Proposal
    result: Result

    def without_report(self) -> Trial:
        """The same trial as a strategy may see it: without `report` and `details`."""
        result = self.result
        return replace(self, result=replace(result, report={}, details={})) if result.report or result.details else self
