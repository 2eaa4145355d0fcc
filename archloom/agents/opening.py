"""The benchmark that an agent is trained on, opened here and in other processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from archloom.envs import benchmark_of, open_neighbourhood
from archloom.envs.incremental import NeighbourhoodEnv
from archloom.errors import ChangedError, InputError
from archloom.problems import DataIdentity, ProblemSpec, open_scenario


@dataclass(frozen=True)
class Opened:
    """A benchmark by its canonical name, the metric to raise, what data answers, and where to walk."""

    on: str
    metric: str
    data: DataIdentity
    neighbourhood: NeighbourhoodEnv


def open_benchmark(
    on: str,
    table: str | None,
    objective: str | None,
    slots: int,
    max_neighbours: int,
    notify: Callable[[str], None] | None = None,
) -> Opened:
    """Open a benchmark to walk on; `objective` is its default if None. InputError as `open_neighbourhood`."""
    on = benchmark_of(on)
    scenario = open_scenario(ProblemSpec(on, table, (objective,) if objective else ()))
    if len(scenario.objectives) > 1:
        raise InputError(f"objectives {', '.join(scenario.objectives)}: expected one, which the agent learns to raise")
    metric, data = scenario.objectives[0], scenario.problem.data
    assert data is not None  # noqa: S101 - benchmarks to walk on are tables and surrogates
    neighbourhood = open_neighbourhood(on, slots, max_neighbours, table, metric, notify, scenario.problem)
    return Opened(on, metric, data, neighbourhood)


def open_same(
    on: str, table: str | None, metric: str, sha256: str, slots: int, max_neighbours: int
) -> NeighbourhoodEnv:
    """Open what another process has opened; ChangedError if the data are others here."""
    opened = open_benchmark(on, table, metric, slots, max_neighbours)
    if opened.data.sha256 != sha256:
        raise ChangedError(
            f"{opened.data.name} has the SHA-256 {opened.data.sha256[:12]}... where a worker found it, and the "
            f"training's is {sha256[:12]}...: put the same file on every machine"
        )
    return opened.neighbourhood
