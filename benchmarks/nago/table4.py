"""Table 4: what searches of equal time find on two spaces of generators, and several networks of it, trained longer."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import archloom
from archloom.analysis.published_generators import NETWORKS
from archloom.analysis.stats import Summary, summarise
from archloom.utils.numbers import spread
from benchmarks.nago.base import Trained, Training
from benchmarks.recorded import p_better_unpaired
from benchmarks.study import Study


@dataclass(frozen=True)
class Chosen:
    """Options of the strategy given that name generators, and how they were found: the validation accuracy of the best,
    how many architectures were evaluated for how many epochs in all, and how many seconds that took."""

    given: Mapping[str, Any]
    valid: float | None = None
    queries: int = 0
    epochs: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Row(ABC):
    """A row: which generators of a space are trained. `published`: its name in the paper's table."""

    name: str
    space: str
    published: str | None = None

    @abstractmethod
    def chosen(self, study: Table4, seed: int) -> Chosen: ...

    def training(self, study: Table4) -> Training:
        """How the networks are trained that were chosen."""
        return study.training


@dataclass(frozen=True)
class Search(Row):
    """The best generator that a strategy finds in time. `epochs` of the longest training, 0 for the study's; with two
    `objectives` the best by the first."""

    strategy: str = "random"
    options: Mapping[str, Any] = field(default_factory=dict)
    objectives: tuple[str, ...] = ()
    epochs: int = 0

    def chosen(self, study: Table4, seed: int) -> Chosen:
        scenario = study.training.scenario(self.space, self.epochs or study.epochs, self.objectives)
        started = time.monotonic()
        report = archloom.run(self.strategy, scenario, seed=seed, time=study.seconds, **self.options)
        if report.best is None:
            raise RuntimeError(f"{self.name}, seed {seed}: every training failed")
        return Chosen(
            {"archs": report.best.arch, "networks": study.networks}, report.value, report.history.queries,
            report.history.resource_used, round(time.monotonic() - started, 1),
        )  # fmt: skip


@dataclass(frozen=True)
class Fixed(Row):
    """One generator that is known, even outside of the ranges that are searched; its seed does not matter."""

    arch: str = ""

    def chosen(self, study: Table4, seed: int) -> Chosen:
        return Chosen({"archs": self.arch, "networks": study.networks})

    def training(self, study: Table4) -> Training:
        return replace(study.training, ranges={})


@dataclass(frozen=True)
class Random(Row):
    """A network of each of as many random generators: nothing is searched."""

    def chosen(self, study: Table4, seed: int) -> Chosen:
        return Chosen({"random": study.networks})


@dataclass(frozen=True)
class Found:
    """A job: how the generators were chosen, and their networks, as `Trained`."""

    setting: str
    seed: int
    valid: float | None
    queries: int
    epochs: int
    seconds: float
    trained: list[dict[str, Any]]

    @property
    def networks(self) -> list[Trained]:
        return [Trained(**each) for each in self.trained]


def measure(study: Table4, row: Row, seed: int) -> Found:
    chosen = row.chosen(study, seed)
    trained = row.training(study).networks(row.space, study.final_epochs, seed, **chosen.given)
    return Found(
        row.name, seed, chosen.valid, chosen.queries, chosen.epochs, chosen.seconds, [each.plain for each in trained]
    )


@dataclass(frozen=True)
class Printed:
    """A row of the table: over all networks of all seeds. `p`: that the first row's networks are better, by Mann and
    Whitney's test over the seeds' means; None for the first row."""

    setting: str
    seeds: int
    networks: int
    test: Summary
    memory_mb: Summary
    seconds: Summary
    valid: float | None
    queries: float
    epochs: float
    p: float | None
    published: str | None


@dataclass(frozen=True)
class Table4(Study):
    """Searches of `seconds` each, trainings of `epochs` at most; then `networks` networks for `final_epochs`."""

    settings: tuple[Row, ...]
    seeds: int = 3
    seconds: float = 240.0
    epochs: int = 8
    networks: int = 4
    final_epochs: int = 24
    training: Training = field(default_factory=Training)
    found = Found
    measure = staticmethod(measure)

    @property
    def text(self) -> str:
        return (
            f"{self.seconds:g} s, {self.epochs} epochs; {self.networks} networks for {self.final_epochs} epochs; "
            f"{self.training.text}"
        )

    def with_seeds(self, seeds: int) -> Table4:
        return replace(self, seeds=seeds)

    def jobs(self) -> Iterable[tuple[tuple[str, int], Sequence[Any]]]:
        return (((row.name, seed), (self, row, seed)) for seed in range(self.seeds) for row in self.settings)

    def rows(self, found: Sequence[Found]) -> list[Printed]:
        found = [each for each in found if each.seed < self.seeds]
        means = {
            row.name: [summarise([n.test for n in f.networks]).mean for f in found if f.setting == row.name]
            for row in self.settings
        }
        ours = means[self.settings[0].name]
        return [self._printed(row, found, ours, means[row.name]) for row in self.settings]

    def _printed(self, row: Row, found: Sequence[Found], ours: Sequence[float], own: Sequence[float]) -> Printed:
        mine = [each for each in found if each.setting == row.name]
        networks = [network for each in mine for network in each.networks]
        valid = [each.valid for each in mine if each.valid is not None]
        known = {each.label: each for each in NETWORKS if each.data == "cifar10"}.get(row.published or "")
        return Printed(
            row.name, len(mine), len(networks), summarise([n.test for n in networks]),
            summarise([n.memory_mb for n in networks]), summarise([n.seconds for n in networks]),
            summarise(valid).mean if valid else None, summarise([float(each.queries) for each in mine]).mean,
            summarise([float(each.epochs) for each in mine]).mean,
            None if row is self.settings[0] else p_better_unpaired(ours, own),
            None if known is None else f"{known.accuracy} ± {known.std} at {known.memory_mb}",
        )  # fmt: skip

    def show(self, rows: Sequence[Printed]) -> None:
        print(self.text)
        print("mean ± std over all networks of all seeds; published: CIFAR-10, NAGO, Table 4")
        print(f"{'':<22}{'seeds':>6}{'networks':>9}{'test':>15}{'MB':>19}{'seconds':>15}{'valid':>8}{'queries':>8}"
              f"{'epochs':>8}{'p':>8}  published")  # fmt: skip
        for row in rows:
            cells = [spread(each.mean, each.std) for each in (row.test, row.memory_mb, row.seconds)]
            p = "" if row.p is None else f"{row.p:.2g}"
            valid = "" if row.valid is None else f"{row.valid:.2f}"
            print(f"{row.setting:<22}{row.seeds:>6}{row.networks:>9}{cells[0]:>15}{cells[1]:>19}{cells[2]:>15}{valid:>8}"
                  f"{row.queries:>8.0f}{row.epochs:>8.0f}{p:>8}  {row.published or ''}".rstrip())  # fmt: skip
