"""The model behind a run: fitted again to the run's record, and what it expected of each query when it asked for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archloom.analysis.layout import counted
from archloom.analysis.study import Reports, why_nothing
from archloom.errors import InputError
from archloom.registry import STRATEGIES, load_strategy
from archloom.runs.prepare import choose_strategy
from archloom.runs.report import RunReport
from archloom.runs.warm_start import Earlier
from archloom.strategies.base import EarlierRun
from archloom.utils.text import quoted

if TYPE_CHECKING:
    from archloom.strategies.graph_bo.explanation import Explanation

LEAST = 3
"""So many results are needed for predicting one from the others to mean anything."""


@dataclass(frozen=True)
class Surrogate:
    """The model of a run of graph_bo.

    `explanation`: of the model, fitted to all results of the run. `expected`: (query, value of the acquisition function
    of its architecture when that was chosen) for each query that the model has chosen.
    """

    explanation: Explanation
    expected: Sequence[tuple[int, float]]

    @classmethod
    def of(cls, report: RunReport) -> Surrogate:
        """From a report whose space is open (`read_report` with `need_space`).

        InputError for a run of another strategy, for one that has found nothing, and for one whose model has chosen
        nothing yet.
        """
        from archloom.strategies.graph_bo.strategy import GraphBo

        name, lines = report.request.strategy, report.history.lines
        if name not in STRATEGIES or not issubclass(load_strategy(name), GraphBo):  # no code of a stranger's is run
            raise InputError(f"{report.request.name} has no such model to show: show a run of graph_bo")
        if report.value is None:
            raise InputError(f"nothing to show: {why_nothing([report])}")
        expected = _expected(report)
        if not expected:
            raise InputError(
                f"the model of {name} has chosen none of {counted(len(lines), 'query', 'queries')} yet, the first ones "
                "are drawn at random: continue the run (archloom resume), or search with more --queries"
            )
        scenario, chosen = report.scenario, choose_strategy(name, report.request.options)
        strategy = chosen.make(
            scenario.space, scenario.criteria, report.request.seed, scenario.resource, _earlier(report)
        )
        assert isinstance(strategy, GraphBo)  # noqa: S101 - this is what was checked
        explanation = strategy.explain([line.trial.without_report() for line in lines])
        known = len(explanation.objectives[0].values)
        if known < LEAST:
            raise InputError(
                f"{name} has {counted(known, 'result')} at its highest fidelity; expected at least {LEAST}, to predict "
                "each from the others: continue the run (archloom resume)"
            )
        return cls(explanation, expected)


def _expected(report: RunReport) -> Sequence[tuple[int, float]]:
    from archloom.strategies.graph_bo.strategy import GraphBoNote  # SciPy takes a moment, and other plots need none

    notes = [(line.query or 0, GraphBoNote.find(line.note)) for line in report.history.lines]
    return [(query, note.log_improvement) for query, note in notes if note is not None]


def _earlier(report: RunReport) -> Sequence[EarlierRun] | None:
    """The runs that a run was warm started with; None if it was not."""
    if (known := report.request.warm_start) is None:
        return None
    if report.path is None:
        raise InputError("the model of a run that was warm started is shown from its folder: run it with out=FOLDER")
    return Earlier.read(report.path, known).runs


def only_run(reports: Reports) -> tuple[str, RunReport]:
    """The label of the only run, and the run; InputError if there are several."""
    runs = [(label, report) for label, known in reports.items() for report in known]
    if len(runs) == 1:
        return runs[0]
    first = next((report for _, report in runs if _expected(report)), runs[0][1])
    example = "" if first.path is None else f", e.g. archloom plot {quoted(first.path)} --kind surrogate"
    raise InputError(f"a model is that of one run, these are {len(runs)}: name one of them{example}")
