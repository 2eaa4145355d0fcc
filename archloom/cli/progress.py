"""Progress of runs: a bar on standard error, or a line now and then if that is not a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from archloom.cli import output
from archloom.cli.stdout_guard import stdout_guard
from archloom.utils.text import one_line

if TYPE_CHECKING:
    from rich.progress import Progress

    from archloom.agents.training_log import TrainingRow
    from archloom.cli.forecast import Forecast
    from archloom.constraints import Criteria
    from archloom.problems.scenario import Scenario
    from archloom.runs.history import History
    from archloom.runs.prepare import Request
    from archloom.runs.record import TrialRecord

LINE_EVERY_S = 10.0
_WIDEST = 100
"""How many characters a name or a state may take, whatever metrics are called."""


class _View:
    """Counts towards a total, if there is one: in a bar on a terminal, otherwise in a line now and then.

    Use as a context manager. A bar has its state beside it, or `below` it if that is long.
    """

    below = False
    estimates = False
    """Whether it estimates itself how long it will still take."""
    at_once = True
    """Whether a bar is there from the beginning, or with the first count."""

    def __init__(self, label: str, total: int | None, unit: str, quiet: bool) -> None:
        self._total, self._unit, self._quiet = total, unit, quiet
        self._done = 0
        self._said_at = time.monotonic()
        self._aside = stdout_guard()  # what an evaluator prints is not the command's output
        self._bar = _make_bar(self.below, self.estimates) if not quiet and sys.stderr.isatty() else None
        shown = one_line(label, _WIDEST)
        self._task = self._bar.add_task(shown, total=total, best="", left="") if self._bar is not None else None

    def __enter__(self) -> Self:
        self._aside.__enter__()
        if self._bar is not None and self.at_once:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._aside.__exit__(kind, value, trace)

    def _announce(self, what: str, begins: str, amount: str) -> None:
        """Show at once what begins; `amount` is the total in words, if there is one."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, best=one_line(begins, _WIDEST))
        elif not self._quiet:
            count = f", {amount} in all" if amount else ""
            output.say(f"{one_line(what, _WIDEST)}: {one_line(begins, _WIDEST)}{count}", err=True)

    def _show(self, what: str, state: str, left: str = "") -> None:
        """Show `what` is being worked on, its `state`, and how long it will still take, if that is known."""
        what, state = one_line(what, _WIDEST), one_line(state, _WIDEST)
        if self._bar is not None and self._task is not None:
            self._bar.start()
            self._bar.update(self._task, completed=self._done, best=state or what, left=left)
        elif not self._quiet and time.monotonic() - self._said_at > LINE_EVERY_S:
            self._said_at = time.monotonic()
            share = f"{self._done:,}" if self._total is None else f"{self._done:,} of {self._total:,}"
            count = f"{what}: {share} {self._unit}"
            output.say(", ".join(filter(None, [count, state, left])), err=True)


class ProgressView(_View):
    """Counts queries over all runs and shows the best value so far, and with a `forecast` how long it will take.

    If the first results take long, `begins` says at once what goes on until they are there (`what_begins`).
    """

    estimates = True

    def __init__(
        self,
        label: str,
        total: int | None,
        criteria: Criteria,
        quiet: bool = False,
        forecast: Forecast | None = None,
        begins: str = "",
    ) -> None:
        super().__init__(label, total, "queries", quiet)
        self._begins = begins
        self._forecast = None if quiet else forecast
        self._label = label
        self._criteria = criteria
        self._metric = criteria.objectives[0].metric
        self._best: TrialRecord | None = None
        self._failed = 0

    def __enter__(self) -> Self:
        super().__enter__()
        if self._begins:
            from archloom.analysis.layout import counted

            amount = "" if self._total is None else counted(self._total, "query", "queries")
            self._announce(self._label, self._begins, amount)
        if self._forecast is not None:
            self._forecast.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._forecast is not None:
            self._forecast.__exit__(kind, value, trace)
        super().__exit__(kind, value, trace)

    def __call__(self, run: int, lines: Sequence[TrialRecord]) -> None:
        """Count newly committed trials of one of the runs."""
        for line in lines:
            self._done += line.query is not None
            self._failed += line.error is not None and line.query is not None
            if self._criteria.feasible(line) and self._is_better(line):
                self._best = line
        if self._forecast is not None:
            self._forecast(run, lines)
        self._show(self._label, self._state(), self._left)

    def add(self, known: History, run: int = 0) -> None:
        """Count trials that one of the runs had already."""
        if self._forecast is not None:
            self._forecast.add(run, known)
        self._done += known.queries
        self._failed += len(known.failed)
        best = known.best()
        if best is not None and self._is_better(best):
            self._best = best
        self._show(self._label, self._state(), self._left)

    @property
    def _left(self) -> str:
        return "" if self._forecast is None else self._forecast.left

    def _is_better(self, line: TrialRecord) -> bool:
        sign = self._criteria.objectives[0].sign
        return self._best is None or sign * line.scores[self._metric] > sign * self._best.scores[self._metric]

    def _state(self) -> str:
        best = f"best {self._metric} {self._best.scores[self._metric]:.4g}" if self._best else "nothing feasible yet"
        return f"{best}, {self._failed} failed" if self._failed else best


