"""Episodes of the incremental search problem: policies walk from random architectures, and what they find is recorded.

Cassimon et al., section 4.1: several sets of random start states, one episode of at most 32 steps from each, the same
starts for every policy. A `Walk` keeps the account of queries, so that a policy pays for what it reads and for nothing
else; test accuracy is looked up afterwards, where a policy cannot see it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from archloom.envs import benchmark_of, open_neighbourhood
from archloom.errors import InputError, unknown
from archloom.problems import DataIdentity, ProblemSpec, open_scenario
from archloom.utils import seeds

if TYPE_CHECKING:
    from archloom.envs.incremental import NeighbourhoodEnv

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
CheckpointStore = NDArray[np.integer[Any]]
Walkers = NDArray[np.intp]

MOST_EPISODES = 10_000_000
MOST_NEIGHBOURS = 1_000
"""Of all of them the encodings are held: 1 GB on DARTS cells."""
_WALKERS = 2_048
"""How many walk at once: what they are shown stays small (6 MB on NAS-Bench-101)."""


@dataclass(frozen=True)
class Plan:
    """How many episodes from where: `sets` sets of `starts` random architectures, at most `steps` moves from each.

    A policy is shown at most `neighbours` neighbours at a step. The defaults are those of Cassimon et al.
    """

    sets: int = 5
    starts: int = 10_000
    steps: int = 32
    neighbours: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        seeds.check_seed(self.seed)
        for name in ("sets", "starts", "steps", "neighbours"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)}: expected at least 1")
        if self.neighbours > MOST_NEIGHBOURS:
            raise InputError(f"neighbours={self.neighbours}: expected at most {MOST_NEIGHBOURS:,}")
        if self.episodes > MOST_EPISODES:
            raise InputError(f"{self.sets} sets of {self.starts} starts: expected at most {MOST_EPISODES:,} in all")

    @property
    def episodes(self) -> int:
        """Of one policy."""
        return self.sets * self.starts


# -- one walk -----------------------------------------------------------------------------------------------------


class QueryLog(NamedTuple):
    """Architectures whose accuracy got known: at the `query`-th query (from 1) of a walker's episode, each (m,)."""

    walker: Walkers
    query: Integers
    value: Floats
    states: CheckpointStore  # (m, k)


class View:
    """What the k walkers under way are shown: `shown` (k,) neighbours each. It holds until they act."""

    def __init__(self, slots: Walkers, encoded: NDArray[np.uint8], shown: Integers) -> None:
        self.slots = slots
        self.shown = shown
        self.looked = False
        self._encoded = encoded

    @cached_property
    def architectures(self) -> NDArray[np.uint8]:
        """(k, N + 1, bits) the encodings, the walker's own architecture first, zeros after the last neighbour."""
        encodings: NDArray[np.uint8] = self._encoded[self.slots]
        return encodings

    @cached_property
    def mask(self) -> NDArray[np.uint8]:
        """(k, N + 1) 1 for the actions there are."""
        return (np.arange(self._encoded.shape[1]) <= self.shown[:, None]).view(np.uint8)


