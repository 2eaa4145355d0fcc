"""What the studies share: the images, how networks are trained, and what a study is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import archloom
from archloom.problems.scenario import Scenario
from archloom.runs.report import RunReport

TEST, MEMORY = "test_accuracy", "memory_mb"


@dataclass(frozen=True)
class Training:
    """On what and how networks are trained: options of the task `images`, of all spaces, and of single ones by name."""

    on: str = "images:fashion"
    task: Mapping[str, Any] = field(
        default_factory=lambda: {
            "size": 14, "train_images": 2_000, "valid_images": 1_000, "batch_size": 96, "optimiser": "sgd", "lr": 0.025,
            "schedule": "cosine", "schedule_until": "fidelity", "weight_decay": 3e-4, "nesterov": False,
            "normalisation": "mean_std",
        }
    )  # fmt: skip
    space: Mapping[str, Any] = field(default_factory=lambda: {"params_m": 0.1, "head_width": 128})

    ranges: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def options_of(self, space: str) -> dict[str, Any]:
        return {**self.space, **self.ranges.get(space, {})}

    def scenario(self, space: str, epochs: int, objectives: Sequence[str] = (), report: Sequence[str] = ()) -> Scenario:
        return archloom.scenario(
            self.on, space_name=space, task={**self.task, "epochs": epochs}, space=self.options_of(space),
            objective=objectives, report=report,
        )  # fmt: skip

    def networks(self, space: str, epochs: int, seed: int, **given: Any) -> list[Trained]:
        """Networks of generators, trained to the end; `given` are options of the strategy given."""
        report = archloom.run(
            "given", self.scenario(space, epochs, report=(TEST, MEMORY)), seed=seed, epochs=epochs, step=epochs, **given
        )
        return [*_trained(report)]

    @property
    def text(self) -> str:
        return " ".join([self.on, *(f"{name}={value}" for name, value in {**self.task, **self.space}.items())])


@dataclass(frozen=True)
class Trained:
    """A network after its training: test accuracy in percent, memory of an image in MB, seconds of training."""

    arch: str
    test: float
    memory_mb: float
    seconds: float

    @property
    def plain(self) -> dict[str, Any]:
        return asdict(self)


def _trained(report: RunReport) -> Iterable[Trained]:
    for line in report.history.comparable():
        yield Trained(line.arch, line.report[TEST], line.report[MEMORY], line.cost_s)


class Study(ABC):
    """A study of jobs, each recorded when it is done."""

    found: Callable[..., Any]
    """The type of a job's outcome."""
    measure: Callable[..., Any]
    """What a job calls."""

    @property
    @abstractmethod
    def text(self) -> str:
        """What identifies results."""

    @abstractmethod
    def jobs(self) -> Iterable[tuple[tuple[str, int], Sequence[Any]]]:
        """What is to be done: the setting and the seed of an outcome, and the arguments of `measure`."""

    @abstractmethod
    def rows(self, found: Sequence[Any]) -> list[Any]:
        """What is printed, dataclasses of plain data."""

    @abstractmethod
    def show(self, rows: Sequence[Any]) -> None: ...

    def draw(self, found: Sequence[Any], path: Path) -> None:
        raise SystemExit(f"--figure {path}: this study draws nothing")

    def with_seeds(self, seeds: int) -> Study:
        raise SystemExit(f"--seeds {seeds}: this study has no seeds")