def what_begins(scenario: Scenario, requests: Mapping[Path, Request]) -> str:
    """What goes on until the first results of runs, by their folders, are there, if they take long because something
    trains; empty if all of them are over."""
    from archloom.runs.manifest import is_over

    problem, spec = scenario.problem, scenario.spec
    if not (problem.trains or spec.source.trains) or all(is_over(path, each) for path, each in requests.items()):
        return ""
    if problem.trained_on is not None:
        return f"training architectures on {problem.trained_on.name}"
    file = spec.source.file  # whose folders are of no interest
    return f"training architectures on {spec.on if file is None else file.name}"


class TrainingView(_View):
    """Counts the steps of an agent's training, and shows what it has learned so far."""

    below = True

    def __init__(self, label: str, total: int, quiet: bool = False) -> None:
        super().__init__(label, total, "steps", quiet)
        self._label = label

    def __call__(self, row: TrainingRow) -> None:
        """Show the last row of the training's log."""
        self._done = row.steps
        self._show(self._label, ", ".join(training_state(row)))


def training_state(row: TrainingRow) -> list[str]:
    """What a row of a training's log says, in words; nothing of what was not measured."""
    said = [
        ("{:,.0f} steps/s", row.steps_per_second),
        ("mean {:.2f}", row.mean_value),
        ("best {:.2f}", row.best),
        ("{:.1f} steps an episode", row.episode_length),
        ("{:.0%} stop", row.stopped),
        ("TD error {:.2g}", row.td_error),
    ]
    return [words.format(value) for words, value in said if value is not None]


class CountView(_View):
    """Counts the finished part of a known number of things."""

    def __init__(self, total: int, unit: str, quiet: bool = False) -> None:
        super().__init__(unit, total, unit, quiet)

    def __call__(self, what: str, more: int) -> None:
        """Count `more` finished ones; `what` is being worked on."""
        self._done += more
        self._show(what, "")


class TotalView(_View):
    """Counts towards a total that is told with each count. There may be nothing to do: then nothing is shown."""

    at_once = False

    def __init__(self, label: str, unit: str, quiet: bool = False) -> None:
        super().__init__(label, None, unit, quiet)
        self._label = label

    def __call__(self, done: int, total: int | None) -> None:
        """So many are done, of how many."""
        self._done, self._total = done, total
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, total=total)
        self._show(self._label, "")


def _make_bar(below: bool, estimates: bool) -> Progress:
    from rich.console import Console, RenderableType
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class StateBelow(Progress):
        def get_renderables(self) -> Iterable[RenderableType]:
            yield self.make_tasks_table(self.tasks)
            yield from (Text(task.fields["best"]) for task in self.tasks)

    left = TextColumn("{task.fields[left]}", markup=False) if estimates else TimeRemainingColumn()
    columns = [TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), left]
    if below:
        return StateBelow(*columns, console=Console(stderr=True))
    return Progress(*columns, TextColumn("{task.fields[best]}", markup=False), console=Console(stderr=True))
