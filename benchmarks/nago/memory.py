"""Figure 7: how much memory networks of three spaces take to be trained, for one image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from archloom.registry import load_space
from archloom.spaces.base import sample_valid
from archloom.utils import seeds
from benchmarks.study import Study


@dataclass(frozen=True)
class Found:
    """A network, by its number in `seed`: megabytes, and how many parameters it has in millions."""

    setting: str
    seed: int
    memory_mb: float
    params_m: float


def measure(study: Memory, space: str, number: int) -> Found:
    from archloom.tasks.memory import memory_of  # imports torch

    made = load_space(space)(**study.spaces[space], image_size=study.size)
    arch = sample_valid(made, seeds.stream(0, f"networks of {space}", number))
    parameters = sum(parameter.numel() for parameter in made.build(arch, 0).parameters())
    return Found(space, number, memory_of(made, arch, (3, study.size, study.size)), parameters / 1e6)


@dataclass(frozen=True)
class Printed:
    """A space: quantiles of the memory of its networks in MB, and the mean of their parameters in millions."""

    space: str
    networks: int
    least: float
    low: float
    median: float
    high: float
    most: float
    params_m: float


@dataclass(frozen=True)
class Memory(Study):
    """`spaces`: each with its options. `size`: the side of images in pixels."""

    spaces: Mapping[str, Mapping[str, Any]]
    networks: int = 300
    size: int = 32
    found = Found
    measure = staticmethod(measure)

    @property
    def text(self) -> str:
        options = (f"{space} {dict(given)}" for space, given in self.spaces.items())
        return f"memory of a network for an image of {self.size} x {self.size} pixels; {'; '.join(options)}"

    def jobs(self) -> Iterable[tuple[tuple[str, int], Sequence[Any]]]:
        return (((space, n), (self, space, n)) for n in range(self.networks) for space in self.spaces)

    def rows(self, found: Sequence[Found]) -> list[Printed]:
        table = []
        for space, values in self._values(found).items():
            parameters = [each.params_m for each in found if each.setting == space]
            quantiles = np.quantile(values, (0.0, 0.05, 0.5, 0.95, 1.0)).tolist()
            table.append(Printed(space, len(values), *quantiles, float(np.mean(parameters))))
        return table

    def _values(self, found: Sequence[Found]) -> dict[str, list[float]]:
        return {
            space: [each.memory_mb for each in found if each.setting == space and each.seed < self.networks]
            for space in self.spaces
        }

    def show(self, rows: Sequence[Printed]) -> None:
        print(self.text)
        heads = ("least", "5 %", "median", "95 %", "most", "params")
        print(f"{'space':<8}{'networks':>9}{''.join(f'{head:>9}' for head in heads)}")
        for row in rows:
            numbers = (row.least, row.low, row.median, row.high, row.most, row.params_m)
            print(f"{row.space:<8}{row.networks:>9}{''.join(f'{number:>9.2f}' for number in numbers)}")

    def draw(self, found: Sequence[Found], path: Path) -> None:
        from archloom.analysis.figures import save
        from archloom.analysis.histograms import histograms

        save(
            histograms(
                self._values(found), f"memory of an image of {self.size} x {self.size} pixels in training (MB)",
                "Memory of random networks", [f"Of {' and '.join(map(_said, self.spaces.items()))}."],
            ),
            path,
        )  # fmt: skip


def _said(space: tuple[str, Mapping[str, Any]]) -> str:
    """A space with its options, in words."""
    name, options = space
    return " ".join([name, *(f"{option}={value}" for option, value in options.items())])
