"""What an evaluator is, and the one function that turns whatever happens inside one into a `Result`."""

from __future__ import annotations

import inspect
import json
import math
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from archloom.checkpoints.store import CheckpointSource, Kind, Place, sources
from archloom.errors import InputError
from archloom.evaluators.metrics import goals_of, number, reported_of
from archloom.spaces.base import SearchSpace
from archloom.types import MOST_UNITS, Goal, Inherit, Proposal, Resource, Result, Weights, resolve_fidelity
from archloom.utils import seeds
from archloom.utils.interrupts import Interrupts
from archloom.utils.printed import MOST as MOST_PRINTED
from archloom.utils.printed import Printed
from archloom.utils.text import reason_of


@runtime_checkable
class Evaluator(Protocol):
    """Answers proposals. `goals` names every metric it puts into `scores`, with its direction.

    One that looks its answers up, in a table say, may have an attribute `looks_up` that is True: then nothing that it
    prints is kept with its failures.
    """

    @property
    def goals(self) -> Mapping[str, Goal]: ...

    @property
    def resource(self) -> Resource | None:
        """What a fidelity counts, and which there are; None if everything is evaluated in full."""
        ...

    def evaluate(
        self, proposal: Proposal, weights: Mapping[int, Weights] | None, rng: np.random.Generator
    ) -> tuple[Result, Weights | None]:
        """Evaluate one proposal; return the result and the state that training ended in, if anything trains.

        `weights` are the states that the proposal inherits from, by trial. InputError for a fidelity that there is not.
        An evaluation depends on the proposal, the weights and the generator alone, not on others before it: what is
            to persist from one evaluation to the next is a state that the next proposal inherits.
        """
        ...


@runtime_checkable
class LeavesFiles(Protocol):
    """An `Evaluator` whose trainings leave something beside their states, which later ones read as their recipes say
    (`Inherit.files`): experience, say."""

    leaves: Kind | None
    """What; None if this one leaves nothing."""

    def evaluate_with_files(
        self,
        proposal: Proposal,
        weights: Mapping[int, Weights] | None,
        files: Sequence[Any],
        place: Place | None,
        rng: np.random.Generator,
    ) -> tuple[Result, Weights | None, Any | None]:
        """As `evaluate`, given what the trials left that the recipe names, in its order, and where this one may write
        meanwhile; in the end is what it leaves, None for nothing. Called instead of `evaluate` if it leaves
        something."""
        ...


def evaluate(
    evaluator: Evaluator, proposal: Proposal, seed: int, trial_id: int, states: CheckpointSource | None = None
) -> Result:
    """Evaluate trial `trial_id` of the run with this seed; an exception or a bad number becomes a failed result.

    What the proposal inherits is read from `states`, and the state it ends in is kept there before this returns. The
    trial's random stream depends on the run's seed and the trial's id alone, so that it does not matter which worker
    evaluates it, or when. StoreError if a state that it inherits is missing or damaged, and if there is no room for
    its own: no fault of the trial's, which is to be evaluated again when that is mended.
    """
    started = time.perf_counter()
    state: Weights | None = None
    left: Any | None = None
    kind = left_by(evaluator)
    inherited = {trial: states.load(trial) for trial in sources(proposal.inherit)} if states else None
    files = _files(kind, proposal.inherit, states) if kind is not None else ()
    with nullcontext(_LOOKED_UP) if getattr(evaluator, "looks_up", False) else _Watch() as watch:
        try:
            rng = seeds.stream(seed, "evaluate", trial_id)
            if kind is None:
                result, state = evaluator.evaluate(proposal, inherited, rng)
            else:
                assert isinstance(evaluator, LeavesFiles)  # noqa: S101 - else it has nothing of that name
                place = None if states is None else states.place(trial_id)
                result, state, left = evaluator.evaluate_with_files(proposal, inherited, files, place, rng)
            result = checked(result, evaluator.goals)
        except BaseException as error:  # noqa: BLE001 - the trial's failure, whatever it is
            cause, used = (error.cause, {STEPS: error.steps}) if isinstance(error, FailedMidwayError) else (error, {})
            if watch.meant(cause):
                raise KeyboardInterrupt from None
            trace = trace_of(cause, watch.printed)
            return Result.failed(reason_of(cause), time.perf_counter() - started, used, trace)
        if not result.ok:
            return replace(result, trace=trace_of(None, watch.printed))
    if states is not None and state is not None:
        try:
            states.save(trial_id, state)
            if kind is not None and left is not None and not states.alone:
                # The larger file last: on a budget it leaves room for both of a trial that must come first.
                states.of(kind).save(trial_id, left)
        except InputError as error:  # a state that cannot be written to a file
            return Result.failed(reason_of(error), time.perf_counter() - started, trace=trace_of(error, ""))
    return result


