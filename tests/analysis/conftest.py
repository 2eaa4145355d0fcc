"""Runs made by hand on a table of 64 cells, so that every number in a plot or a text is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from itertools import combinations, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from msgspec.structs import replace

from archloom.analysis.study import Reports
from archloom.constraints import criteria
from archloom.data.tables import Table
from archloom.problems import ProblemSpec, RecordedProblem, Scenario, TableProblem
from archloom.runs.budgets import Ending, Limits
from archloom.runs.folders import run_in_memory
from archloom.runs.history import History
from archloom.runs.prepare import Request
from archloom.runs.record import TrialRecord
from archloom.runs.report import RunReport
from archloom.spaces.base import Categorical
from archloom.spaces.nb201 import EDGES, Nb201
from archloom.strategies.population.note import NetworkNote
from archloom.types import Arch, Resource

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

OPTIONS = ("none", "nor_conv_3x3")
GENES = np.array(list(product(range(2), repeat=6)))
CONVOLUTIONS = GENES.sum(axis=1)

MakeReport = Callable[..., RunReport]
MakeReports = Callable[..., Reports]


@pytest.fixture(scope="session")
def table() -> Table:
    """Accuracy rises with the number of convolutions, from 90.0 to 94.2; so does latency, from 1 to 7 ms."""
    accuracy = 90.0 + 0.7 * CONVOLUTIONS
    return Table.from_arrays(
        space="nb201",
        gene_names=[f"{a}->{b}" for a, b in EDGES],
        options=[OPTIONS] * len(EDGES),
        genes=GENES,
        metrics={
            "cifar10_valid_200": accuracy - 3.0,
            "cifar10_test_200": accuracy,
            "cifar10_baseline": accuracy - 0.3,
            "cifar10_fpga_latency_ms": 1.0 + CONVOLUTIONS + 0.01 * np.arange(64),
        },
        goals={
            "cifar10_valid_200": "max", "cifar10_test_200": "max", "cifar10_baseline": "max",
            "cifar10_fpga_latency_ms": "min",
        },
        source="made for tests",
        units="accuracy in percent",
    )  # fmt: skip


@pytest.fixture(scope="session")
def make_report(table: Table) -> MakeReport:
    """Build the report of a run that asked for the given rows of the table."""

    def make(
        rows: Sequence[int],
        seed: int = 0,
        objectives: Sequence[str] = ("cifar10_valid_200",),
        constraints: Sequence[str] = (),
        strategy: str = "random",
        repeats: int = 0,
        on: str = "nb201",
        space_type: type[Categorical] = Nb201,
    ) -> RunReport:
        space = space_type({f"{a}->{b}": OPTIONS for a, b in EDGES})
        problem = TableProblem(table, space)
        wanted = criteria(objectives, problem.goals, constraints)
        reported = tuple(problem.default_report(objectives))
        spec = ProblemSpec(on, None, tuple(objectives), reported, tuple(constraints))
        scenario = Scenario(spec, problem, wanted, reported)
        lines = []
        for number, row in enumerate(rows):
            arch = Arch(tuple(table.genes[row].tolist()))
            scores = {name: float(table.metric(name)[row]) for name in wanted.metrics}
            report = {name: float(table.metric(name)[row]) for name in reported}
            lines.append(TrialRecord(number, arch.genes, space.format(arch), number + 1, scores=scores, report=report))
        request = Request(strategy, spec, seed, Limits(queries=len(rows)))
        history = History.of(lines, wanted)
        return RunReport(request, scenario, history, len(lines) + repeats, "all queries asked", 0.1)

    return make


@pytest.fixture(scope="session")
def make_reports(make_report: MakeReport) -> MakeReports:
    """Build a study: strategy `i` asks for `queries` random rows of the first `16 * (i + 1)`, `seeds` times."""

    def make(
        labels: Sequence[str] = ("random", "evolution"), seeds: int = 4, queries: int = 12, **settings: object
    ) -> Reports:
        reports = {}
        for i, label in enumerate(labels):
            streams = [np.random.default_rng([i, seed]) for seed in range(seeds)]
            rows = [rng.choice(min(16 * (i + 1), 64), queries, replace=False).tolist() for rng in streams]
            reports[label] = [make_report(r, seed=s, strategy=label, **settings) for s, r in enumerate(rows)]
        return reports

    return make


@pytest.fixture(scope="session")
def make_two() -> MakeReport:
    """Build the report of a run on a problem of one's own, whose queries have these values (y, x) of two objectives;
    a None in place of a pair is a failed trial. `single`: y is the only objective; `report`: of each query."""

    def make(
        values: Sequence[Any], goals: tuple[Any, Any] = ("max", "min"), seed: int = 0, strategy: str = "random",
        constraints: Sequence[str] = (), report: Sequence[dict[str, float]] = (), single: bool = False,
        names: Sequence[str] = ("y", "x"), arch: str = "",
    ) -> RunReport:  # fmt: skip
        y, x = names
        objectives = names[:1] if single else names
        reported = tuple(dict.fromkeys(name for values in report for name in values))
        known = dict(zip(names, goals, strict=True))
        problem = RecordedProblem("own", known, None)
        spec = ProblemSpec("own.py", None, tuple(objectives))
        scenario = Scenario(spec, problem, criteria(objectives, known, constraints), reported)
        lines = []
        for number, pair in enumerate(values):
            scores = {} if pair is None else {y: float(pair[0]), x: float(pair[1])}
            error = "broken" if pair is None else None
            more = dict(report[number]) if number < len(report) and not error else {}
            lines.append(
                TrialRecord(number, (number,), arch or str(number), number + 1, scores=scores, report=more, error=error)
            )
        request = Request(strategy, spec, seed, Limits(queries=len(lines) or 1))
        history = History.of(lines, scenario.criteria)
        return RunReport(request, scenario, history, len(lines), "all queries asked", 0.1)

    return make


@pytest.fixture(scope="session")
def darts_runs() -> Reports:
    """Two strategies with a run each of ten random DARTS cells, whose value y is drawn at random."""
    from archloom.problems import Problem, select_metrics
    from archloom.spaces.darts import Darts

    def run(label: str, seed: int) -> RunReport:
        space, rng = Darts(), np.random.default_rng(seed)
        problem = Problem(space, lambda arch: 0.0, {"y": "max"})
        scenario = select_metrics(problem, ProblemSpec("own.py"))
        archs = [space.sample(rng) for _ in range(10)]
        values = rng.permutation(10).astype(float).tolist()
        lines = [
            TrialRecord(i, arch.genes, space.format(arch), i + 1, scores={"y": value})
            for i, (arch, value) in enumerate(zip(archs, values, strict=True))
        ]
        history = History.of(lines, scenario.criteria)
        request = Request(label, scenario.spec, seed, Limits(queries=10))
        return RunReport(request, scenario, history, 10, "all queries asked", 0.1)

    return {label: [run(label, seed)] for seed, label in enumerate("ab")}


FITTED = (
    *((row, {"iteration": 0, "draws": 0}) for row in (0, 1, 2, 3)),
    (7, {"iteration": 1, "draws": 2, "rho": 2 / 4, "js": 0.6, "known": {"3": 1, "0": 1}, "size": 3}),
    (5, {"iteration": 1, "draws": 1}),
    (4, {"iteration": 1, "draws": 0}),
    (63, {"iteration": 2, "draws": 1, "rho": 2 / 7, "js": -0.01, "known": {"4": 3}, "size": 3}),
    (31, {"iteration": 2, "draws": 1}),
    (15, {"iteration": 2, "draws": 2}),
)
"""Rows of the table, with 0, 1, 1, 2; 3, 2, 1; 6, 5 and 4 convolutions, and what a generator's search notes of them."""