class Walk:
    """Walkers on one episode each, and the account of what their policy asked of the benchmark.

    Until all are done (`under_way` is empty) a policy calls `show`, then `act`; `look` in between tells it accuracies.
    Each accuracy looked at is a query: every neighbour's at every step, and that of the walker's own architecture where
    it is not known yet. An episode that never looks costs one query, for the architecture that it ends with.
    """

    def __init__(
        self,
        neighbourhood: NeighbourhoodEnv,
        slots: int,
        steps: int,
        encoded: NDArray[np.uint8],
        rng: np.random.Generator,
    ) -> None:
        """The first `slots` of a terrain, which shows what all of its n are shown in `encoded` (n, N + 1, bits)."""
        self.under_way: Walkers = np.arange(slots)
        self.moves = np.zeros(slots, dtype=np.int64)
        self.queries = np.zeros(slots, dtype=np.int64)
        self._everyone = self.under_way
        self._known = np.zeros(slots, dtype=bool)
        self._terrain = neighbourhood
        self._steps_left = steps
        self._encoded = encoded
        self._rng = rng
        self._finds: list[QueryLog] = []
        self._view: View | None = None

    def show(self) -> View:
        """What the walkers under way may move to now."""
        shown = self._terrain.show(self._encoded, self._rng)
        self._view = View(self.under_way, self._encoded, shown[self.under_way])
        return self._view

    def query(self) -> tuple[Floats, Floats]:
        """The accuracy in percent of the walkers' own architectures (k,) and of what they are shown (k, N).

        NaN where there are fewer neighbours.
        """
        view = self._seen()
        if not view.looked:
            self._learn(view.slots[~self._known[view.slots]], 1)
            self.queries[view.slots] += view.shown
            view.looked = True
        return self._terrain.values(view.slots), self._terrain.shown_values(view.slots)

    def act(self, choices: NDArray[np.integer[Any]]) -> None:
        """Each walker under way stays (0), which ends its episode, or moves to the neighbour of this number (k,)."""
        view = self._seen()
        if choices.shape != view.shown.shape or (choices < 0).any() or (choices > view.shown).any():
            raise InputError("choices: expected one for each walker under way, from 0 (stay) to how many it is shown")
        going = choices > 0
        movers = view.slots[going]
        self._terrain.move(movers, choices[going].astype(np.intp))
        self.moves[movers] += 1
        self._known[movers] = False
        if view.looked:
            self._learn(movers, 0)
        self._steps_left -= 1
        self.under_way = movers if self._steps_left else movers[:0]
        self._view = None

    def draw(self) -> None:
        """Put every walker under way on another random architecture, which ends its episode: random search."""
        self._terrain.place(self.under_way, self._rng)
        self._known[self.under_way] = False
        self.under_way = self.under_way[:0]
        self._view = None

    def finish(self) -> QueryLog:
        """All finds in the order of episodes, then of queries; each episode's last one is where it ended."""
        self._learn(self._everyone[~self._known], 1)
        walker, query, value, states = (np.concatenate(column) for column in zip(*self._finds, strict=True))
        order = np.argsort(walker, kind="stable")  # in time already
        return QueryLog(walker[order], query[order], value[order], states[order])

    def _learn(self, slots: Walkers, cost: int) -> None:
        """From now on the accuracy of where these walkers stand is known."""
        self.queries[slots] += cost
        self._known[slots] = True
        query, values = self.queries[slots], self._terrain.values(slots)
        self._finds.append(QueryLog(slots, query, values, self._terrain.states(slots)))

    def _seen(self) -> View:
        if self._view is None:
            raise InputError("a policy must call show() before each look() or act()")
        return self._view


# -- policies -----------------------------------------------------------------------------------------------------


class Policy(Protocol):
    """Takes the walkers of a `Walk` through one episode each."""

    def play(self, walk: Walk, rng: np.random.Generator) -> None:
        """Show and act until nobody is under way, with randomness from `rng` alone."""
        ...


class LocalSearchPolicy:
    """Moves to the best neighbour shown; stays where none is better (section 3.2.3)."""

    def play(self, walk: Walk, rng: np.random.Generator) -> None:
        while len(walk.under_way):
            walk.show()
            own, neighbours = walk.query()
            gains = np.nan_to_num(neighbours, nan=-np.inf)
            walk.act(np.where(gains.max(axis=1) > own, gains.argmax(axis=1) + 1, 0))


class RandomWalkPolicy:
    """Moves to a neighbour drawn uniformly; staying is one more choice (section 3.2.3)."""

    def play(self, walk: Walk, rng: np.random.Generator) -> None:
        while len(walk.under_way):
            walk.act(rng.integers(0, walk.show().shown + 1))


