"""What is printed of a study: a row for each setting, with its test and with what the paper published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from archloom.analysis.stats import bootstrap_interval, summarise
from archloom.utils import seeds
from benchmarks.pbt_nas.searches import Found, Study
from benchmarks.recorded import p_better, p_better_unpaired

Value = TypeVar("Value")


@dataclass(frozen=True)
class Published:
    """Mean and standard deviation over 3 seeds: FID on CIFAR-10 in the space `gan_hard` (less is better), and the score
    of the agent on Quadruped (more is better). Tables 1, 2, 3 and 6 of the paper."""

    fid: str = ""
    score: str = ""


PUBLISHED: Mapping[str, Published] = {
    "PBT-NAS": Published("13.25 ± 1.64", "801 ± 70"),
    "no mixing: itself, shrink-perturbed": Published("14.90 ± 1.29", "672 ± 53"),
    "copied exactly [1, 0]": Published("14.94 ± 0.56", "699 ± 4"),
    "reinitialised [0, 1]": Published("15.06 ± 2.59", "532 ± 62"),
    "SEARL-like mutation": Published("15.72 ± 2.22"),
    "random search": Published("16.79 ± 0.97", "616 ± 53"),
    "random search, shrink-perturbed": Published("22.39 ± 2.64", "498 ± 30"),
    "BOHB": Published("18.95 ± 1.48", "621 ± 28"),
}
"""By the names of rows."""


@dataclass(frozen=True)
class Comparison:
    """Is the row `better` better than this one?"""

    better: str
    by: float
    """The mean difference over seeds,"""
    low: float
    high: float
    """and its 95 % interval."""
    p: float
    """One-sided Wilcoxon signed-rank test over seeds: searches of a seed have the same first population, which trains
    alike in the first chunk, and the same teacher. Where they have neither, Mann and Whitney's test."""
    p_corrected: float
    """The same after Bonferroni's correction for the number of tests of the study."""


@dataclass(frozen=True)
class Row:
    """Values of a setting; those of networks on test images, if there are any."""

    setting: str
    seeds: int
    mean: float
    std: float
    low: float
    high: float
    test_mean: float | None
    best_ever: float
    """The mean over seeds of the best networks at any time, also of those that were replaced later."""
    tested: Comparison | None
    published: Published


def rows(study: Study, found: Sequence[Found]) -> list[Row]:
    sign = {"max": 1.0, "min": -1.0}[found[0].goal]
    values = {setting.name: _of(setting.name, found, lambda f: f.value) for setting in study.settings}

    def tested(worse: str) -> Comparison | None:
        better = study.tests.get(worse)
        if better is None:
            return None
        by = [sign * (ours - theirs) for ours, theirs in zip(values[better], values[worse], strict=True)]
        paired = study.paired(next(setting for setting in study.settings if setting.name == worse))
        test = p_better if paired else _p_unpaired
        p = test(values[better], values[worse], sign)
        return Comparison(better, summarise(by).mean, *_interval(by), p, min(1.0, p * len(study.tests)))

    table = []
    for name, each in values.items():
        stats, tests = summarise(each), _of(name, found, lambda f: f.test)
        low, high = _interval(each)
        test_mean = summarise(tests).mean if tests else None
        published = PUBLISHED.get(name, Published())
        ever = summarise(_of(name, found, lambda f: f.best_ever)).mean
        table.append(
            Row(name, stats.n, stats.mean, stats.std or 0.0, low, high, test_mean, ever, tested(name), published)
        )  # fmt: skip
    return table


def draw(study: Study, found: Sequence[Found], path: Path) -> None:
    """Figure 3: a curve for each setting, which is the mean over its searches, and its interval."""
    from archloom.analysis.figures import save
    from archloom.analysis.learning_curves import LearningCurve, learning_curves

    chunks = study.members * np.arange(1, study.epochs + 1)
    curves = {setting.name: _of(setting.name, found, lambda f: f.curve) for setting in study.settings}
    metric = found[0].metric.replace("_", " ")
    figure = learning_curves(
        f"Best {metric} by epochs of all members", metric,
        {name: [LearningCurve(chunks, np.array(values)) for values in each] for name, each in curves.items()},
        [f"{study.trained}."], window=1, over="epochs",
    )  # fmt: skip
    save(figure, path)


def _p_unpaired(ours: Sequence[float], theirs: Sequence[float], sign: float) -> float:
    return p_better_unpaired([sign * value for value in ours], [sign * value for value in theirs])


def _interval(values: Sequence[float]) -> tuple[float, float]:
    return bootstrap_interval(values, seeds.stream(0, "bootstrap"))


def _of(setting: str, found: Sequence[Found], value: Callable[[Found], Value | None]) -> list[Value]:
    """By seed."""
    return [known for f in found if f.setting == setting and (known := value(f)) is not None]


def show(study: Study, metric: str, table: Sequence[Row]) -> None:
    print(f"{study.trained}; {study.members} members unless a row says it, {study.epochs} chunks of an epoch")
    print(f"{len(study.tests)} tests; published: FID, CIFAR-10, GanHard, and score on Quadruped, 3 seeds each")
    print(
        f"{'setting':<36}{'seeds':>6}{metric:>18}{'95 % interval':>18}{'test':>7}{'best ever':>11}"
        f"{'behind by':>11}{'95 % interval':>18}"
        f"{'p':>9}{'corrected':>10}{'FID':>14}{'score':>10}  behind"
    )
    for row in table:
        value, ever = f"{row.mean:.2f} ± {row.std:.2f}", f"{row.best_ever:.2f}"
        test = "" if row.test_mean is None else f"{row.test_mean:.2f}"
        print(
            f"{row.setting:<36}{row.seeds:>6}{value:>18}{f'{row.low:.2f} to {row.high:.2f}':>18}{test:>7}{ever:>11}"
            f"{_shown(row.tested):<48}{row.published.fid:>14}{row.published.score:>10}"
            f"  {row.tested.better if row.tested else ''}".rstrip()
        )


def _shown(tested: Comparison | None) -> str:
    if tested is None:
        return ""
    interval = f"{tested.low:.2f} to {tested.high:.2f}"
    return f"{tested.by:>11.2f}{interval:>18}{tested.p:>9.2g}{tested.p_corrected:>10.2g}"
