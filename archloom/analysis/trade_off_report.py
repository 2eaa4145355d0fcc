"""What `archloom pareto` prints: see `trade_off`."""

from __future__ import annotations

from archloom.analysis.layout import align, wrap
from archloom.analysis.published_supernets import SOURCE, correlations_and_slopes
from archloom.analysis.stats import Estimate
from archloom.analysis.study import Reports, Study
from archloom.analysis.trade_off import Against, Front, TradeOff
from archloom.utils.numbers import short, spread
from archloom.utils.text import one_line

_MOST_POINTS = 20
"""Points of a strategy's Pareto set that are printed."""


def format_trade_off(found: TradeOff, reports: Reports) -> str:
    """Tables of hypervolumes, Pareto sets, correlations and slopes, with published numbers and notes below."""
    study = Study.of(reports)
    costs = " and ".join(each.cost for each in found.against)
    lines = [one_line(f"{study.metric} against {costs} on {study.benchmark}; {study.seeds}")]
    for against in found.against:
        lines += ["", *_front_lines(found, against)]
    if found.correlations:
        lines += ["", *_correlation_lines(found)]
    lines += ["", *_slope_lines(found), "", wrap(f"data: {study.table_line}")]
    if not found.correlations:
        lines.append(
            wrap(
                "note: no accuracy after the search is known, so there is no rank correlation: name a metric, "
                "--evaluation METRIC, or runs that trained these architectures, --evaluated RUN"
            )
        )
    return "\n".join([*lines, *(wrap(f"note: {note}") for note in study.caveats)])


def _front_lines(found: TradeOff, against: Against) -> list[str]:
    y, x = (short(value) for value in against.reference_point)
    title = f"hypervolume of a run from {found.metric} = {y}, {against.cost} = {x}; Pareto set of all its runs"
    heads = ["strategy", "runs", "hypervolume", "95 % interval", "points"]
    rows = [
        [one_line(front.label), str(front.hypervolume.n if front.hypervolume else "-"), _volume(front),
         _interval(front.interval), str(len(front.points))]
        for front in against.fronts
    ]  # fmt: skip
    return [wrap(title), *align([heads, *rows]), "", *_point_lines(found, against)]


def _point_lines(found: TradeOff, against: Against) -> list[str]:
    evaluated = [found.evaluation] if found.evaluation else []
    heads = ["strategy", "step", "seed", found.metric, against.cost, *evaluated, "architecture"]
    rows, more = [], []
    for front in against.fronts:
        for point in front.points[:_MOST_POINTS]:
            values = [point.value, point.cost, *([point.evaluated] if evaluated else [])]
            rows.append(
                [one_line(front.label), str(point.step), str(point.seed), *map(short, values), one_line(point.arch)]
            )
        if len(front.points) > _MOST_POINTS:
            more.append(f"... and {len(front.points) - _MOST_POINTS} more of {one_line(front.label)}; --json has all")
    return [*align([list(map(one_line, heads)), *rows], left=(len(heads) - 1,)), *more]


def _correlation_lines(found: TradeOff) -> list[str]:
    first = found.against[0].cost
    title = f"Spearman between {found.metric} and {found.evaluation}, by Pareto set against {first}"
    heads = ["over", "n", "Spearman", "95 % interval"]
    rows = [
        [one_line(over), str(each.n), _two(each), _interval(_ends(each))] for over, each in found.correlations.items()
    ]
    lines = [wrap(title), *align([heads, *rows])]
    published, _ = correlations_and_slopes(found.space)
    if published:
        rows = [[each.label, f"{each.cifar10:.3f}", f"{each.cifar100:.3f}"] for each in published]
        lines += ["", *align([["published", "CIFAR-10", "CIFAR-100"], *rows]), wrap(f"source: {SOURCE}, Table 3.2")]
    return lines


def _slope_lines(found: TradeOff) -> list[str]:
    title = f"slope of {found.evaluation or found.metric} (least squares) and linear correlation r"
    heads = ["over", "per", "n", "slope", "95 % interval", "r"]
    rows = [
        [each.over, one_line(each.per), str(each.estimate.n), short(each.estimate.value),
         _interval(_ends(each.estimate)), "-" if each.r is None else f"{each.r:.3f}"]
        for against in found.against
        for each in against.slopes
    ]  # fmt: skip
    lines = [wrap(title), *align([heads, *rows], left=(1,))]
    _, published = correlations_and_slopes(found.space)
    if published:
        rows = [[each.data, each.per, f"{each.slope:.3f}", f"above {each.least_r}"] for each in published]
        lines += ["", *align([["published", "per", "slope", "r"], *rows], left=(1,))]
        lines.append(wrap(f"source: {SOURCE}, section 3.2.2: test accuracies of the cells of all Pareto sets"))
    return lines


def _volume(front: Front) -> str:
    return "-" if front.hypervolume is None else spread(front.hypervolume.mean, front.hypervolume.std)


def _ends(estimate: Estimate) -> tuple[float, float] | None:
    return None if estimate.low is None or estimate.high is None else (estimate.low, estimate.high)


def _interval(ends: tuple[float, float] | None) -> str:
    return "-" if ends is None else f"{short(ends[0])} to {short(ends[1])}"


def _two(estimate: Estimate) -> str:
    return "-" if estimate.value is None else f"{estimate.value:.3f}"