class RandomPolicy:
    """Random search: whatever the start, an episode ends with another random architecture (section 3.2.3)."""

    def play(self, walk: Walk, rng: np.random.Generator) -> None:
        walk.draw()


POLICIES: Mapping[str, Policy] = MappingProxyType(
    {"local_search": LocalSearchPolicy(), "random_walk": RandomWalkPolicy(), "random": RandomPolicy()}
)


def find_policies(names: Sequence[str]) -> dict[str, Policy]:
    """The policies of these names; InputError for an unknown one, one that is named twice, or none."""
    if not names:
        raise InputError(f"no policy: name at least one of {', '.join(POLICIES)}")
    for name in names:
        if name not in POLICIES:
            raise unknown("policy", name, POLICIES)
        if names.count(name) > 1:
            raise InputError(f"policy {name} is named twice: name each once")
    return {name: POLICIES[name] for name in names}


# -- where they walk ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class EpisodeProblem:
    """A terrain of the metric that is climbed, and the same one of the metric that is reported beside it, if any.

    `slots` is how many each of them has.
    """

    on: str
    metric: str
    reported: str | None
    data: DataIdentity | None
    neighbourhood: NeighbourhoodEnv
    twin: NeighbourhoodEnv | None
    slots: int


def open_ground(
    on: str,
    plan: Plan,
    table: str | os.PathLike[str] | None = None,
    objective: str | None = None,
    notify: Callable[[str], None] | None = None,
) -> EpisodeProblem:
    """What a plan walks on: a benchmark by its name, climbed by `objective` (by default its first validation metric).

    The metric reported beside it is its test twin, where the table has one. InputError for an unknown benchmark or
    metric, or an unsuitable table. `notify` is told of what takes a while.
    """
    on = benchmark_of(on)
    path = None if table is None else os.fspath(table)
    scenario = open_scenario(ProblemSpec(on, path, (objective,) if objective else ()))
    metric = scenario.objectives[0]
    twins = [name for name in scenario.report if name != metric]
    slots = min(plan.starts, _WALKERS)

    def opened(name: str) -> NeighbourhoodEnv:
        return open_neighbourhood(on, slots, plan.neighbours, path, name, notify, scenario.problem)

    reported = twins[0] if twins else None
    twin = None if reported is None else opened(reported)
    return EpisodeProblem(on, metric, reported, scenario.problem.data, opened(metric), twin, slots)


# -- all episodes -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Outcome:
    """One metric, in percent: at the start and at the end of n episodes (n,), and of their m finds (m,)."""

    metric: str
    start: Floats
    final: Floats
    found: Floats

    @property
    def improvement(self) -> Floats:
        """(n,) final - start."""
        return self.final - self.start


