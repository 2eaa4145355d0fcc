"""What strategies reached in one setting or in several, and tests over all settings and seeds together.

A setting is a problem with its runs, a data set or a task say. Papers that can afford three seeds pool them over
settings: three settings of three seeds give nine pairs (PBT-NAS, appendix C).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archloom.analysis.comparison import HYPERVOLUME, best_value, early_endings
from archloom.analysis.layout import align, wrap
from archloom.analysis.p_values import list_lines, matrix_lines, notes_of
from archloom.analysis.pairing import begin_alike
from archloom.analysis.significance import Sample, Tests, Wanted, run_tests
from archloom.analysis.stats import Summary, bootstrap_interval, summarise
from archloom.analysis.study import Reports, Study
from archloom.constraints import Objective
from archloom.errors import InputError
from archloom.utils import seeds
from archloom.utils.numbers import short, spread
from archloom.utils.text import one_line

SEPARATOR = " / "
"""Between the names of metrics that are tested together."""

Values = Mapping[str, Mapping[int, float | None]]
"""A strategy's label -> seed -> what that run reached; None if it found nothing."""


@dataclass(frozen=True)
class Setting:
    """What strategies reached in one setting, by metric.

    `name` is where its runs are, `on` their problem, and `alike` says whether the runs of two strategies with the same
    seed have something in common. `objectives` say what is better; a metric for people only may have none, and is not
    tested then.
    """

    name: str
    on: str
    values: Mapping[str, Values]
    objectives: Mapping[str, Objective]
    alike: Callable[[str, str], bool]
    notes: Sequence[str] = ()

    @property
    def labels(self) -> list[str]:
        return list(dict.fromkeys(label for values in self.values.values() for label in values))

    @classmethod
    def of(cls, name: str, reports: Reports) -> Setting:
        """The best values of runs, of each objective; of several also the hypervolume, unless one is beyond the largest
        float."""
        study = Study.of(reports)
        objectives = {objective.metric: objective for objective in study.criteria.objectives}
        values: dict[str, Values] = {
            metric: {
                label: {run.request.seed: best_value(run, metric) for run in runs} for label, runs in reports.items()
            }
            for metric in objectives
        }
        if not study.criteria.single:
            volumes: Values = {
                label: {run.request.seed: study.hypervolume(run) if run.value is not None else None for run in runs}
                for label, runs in reports.items()
            }
            if all(volume is None or math.isfinite(volume) for found in volumes.values() for volume in found.values()):
                joint = HYPERVOLUME if HYPERVOLUME not in objectives else f"{HYPERVOLUME} of all objectives"
                values = {joint: volumes, **values}
                objectives = {joint: Objective(joint, "max"), **objectives}
        notes = [*study.caveats, *early_endings(reports)]
        return cls(name, study.benchmark, values, objectives, alike_in(reports), notes)

    def summary(self, metric: str, label: str, ddof: int) -> Summary | None:
        """Of the runs that have the metric; None if none has."""
        values = self._known(metric, label)
        return summarise(values, ddof) if values else None

    def interval(self, metric: str, label: str) -> tuple[float, float] | None:
        """The 95 % bootstrap interval of the mean; None without a value."""
        values = self._known(metric, label)
        return bootstrap_interval(values, seeds.stream(0, "interval")) if values else None

    def sample(self, metric: str, label: str, setting: int) -> Sample:
        """What a strategy reached, more is better."""
        sign = self.objectives[metric].sign
        return {
            (setting, seed): -math.inf if value is None else sign * value
            for seed, value in self.values[metric][label].items()
        }

    def _known(self, metric: str, label: str) -> list[float]:
        return [value for value in self.values[metric].get(label, {}).values() if value is not None]


def alike_in(reports: Reports) -> Callable[[str, str], bool]:
    """Whether seeds pair runs of two of these strategies."""
    return lambda one, other: begin_alike(reports[one], reports[other])


@dataclass(frozen=True)
class Pooled:
    """Settings, and tests over all of them; `ddof` is that of standard deviations."""

    settings: tuple[Setting, ...]
    tests: Tests
    notes: tuple[str, ...]
    wanted: Wanted

    def to_json(self) -> dict[str, Any]:
        return {
            "settings": [
                {
                    "run": setting.name,
                    "on": setting.on,
                    "metrics": {
                        metric: {label: self._row(setting, metric, label) for label in setting.values[metric]}
                        for metric in setting.values
                    },
                    "notes": list(setting.notes),
                }
                for setting in self.settings
            ],
            "tests": [test.to_json() for test in self.tests.results],
            "corrected_for": self.tests.corrected_for,
            "ddof": self.wanted.ddof,
            "notes": list(self.notes),
        }

    def _row(self, setting: Setting, metric: str, label: str) -> dict[str, Any]:
        summary, interval = setting.summary(metric, label, self.wanted.ddof), setting.interval(metric, label)
        return {
            "runs": len(setting.values[metric][label]),
            "found": summary.n if summary else 0,
            "values": {str(seed): value for seed, value in setting.values[metric][label].items()},
            **({} if summary is None else summary.to_json()),
            "interval": None if interval is None else list(interval),
        }


