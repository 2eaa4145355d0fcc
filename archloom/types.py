"""The values that all parts of archloom exchange: small, frozen and JSON-serialisable.

None of them ever holds a model, a table or a function: weights are described by a recipe (`Inherit`) and moved by
whoever has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from archloom.errors import InputError
from archloom.utils.text import MOST, one_line

Goal = Literal["max", "min"]
"""Whether a higher or a lower value of a metric is better."""

Weights = Any
"""The complete state of a training (`checkpoints.state.TrainingState`). Never part of a `Trial`."""

REST = -1
"""In a recipe, the gene of everything that no gene owns."""

MIXED = "mixed"
"""In the details of a result: what a recipe could take from where (`checkpoints.mix.MixReport.to_json`)."""


@dataclass(frozen=True, slots=True)
class Arch:
    """One architecture as a tuple of genes; only its search space knows what a gene means."""

    genes: tuple[int | float, ...]


@dataclass(frozen=True, slots=True)
class Inherit:
    """Where a child's weights come from.

    `base` is the id of the trial whose checkpoint the child starts from. `donors` maps a gene to the trial whose
    layer it takes instead (None: freshly initialised); the gene `REST` is everything that no gene owns. A donor's
    tensor enters as `shrink * donor + perturb * fresh`. With `mutate` all weights are then mutated as in SEARL
    (Franke et al. 2021). With `reseed` the training goes on with random streams of its own, so that it is another
    training than its base's even if nothing else is changed. `files` names other files of earlier trials that are
    needed, by kind: those that they wrote beside their checkpoints.
    """

    base: int
    donors: Mapping[int, int | None] = field(default_factory=dict)
    shrink: float = 1.0
    perturb: float = 0.0
    mutate: bool = False
    files: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    reseed: bool = False

    @property
    def diverges(self) -> bool:
        """Whether the training is another one than its base's, which it does not just go on with."""
        return self.reseed or bool(self.donors) or self.mutate


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a strategy asks to have evaluated.

    `fidelity` counts the units of the evaluator's `Resource` (epochs, say); 0 means the maximum. With `inherit`, it
    starts from the checkpoint of an earlier trial: a promotion is `Proposal(arch, fidelity, Inherit(base=trial))`,
        which continues the training if there are checkpoints, and is a look-up if the answer comes from a table.
        `note` is the strategy's private JSON-serialisable message to itself: it comes back with the trial.
    """

    arch: Arch
    fidelity: int = 0
    inherit: Inherit | None = None
    note: Mapping[str, Any] = field(default_factory=dict)


def _plain(number: Any) -> Any:
    """A number of numpy's as Python's own, which alone has a place in JSON."""
    return number.item() if hasattr(number, "dtype") else number


MOST_UNITS = 10**12
"""The longest training, in units of a resource, so that sums over a run stay exact."""


@dataclass(frozen=True, slots=True)
class Resource:
    """What a fidelity counts, and which fidelities an evaluator supports.

    Args:
        unit: what is counted, in the plural: "epochs", "steps", "samples".
        maximum: the highest fidelity, which 0 stands for.
        minimum: the lowest fidelity.
        levels: the only fidelities there are, ascending; empty: every whole number from `minimum` to `maximum`.
        open_ended: a fidelity may exceed `maximum` (a training can go on for longer than its task plans).
        resumable: a proposal that inherits continues from its base's checkpoint, so it uses the difference only. If
            not, it starts over and uses its whole fidelity.
        cost_from_start: `Result.cost_s` counts a training from its start, as a table measured it; the cost of a
            promotion is then the difference from its base's.

    Raises:
        InputError: the numbers contradict each other.
    """

    unit: str
    maximum: int
    minimum: int = 1
    levels: tuple[int, ...] = ()
    open_ended: bool = False
    resumable: bool = True
    cost_from_start: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "minimum", _plain(self.minimum))
        object.__setattr__(self, "maximum", _plain(self.maximum))
        object.__setattr__(self, "levels", tuple(map(_plain, self.levels)))
        if not isinstance(self.unit, str) or not self.unit.strip() or not self.unit.isprintable():
            raise InputError(f"unit {self.unit!r}: expected what is counted, in the plural, e.g. 'epochs'")
        if self.levels:
            if list(self.levels) != sorted(set(self.levels)) or self.levels[-1] != self.maximum:
                raise InputError(
                    f"levels {list(self.levels)}: expected ascending numbers, each once, the last of them the maximum, "
                    f"{self.maximum}"
                )
            object.__setattr__(self, "minimum", self.levels[0])
        whole = all(isinstance(n, int) and not isinstance(n, bool) for n in (self.minimum, self.maximum, *self.levels))
        if not whole or not 1 <= self.minimum <= self.maximum <= MOST_UNITS:
            raise InputError(
                f"a resource from {self.minimum!r} to {self.maximum!r} {self.unit}: expected whole numbers, "
                f"1 <= minimum <= maximum <= {MOST_UNITS:,}"
            )

    @classmethod
    def at(cls, unit: str, levels: Iterable[int], cost_from_start: bool = False) -> Resource:
        """A resource with these levels only, given in any order."""
        ordered = tuple(sorted(set(levels)))
        return cls(unit, ordered[-1], ordered[0], ordered, cost_from_start=cost_from_start)

    def amount(self, number: int) -> str:
        """So much of it, in words: "1 epoch", "1,200 epochs"."""
        return f"{number:,} {self.unit.removesuffix('s') if number == 1 else self.unit}"

    def resolve(self, fidelity: int) -> int:
        """The fidelity that a proposal's number stands for; InputError if the resource does not have it."""
        fidelity = _plain(fidelity)
        if fidelity == 0:
            return self.maximum
        whole = isinstance(fidelity, int) and not isinstance(fidelity, bool) and fidelity <= MOST_UNITS
        if not whole or not self._has(fidelity):
            raise InputError(f"fidelity {fidelity!r}: expected {self}, or 0 for the maximum")
        return fidelity

    def _has(self, fidelity: int) -> bool:
        if self.levels:
            return fidelity in self.levels
        return self.minimum <= fidelity and (self.open_ended or fidelity <= self.maximum)

    def used(self, fidelity: int, base: int | None = None) -> int:
        """The units that one evaluation uses; `base` is the fidelity of the trial that it continues, if any.

        Both are resolved fidelities.
        """
        return max(0, fidelity - base) if self.resumable and base is not None else fidelity

    def __str__(self) -> str:
        if self.levels:
            return f"{' or '.join(map(str, self.levels))} {self.unit}"
        if self.open_ended:
            return f"at least {self.minimum} {self.unit}"
        if self.minimum == self.maximum:
            return f"{self.maximum} {self.unit}"
        return f"{self.minimum} to {self.maximum} {self.unit}"


