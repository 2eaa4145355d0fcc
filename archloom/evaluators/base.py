"""What an evaluator is, and the one function that turns whatever happens inside one into a `Result`."""

from __future__ import annotations

import inspect
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from archloom import seeds
from archloom.errors import InputError
from archloom.spaces.base import SearchSpace
from archloom.states import Shelf, sources
from archloom.types import Goal, Proposal, Result, Weights


@runtime_checkable
class Evaluator(Protocol):
    """Answers proposals. `goals` names every metric it puts into `scores`, with its direction."""

    @property
    def goals(self) -> Mapping[str, Goal]: ...

    @property
    def shared_state(self) -> bool:
        """True where one evaluation changes the next (a supernet): such an evaluator stays in one worker."""
        ...

    def evaluate(
        self, proposal: Proposal, weights: Mapping[int, Weights] | None, rng: np.random.Generator
    ) -> tuple[Result, Weights | None]:
        """Evaluate one proposal; return the result and the state that training ended in, if anything trains.

        `weights` are the states that the proposal inherits from, by trial.
        """
        ...


def evaluate(evaluator: Evaluator, proposal: Proposal, seed: int, trial_id: int, states: Shelf | None = None) -> Result:
    """Evaluate trial `trial_id` of the run with this seed; an exception or a bad number becomes a failed result.

    What the proposal inherits is read from `states`, and the state it ends in is kept there before this returns. The
    trial's random stream depends on the run's seed and the trial's id alone, so that it does not matter which worker
    evaluates it, or when. StoreError where there is no room for that state: no fault of the trial's, which is to be
    evaluated again when there is.
    """
    started = time.perf_counter()
    state: Weights | None = None
    try:
        inherited = {trial: states.load(trial) for trial in sources(proposal.inherit)} if states else None
        result, state = evaluator.evaluate(proposal, inherited, seeds.stream(seed, "evaluate", trial_id))
        result = checked(result, evaluator.goals)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it raises is the trial's failure, not the run's
        return Result.failed(f"{type(error).__name__}: {error}", time.perf_counter() - started)
    if states is not None and state is not None and result.ok:
        try:
            states.save(trial_id, state)
        except InputError as error:  # a state that no file can hold
            return Result.failed(f"{type(error).__name__}: {error}", time.perf_counter() - started)
    return result


def checked(result: Result, goals: Mapping[str, Goal]) -> Result:
    """`result` if it has a finite score for every goal, else the failed result that says what is wrong.

    Values that are not finite are dropped from `report`: they say that a metric was not measured. Numbers of any type
    (numpy's, say) come back as plain ones, for the record; ValueError or TypeError for what is no number, and for
    `details` that are no JSON.
    """
    if not isinstance(result, Result):
        raise InputError(f"the evaluator answered {result!r}: expected a Result")
    cost = float(result.cost_s) if math.isfinite(result.cost_s) else 0.0
    if not result.ok:
        return Result.failed(result.error or "", cost)
    missing = [name for name in goals if name not in result.scores]
    if missing:
        return Result.failed(f"the evaluator gave no score named {', '.join(missing)}", cost)
    scores = {name: float(value) for name, value in result.scores.items()}
    for name, value in scores.items():
        if not math.isfinite(value):
            return Result.failed(f"{name} is {value}", cost)
    report = {name: float(value) for name, value in result.report.items()}
    finite = {name: value for name, value in report.items() if math.isfinite(value)}
    return Result(scores, finite, cost, details=_plain(result.details))


def _plain(details: Mapping[str, Any]) -> dict[str, Any]:
    """Details as they come back from the record; TypeError or ValueError for what JSON has not."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(details), allow_nan=False)) if details else {}
    return plain


def shortest(value: np.floating) -> float:
    """The number with the fewest digits that a float32 stands for: 91.6 rather than 91.59999847412109."""
    return float(str(np.float32(value)))


class FunctionEvaluator:
    """Evaluates with a plain function of the user's.

    `function(arch)` or `function(arch, rng)` gets what the space makes of an architecture (`choices`: a dict of names
    and values, where the space has it, else the `Arch`) and returns a number (the single goal) or a dict of metrics.
    Metrics that are not among `goals` must be among `report`: they are kept for people and never used for selection.
    """

    shared_state = False

    def __init__(
        self,
        space: SearchSpace,
        function: Callable[..., float | Mapping[str, float]],
        goals: Mapping[str, Goal],
        report: Sequence[str] = (),
    ) -> None:
        if not goals or not set(goals.values()) <= {"max", "min"}:
            raise InputError(f"goals {dict(goals)}: expected a metric with 'max' or 'min', e.g. {{'accuracy': 'max'}}")
        self.goals = dict(goals)
        self.report = tuple(report)
        self._function = function
        self._view: Callable[[Any], Any] = getattr(space, "choices", lambda arch: arch)
        self._takes_rng = _takes_rng(function)

    def evaluate(
        self, proposal: Proposal, weights: Mapping[int, Weights] | None, rng: np.random.Generator
    ) -> tuple[Result, Weights | None]:
        started = time.perf_counter()
        seen = self._view(proposal.arch)
        answer = self._function(seen, rng) if self._takes_rng else self._function(seen)
        metrics = self._named(answer)
        stray = [name for name in metrics if name not in self.goals and name not in self.report]
        if stray:
            raise InputError(f"metric {stray[0]!r} is neither in goals nor in report")
        scores = {name: float(metrics[name]) for name in self.goals if name in metrics}
        report = {name: float(metrics[name]) for name in self.report if name in metrics}
        return Result(scores, report, cost_s=time.perf_counter() - started), None

    def _named(self, answer: float | Mapping[str, float]) -> Mapping[str, float]:
        if isinstance(answer, Mapping):
            return answer
        if len(self.goals) != 1:
            raise InputError(f"the function returned one number for the goals {', '.join(self.goals)}: return a dict")
        return {next(iter(self.goals)): answer}


def _takes_rng(function: Callable[..., Any]) -> bool:
    """Whether a function's second parameter is for the generator: it must be given, or is called `rng`."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    taken = [p for p in inspect.signature(function).parameters.values() if p.kind in positional]
    return len(taken) > 1 and (taken[1].default is inspect.Parameter.empty or taken[1].name == "rng")
