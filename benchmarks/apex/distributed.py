"""How fast an agent trains in one process, and on Ray with several gatherers, on one machine.

The clock runs from the first update on, so neither Ray's start nor the imports of its processes count. Gatherers and
the learner share the machine's cores: with two of them, more than one gatherer cannot help. `per_cpu_s` is steps per
second of processor time of this process, in which the learner is: what it can do with a core of its own, whatever else
the machine does, if there are gatherers enough. `gathering alone` says what a gatherer can do with one.
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
    """Steps, seconds, and seconds of this process's processor time since the first update."""

    def __init__(self, learns: bool) -> None:
        self.learns = learns
        self.begun: tuple[int, float, float] | None = None
        self.ended = (0, 0.0, 0.0)

    def __call__(self, done: Progress) -> bool:
        self.ended = done.steps, time.perf_counter(), time.process_time()
        if self.begun is None and (done.updates or not self.learns):
            self.begun = self.ended
        return True

    def rates(self) -> tuple[float, float]:
        """Steps per second, and per second of processor time."""
        assert self.begun is not None  # noqa: S101 - the training is longer than that
        steps, seconds, cpu_seconds = (after - before for after, before in zip(self.ended, self.begun, strict=True))
        return steps / seconds, steps / cpu_seconds


def measure(work: Work, layout: Layout, steps: int) -> tuple[tuple[float, float], BaseApex]:
    """The rates, and the trained agent."""
    clock = Clock(work.options.learn_ratio > 0)
    with layout.ready():
        trained = layout.agent(work)
        trained.train(steps, clock)
    return clock.rates(), trained


def rows(network: str, work: Work, steps: int, workers: Sequence[int]) -> list[dict[str, Any]]:
    """A row for one process, with and without learning, and one for each number of gatherers, with as many shards."""
    gathering = replace(work, options=replace(work.options, learn_ratio=0.0))
    layouts: dict[str, tuple[Work, Layout]] = {"one process": (work, OneProcess())}
    layouts |= {f"Ray, {n} of each": (work, OnRay(RayCluster(n, "local"), n)) for n in workers}
    layouts["gathering alone"] = (gathering, OneProcess())
    found: list[dict[str, Any]] = []
    for name, (what, layout) in layouts.items():
        load = os.getloadavg()[0]
        (rate, cpu_rate), trained = measure(what, layout, steps)
        first = found[0]["steps_per_s"] if found else round(rate)
        found.append(
            {
                "network": network, "layout": name, "steps": trained.progress.steps,
                "updates": trained.progress.updates, "steps_per_s": round(rate), "times": round(rate / first, 2),
                "per_cpu_s": round(cpu_rate), "cores": os.cpu_count(), "load_before": round(load, 1),
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