def left_by(evaluator: Evaluator) -> Kind | None:
    """What an evaluator's trainings leave beside their states (`LeavesFiles`)."""
    if not hasattr(evaluator, "evaluate_with_files"):  # isinstance would take longer than a look-up in a table
        return None
    found: Kind | None = evaluator.leaves  # type: ignore[attr-defined]
    return found


def _files(kind: Kind, inherit: Inherit | None, states: CheckpointSource | None) -> Sequence[Any]:
    """What the trials left that a recipe names."""
    if inherit is None or states is None:
        return ()
    store = states.of(kind)
    return [store.load(trial) for trial in inherit.files.get(kind.name, ())]


class _Watch:
    """What an evaluation prints, and whether it is interrupted meanwhile."""

    def __enter__(self) -> _Watch:
        self._printed = Printed().__enter__()
        self._interrupts = Interrupts().__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._interrupts.__exit__()
        self._printed.__exit__()

    @property
    def printed(self) -> str:
        return self._printed.text

    def meant(self, error: BaseException) -> bool:
        return self._interrupts.meant(error)


class _LookedUp(_Watch):
    """Nothing is printed where an answer is looked up, and only a user interrupts it: watching would cost as much."""

    printed = ""

    def meant(self, error: BaseException) -> bool:
        return isinstance(error, KeyboardInterrupt)


_LOOKED_UP = _LookedUp()


def trace_of(error: BaseException | None, output: str) -> str:
    """What there is to read on a failure: the traceback, and what was printed. Each is cut to 64 KB, its end."""
    parts = []
    if error is not None:
        try:
            pieces = traceback.format_exception(error)
        except BaseException as second:  # noqa: BLE001 - formatting asks the exception, which is a user's code
            pieces = [*traceback.format_tb(error.__traceback__), f"(cannot be shown: {reason_of(second)})\n"]
        parts.append("".join(piece[:LONGEST_PIECE] for piece in pieces)[-MOST_PRINTED:])
    if output.strip():
        parts.append(f"-- printed --\n{output}")
    return "\n".join(parts)


LONGEST_PIECE = 4_000
"""Characters of a piece of a traceback that are kept: more than a frame has, but a message may be of any length."""


def checked(result: Result, goals: Mapping[str, Goal]) -> Result:
    """`result` if it has a finite score for every goal, else the failed result that says what is wrong.

    Values that are not finite are dropped from `report`: they say that a metric was not measured. Numbers of any type
    (numpy's, say) come back as plain ones, for the record; InputError for what is no number, ValueError or TypeError
    for `details` that are no JSON.
    """
    if not isinstance(result, Result):
        raise InputError(f"the evaluator answered {result!r}: expected a Result")
    cost = float(result.cost_s) if math.isfinite(result.cost_s) else 0.0
    details = _plain(result.details)
    if not result.ok:
        return Result.failed(result.error or "", cost, details)
    missing = [name for name in goals if name not in result.scores]
    if missing:
        return Result.failed(f"the evaluator gave no score named {', '.join(missing)}", cost, details)
    scores = {name: number(name, value) for name, value in result.scores.items()}
    for name, value in scores.items():
        if not math.isfinite(value):
            return Result.failed(f"{name} is {value}", cost, details)
    report = {name: number(name, value) for name, value in result.report.items()}
    finite = {name: value for name, value in report.items() if math.isfinite(value)}
    return Result(scores, finite, cost, details=details)


