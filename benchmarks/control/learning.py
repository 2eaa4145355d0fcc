"""Learning curves of agents with the networks of DrQ-v2, without a population."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from archloom.spaces.control import Control
from archloom.tasks.control.data import read_environment
from archloom.tasks.control.options import ControlOptions
from archloom.tasks.control.task import FRAMES, REWARD, ControlTask
from archloom.types import Arch
from benchmarks.study import Study

ENOUGH = 900
"""Of at most 1,000 that an episode gives."""


@dataclass(frozen=True)
class Curve:
    """The mean rewards of episodes with mean actions, after so many frames; and the processor's seconds."""

    setting: str
    seed: int
    frames: list[float]
    rewards: list[float]
    seconds: float
    """Without evaluations."""


@dataclass(frozen=True)
class Row:
    frames: float
    rewards: list[float]
    """Of all seeds."""
    reached: int
    """How many seeds have had `ENOUGH` by then."""


def learn(
    setting: str, seed: int, options: ControlOptions, networks: Mapping[str, Any], choices: Mapping[str, str]
) -> Curve:
    """Train an agent with DrQ-v2's networks, but for these options of some genes; evaluate it after each epoch."""
    task = ControlTask(read_environment(setting, options), options)
    space = Control(**task.space_settings, **networks)  # type: ignore[arg-type]
    training = task.on(space).begin(_chosen(space, choices), seed)
    frames, rewards, seconds = [], [], 0.0
    for _ in range(options.epochs):
        began = time.process_time()
        training.train(1)
        seconds += time.process_time() - began
        found = training.evaluate()
        frames.append(found[FRAMES])
        rewards.append(found[REWARD])
    return Curve(setting, seed, frames, rewards, seconds)


def _chosen(space: Control, choices: Mapping[str, str]) -> Arch:
    genes = list(space.original.genes)
    for name, option in choices.items():
        gene = space.gene_names.index(name)
        genes[gene] = space.values[gene].index(option)
    return Arch(tuple(genes))


@dataclass(frozen=True)
class Learning(Study):
    """Curves of several seeds in one environment."""

    options: ControlOptions
    networks: Mapping[str, Any] = field(default_factory=lambda: {"hidden": 256, "features": (50,)})
    choices: Mapping[str, str] = field(default_factory=dict)
    on: str = "cartpole_balance"
    seeds: int = 3
    found = Curve
    measure = staticmethod(learn)

    @property
    def text(self) -> str:
        settings = {**asdict(self.options), **self.networks, **self.choices}
        return " ".join(f"{name}={value}" for name, value in settings.items())

    def jobs(self) -> Iterator[tuple[tuple[str, int], Sequence[Any]]]:
        for seed in range(self.seeds):
            yield (self.on, seed), (self.on, seed, self.options, self.networks, self.choices)

    def with_seeds(self, seeds: int) -> Learning:
        return replace(self, seeds=seeds)

    def rows(self, found: Sequence[Curve]) -> list[Row]:
        rewards = np.array([curve.rewards for curve in found])  # (seeds, epochs)
        reached = (np.maximum.accumulate(rewards, axis=1) >= ENOUGH).sum(axis=0)
        epochs = zip(found[0].frames, rewards.T.tolist(), reached.tolist(), strict=True)
        return [Row(*epoch) for epoch in epochs]

    def show(self, rows: Sequence[Row]) -> None:
        print(f"frames  seeds that have had {ENOUGH}  rewards")
        for row in rows:
            print(f"{row.frames:>6.0f}  {row.reached:>23}  " + "  ".join(f"{reward:6.1f}" for reward in row.rewards))
