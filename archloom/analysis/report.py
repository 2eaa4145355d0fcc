"""Text reports: what a run found, and how strategies compare.

Every report names the data, the number of architectures that were asked for and of repeated proposals, and says if
selection used a test metric.
"""

from __future__ import annotations

from collections.abc import Sequence

from archloom.analysis.comparison import HYPERVOLUME, Comparison, Standing, compare
from archloom.analysis.layout import align, counted, pairs, wrap
from archloom.analysis.p_values import list_lines, matrix_lines
from archloom.analysis.published_rows import Published
from archloom.analysis.significance import EVERY, Wanted
from archloom.analysis.stats import Summary
from archloom.analysis.study import Reports, Study, continues, query_unit, why_nothing
from archloom.runs.record import TrialRecord
from archloom.runs.report import RunReport
from archloom.utils.numbers import short, spread
from archloom.utils.text import one_line

_PARETO_LINES = 20


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
        lines = [f"nothing found: {why_nothing([report])}", *pairs(run)]
    elif study.criteria.single:
        lines = pairs(_best_facts(study, report, best) | run)
    else:
        lines = [*_pareto_lines(study, report.history.pareto()), _hypervolume(study, report), "", *pairs(run)]
    return "\n".join([*lines, *(wrap(f"note: {note}") for note in study.caveats)])


def _best_facts(study: Study, report: RunReport, best: TrialRecord) -> dict[str, str]:
    """Details of the best architecture, by name."""
    lacking = {name: None for name in report.scenario.report if name not in best.report}
    scores = {name: value for name, value in {**best.scores, **best.report, **lacking}.items() if name != study.metric}
    return {
        "best": best.arch,
        study.metric: _number(study, study.metric, best.scores[study.metric]) + _rank(study, report),
        **{name: _number(study, name, value) for name, value in scores.items()},
        **_fidelity(report, best),
        "found at": f"query {best.query} of {report.history.queries}",
        **_ever(study, report),
    }


def _fidelity(report: RunReport, line: TrialRecord) -> dict[str, str]:
    """How long a trial was trained, if there is a resource that counts it."""
    history = report.history
    if history.resource is None:
        return {}
    return {"after": history.resource.amount(history.fidelity(line))}


def _ever(study: Study, report: RunReport) -> dict[str, str]:
    """What was better than the last population's best before, where that is the best of the run."""
    ever = report.history.best_ever()
    if ever is None:
        return {}
    after = "".join(f" after {amount}" for amount in _fidelity(report, ever).values())
    return {"best ever": f"{_number(study, study.metric, ever.scores[study.metric])}, query {ever.query}{after}"}


def _run_facts(study: Study, report: RunReport) -> dict[str, str]:
    history = report.history
    repeats = report.trials - history.queries
    failed = f", {len(history.failed)} failed" if history.failed else ""
    wanted = report.request.limits.queries
    share = str(history.queries) if wanted is None or history.queries >= wanted else f"{history.queries} of {wanted}"
    if history.resource is not None:
        limit = report.request.limits.resource
        used, amount = history.resource_used, history.resource.amount
        failed += f", {amount(used) if limit is None else f'{used:,} of {amount(limit)}'} in all"
    asked = f"{share} {query_unit(report, wanted == 1)}{failed}"
    if not continues(report):
        asked += f", {counted(repeats, 'repeat')} for free"
    ending = f"ended early: {report.ending}" if report.ended_early else report.ending or "not finished"
    return {"asked": f"{asked}; {ending}", "data": study.table_line}


def _hypervolume(study: Study, report: RunReport) -> str:
    metrics = (o.metric for o in study.criteria.objectives)
    reference = ", ".join(f"{m} = {short(v)}" for m, v in zip(metrics, study.reference_point, strict=True))
    return one_line(f"hypervolume {short(study.hypervolume(report))}, measured from {reference}")


def _pareto_lines(study: Study, front: Sequence[TrialRecord]) -> list[str]:
    metrics = [o.metric for o in study.criteria.objectives]
    reported = [name for line in front for name in line.report if name not in metrics]
    names = list(dict.fromkeys([*metrics, *reported]))
    rows = [
        [short({**line.report, **line.scores}.get(name)) for name in names] + [str(line.query), one_line(line.arch)]
        for line in front[:_PARETO_LINES]
    ]
    heads = [*(one_line(study.axis_label(name)) for name in names), "query", "architecture"]
    more = [f"... and {len(front) - _PARETO_LINES} more"] if len(front) > _PARETO_LINES else []
    text = f"Pareto set: {counted(len(front), 'architecture')} that no other beats in {' and '.join(metrics)}"
    return [one_line(text), *align([heads, *rows], left=(len(heads) - 1,)), *more]


# -- many runs ----------------------------------------------------------------------------------------------------


