"""What the studies share: the images, and how networks are trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
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