def _plain(details: Mapping[str, Any]) -> dict[str, Any]:
    """Details as they come back from the record; TypeError or ValueError for values that JSON does not have."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(details), allow_nan=False)) if details else {}
    return plain


STEPS = "steps"
"""Among the details of a result: how many units of the resource it used, if that differs from its fidelity."""


def units_used(details: Mapping[str, Any], expected: int) -> int:
    """The units of the resource that a result says it used; `expected` if it says nothing, or what cannot be.

    An evaluator of a user's own may call anything else by that name.
    """
    said = details.get(STEPS)
    return said if type(said) is int and 0 <= said <= MOST_UNITS else expected


def shortest(value: np.floating) -> float:
    """The number with the fewest digits that a float32 represents: 91.6 rather than 91.59999847412109."""
    return float(str(np.float32(value)))


class StopTraining(BaseException):
    """What `report` raises in a user's function when it has trained for as long as was asked.

    No `Exception`, so that a training loop that continues after errors does not continue after this.
    """


class FailedMidwayError(BaseException):
    """An evaluation failed when it had used `steps` units of the resource: these are all that it used."""

    def __init__(self, cause: BaseException, steps: int) -> None:
        super().__init__(steps)
        self.cause = cause
        self.steps = steps


class FunctionEvaluator:
    """Evaluates with a plain function of the user's.

    Its first argument is what the space makes of an architecture (`choices`: a dict of names and values, where the
    space has it, else the `Arch`). Of these it gets those that it has parameters for, by name; a second parameter
    without a default is the generator, whatever its name:

    - `rng`: the trial's own numpy generator.
    - `report`: a function `report(step, value)` to call along a training, with steps in the units of `resource` and a
      number (the single goal) or a dict of metrics. When the fidelity that was asked for is reached, it ends the
      function (with `StopTraining`), and what was reported last is the answer. In a full evaluation the function goes
      on to its own end; if it returns None, what was reported last is the answer, too.
    - `fidelity`: the number of units that was asked for, for functions that see to it themselves.

    It returns a number or a dict of metrics. Metrics that are not among `goals` must be among `report`: they are kept
    for people and never used for selection. A promotion starts the function over.
    """

    def __init__(
        self,
        space: SearchSpace,
        function: Callable[..., float | Mapping[str, float] | None],
        goals: Mapping[str, Goal],
        report: Sequence[str] = (),
        resource: Resource | None = None,
    ) -> None:
        self.goals = goals_of(goals)
        self.report = reported_of(report)
        self.resource = None if resource is None else replace(resource, resumable=False)
        self._function = function
        self._view: Callable[[Any], Any] = getattr(space, "choices", lambda arch: arch)
        if any(check(function) for check in _DEFERRED):
            raise InputError(
                f"evaluate={getattr(function, '__name__', function)}: expected a function that returns metrics; this "
                "one is asynchronous or a generator: write def without async, and return instead of yield"
            )
        self._passed = _passed(function)
        if resource is not None and not {"report", "fidelity"} & {name for name, _ in self._passed}:
            raise InputError(
                f"resource {resource}: expected a function with a parameter report, evaluate(choices, rng, report), "
                "which it calls as report(step, value), or with a parameter fidelity"
            )

    def evaluate(
        self, proposal: Proposal, weights: Mapping[int, Weights] | None, rng: np.random.Generator
    ) -> tuple[Result, Weights | None]:
        started = time.perf_counter()
        fidelity = resolve_fidelity(self.resource, proposal.fidelity)
        full = self.resource is None or fidelity >= self.resource.maximum
        reports = _Reports(self._named, fidelity or None, full)
        offered = {"rng": rng, "report": reports, "fidelity": fidelity}
        seen = self._view(proposal.arch)
        unit = "" if self.resource is None else self.resource.unit
        takes_fidelity = "fidelity" in dict(self._passed)
        # By position where the user's name for it may be another.
        placed = [offered[name] for name, by_position in self._passed if by_position]
        named = {name: offered[name] for name, by_position in self._passed if not by_position}
        try:
            answer = self._function(seen, *placed, **named)
            if not full and not reports.step and not takes_fidelity:
                raise InputError(
                    f"the function reported nothing within {fidelity} {unit}: call report(step, value) after each"
                )
            metrics = reports.last() if answer is None and reports.step else self._named(answer)
        except StopTraining:
            metrics = reports.last()
        except BaseException as error:
            if self.resource is None or reports.step in (0, fidelity):
                raise
            raise FailedMidwayError(error, reports.step) from error
        stray = [name for name in metrics if name not in self.goals and name not in self.report]
        if stray:
            raise InputError(f"metric {stray[0]!r} is neither in goals nor in report")
        scores = {name: number(name, metrics[name]) for name in self.goals if name in metrics}
        report = {name: number(name, metrics[name]) for name in self.report if name in metrics}
        differs = self.resource is not None and reports.step not in (0, fidelity)
        details = {STEPS: reports.step} if differs else {}
        return Result(scores, report, cost_s=time.perf_counter() - started, details=details), None

    def _named(self, answer: float | Mapping[str, float] | None) -> Mapping[str, float]:
        if isinstance(answer, Mapping):
            return answer
        if answer is None:
            raise InputError("the function returned None: return a number, or a dict of metrics")
        if len(self.goals) != 1:
            raise InputError(f"the function returned one number for the goals {', '.join(self.goals)}: return a dict")
        return {next(iter(self.goals)): answer}


class _Reports:
    """`report(step, value)`: takes what a function reports, and ends it once it has trained for `enough` steps."""

    def __init__(self, named: Callable[[Any], Mapping[str, float]], enough: int | None, full: bool) -> None:
        self._named = named
        self._enough = enough
        self._full = full  # it may go on to its own end, but not train for longer
        self.step = 0
        self._metrics: Mapping[str, float] | None = None

    def __call__(self, step: int, value: float | Mapping[str, float]) -> None:
        if isinstance(step, bool) or not self.step < step <= MOST_UNITS or int(step) != step:
            after = f" after step {self.step}" if self.step else ""
            raise InputError(f"report({step!r}, ...){after}: expected whole numbers that rise, from 1 on")
        self.step = int(step)
        if self._enough is None or self.step <= self._enough or self._metrics is None:
            self._metrics = dict(self._named(value))
        if self._enough is not None and (self.step > self._enough or (self.step == self._enough and not self._full)):
            raise StopTraining

    def last(self) -> Mapping[str, float]:
        """The metrics that were reported last, within the steps that were asked for."""
        return self._metrics or {}


def _passed(function: Callable[..., Any]) -> tuple[tuple[str, bool], ...]:
    """What a function takes besides the architecture: (what it is given, whether by position)."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = list(inspect.signature(function).parameters.values())
    placed = [p for p in parameters if p.kind in positional][1:]
    taken: list[tuple[str, bool]] = []
    for place, parameter in enumerate(placed):
        if parameter.name in _OFFERED:
            taken.append((parameter.name, True))
        elif place == 0 and parameter.default is inspect.Parameter.empty:
            taken.append(("rng", True))
        else:
            break  # has its own default; later parameters can only be passed by name
    by_position = len(taken)
    later = [p for p in placed[by_position:] if p.kind is not inspect.Parameter.POSITIONAL_ONLY]
    named = [*later, *(p for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY)]
    return (*taken, *((p.name, False) for p in named if p.name in _OFFERED))


_OFFERED = ("rng", "report", "fidelity")
_DEFERRED = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
"""Functions whose call only makes an object that nobody would run."""