@pytest.fixture(scope="session")
def make_fitted(make_report: MakeReport) -> MakeReport:
    """Build the report of a search that fits a generator: the first `count` trials of `FITTED`, with other settings of
    `make_report`; those in `failed` failed."""

    def make(
        count: int = len(FITTED),
        ending: str | None = Ending.FINISHED.value,
        failed: Sequence[int] = (),
        **settings: Any,
    ) -> RunReport:
        report = make_report([row for row, _ in FITTED[:count]], strategy="ga_nas", **settings)
        lines = [
            replace(line, note=note, **({"scores": {}, "error": "no room"} if line.id in failed else {}))
            for line, (_, note) in zip(report.history.lines, FITTED, strict=False)
        ]
        return dataclasses.replace(report, history=History.of(lines, report.scenario.criteria), ending=ending)

    return make


@pytest.fixture
def make_population(trained: Path) -> Callable[..., RunReport]:
    """Run a strategy that trains a population: by default 8 members through 4 chunks of 2 epochs."""

    def make(strategy: str = "pbt_nas", **changes: Any) -> RunReport:
        options = {"population": 8, "epochs": 8, "step": 2} | changes
        chunks = options["population"] * -(-options["epochs"] // options["step"])
        request = Request(strategy, ProblemSpec(str(trained)), 0, Limits(chunks, options["population"]), options)
        return run_in_memory(request)

    return make


@pytest.fixture(scope="session")
def make_episodes() -> Callable[..., Any]:
    """Build one episode of one query for each change from `start`, all ending differently, or in `states`."""
    from archloom.envs.episodes import Episodes, Outcome

    def make(changes: Any, start: Any = 80.0, policy: str = "x", states: Any = None) -> Episodes:
        count = len(changes)
        starts, one = np.broadcast_to(np.asarray(start, dtype=float), (count,)), np.ones(count, dtype=np.int64)
        final = starts + np.asarray(changes, dtype=float)
        ends = np.arange(count)[:, None] if states is None else np.asarray(states)
        climbed = Outcome("valid_108_surrogate", starts, final, final)
        return Episodes(policy, 0 * one, one, one, ends, np.arange(count), one, climbed, None)

    return make


@pytest.fixture(scope="session")
def make_episodes_report(make_episodes: Any) -> Callable[..., Any]:
    """Build a report of episodes by policy, and those: (report, by_policy)."""
    from archloom.analysis.episodes import Setting, report
    from archloom.envs.episodes import Plan
    from archloom.problems import DataIdentity

    def make(by_policy: Any, on: str = "nb101") -> Any:
        data = DataIdentity("small.npz", "ab" * 32, "made for a test")
        setting = Setting(on, Plan(1, 100), "valid_108_surrogate", None, data)
        return report(setting, by_policy), by_policy

    return make


# -- what figures say ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def trained_networks(make_two: MakeReport) -> RunReport:
    """Two networks of two generators after 1 and 2 epochs, of which the second one fails in the end."""
    values, tests = [5.0] * 4 + [1.0, None, 8.0, 9.0], [50.0] * 4 + [10.0, 0.0, 80.0, 90.0]
    pairs = [None if value is None else (value, 0.0) for value in values]
    report = make_two(pairs, single=True, report=[{"test": test} for test in tests])
    lines = []
    for line in report.history.lines:
        (generator, network), epoch = divmod(line.id % 4, 2), line.id // 4 + 1
        note = NetworkNote(line.id % 4, generator=generator + 1, network=network + 1).to_note()
        scores = {name: value for name, value in line.scores.items() if name == "y"}
        arch = f"a={generator + 1}, seed={line.id % 4}"
        lines.append(replace(line, note=note, fidelity=epoch, cost_s=float(epoch), arch=arch, scores=scores))
    history = History.of(lines, report.scenario.criteria, Resource("epochs", 2, open_ended=True))
    return dataclasses.replace(report, history=history)


@pytest.fixture(scope="session")
def words() -> Callable[[Figure], str]:
    """Everything that a figure says."""
    return _words


@pytest.fixture(scope="session")
def assert_tidy() -> Callable[[Figure], None]:
    """Every text lies within the figure, and no two overlap."""
    return _assert_tidy


def _texts(figure: Figure) -> list[Text]:
    """Every text that shows something; those of ticks only where they are within the axes."""
    figure.draw_without_rendering()
    from matplotlib.text import Text

    every: list[Any] = figure.findobj(Text)
    found = [text for text in every if text.get_visible() and text.get_text()]
    hidden = {
        id(text)
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for text in (_outside(axis) if axes.axison else [axis.label, *_labels(axis.get_major_ticks())])
    }
    return [text for text in found if id(text) not in hidden]


def _outside(axis: Any) -> list[Text]:
    low, high = sorted(axis.get_view_interval())
    ticks = axis.get_major_ticks()
    return _labels([t for t in ticks if not (low <= t.get_loc() <= high and t.label1.get_visible())])


def _labels(ticks: Sequence[Any]) -> list[Text]:
    return [label for tick in ticks for label in (tick.label1, tick.label2)]


def _words(figure: Figure) -> str:
    return " ".join(text.get_text().replace("\n", " ") for text in _texts(figure))


def _assert_tidy(figure: Figure) -> None:
    boxes = [(text.get_text(), text.get_window_extent()) for text in _texts(figure)]
    canvas = figure.bbox
    for text, extent in boxes:
        assert extent.x0 >= canvas.x0 - 1 and extent.x1 <= canvas.x1 + 1, f"{text!r} leaves the figure"
        assert extent.y0 >= canvas.y0 - 1 and extent.y1 <= canvas.y1 + 1, f"{text!r} leaves the figure"
    for (one, a), (other, b) in combinations(boxes, 2):
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        along = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert across <= 1 or along <= 1, f"{one!r} and {other!r} overlap"
