"""Strategies for several objectives where the front is known, and noise depends on the inputs.

    python -m benchmarks.nago.multi_objective fronts    noisy DTLZ2 and ZDT1: 4 and 6 numbers, 80 evaluations, 10 seeds
    python -m benchmarks.nago.multi_objective memory    error and memory of plain networks of all sizes on digits,
                                                        trained for four epochs: 80 evaluations, 10 seeds
    python -m benchmarks.nago.multi_objective hnag      the same of small networks of HNAG, for two epochs: 48
    ... --strategy NAME  only this one; repeatable
    ... --record FILE    keep finished searches in FILE, and continue from there
    ... --json, --seeds N, --workers N; --smoke: two seeds, 12 evaluations

On `fronts` a search is judged by the hypervolume of the true values of those architectures whose measured values are
its front, as a share of what the true front has; on the others by that of measured values, as a share of what an error
of 0 without memory would have.
"""

from __future__ import annotations

import json
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeAlias

import moocore
import numpy as np
from numpy.typing import NDArray

import archloom
from archloom.analysis.stats import bootstrap_interval
from archloom.data.images.labelled import open_images
from archloom.problems.scenario import Scenario
from archloom.runs.report import RunReport
from archloom.utils import seeds
from benchmarks.recorded import outcomes, p_better_unpaired, parser

Float64: TypeAlias = NDArray[np.float64]

BOTH = ("valid_accuracy", "memory_mb")
NOISE = (0.01, 0.1)
"""The noise's standard deviation, as a share of an objective's `extent`, where the second number is 0 and 1."""


def dtlz2(x: Float64) -> Float64:
    """Deb et al. 2005, with two objectives: the front is the quarter of a circle, at 1/2 for all but the first."""
    distance = 1.0 + ((x[1:] - 0.5) ** 2).sum()
    return np.array([distance * np.cos(x[0] * np.pi / 2), distance * np.sin(x[0] * np.pi / 2)])


def zdt1(x: Float64) -> Float64:
    """Zitzler, Deb and Thiele 2000: the front is f2 = 1 - sqrt(f1), at 0 for all but the first."""
    distance = 1.0 + 9.0 * x[1:].mean()
    return np.array([x[0], distance * (1.0 - np.sqrt(x[0] / distance))])


@dataclass(frozen=True)
class Front:
    """A problem whose front is known.

    Attributes:
        values: true values (2,) of numbers (size,) from 0 to 1; less is better.
        extent: (2,) of the values that are usual, to which noise is proportional.
        reference: beyond which nothing counts.
        true: the front at places from 0 to 1.
    """

    values: Callable[[Float64], Float64]
    extent: tuple[float, float]
    reference: tuple[float, float]
    true: Callable[[Float64], Float64]
    size: int = 4

    @property
    def hypervolume(self) -> float:
        """That of the true front."""
        return float(moocore.hypervolume(self.true(np.linspace(0.0, 1.0, 10_001)), ref=self.reference))

    def scenario(self) -> Scenario:
        """The noisy problem of a search, with the objectives first and second."""
        names = [f"x{i}" for i in range(self.size)]

        def measured(choices: Mapping[str, Any], rng: np.random.Generator) -> dict[str, float]:
            x = np.array([choices[name] for name in names])
            share = NOISE[0] + (NOISE[1] - NOISE[0]) * x[1]
            noisy = self.values(x) + share * np.array(self.extent) * rng.standard_normal(2)
            return dict(zip(("first", "second"), noisy.tolist(), strict=True))

        space = archloom.Space({name: archloom.Real(0.0, 1.0) for name in names})
        problem = archloom.Problem(space, measured, {"first": "min", "second": "min"})
        return archloom.scenario(problem, objective=("first", "second"))

    def share(self, report: RunReport, evaluations: int) -> float:
        """Of the front's hypervolume, what the true values come to of the architectures that the measured front has
        after so many evaluations."""
        lines = report.history.lines[:evaluations]
        measured = np.array([[line.scores["first"], line.scores["second"]] for line in lines])
        true = np.array([self.values(np.array(line.genes)) for line in lines])
        chosen = true[moocore.is_nondominated(measured)]
        return float(moocore.hypervolume(chosen, ref=self.reference)) / self.hypervolume


@dataclass(frozen=True)
class Networks(ABC):
    """Networks of which error and memory are to be low; `most` MB are the worst that counts."""

    most: float

    @abstractmethod
    def scenario(self) -> Scenario: ...

    def share(self, report: RunReport, evaluations: int) -> float:
        """Of the square from an error of 0 to 100 % and from no memory to `most`, what is behind the front."""
        lines = [line for line in report.history.lines[:evaluations] if line.ok]
        values = [(1.0 - line.scores["valid_accuracy"] / 100.0, line.scores["memory_mb"] / self.most) for line in lines]
        return float(moocore.hypervolume(np.array(values), ref=(1.0, 1.0)))


@dataclass(frozen=True)
class Generated(Networks):
    """Those of small generators of HNAG, for two epochs: half a second."""

    def scenario(self) -> Scenario:
        ranges = {"top_nodes": (3, 5), "mid_nodes": (1, 2), "bottom_nodes": (3, 4)}
        return archloom.scenario(
            "images:digits", space_name="hnag", space={"params_m": 0.02, "head_width": 64, **ranges},
            task={"epochs": 2, "batch_size": 96}, objective=BOTH,
        )  # fmt: skip


