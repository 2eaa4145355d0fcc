"""Figure 2: do networks of one generator perform alike? Several networks of each of some random generators."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from archloom.analysis.stats import Estimate, Summary, spearman, summarise
from archloom.registry import load_space
from archloom.spaces.base import sample_valid
from archloom.utils import seeds
from archloom.utils.numbers import spread
from benchmarks.nago.base import Trained, Training
from benchmarks.study import Study


@dataclass(frozen=True)
class Found:
    """The networks of one generator, `Trained`; its number is the `seed`."""

    setting: str
    seed: int
    trained: list[dict[str, Any]]

    @property
    def networks(self) -> list[Trained]:
        return [Trained(**each) for each in self.trained]


def measure(study: Spreads, space: str, number: int) -> Found:
    made = load_space(space)(**study.training.options_of(space))
    arch = made.format(sample_valid(made, seeds.stream(0, f"generators of {space}", number)))
    trained = study.training.networks(space, study.epochs, number, archs=arch, networks=study.networks)
    return Found(space, number, [each.plain for each in trained])


@dataclass(frozen=True)
class Printed:
    """A space: test accuracy over all networks, and its standard deviation between the means of generators and within
    one. `alike`: the share of the variance that is between generators, from 0 to 1 (the intraclass correlation of a
    one-way analysis of variance). `steady`: the rank correlation of a generator's mean and its standard deviation,
    negative if good generators vary less."""

    space: str
    generators: int
    test: Summary
    between: float
    within: float
    alike: float
    steady: Estimate
    memory_mb: Summary
    memory_alike: float


@dataclass(frozen=True)
class Spreads(Study):
    spaces: tuple[str, ...] = ("hnag", "rnag")
    generators: int = 12
    networks: int = 6
    epochs: int = 8
    training: Training = field(default_factory=Training)
    found = Found
    measure = staticmethod(measure)

    @property
    def text(self) -> str:
        return f"{self.networks} networks of a generator for {self.epochs} epochs; {self.training.text}"

    def jobs(self) -> Iterable[tuple[tuple[str, int], Sequence[Any]]]:
        return (((space, n), (self, space, n)) for n in range(self.generators) for space in self.spaces)

    def rows(self, found: Sequence[Found]) -> list[Printed]:
        return [
            self._printed(space, [f for f in found if f.setting == space and f.seed < self.generators])
            for space in self.spaces
        ]

    def _printed(self, space: str, found: Sequence[Found]) -> Printed:
        tests = [[network.test for network in each.networks] for each in found]
        memory = [[network.memory_mb for network in each.networks] for each in found]
        means, stds = ([float(of(each)) for each in tests] for of in (np.mean, lambda v: np.std(v, ddof=1)))
        return Printed(
            space, len(found), summarise([*chain(*tests)]), float(np.std(means, ddof=1)),
            float(np.sqrt(np.mean(np.square(stds)))), alike(tests), spearman(means, stds, seeds.stream(0, "bootstrap")),
            summarise([*chain(*memory)]), alike(memory),
        )  # fmt: skip

    def show(self, rows: Sequence[Printed]) -> None:
        print(self.text)
        print(f"{'space':<8}{'generators':>11}{'test':>15}{'between':>9}{'within':>8}{'alike':>7}{'mean ~ std':>12}"
              f"{'MB':>16}{'alike':>7}")  # fmt: skip
        for row in rows:
            steady = "-" if row.steady.value is None else f"{row.steady.value:.2f}"
            print(f"{row.space:<8}{row.generators:>11}{spread(row.test.mean, row.test.std):>15}{row.between:>9.2f}"
                  f"{row.within:>8.2f}{row.alike:>7.2f}{steady:>12}"
                  f"{spread(row.memory_mb.mean, row.memory_mb.std):>16}{row.memory_alike:>7.2f}")  # fmt: skip


def alike(groups: Sequence[Sequence[float]]) -> float:
    """The intraclass correlation ICC(1): how much of the variance of values is between groups of about equal sizes, at
    least 0. NaN if all values are the same."""
    count = len(groups)
    size = np.mean([len(group) for group in groups])
    means = np.array([np.mean(group) for group in groups])
    between = size * means.var(ddof=1)
    within = sum(float(np.sum((np.asarray(g) - np.mean(g)) ** 2)) for g in groups) / (count * (size - 1))
    total = between + (size - 1) * within
    return float("nan") if total == 0 else max(0.0, float((between - within) / total))