@dataclass(frozen=True, eq=False)
class Episodes:
    """The n episodes of one policy: which set each is of, its moves and queries, and where it ended, as `states`.

    Find j became known at the `query[j]`-th query of episode `episode[j]`; finds are in the order of episodes, then of
    queries, and the last one of an episode is where it ended. `climbed` is what the policy went by, `reported` is None
    where there is no other metric.
    """

    policy: str
    set: Integers
    moves: Integers
    queries: Integers
    final_states: CheckpointStore  # (n, k)
    episode: Walkers  # (m,)
    query: Integers  # (m,)
    climbed: Outcome
    reported: Outcome | None

    def __len__(self) -> int:
        return len(self.set)

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What was measured, the metric for people last."""
        return (self.climbed,) if self.reported is None else (self.climbed, self.reported)


def run_episodes(
    ground: EpisodeProblem,
    policies: Mapping[str, Policy],
    plan: Plan,
    progress: Callable[[str, int], None] | None = None,
) -> dict[str, Episodes]:
    """Every policy's episodes, from the same start states, in the order of the sets.

    A policy's episodes depend on the plan and its name alone, not on which others run. `progress` is called with the
    policy's name and how many more of its episodes are done.
    """
    encoded = np.zeros((ground.slots, plan.neighbours + 1, ground.neighbourhood.bits), dtype=np.uint8)
    batches: dict[str, list[_Batch]] = {name: [] for name in policies}
    for number in range(plan.sets):
        starts = _starts(ground, plan.starts, seeds.stream(plan.seed, "episodes/starts", number))
        for name, policy in policies.items():
            rng = seeds.stream(plan.seed, f"episodes/{name}", number)
            for states in starts:
                batches[name].append(_play(ground, policy, states, plan.steps, encoded, rng))
                if progress is not None:
                    progress(name, len(states))
    return {name: _joined(name, ground, plan, found) for name, found in batches.items()}


class _Batch(NamedTuple):
    """Some episodes side by side; `starts`, `finals` and `found` hold one array a metric."""

    moves: Integers
    queries: Integers
    final_states: CheckpointStore
    episode: Walkers
    query: Integers
    starts: list[Floats]
    finals: list[Floats]
    found: list[Floats]


def _starts(ground: EpisodeProblem, count: int, rng: np.random.Generator) -> list[CheckpointStore]:
    """Random architectures in batches, none of which is larger than the ground has walkers."""
    sizes = [min(ground.slots, count - done) for done in range(0, count, ground.slots)]
    batches = []
    for size in sizes:
        slots = np.arange(size)
        ground.neighbourhood.place(slots, rng)
        batches.append(ground.neighbourhood.states(slots).copy())
    return batches


def _play(
    ground: EpisodeProblem,
    policy: Policy,
    starts: CheckpointStore,
    steps: int,
    encoded: NDArray[np.uint8],
    rng: np.random.Generator,
) -> _Batch:
    ground.neighbourhood.set_state(np.arange(len(starts)), starts)
    walk = Walk(ground.neighbourhood, len(starts), steps, encoded, rng)
    policy.play(walk, rng)
    finds = walk.finish()
    last = np.searchsorted(finds.walker, np.arange(len(starts)), side="right") - 1
    before, found = [_values(ground.neighbourhood, ground.slots, starts)], [finds.value]
    if ground.twin is not None:
        before.append(_values(ground.twin, ground.slots, starts))
        found.append(_values(ground.twin, ground.slots, finds.states))
    finals = [values[last] for values in found]
    return _Batch(walk.moves, walk.queries, finds.states[last], finds.walker, finds.query, before, finals, found)


def _values(neighbourhood: NeighbourhoodEnv, slots: int, states: CheckpointStore) -> Floats:
    """(n,) what a terrain says of architectures (n, k), however many."""
    values = np.empty(len(states))
    for start in range(0, len(states), slots):
        part = states[start : start + slots]
        those = np.arange(len(part))
        neighbourhood.set_state(those, part)
        values[start : start + slots] = neighbourhood.values(those)
    return values


def _joined(name: str, ground: EpisodeProblem, plan: Plan, batches: Sequence[_Batch]) -> Episodes:
    sizes = [len(batch.moves) for batch in batches]
    offsets = np.cumsum([0, *sizes[:-1]])
    metrics = [metric for metric in (ground.metric, ground.reported) if metric is not None]
    outcomes = [
        Outcome(
            metric,
            start=np.concatenate([batch.starts[i] for batch in batches]),
            final=np.concatenate([batch.finals[i] for batch in batches]),
            found=np.concatenate([batch.found[i] for batch in batches]),
        )
        for i, metric in enumerate(metrics)
    ]
    return Episodes(
        policy=name,
        set=np.repeat(np.arange(plan.sets), plan.starts),
        moves=np.concatenate([batch.moves for batch in batches]),
        queries=np.concatenate([batch.queries for batch in batches]),
        final_states=np.concatenate([batch.final_states for batch in batches]),
        episode=np.concatenate([batch.episode + offset for batch, offset in zip(batches, offsets, strict=True)]),
        query=np.concatenate([batch.query for batch in batches]),
        climbed=outcomes[0],
        reported=outcomes[1] if len(outcomes) > 1 else None,
    )