@dataclass(frozen=True)
class Plain(Networks):
    """Chains of convolutions of all widths and depths, for four epochs: a fifth of a second."""

    def scenario(self) -> Scenario:
        from archloom.tasks.images.options import ImagesOptions
        from archloom.tasks.images.task import ImagesTask
        from benchmarks.nago.plain_networks import PlainNetworks  # these import torch

        space, options = PlainNetworks(), ImagesOptions(epochs=4, lr=0.02)
        task = ImagesTask(open_images("digits", os.environ), options).on(space)
        return archloom.scenario(archloom.TaskProblem(space, task), objective=BOTH)


_DTLZ2 = Front(dtlz2, (1.5, 1.5), (1.5, 1.5), lambda t: np.column_stack([np.cos(t * np.pi / 2), np.sin(t * np.pi / 2)]))
_ZDT1 = Front(zdt1, (1.0, 5.0), (1.0, 5.0), lambda t: np.column_stack([t**2, 1.0 - t]))
FRONTS: Mapping[str, Front] = {
    "dtlz2, 4": _DTLZ2, "zdt1, 4": _ZDT1, "dtlz2, 6": replace(_DTLZ2, size=6), "zdt1, 6": replace(_ZDT1, size=6),
}  # fmt: skip
"""By name, and how many numbers there are."""

SETTINGS: Mapping[str, Mapping[str, str]] = {
    "mobo": {},
    "qnehvi": {},
    "graph_bo": {"initial": "16"},
    "evolution": {"population": "16", "sample": "4"},
    "random": {},
}
"""Strategies with their options: all draw 16 at random first."""
QUICK: Mapping[str, Mapping[str, str]] = {
    "mobo": {
        "initial": "8",
        "batch": "4",
        "burn_in": "20",
        "samples": "5",
        "evaluations": "40",
        "population": "20",
        "restarts": "1",
    },
    "random": {},
}
PROBLEMS: Mapping[str, Mapping[str, Front | Networks]] = {
    "fronts": FRONTS, "memory": {"plain": Plain(0.03)}, "hnag": {"hnag": Generated(0.08)},
}  # fmt: skip
MARKS: Mapping[str, tuple[int, ...]] = {"fronts": (40, 80), "memory": (40, 80), "hnag": (24, 48)}
FIRST_SEED = 10
"""With seeds below it sizes and options were chosen."""


@dataclass(frozen=True)
class Found:
    """One search: the share of the true front's hypervolume after so many evaluations, and processor seconds."""

    setting: str
    seed: int
    shares: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class Row:
    """Of one strategy on one problem: the mean share of the true front's hypervolume with its 95 % interval, and the
    one-sided p (Mann-Whitney) that random search has less."""

    problem: str
    strategy: str
    evaluations: int
    seeds: int
    mean: float
    low: float
    high: float
    p: float | None
    seconds: float


def search(kind: str, name: str, strategy: str, options: Mapping[str, str], marks: Sequence[int], seed: int) -> Found:
    """One search, with 8 evaluations at a time."""
    began, problem = time.process_time(), PROBLEMS[kind][name]
    report = archloom.run(strategy, problem.scenario(), seed=seed, queries=max(marks), width=8, **options)
    seconds = round(time.process_time() - began, 2)
    return Found(f"{name}: {strategy}", seed, {str(mark): problem.share(report, mark) for mark in marks}, seconds)


def rows(found: Sequence[Found]) -> list[Row]:
    """For each problem and number of evaluations, strategies in the order of `found`."""
    made: list[Row] = []
    for name in dict.fromkeys(each.setting.split(": ")[0] for each in found):
        for mark in dict.fromkeys(mark for each in found for mark in each.shares):
            of = {each.setting: [f for f in found if f.setting == each.setting] for each in found}
            chance = [f.shares[mark] for f in of.get(f"{name}: random", [])]
            for setting, searches in of.items():
                if not setting.startswith(f"{name}: "):
                    continue
                values = [f.shares[mark] for f in searches]
                low, high = bootstrap_interval(values, seeds.stream(0, "interval"))
                p = p_better_unpaired(values, chance) if chance and not setting.endswith(": random") else None
                seconds = float(np.mean([f.seconds for f in searches]))
                mean = float(np.mean(values))
                strategy = setting.removeprefix(f"{name}: ")
                made.append(Row(name, strategy, int(mark), len(values), mean, low, high, p, seconds))
    return made


def main() -> None:
    made = parser(__doc__, PROBLEMS, smoke="two seeds, 12 evaluations, mobo and random search")
    made.add_argument("--strategy", action="append", choices=SETTINGS, help="only this one; repeatable")
    given = made.parse_args()
    settings, marks = (QUICK, (12,)) if given.smoke else (SETTINGS, MARKS[given.study])
    count = given.seeds or (2 if given.smoke else 10)
    jobs = (
        ((f"{name}: {strategy}", seed), (given.study, name, strategy, settings[strategy], marks, seed))
        for seed in range(FIRST_SEED, FIRST_SEED + count)
        for strategy in given.strategy or settings
        for name in PROBLEMS[given.study]
    )
    study = f"{given.study} {NOISE} {marks} {json.dumps(settings)}"
    found = [
        each
        for each in outcomes(Found, search, jobs, given.workers, given.record, study)
        if each.seed < FIRST_SEED + count
    ]
    table = rows(sorted(found, key=lambda each: list(settings).index(each.setting.split(": ")[1])))
    if given.json:
        print(json.dumps([asdict(row) for row in table]))
        return
    for row in table:
        p = "" if row.p is None else f"p = {row.p:.2g}"
        print(
            f"{row.problem:8} {row.strategy:10} @{row.evaluations}: {row.mean:.3f} [{row.low:.3f}, {row.high:.3f}] of "
            f"{row.seeds}  {row.seconds:.0f} s  {p}"
        )


if __name__ == "__main__":
    main()
