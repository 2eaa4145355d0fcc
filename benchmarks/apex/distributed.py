"""How fast an agent trains in one process, and on Ray with several gatherers, on one machine.

The clock runs from the first update on, so neither Ray's start nor the imports of its processes count. What gathers
and what learns then share the machine's cores: with two of them, more than one gatherer cannot help.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from archloom.agents.apex import BaseApex, Progress
from archloom.agents.apex_ray import OnRay
from archloom.agents.layout import Layout, OneProcess, Work
from archloom.agents.opening import open_benchmark, open_same
from archloom.agents.options import ApexOptions
from archloom.envs.terrain import Terrain
from archloom.executors.ray import RayCluster
from archloom.testing.planted_walks import hypercube, planted_corner
from benchmarks.apex.study import Study

DEFAULT = ApexOptions()
PAPER = ApexOptions(width=256, layers=2, feedforward=512, walkers=256)
"""The paper's width and walkers; it leaves layers and feed-forward open."""
WORKERS = (1, 2, 4)


class Clock:
    """Steps and seconds since the first update."""

    def __init__(self) -> None:
        self.begun: tuple[int, float] | None = None
        self.ended = (0, 0.0)

    def __call__(self, done: Progress) -> bool:
        self.ended = done.steps, time.perf_counter()
        if self.begun is None and done.updates:
            self.begun = self.ended
        return True

    @property
    def steps_per_second(self) -> float:
        assert self.begun is not None  # noqa: S101 - the training is longer than that
        return (self.ended[0] - self.begun[0]) / (self.ended[1] - self.begun[1])


def measure(work: Work, layout: Layout, steps: int) -> tuple[float, BaseApex]:
    clock = Clock()
    with layout.ready():
        trained = layout.agent(work)
        trained.train(steps, clock)
    return clock.steps_per_second, trained


def rows(network: str, work: Work, steps: int, workers: Sequence[int]) -> list[dict[str, Any]]:
    """A row for one process, and one for each number of gatherers, with as many shards."""
    layouts: dict[str, Layout] = {"one process": OneProcess()}
    layouts |= {f"Ray, {n} of each": OnRay(RayCluster(n, "local"), n) for n in workers}
    found: list[dict[str, Any]] = []
    for name, layout in layouts.items():
        load = os.getloadavg()[0]
        rate, trained = measure(work, layout, steps)
        first = found[0]["steps_per_s"] if found else round(rate)
        found.append(
            {
                "network": network, "layout": name, "steps": trained.progress.steps,
                "updates": trained.progress.updates, "steps_per_s": round(rate), "times": round(rate / first, 2),
                "cores": os.cpu_count(), "load_before": round(load, 1),
            }
        )  # fmt: skip
    return found


def _nb101(options: ApexOptions) -> Work:
    opened = open_benchmark("nb101", None, None, options.walkers, options.max_neighbours)
    make = partial(open_same, "nb101", None, opened.metric, opened.data.sha256)
    return Work(opened.neighbourhood, make, options, 0)


def _cube(options: ApexOptions) -> Work:
    make = partial(Terrain, hypercube(4), planted_corner(4))
    return Work(make(options.walkers, options.max_neighbours), make, options, 0)


def _run(arguments: argparse.Namespace) -> Sequence[dict[str, Any]]:
    if arguments.smoke:
        small = replace(DEFAULT, width=8, heads=2, walkers=16, max_neighbours=4, learning_starts=100, sync_delay=20)
        return rows("small", _cube(small), 500, [1])
    return [*rows("default", _nb101(DEFAULT), 20_000, WORKERS), *rows("paper", _nb101(PAPER), 6_000, WORKERS)]


STUDIES: dict[str, Study] = {"distributed": Study("steps/s in one process, and on Ray with 1, 2 and 4 gatherers", _run)}
