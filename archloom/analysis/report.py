"""Text reports: what a run found, and how strategies compare.

Every report names the data, the number of architectures that were asked for and of repeated proposals, and says if
selection used a test metric.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archloom.analysis.published import Published
from archloom.analysis.stats import PairedTest, Summary, paired_tests, summarise
from archloom.analysis.study import Reports, Study, query_unit
from archloom.errors import InputError
from archloom.runs.record import TrialRecord
from archloom.runs.report import RunReport

WIDTH = 100
"""Notes are wrapped at this many characters; tables are as wide as necessary."""
_PARETO_LINES = 20
_SIGNIFICANT = 0.05


# -- one run ------------------------------------------------------------------------------------------------------


def format_best(report: RunReport, label: str | None = None) -> str:
    """What a run found: its best architecture, or its Pareto set if it has several objectives.

    `label` is the name of the run's strategy in a comparison.
    """
    strategy = report.request.name
    study = Study.of({label or strategy: [report]})
    name = f"{label} ({strategy})" if label and label != strategy else strategy
    run = {"run": f"{name}, seed {report.request.seed}", **_run_facts(study, report)}
    best = report.history.best()
    if best is None:
        lines = [f"nothing found: {_why_nothing(report)}", *_pairs(run)]
    elif study.criteria.single:
        lines = _pairs(_best_facts(study, report, best) | run)
    else:
        lines = [*_pareto_lines(study, report.history.pareto()), _hypervolume(study, report), "", *_pairs(run)]
    return "\n".join([*lines, *(_wrap(f"note: {note}") for note in study.caveats)])


def _best_facts(study: Study, report: RunReport, best: TrialRecord) -> dict[str, str]:
    """Details of the best architecture, by name."""
    scores = {name: value for name, value in {**best.scores, **best.report}.items() if name != study.metric}
    return {
        "best": best.arch,
        study.metric: _number(study, study.metric, best.scores[study.metric]) + _rank(study, report),
        **{name: _number(study, name, value) for name, value in scores.items()},
        **_fidelity(report, best),
        "found at": f"query {best.query} of {report.history.queries}",
    }


def _fidelity(report: RunReport, line: TrialRecord) -> dict[str, str]:
    """How long a trial was trained, if there is a resource that counts it."""
    history = report.history
    if history.resource is None:
        return {}
    return {"after": f"{history.fidelity(line)} {history.resource.unit}"}


def _why_nothing(report: RunReport) -> str:
    """Why a run has no best architecture: the constraints, or the last failure."""
    failed = report.history.failed
    if failed and len(failed) == report.history.queries:
        return f"all {len(failed)} trials failed, the last one with {failed[-1].error}"
    return "no architecture asked for succeeded and met the constraints"


def _run_facts(study: Study, report: RunReport) -> dict[str, str]:
    history = report.history
    repeats = report.trials - history.queries
    failed = f", {len(history.failed)} failed" if history.failed else ""
    wanted = report.request.limits.queries
    share = str(history.queries) if wanted is None or history.queries >= wanted else f"{history.queries} of {wanted}"
    if history.resource is not None:
        limit = report.request.limits.resource
        of = "" if limit is None else f" of {limit:,}"
        failed += f", {history.resource_used:,}{of} {history.resource.unit} in all"
    asked = f"{share} {query_unit(report, wanted == 1)}{failed}"
    if all(line.inherit is None for line in history.lines):
        asked += f", {counted(repeats, 'repeat')} for free"
    ending = f"ended early: {report.ending}" if report.ended_early else report.ending or "not finished"
    return {"asked": f"{asked}; {ending}", "data": study.table_line}


def _hypervolume(study: Study, report: RunReport) -> str:
    metrics = (o.metric for o in study.criteria.objectives)
    reference = ", ".join(f"{m} = {_short(v)}" for m, v in zip(metrics, study.reference_point, strict=True))
    return f"hypervolume {report.hypervolume:.4g}, measured from {reference}"


def _pareto_lines(study: Study, front: Sequence[TrialRecord]) -> list[str]:
    metrics = [o.metric for o in study.criteria.objectives]
    reported = list(front[0].report)
    rows = [
        [_short({**line.report, **line.scores}[name]) for name in metrics + reported] + [str(line.query), line.arch]
        for line in front[:_PARETO_LINES]
    ]
    heads = [*(study.axis_label(name) for name in metrics + reported), "query", "architecture"]
    more = [f"... and {len(front) - _PARETO_LINES} more"] if len(front) > _PARETO_LINES else []
    text = f"Pareto set: {counted(len(front), 'architecture')} that no other beats in {' and '.join(metrics)}"
    return [text, *align([heads, *rows], left=(len(heads) - 1,)), *more]


# -- many runs ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Standing:
    """How a strategy did: its best values and their test metrics over runs; `values` is None if no run found any.

    `best_rank` is the best rank among all architectures, None if it is unknown or there are constraints.
    """

    label: str
    runs: int
    found: int
    values: Summary | None
    best_rank: int | None
    report: Mapping[str, Summary]
    queries: int
    repeats: int

    def to_json(self) -> dict[str, Any]:
        return {
            "runs": self.runs,
            "found": self.found,
            "values": self.values.to_json() if self.values else None,
            "best_rank": self.best_rank,
            "report": {name: summary.to_json() for name, summary in self.report.items()},
            "queries": self.queries,
            "repeats": self.repeats,
        }


@dataclass(frozen=True)
class Comparison:
    """Strategies on the same problem: the standings (best mean first), the tests between them, published numbers.

    `seeds` are those that every strategy ran; the tests are paired by them.
    """

    metric: str
    standings: tuple[Standing, ...]
    seeds: tuple[int, ...]
    tests: tuple[PairedTest, ...]
    published: tuple[Published, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "metric": self.metric,
            "strategies": {standing.label: standing.to_json() for standing in self.standings},
            "seeds": list(self.seeds),
            "tests": [test.to_json() for test in self.tests],
            "published": [published.to_json() for published in self.published],
            "notes": list(self.notes),
        }


def compare(reports: Reports) -> Comparison:
    """Compare strategies; InputError if their runs are not of one problem, or if a strategy has two runs of a seed."""
    study = Study.of(reports)
    utilities = {label: _gains_by_seed(study, label) for label in reports}
    shared = sorted(set.intersection(*(set(by_seed) for by_seed in utilities.values())))
    samples = {label: [by_seed[seed] for seed in shared] for label, by_seed in utilities.items()}
    tests = paired_tests(samples) if shared else []
    standings = sorted((_standing(study, label) for label in reports), key=lambda s: _merit(study, s), reverse=True)
    notes = [*study.caveats, *early_endings(reports), *_test_notes(study, shared, tests)]
    return Comparison(
        study.metric, tuple(standings), tuple(shared), tuple(tests), tuple(study.references), tuple(notes)
    )


def format_comparison(reports: Reports) -> str:
    """Tables of means, tests and published numbers, with notes below."""
    study = Study.of(reports)
    comparison = compare(reports)
    constraints = "".join(f", {constraint}" for constraint in study.criteria.constraints)
    parts = [
        f"best {study.axis_label(study.metric)} on {study.benchmark}{constraints}; mean ± std over seeds",
        *_standing_lines(study, comparison),
    ]
    if comparison.tests:
        parts += ["", *_matrix_lines(comparison)]
    if comparison.published:
        parts += ["", *_published_lines(comparison.published)]
    optimum = [] if study.optimum is None else [f"best in the table: {_number(study, study.metric, study.optimum)}"]
    notes = [_wrap(f"note: {note}") for note in comparison.notes]
    return "\n".join([*parts, "", *optimum, _wrap(f"data: {study.table_line}"), *notes])


def early_endings(reports: Reports) -> list[str]:
    """One line for each strategy and reason why runs ended with fewer queries than they were allowed."""
    early: dict[tuple[str, str], list[RunReport]] = {}
    for label, runs in reports.items():
        for report in runs:
            if report.ended_early:
                early.setdefault((label, report.ending or ""), []).append(report)
    lines = []
    for (label, ending), runs in early.items():
        asked = sorted(report.history.queries for report in runs)
        extent = str(asked[0]) if asked[0] == asked[-1] else f"{asked[0]} to {asked[-1]}"
        limits = [report.request.limits.queries for report in runs]
        wanted = f" of {max(known)}" if (known := [limit for limit in limits if limit is not None]) else ""
        which = label if len(reports[label]) == 1 else f"{len(runs)} of {len(reports[label])} runs of {label}"
        lines.append(f"{which} ended early, after {extent}{wanted} queries: {ending}")
    return lines


def _standing(study: Study, label: str) -> Standing:
    runs = study.reports[label]
    bests = [best for report in runs if (best := report.history.best())]
    values = study.values(label)
    reported = bests[0].report if bests else {}
    ranks = [] if study.criteria.constraints else [report.rank for report in runs if report.rank is not None]
    return Standing(
        label=label,
        runs=len(runs),
        found=len(values),
        values=summarise(values) if values else None,
        best_rank=min(ranks, default=None),
        report={name: summarise([best.report[name] for best in bests]) for name in reported},
        queries=sum(report.history.queries for report in runs),
        repeats=sum(report.trials - report.history.queries for report in runs),
    )


def _merit(study: Study, standing: Standing) -> float:
    return study.objective.utility(standing.values.mean) if standing.values else -float("inf")


def _gains_by_seed(study: Study, label: str) -> dict[int, float]:
    """Seed -> the utility of the best value; minus infinity for a run that found nothing."""
    utilities: dict[int, float] = {}
    for report in study.reports[label]:
        seed = report.request.seed
        if seed in utilities:
            raise InputError(f"strategy {label!r} has two runs of seed {seed}: compare one run per seed")
        utilities[seed] = -float("inf") if report.value is None else study.objective.utility(report.value)
    return utilities


def _test_notes(study: Study, shared: Sequence[int], tests: Sequence[PairedTest]) -> list[str]:
    if len(study.reports) < 2:
        return []
    if not tests:
        return ["No seed is common to all strategies, so there are no tests: run them with the same seeds."]
    notes = []
    if any(len(runs) > len(shared) for runs in study.reports.values()):
        notes.append(f"The tests use the {counted(len(shared), 'seed')} that every strategy ran.")
    least = min(1.0, 0.5 ** len(shared) * len(tests))
    if least > _SIGNIFICANT:
        notes.append(
            f"With {counted(len(shared), 'seed')} and {len(tests)} tests no corrected p can be below {least:.2g}: "
            "run more seeds."
        )
    return notes


def _standing_lines(study: Study, comparison: Comparison) -> list[str]:
    reported = list(dict.fromkeys(name for standing in comparison.standings for name in standing.report))
    ranked = any(standing.best_rank is not None for standing in comparison.standings)
    place = ["best rank"] if ranked else []
    heads = ["strategy", "runs", study.metric, "median", "best", *place, *reported, "queries", "repeats"]
    rows = []
    for s in comparison.standings:
        best = max((s.values.min, s.values.max), key=study.objective.utility) if s.values else None
        rows.append(
            [
                s.label,
                str(s.runs) if s.found == s.runs else f"{s.runs} ({s.runs - s.found} found nothing)",
                _spread(s.values),
                _short(s.values.median if s.values else None),
                _short(best),
                *(["-" if s.best_rank is None else str(s.best_rank)] * ranked),
                *(_spread(s.report.get(name)) for name in reported),
                str(s.queries),
                str(s.repeats),
            ]
        )
    return align([heads, *rows])


def _matrix_lines(comparison: Comparison) -> list[str]:
    """Corrected p-values: is the row's strategy better than the column's?"""
    labels = [standing.label for standing in comparison.standings]
    p = {(test.better, test.worse): test.p_corrected for test in comparison.tests}
    rows = [[a, *("-" if a == b else _p(p[a, b]) for b in labels)] for a in labels]
    title = (
        "p for the row being better than the column (one-sided Wilcoxon signed-rank over "
        f"{counted(len(comparison.seeds), 'seed')}, Bonferroni-corrected for {len(comparison.tests)} tests; "
        f"* below {_SIGNIFICANT})"
    )
    return [_wrap(title), *align([["", *labels], *rows])]


def _published_lines(published: Sequence[Published]) -> list[str]:
    rows = [[p.label, p.value, str(p.queries) if p.queries else "not said", p.source] for p in published]
    notes = [_wrap(f"note: {caveat}") for caveat in dict.fromkeys(p.caveat for p in published if p.caveat)]
    return [*align([["published", "mean ± std", "queries", "source"], *rows], left=(3,)), *notes]


# -- the pieces ---------------------------------------------------------------------------------------------------


def align(rows: Sequence[Sequence[str]], left: Sequence[int] = ()) -> list[str]:
    """Rows of cells as lines with aligned columns: the first and those in `left` flush left, all others flush right."""
    widths = [max(len(row[j]) for row in rows) for j in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if j == 0 or j in left else cell.rjust(width)
            for j, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def _pairs(facts: Mapping[str, str]) -> list[str]:
    width = max(len(name) for name in facts)
    return [f"{name.ljust(width)}  {text}" for name, text in facts.items()]


def _rank(study: Study, report: RunReport) -> str:
    rank = study.rank(report)
    return f" ({rank})" if rank else ""


def _number(study: Study, metric: str, value: float) -> str:
    unit = study.unit(metric)
    return f"{_short(value)} {unit}" if unit else _short(value)


def _short(value: float | None) -> str:
    """Two decimals from 10 up, four significant digits below; "-" for None."""
    if value is None:
        return "-"
    return f"{value:.2f}" if abs(value) >= 10 or value == 0 else f"{value:.4g}"


def _spread(summary: Summary | None) -> str:
    """Mean ± std, "-" for None."""
    if summary is None or summary.std is None:
        return _short(summary.mean if summary else None)
    return f"{_short(summary.mean)} ± {summary.std:{'.2f' if abs(summary.mean) >= 10 else '.2g'}}"


def _p(p: float) -> str:
    return f"{p:.2g}" + ("*" if p < _SIGNIFICANT else " ")


def counted(n: int, what: str, several: str = "") -> str:
    """A count with its noun: "1 seed", "2 seeds"; `several` is the plural if it is not regular."""
    return f"{n} {what if n == 1 else several or what + 's'}"


def _wrap(text: str) -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
