"""The incremental search problem as Gymnasium environments: `make_vector` for many episodes at once, `make` for one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archloom.data.catalog import resolve_alias
from archloom.envs.checks import check_counts
from archloom.errors import unknown
from archloom.problems.spec import ProblemSpec
from archloom.registry import Entry

if TYPE_CHECKING:
    from gymnasium.vector import AutoresetMode

    from archloom.envs.incremental import IncrementalEnv, IncrementalVectorEnv, NeighbourhoodEnv
    from archloom.problems.base import Problem


@dataclass(frozen=True)
class NeighbourhoodRequest:
    """What a `NeighbourhoodEnv` is made for: a metric of a problem (its default if None), its slots and neighbours."""

    problem: Problem
    metric: str | None
    slots: int
    max_neighbours: int
    environ: Mapping[str, str]
    notify: Callable[[str], None] | None


NEIGHBOURHOODS: Mapping[str, Entry] = {
    "nb101": Entry(
        "archloom.envs.nb101:open_neighbourhood", "NAS-Bench-101: every move is a look-up", "gymnasium", "envs"
    ),
    "nb201": Entry(
        "archloom.envs.nb201:open_neighbourhood", "NAS-Bench-201: one edge changes its operation", "gymnasium", "envs"
    ),
    "nb301": Entry("archloom.envs.darts:open_neighbourhood", "DARTS cells with a surrogate", "gymnasium", "envs"),
}
"""Benchmarks to walk on, by canonical name: each target is a function from a `NeighbourhoodRequest` to a
`NeighbourhoodEnv`."""


def open_neighbourhood(
    on: str,
    slots: int,
    max_neighbours: int = 50,
    table: str | os.PathLike[str] | None = None,
    metric: str | None = None,
    notify: Callable[[str], None] | None = None,
    problem: Problem | None = None,
) -> NeighbourhoodEnv:
    """The neighbourhood structure of a benchmark, without episodes or rewards.

    `problem` is the benchmark if it is already open; `notify` is called with a message before slow work.

    InputError for an unknown benchmark, counts that are not whole numbers of at least 1, and an unsuitable table.
    """
    on = benchmark_of(on)
    check_counts(slots=slots, max_neighbours=max_neighbours)
    opened: Callable[[NeighbourhoodRequest], NeighbourhoodEnv] = NEIGHBOURHOODS[on].load()
    spec = ProblemSpec(on, None if table is None else os.fspath(table))
    problem = problem or spec.source.open(spec)
    return opened(NeighbourhoodRequest(problem, metric, slots, max_neighbours, os.environ, notify))


def benchmark_of(on: str) -> str:
    """The canonical name of the benchmark `on` to walk on (`nb301` for `darts`); InputError if there is none."""
    name = resolve_alias(str(on))
    if name not in NEIGHBOURHOODS:
        raise unknown("benchmark to walk on", str(on), NEIGHBOURHOODS)
    return name


def make_vector(
    on: str,
    num_envs: int,
    max_neighbours: int = 50,
    table: str | os.PathLike[str] | None = None,
    *,
    metric: str | None = None,
    episode_steps: int = 16,
    alpha: float | None = None,
    autoreset_mode: AutoresetMode | str = "NextStep",
) -> IncrementalVectorEnv:
    """`num_envs` episodes of the incremental search problem at once.

    Args:
        on: `nb101`, `nb201`, or `nb301` (also called `darts`).
        num_envs: how many episodes run side by side.
        max_neighbours: how many neighbours an observation shows at most (50 in Cassimon et al.).
        table: the table or surrogate to read accuracies from; by default the one that `--on` finds.
        metric: the accuracy to climb; by default the one a search would optimise.
        episode_steps: steps after which an episode is truncated (16 in the paper's training, 32 in its evaluation).
        alpha: the reward is the gain in exp(alpha * accuracy); by default the paper's value for the benchmark (6 for
            nb101, 32 for darts), and 6 for nb201. 0 means the plain accuracy.
        autoreset_mode: when a finished episode starts again: Gymnasium's `AutoresetMode`, or its value.

    Raises:
        InputError: an unknown benchmark, metric or mode, counts that are not whole numbers of at least 1, more
            neighbours than there are, an alpha below 0 or above 700, a table without the accuracy of every
            architecture.
    """
    from archloom.envs.incremental import IncrementalVectorEnv, check_alpha, mode_of

    # Before opening the neighbourhood, which may take a while.
    check_counts(num_envs=num_envs, max_neighbours=max_neighbours, episode_steps=episode_steps)
    check_alpha(alpha)
    mode = mode_of(autoreset_mode)

    neighbourhood = open_neighbourhood(on, num_envs, max_neighbours, table, metric)
    return IncrementalVectorEnv(neighbourhood, num_envs, max_neighbours, episode_steps, alpha, mode)


def make(
    on: str,
    max_neighbours: int = 50,
    table: str | os.PathLike[str] | None = None,
    *,
    metric: str | None = None,
    episode_steps: int = 16,
    alpha: float | None = None,
) -> IncrementalEnv:
    """One episode at a time; arguments as in `make_vector`. After its end call `reset`."""
    from archloom.envs.incremental import IncrementalEnv

    return IncrementalEnv(
        make_vector(on, 1, max_neighbours, table, metric=metric, episode_steps=episode_steps, alpha=alpha)
    )