def pool(settings: Sequence[Setting], tested: Sequence[Sequence[str]], wanted: Wanted) -> Pooled:
    """The wanted tests over all settings. Each of `tested` names a metric of every setting, in their order.

    InputError for a test of a strategy that a setting lacks.
    """
    for setting in settings:
        wanted.check(setting.labels, f", of which {setting.name} has no runs" if len(settings) > 1 else "")
    common = [label for label in settings[0].labels if all(label in setting.labels for setting in settings)]
    samples: list[tuple[str, Mapping[str, Sample]]] = [
        (
            SEPARATOR.join(dict.fromkeys(metrics)),
            {
                label: {
                    run: value
                    for number, (setting, metric) in enumerate(zip(settings, metrics, strict=True))
                    for run, value in setting.sample(metric, label, number).items()
                }
                for label in common
            },
        )
        for metrics in tested
    ]
    tests = run_tests(samples, wanted, lambda one, other: all(setting.alike(one, other) for setting in settings))
    return Pooled(tuple(settings), tests, (*_notes(settings, common, tests), *notes_of(tests)), wanted)


def check_once(metrics: Sequence[str]) -> None:
    """InputError for a metric that is given twice: its tests would be made, and corrected for, twice."""
    for name in metrics:
        if metrics.count(name) > 1:
            raise InputError(f"--metric {name} is given twice: expected each metric once")


def shared_metrics(settings: Sequence[Setting], wanted: Sequence[str]) -> list[tuple[str, ...]]:
    """What is tested: these metrics, which every setting must have, or else all, those in the same place together."""
    check_once(wanted)
    for name in wanted:
        for setting in settings:
            if name not in setting.values:
                raise InputError(
                    f"--metric {name}: {setting.name} has no such values; expected {', '.join(setting.values)}"
                )
    if wanted:
        return [(name,) * len(settings) for name in wanted]
    if len({len(setting.values) for setting in settings}) > 1:
        listed = "; ".join(f"{setting.name}: {', '.join(setting.values)}" for setting in settings)
        raise InputError(f"settings with different numbers of objectives ({listed}): choose with --metric")
    return list(zip(*(setting.values for setting in settings), strict=True))


def _notes(settings: Sequence[Setting], common: Sequence[str], tests: Tests) -> list[str]:
    lacking = {label: None for setting in settings for label in setting.labels if label not in common}
    notes = [f"Not in every folder, so not tested: {', '.join(lacking)}."] if lacking else []
    paired = dict.fromkeys(test.metric for test in tests.results if test.paired)
    notes += [f"Differences of {metric} are ranked together as they are." for metric in paired if SEPARATOR in metric]
    return notes


# -- as text ------------------------------------------------------------------------------------------------------


def format_pooled(pooled: Pooled) -> str:
    """A table for each setting and metric, the tests, and notes."""
    lines: list[str] = []
    for setting in pooled.settings:
        for metric in setting.values:
            lines += [*_setting_lines(setting, metric, pooled.wanted.ddof), ""]
    if pooled.tests.results:
        lines += _test_lines(pooled)
    several = len(pooled.settings) > 1
    notes = [f"{setting.name}: {note}" if several else note for setting in pooled.settings for note in setting.notes]
    return "\n".join([*lines, *(wrap(f"note: {note}") for note in [*notes, *pooled.notes])]).rstrip("\n")


def _setting_lines(setting: Setting, metric: str, ddof: int) -> list[str]:
    objective = setting.objectives.get(metric)
    last = ["least", "most"] if objective is None else ["best"]
    heads = ["strategy", "runs", f"mean ± std{'' if ddof else ' (ddof 0)'}", "95 % interval", "median", *last]
    rows = []
    for label, by_seed in setting.values[metric].items():
        summary, interval = setting.summary(metric, label, ddof), setting.interval(metric, label)
        if summary is None or interval is None:
            none = f"{len(by_seed)} (none found anything)" if by_seed else "0"
            rows.append([one_line(label), none, *["-"] * (3 + len(last))])
            continue
        ends = (summary.min, summary.max)
        nothing = len(by_seed) - summary.n
        rows.append(
            [
                one_line(label),
                f"{len(by_seed)} ({nothing} found nothing)" if nothing else str(len(by_seed)),
                spread(summary.mean, summary.std),
                f"{short(interval[0])} to {short(interval[1])}",
                short(summary.median),
                *map(short, ends if objective is None else [max(ends, key=objective.utility)]),
            ]
        )
    better = "" if objective is None else f", {'more' if objective.sign > 0 else 'less'} is better"
    return [one_line(f"{setting.name}: {metric} on {setting.on}{better}"), *align([heads, *rows])]


def _test_lines(pooled: Pooled) -> list[str]:
    tests = pooled.tests
    metrics = dict.fromkeys(test.metric for test in tests.results)
    shown = {metric for setting in pooled.settings for metric in setting.values}
    what = [f"by {', '.join(map(one_line, metrics))}"] if len(shown) > len(metrics) == 1 else []
    what += [f"over {len(pooled.settings)} settings together"] if len(pooled.settings) > 1 else []
    title = [f"tests {' '.join(what)}:"] if what else []
    if pooled.wanted.pairs is not None:
        return [*title, *list_lines(tests), ""]
    labels = list(dict.fromkeys(test.better for test in tests.results))
    return [*title, *(line for metric in metrics for line in (*matrix_lines(tests, labels, metric), ""))]