def resolve_fidelity(resource: Resource | None, fidelity: int) -> int:
    """`Resource.resolve`; without a resource the only fidelity is 0."""
    if resource is not None:
        return resource.resolve(fidelity)
    if fidelity != 0:
        raise InputError(f"fidelity {fidelity!r}: this evaluator has only one fidelity; expected 0")
    return 0


@dataclass(frozen=True, slots=True)
class PopulationSizes:
    """How large a search that trains a population should be: `population` networks, each trained for `epochs` units of
    the resource in all, `step` of them in a chunk. InputError if one is no whole number from 1 up."""

    population: int
    epochs: int
    step: int

    def __post_init__(self) -> None:
        for name in ("population", "epochs", "step"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise InputError(f"PopulationSizes: {name}={value!r}: expected a whole number of at least 1")

    def asked(self, epochs: int | None = None, step: int | None = None) -> PopulationSizes:
        """The same with what a user asks for: a training of other length has as many chunks, if they can be so short,
        or more; chunks of another length are as many, or more."""
        chunks = max(1, self.epochs // self.step)
        if epochs is None:
            step = self.step if step is None else step
            return PopulationSizes(self.population, max(self.epochs, chunks * step), step)
        return PopulationSizes(
            self.population, epochs, min(self.step, max(1, epochs // chunks)) if step is None else step
        )


@dataclass(frozen=True, slots=True)
class Result:
    """An evaluator's answer.

    `scores` may be used for selection; `report` (test metrics) is for people and never reaches a strategy, nor do
    `details`: small JSON-serialisable facts about the evaluation, the same whenever it is repeated. A failed
    evaluation has an `error` and no scores. `cost_s` is in seconds: what the evaluation took or, if the answer is
    looked up, what the training behind it took when it was measured (0 if that was not recorded). `trace` is for
    people: where a failed evaluation failed, and what it printed; it is no part of the record.
    """

    scores: Mapping[str, float] = field(default_factory=dict)
    report: Mapping[str, float] = field(default_factory=dict)
    cost_s: float = 0.0
    error: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    trace: str = field(default="", compare=False)

    @property
    def ok(self) -> bool:
        return self.error is None

    @classmethod
    def failed(
        cls, reason: str, cost_s: float = 0.0, details: Mapping[str, Any] | None = None, trace: str = ""
    ) -> Result:
        """A failed result; the reason is reduced to one line of at most `utils.text.MOST` characters."""
        error = one_line(reason, MOST) or "unknown reason"
        return cls(cost_s=cost_s, error=error, details=dict(details or {}), trace=trace)


@dataclass(frozen=True, slots=True)
class Trial:
    """A proposal with its result. Ids count from 0 in the order in which proposals were asked for."""

    id: int
    proposal: Proposal
    result: Result

    def without_report(self) -> Trial:
        """The same trial as a strategy may see it: without `report`, `details` and `trace`."""
        result = self.result
        if not (result.report or result.details or result.trace):
            return self
        return replace(self, result=replace(result, report={}, details={}, trace=""))
