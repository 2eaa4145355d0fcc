"""What is searched on, with which strategies, and what one search finds."""

from __future__ import annotations

import math
import os
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import archloom
from archloom.data.images.labelled import open_images, save_images
from archloom.data.images.splits import Split, Splits
from archloom.problems.base import Problem
from archloom.problems.scenario import Scenario


@dataclass(frozen=True)
class Setting:
    """A row: a strategy with its options."""

    name: str
    strategy: str
    options: Mapping[str, Any] = field(default_factory=dict)
    begins_alike: ClassVar[bool] = True
    """Whether searches of a seed have the same first population as others, which trains alike in the first chunk."""

    def asked(self, study: Study) -> dict[str, Any]:
        """Its options and limits in a study."""
        return {"population": study.members, "epochs": study.epochs, "step": 1, **self.options}


@dataclass(frozen=True)
class Halving(Setting):
    """A row of successive halving: as many epochs in all as a population's, a chunk the shortest training, and all of a
    member's epochs the longest."""

    begins_alike: ClassVar[bool] = False

    def asked(self, study: Study) -> dict[str, Any]:
        return {"minimum": 1, "maximum": study.epochs, "resource": study.members * study.epochs, **self.options}


@dataclass(frozen=True)
class Study:
    """What is trained, for how long, and which rows there are. A chunk is an epoch.

    `beaten_by` says what is tested: by the name of a row, that of the row which is to be better.
    """

    settings: tuple[Setting, ...]
    seeds: int
    members: int
    epochs: int
    beaten_by: Mapping[str, str]

    @property
    def tests(self) -> Mapping[str, str]:
        """Those that are made of the rows that there are."""
        names = {setting.name for setting in self.settings}
        return {worse: better for worse, better in self.beaten_by.items() if {worse, better} <= names}

    def paired(self, setting: Setting) -> bool:
        """Whether searches of a seed have something in common with a row's, so that a test pairs them."""
        return setting.begins_alike

    @property
    def text(self) -> str:
        """What identifies results: all but settings and seeds."""
        return f"{self.trained}, {self.epochs} epochs, {self.members} members unless a row says it"

    @property
    @abstractmethod
    def trained(self) -> str:
        """What is trained, in words."""

    @abstractmethod
    def problem(self, seed: int) -> Problem | Scenario:
        """What the searches of a seed are on."""

    def prepared(self, folder: Path) -> Study:
        """This study with its files in `folder`."""
        return self


@dataclass(frozen=True)
class Imitations(Study):
    """Chains imitate a teacher (`chain`), a different one for each seed."""

    drift: float = 0.0

    def paired(self, setting: Setting) -> bool:
        return True  # they have the same teacher

    @property
    def trained(self) -> str:
        return f"chains, whose teacher drifts by {self.drift:g} an epoch" if self.drift else "chains"

    def problem(self, seed: int) -> Problem:
        from benchmarks.pbt_nas.chain import ChainSpace, Imitate  # imports torch

        return archloom.TaskProblem(ChainSpace(), Imitate(seed, self.drift))


@dataclass(frozen=True)
class Named(Study):
    """What `--on` names. `parts`, if given, is how many training, validation and test images are used, of `size`."""

    on: str = ""
    task: Mapping[str, str] = field(default_factory=dict)
    space: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[int, int, int] | None = None
    size: int = 0

    @property
    def trained(self) -> str:
        return " ".join(
            [Path(self.on).name, *(f"{name}={value}" for name, value in {**self.task, **self.space}.items())]
        )

    def problem(self, seed: int) -> Scenario:
        return archloom.scenario(self.on, task=dict(self.task), space=dict(self.space))

    def prepared(self, folder: Path) -> Named:
        if self.parts is None:
            return self
        task, _, images = self.on.partition(":")
        whole, rng = open_images(images, os.environ, self.size), np.random.default_rng(0)

        def some(split: Split, count: int) -> Split:
            return split.take(np.sort(rng.permutation(len(split))[:count]))

        train, valid, test = map(some, (whole.train, whole.valid, whole.test), self.parts)
        path = folder / f"{images}.npz"
        save_images(Splits(train, valid, test, whole.classes), path)
        return replace(self, on=f"{task}:{path}", parts=None)


@dataclass(frozen=True)
class Found:
    """The result of one search: the value of its best network, and the test accuracy of that, if it has one."""

    setting: str
    seed: int
    metric: str
    goal: str
    value: float
    test: float | None
    seconds: float
    best_ever: float
    """Of any network at any time, also of one that was replaced later."""
    curve: list[float]
    """The value, had the search ended when so many chunks had been paid for as all members have, twice as many, ...;
    NaN before there is one."""


def search(study: Study, setting: Setting, seed: int) -> Found:
    """One search, in memory."""
    started = time.process_time()
    report = archloom.run(setting.strategy, study.problem(seed), seed=seed, **setting.asked(study))
    seconds, criteria = time.process_time() - started, report.scenario.criteria
    objective, history = criteria.objectives[0], report.history
    if report.best is None:
        raise RuntimeError(f"{setting.name}, seed {seed}: every training failed")
    return Found(
        setting.name, seed, objective.metric, objective.goal, report.best.scores[objective.metric],
        report.best.report.get("test_accuracy"), round(seconds, 1),
        best_ever=max(history.feasible(), key=history.utility).scores[objective.metric],
        curve=every(study.members, study.epochs, history.curve("resource")),
    )  # fmt: skip


def every(width: int, count: int, curve: Sequence[tuple[float, float]]) -> list[float]:
    """The last values of a curve, (spent, value), that were there when `width`, twice as much, ... had been spent."""
    spent, values = np.array(curve).T
    before = np.searchsorted(spent, width * np.arange(1, count + 1), side="right")
    return [float(values[i - 1]) if i else math.nan for i in before]
