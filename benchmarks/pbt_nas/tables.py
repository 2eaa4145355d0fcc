"""What is printed of a study: a row for each setting, with its test and with what the paper published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from archloom.analysis.stats import bootstrap_interval, summarise
from archloom.utils import seeds
from benchmarks.pbt_nas.searches import Found, Study
from benchmarks.recorded import p_better


class Published(NamedTuple):
    """Mean and standard deviation over 3 seeds: FID on CIFAR-10 in the space `gan_hard` (less is better), and the score
    of the agent on Quadruped (more is better). Tables 1, 2, 3 and 6 of the paper."""

    fid: str
    score: str


PUBLISHED: Mapping[str, Published] = {
    "PBT-NAS": Published("13.25 ± 1.64", "801 ± 70"),
    "no mixing: itself, shrink-perturbed": Published("14.90 ± 1.29", "672 ± 53"),
    "copied exactly [1, 0]": Published("14.94 ± 0.56", "699 ± 4"),
    "reinitialised [0, 1]": Published("15.06 ± 2.59", "532 ± 62"),
    "SEARL-like mutation": Published("15.72 ± 2.22", ""),
    "random search": Published("16.79 ± 0.97", "616 ± 53"),
    "random search, shrink-perturbed": Published("22.39 ± 2.64", "498 ± 30"),
}
"""By the names of rows."""


@dataclass(frozen=True)
class Row:
    setting: str
    seeds: int
    mean: float
    std: float
    low: float
    high: float
    test_mean: float | None
    beaten_by: str | None
    """The row that is tested to be better than this one, if any."""
    p: float | None
    """One-sided Wilcoxon signed-rank test over seeds: searches of a seed have the same first population, which trains
    alike in the first chunk, and the same teacher."""
    p_corrected: float | None
    """The same after Bonferroni's correction for the number of tests of the study."""
    published_fid: str
    published_score: str


def rows(study: Study, found: Sequence[Found]) -> list[Row]:
    sign = {"max": 1.0, "min": -1.0}[found[0].goal]
    values = {setting.name: _of(setting.name, found, lambda f: f.value) for setting in study.settings}
    table = []
    for setting in study.settings:
        stats = summarise(values[setting.name])
        low, high = bootstrap_interval(values[setting.name], seeds.stream(0, "bootstrap"))
        better = study.tests.get(setting.name)
        p = None if better is None else p_better(values[better], values[setting.name], sign)
        corrected = None if p is None else min(1.0, p * len(study.tests))
        tests = _of(setting.name, found, lambda f: f.test)
        test_mean = summarise(tests).mean if tests else None
        published = PUBLISHED.get(setting.name, Published("", ""))
        table.append(
            Row(setting.name, stats.n, stats.mean, stats.std or 0.0, low, high, test_mean, better, p, corrected,
                *published)
        )  # fmt: skip
    return table


def _of(setting: str, found: Sequence[Found], value: Callable[[Found], float | None]) -> list[float]:
    """By seed."""
    return [known for f in found if f.setting == setting and (known := value(f)) is not None]


def show(study: Study, metric: str, table: Sequence[Row]) -> None:
    print(f"{study.trained}; {study.members} members unless a row says it, {study.epochs} chunks of an epoch")
    print(f"{len(study.tests)} tests; published: FID, CIFAR-10, GanHard, and score on Quadruped, 3 seeds each")
    print(
        f"{'setting':<36}{'seeds':>6}{metric:>18}{'95 % interval':>18}{'test':>8}{'p':>10}{'corrected':>11}"
        f"{'FID':>15}{'score':>10}  tested to be worse than"
    )
    for row in table:
        value, interval = f"{row.mean:.2f} ± {row.std:.2f}", f"{row.low:.2f} to {row.high:.2f}"
        test = "" if row.test_mean is None else f"{row.test_mean:.2f}"
        p, corrected = ("" if p is None else f"{p:.2g}" for p in (row.p, row.p_corrected))
        print(
            f"{row.setting:<36}{row.seeds:>6}{value:>18}{interval:>18}{test:>8}{p:>10}{corrected:>11}"
            f"{row.published_fid:>15}{row.published_score:>10}  {row.beaten_by or ''}".rstrip()
        )
