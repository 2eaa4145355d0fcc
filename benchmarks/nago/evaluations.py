"""Evaluations of random generators, one network of each: what Table 1's surrogates learn, and are tested on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from archloom.analysis.stats import Summary, summarise
from archloom.registry import load_space
from archloom.spaces.base import sample_valid
from archloom.utils import seeds
from archloom.utils.numbers import spread
from benchmarks.nago.base import MEMORY, Training
from benchmarks.study import Study

VALID = "valid_accuracy"


@dataclass(frozen=True)
class Found:
    """The network of a generator, whose number is the `seed`: its accuracy in percent on images that it was not trained
    on, its memory for an image in MB, and the seconds of its training."""

    setting: str
    seed: int
    arch: str
    valid: float
    memory_mb: float
    seconds: float


def measure(study: Evaluations, space: str, number: int) -> Found:
    import archloom

    made = load_space(space)(**study.training.options_of(space))
    arch = made.format(sample_valid(made, seeds.stream(0, f"evaluations of {space}", number)))
    report = archloom.run(
        "given", study.training.scenario(space, study.epochs, (VALID,), (MEMORY,)), seed=number, epochs=study.epochs,
        step=study.epochs, archs=arch,
    )  # fmt: skip
    (line,) = report.history.comparable()
    return Found(space, number, arch, line.scores[VALID], line.report[MEMORY], line.cost_s)


@dataclass(frozen=True)
class Printed:
    space: str
    generators: int
    valid: Summary
    memory_mb: Summary
    seconds: Summary


TRAINING = Training(
    task={
        "size": 14, "train_images": 2_000, "valid_images": 1_000, "batch_size": 32, "optimiser": "sgd", "lr": 0.05,
        "schedule": "cosine", "weight_decay": 3e-4,
    },
    space={"params_m": 0.05, "head_width": 64},
    ranges={"hnag": {"top_nodes": (3, 6), "mid_nodes": (1, 4), "bottom_nodes": (3, 6)}},
)  # fmt: skip


@dataclass(frozen=True)
class Evaluations(Study):
    space: str = "hnag"
    generators: int = 150
    epochs: int = 2
    training: Training = TRAINING
    found = Found
    measure = staticmethod(measure)

    @property
    def text(self) -> str:
        told = {"epochs": self.epochs, **self.training.task, **self.training.options_of(self.space)}
        return " ".join([self.training.on, self.space, *(f"{name}={value}" for name, value in told.items())])

    def jobs(self) -> Iterable[tuple[tuple[str, int], Sequence[Any]]]:
        return (((self.space, n), (self, self.space, n)) for n in range(self.generators))

    def rows(self, found: Sequence[Found]) -> list[Printed]:
        columns = ([each.valid for each in found], [each.memory_mb for each in found], [each.seconds for each in found])
        return [Printed(self.space, len(found), *map(summarise, columns))]

    def show(self, rows: Sequence[Printed]) -> None:
        print(self.text)
        for row in rows:
            cells = (spread(each.mean, each.std) for each in (row.valid, row.memory_mb, row.seconds))
            print(f"{row.space:<8}{row.generators:>5}", *(f"{cell:>16}" for cell in cells))