def format_comparison(reports: Reports, wanted: Wanted = EVERY) -> str:
    """Tables of means, of the `wanted` tests and of published numbers, with notes below."""
    study = Study.of(reports)
    comparison = compare(reports, wanted)
    constraints = "".join(f", {constraint}" for constraint in study.criteria.constraints)
    best = "best " + ", ".join(study.axis_label(objective.metric) for objective in study.criteria.objectives)
    several = any(len(runs) > 1 for runs in reports.values())
    over = f"mean ± std over seeds{'' if wanted.ddof else ' (ddof 0)'}" if several else "one seed each"
    parts = [
        one_line(f"{best} on {study.benchmark}{constraints}; {over}"),
        *(_standing_lines(study, comparison) if study.criteria.single else _several_lines(study, comparison)),
        *_test_lines(comparison, wanted),
    ]
    if comparison.published:
        parts += ["", *_published_lines(comparison.published)]
    of = "" if study.criteria.single else f"{one_line(study.metric)} "
    optimum = [] if study.optimum is None else [f"best {of}in the table: {_number(study, study.metric, study.optimum)}"]
    notes = [wrap(f"note: {note}") for note in comparison.notes]
    return "\n".join([*parts, "", *optimum, wrap(f"data: {study.table_line}"), *notes])


def _test_lines(comparison: Comparison, wanted: Wanted) -> list[str]:
    """Matrices of every ordered pair, or a list of the tests that were chosen."""
    tests, labels = comparison.tests, [standing.label for standing in comparison.standings]
    if not tests.results:
        return []
    if wanted.pairs is not None:
        return ["", *list_lines(tests)]
    metrics = dict.fromkeys(test.metric for test in tests.results)
    return [line for metric in metrics for line in ("", *matrix_lines(tests, labels, metric))]


def _standing_lines(study: Study, comparison: Comparison) -> list[str]:
    reported = list(dict.fromkeys(name for standing in comparison.standings for name in standing.report))
    ranked = any(standing.best_rank is not None for standing in comparison.standings)
    place = ["best rank"] if ranked else []
    names = [one_line(name) for name in reported]
    ever = ["best ever"] if any(standing.ever for standing in comparison.standings) else []
    heads = ["strategy", "runs", one_line(study.metric), "median", "best", *ever, *place, *names, "queries", "repeats"]
    rows = []
    for s in comparison.standings:
        best = max((s.values.min, s.values.max), key=study.objective.utility) if s.values else None
        rows.append(
            [
                one_line(s.label),
                _runs(s),
                _spread(s.values, s.found),
                short(s.values.median if s.values else None),
                short(best),
                *([_spread(s.ever, s.found)] * len(ever)),
                *(["-" if s.best_rank is None else str(s.best_rank)] * ranked),
                *(_spread(s.report.get(name), s.found) for name in reported),
                str(s.queries),
                str(s.repeats),
            ]
        )
    return align([heads, *rows])


def _several_lines(study: Study, comparison: Comparison) -> list[str]:
    """The standings of several objectives: the hypervolume, and the best value of each."""
    metrics = [objective.metric for objective in study.criteria.objectives]
    reported = list(dict.fromkeys(name for standing in comparison.standings for name in standing.report))
    heads = ["strategy", "runs", HYPERVOLUME, *map(one_line, [*metrics, *reported]), "queries", "repeats"]
    rows = [
        [
            one_line(s.label),
            _runs(s),
            _spread(s.hypervolume, s.runs),
            *(_spread(s.objectives.get(name), s.found) for name in metrics),
            *(_spread(s.report.get(name), s.found) for name in reported),
            str(s.queries),
            str(s.repeats),
        ]
        for s in comparison.standings
    ]
    return align([heads, *rows])


def _runs(standing: Standing) -> str:
    nothing = standing.runs - standing.found
    return f"{standing.runs} ({nothing} found nothing)" if nothing else str(standing.runs)


def _spread(summary: Summary | None, of: int) -> str:
    """Mean ± std, "-" for None; how many have the metric if not all do."""
    if summary is None:
        return short(None)
    some = f" ({summary.n} of {of})" if summary.n < of else ""
    return spread(summary.mean, summary.std) + some


def _published_lines(published: Sequence[Published]) -> list[str]:
    ranked = any(p.rank is not None for p in published)
    rows = [
        [p.label, p.value, *([short(p.rank)] * ranked), str(p.queries) if p.queries else "not said", p.source]
        for p in published
    ]
    heads = ["published", "mean ± std", *(["rank"] * ranked), "queries", "source"]
    notes = [wrap(f"note: {caveat}") for caveat in dict.fromkeys(caveat for p in published for caveat in p.caveats)]
    return [*align([heads, *rows], left=(len(heads) - 1,)), *notes]


# -- the pieces ---------------------------------------------------------------------------------------------------


def _rank(study: Study, report: RunReport) -> str:
    rank = study.rank(report)
    return f" ({rank})" if rank else ""


def _number(study: Study, metric: str, value: float | None) -> str:
    unit = study.unit(metric)
    return f"{short(value)} {unit}" if unit and value is not None else short(value)
