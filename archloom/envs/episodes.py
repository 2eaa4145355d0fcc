"""Episodes of the incremental search problem: policies walk from random architectures, and what they find is recorded.

Cassimon et al., section 4.1: several sets of random start states, one episode of at most 32 steps from each, the same
starts for every policy. A `Walk` counts queries, so that a policy pays for what it reads and for nothing else; test
accuracy is looked up afterwards, where a policy cannot see it.
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
from archloom.spaces.base import SearchSpace
from archloom.utils import seeds

if TYPE_CHECKING:
    from archloom.envs.incremental import NeighbourhoodEnv

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
States = NDArray[np.integer[Any]]
Slots = NDArray[np.intp]

MOST_EPISODES = 10_000_000
MOST_NEIGHBOURS = 1_000
"""The encodings of all of them are in memory: 1 GB for DARTS cells."""
MAX_SLOTS = 2_048
"""How many episodes run at once: their observations stay small (6 MB on NAS-Bench-101)."""


@dataclass(frozen=True)
class Plan:
    """How many episodes to run: `sets` sets of `starts` random start architectures, at most `steps` moves from each.

    A policy is shown at most `neighbours` neighbours at a step. With `free_start` a policy that compares its start with
    the neighbours does not pay for it, only for them. The other defaults are those of Cassimon et al.; whether their
    count includes the start is not said.
    """

    sets: int = 5
    starts: int = 10_000
    steps: int = 32
    neighbours: int = 50
    seed: int = 0
    free_start: bool = False

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
        """How many episodes each policy runs."""
        return self.sets * self.starts


# -- one walk -----------------------------------------------------------------------------------------------------


class QueryLog(NamedTuple):
    """Architectures whose accuracy became known, with the slot and the number of the query (from 1; 0 for a start that
    costs nothing), each (m,)."""

    slot: Slots
    query: Integers
    value: Floats
    states: States  # (m, k)


class View:
    """What the k active slots are shown: `shown` (k,) neighbours each. Valid until they act."""

    def __init__(self, slots: Slots, encoded: NDArray[np.uint8], shown: Integers) -> None:
        self.slots = slots
        self.shown = shown
        self.queried = False
        self._encoded = encoded

    @cached_property
    def architectures(self) -> NDArray[np.uint8]:
        """(k, N + 1, bits) encodings: the slot's own architecture first, zeros after the last neighbour."""
        encodings: NDArray[np.uint8] = self._encoded[self.slots]
        return encodings

    @cached_property
    def mask(self) -> NDArray[np.uint8]:
        """(k, N + 1) 1 for the actions that are available."""
        return (np.arange(self._encoded.shape[1]) <= self.shown[:, None]).view(np.uint8)


class Walk:
    """One episode for each slot, and a count of what the policy asked of the benchmark.

    Until all are done (`active` is empty) a policy calls `show`, then `act`; `query` in between returns accuracies.
    Each accuracy returned costs a query: every neighbour's at every step, and that of the slot's own architecture if
    it is not yet known (unless it is the start and that is free). An episode that never queries costs one, for the
    architecture that it ends with.
    """

    def __init__(
        self,
        neighbourhood: NeighbourhoodEnv,
        slots: int,
        steps: int,
        encoded: NDArray[np.uint8],
        rng: np.random.Generator,
        free_start: bool = False,
    ) -> None:
        """Use the first `slots` of the neighbourhood's n slots; `encoded` (n, N + 1, bits) is its buffer for `show`."""
        self.active: Slots = np.arange(slots)
        self.moves = np.zeros(slots, dtype=np.int64)
        self.queries = np.zeros(slots, dtype=np.int64)
        self._everyone = self.active
        self._known = np.zeros(slots, dtype=bool)
        self._neighbourhood = neighbourhood
        self._steps_left = steps
        self._encoded = encoded
        self._rng = rng
        self._start_cost = 0 if free_start else 1
        self._log: list[QueryLog] = []
        self._view: View | None = None

    def show(self) -> View:
        """What the active slots may move to now."""
        shown = self._neighbourhood.show(self._encoded, self._rng)
        self._view = View(self.active, self._encoded, shown[self.active])
        return self._view

    def query(self) -> tuple[Floats, Floats]:
        """The accuracy, in percent, of the slots' own architectures (k,) and of the neighbours shown (k, N).

        NaN after the last neighbour.
        """
        view = self._seen()
        if not view.queried:
            unknown = view.slots[~self._known[view.slots]]
            self._learn(unknown, np.where(self.moves[unknown] == 0, self._start_cost, 1))
            self.queries[view.slots] += view.shown
            view.queried = True
        return self._neighbourhood.values(view.slots), self._neighbourhood.shown_values(view.slots)

    def act(self, choices: NDArray[np.integer[Any]]) -> None:
        """Each active slot stays (0), which ends its episode, or moves to the neighbour with this number; (k,)."""
        view = self._seen()
        if choices.shape != view.shown.shape or (choices < 0).any() or (choices > view.shown).any():
            raise InputError(
                "choices: expected one for each active slot, from 0 (stay) to the number of neighbours shown"
            )
        going = choices > 0
        movers = view.slots[going]
        self._neighbourhood.move(movers, choices[going].astype(np.intp))
        self.moves[movers] += 1
        self._known[movers] = False
        if view.queried:
            self._learn(movers, 0)
        self._steps_left -= 1
        self.active = movers if self._steps_left else movers[:0]
        self._view = None

    def draw(self) -> None:
        """Put another random architecture into every active slot, which ends its episode: random search."""
        self._neighbourhood.place(self.active, self._rng)
        self._known[self.active] = False
        self.active = self.active[:0]
        self._view = None

    def finish(self) -> QueryLog:
        """The whole log, ordered by slot, then by query; each episode's last entry is where it ended."""
        self._learn(self._everyone[~self._known], 1)
        slot, query, value, states = (np.concatenate(column) for column in zip(*self._log, strict=True))
        order = np.argsort(slot, kind="stable")  # already in order of time
        return QueryLog(slot[order], query[order], value[order], states[order])

    def _learn(self, slots: Slots, cost: int | Integers) -> None:
        """Log the accuracy of the architectures in these slots, which is known from now on."""
        self.queries[slots] += cost
        self._known[slots] = True
        query, values = self.queries[slots], self._neighbourhood.values(slots)
        self._log.append(QueryLog(slots, query, values, self._neighbourhood.states(slots)))

    def _seen(self) -> View:
        if self._view is None:
            raise InputError("a policy must call show() before each query() or act()")
        return self._view


# -- policies -----------------------------------------------------------------------------------------------------


class Policy(Protocol):
    """Takes every slot of a `Walk` through one episode."""

    def play(self, walk: Walk, rng: np.random.Generator) -> None:
        """Call `show` and `act` until no slot is active; all randomness comes from `rng`."""
        ...


class LocalSearchPolicy:
    """Moves to the best neighbour shown; stays if none is better (section 3.2.3)."""

    def play(self, walk: Walk, rng: np.random.Generator) -> None:
        while len(walk.active):
            walk.show()
            own, neighbours = walk.query()
            gains = np.nan_to_num(neighbours, nan=-np.inf)
            walk.act(np.where(gains.max(axis=1) > own, gains.argmax(axis=1) + 1, 0))


class RandomWalkPolicy:
    """Moves to a neighbour drawn uniformly; staying is one more choice (section 3.2.3)."""

    def play(self, walk: Walk, rng: np.random.Generator) -> None:
        while len(walk.active):
            walk.act(rng.integers(0, walk.show().shown + 1))


class RandomPolicy:
    """Random search: an episode ends with another random architecture, regardless of its start (section 3.2.3)."""

    def play(self, walk: Walk, rng: np.random.Generator) -> None:
        walk.draw()


POLICIES: Mapping[str, Policy] = MappingProxyType(
    {"local_search": LocalSearchPolicy(), "random_walk": RandomWalkPolicy(), "random": RandomPolicy()}
)


def find_policies(names: Sequence[str]) -> dict[str, Policy]:
    """The policies with these names; InputError for an unknown or repeated name, or none at all."""
    if not names:
        raise InputError(f"no policy: name at least one of {', '.join(POLICIES)}")
    for name in names:
        if name not in POLICIES:
            raise unknown("policy", name, POLICIES)
        if names.count(name) > 1:
            raise InputError(f"policy {name} is named twice: name each once")
    return {name: POLICIES[name] for name in names}


# -- the problem --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class EpisodeProblem:
    """The neighbourhood for the metric that policies climb, and its `twin` for the metric reported beside it, if any.

    Both have `slots` slots.
    """

    on: str
    metric: str
    reported: str | None
    data: DataIdentity | None
    neighbourhood: NeighbourhoodEnv
    twin: NeighbourhoodEnv | None
    slots: int
    space: SearchSpace | None = None
    """What the genes of states mean; None if they have none."""


def open_episode_problem(
    on: str,
    plan: Plan,
    table: str | os.PathLike[str] | None = None,
    objective: str | None = None,
    notify: Callable[[str], None] | None = None,
) -> EpisodeProblem:
    """The benchmark called `on`, for policies that climb `objective` (by default its first validation metric).

    The metric reported beside it is its test counterpart, if the table has one. InputError for an unknown benchmark or
    metric, or an unsuitable table. `notify` is called with a message before slow work.
    """
    on = benchmark_of(on)
    path = None if table is None else os.fspath(table)
    scenario = open_scenario(ProblemSpec(on, path, (objective,) if objective else ()))
    metric = scenario.objectives[0]
    twins = [name for name in scenario.report if name != metric]
    slots = min(plan.starts, MAX_SLOTS)

    def opened(name: str) -> NeighbourhoodEnv:
        return open_neighbourhood(on, slots, plan.neighbours, path, name, notify, scenario.problem)

    reported = twins[0] if twins else None
    twin = None if reported is None else opened(reported)
    return EpisodeProblem(on, metric, reported, scenario.problem.data, opened(metric), twin, slots, scenario.space)


# -- all episodes -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Outcome:
    """One metric, in percent: at the start and the end of n episodes (n,), and for each of their m log entries (m,)."""

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
    """The n episodes of one policy: the set each belongs to, its moves and queries, and the state it ended in.

    The architecture of log entry j became known at query `query[j]` of episode `episode[j]` (see `QueryLog`). Entries
    are ordered by episode, then by query; the last one of an episode is where it ended. `climbed` is the metric that
    the policy saw, `reported` is None if there is no other metric. `player` (n,) says which of several agents played an
    episode, if theirs are pooled.
    """

    policy: str
    set: Integers
    moves: Integers
    queries: Integers
    final_states: States  # (n, k)
    episode: Slots  # (m,)
    query: Integers  # (m,)
    climbed: Outcome
    reported: Outcome | None
    player: Integers | None = None

    def __len__(self) -> int:
        return len(self.set)

    @property
    def by_player(self) -> list[Slots]:
        """The numbers of each player's episodes."""
        if self.player is None:
            return [np.arange(len(self))]
        return [np.flatnonzero(self.player == each) for each in np.unique(self.player)]

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """All metrics, the one for people last."""
        return (self.climbed,) if self.reported is None else (self.climbed, self.reported)


def run_episodes(
    problem: EpisodeProblem,
    policies: Mapping[str, Policy],
    plan: Plan,
    progress: Callable[[str, int], None] | None = None,
) -> dict[str, Episodes]:
    """Every policy's episodes, from the same start states, in the order of the sets.

    A policy's episodes depend only on the plan and the policy's name, not on which others run. `progress` is called
    with the policy's name and how many more of its episodes are done.
    """
    encoded = np.zeros((problem.slots, plan.neighbours + 1, problem.neighbourhood.bits), dtype=np.uint8)
    batches: dict[str, list[_Batch]] = {name: [] for name in policies}
    for number in range(plan.sets):
        starts = _starts(problem, plan.starts, seeds.stream(plan.seed, "episodes/starts", number))
        for name, policy in policies.items():
            rng = seeds.stream(plan.seed, f"episodes/{name}", number)
            for states in starts:
                batches[name].append(_play(problem, policy, states, plan, encoded, rng))
                if progress is not None:
                    progress(name, len(states))
    return {name: _joined(name, problem, plan, found) for name, found in batches.items()}


class _Batch(NamedTuple):
    """Episodes that ran side by side; `starts`, `finals` and `found` hold one array per metric."""

    moves: Integers
    queries: Integers
    final_states: States
    episode: Slots
    query: Integers
    starts: list[Floats]
    finals: list[Floats]
    found: list[Floats]


def _starts(problem: EpisodeProblem, count: int, rng: np.random.Generator) -> list[States]:
    """Random start states in batches of at most as many as the problem has slots."""
    sizes = [min(problem.slots, count - done) for done in range(0, count, problem.slots)]
    batches = []
    for size in sizes:
        slots = np.arange(size)
        problem.neighbourhood.place(slots, rng)
        batches.append(problem.neighbourhood.states(slots).copy())
    return batches


def _play(
    problem: EpisodeProblem,
    policy: Policy,
    starts: States,
    plan: Plan,
    encoded: NDArray[np.uint8],
    rng: np.random.Generator,
) -> _Batch:
    problem.neighbourhood.set_state(np.arange(len(starts)), starts)
    walk = Walk(problem.neighbourhood, len(starts), plan.steps, encoded, rng, plan.free_start)
    policy.play(walk, rng)
    log = walk.finish()
    last = np.searchsorted(log.slot, np.arange(len(starts)), side="right") - 1
    before, found = [_values(problem.neighbourhood, problem.slots, starts)], [log.value]
    if problem.twin is not None:
        before.append(_values(problem.twin, problem.slots, starts))
        found.append(_values(problem.twin, problem.slots, log.states))
    finals = [values[last] for values in found]
    return _Batch(walk.moves, walk.queries, log.states[last], log.slot, log.query, before, finals, found)


def _values(neighbourhood: NeighbourhoodEnv, slots: int, states: States) -> Floats:
    """(n,) the accuracy, in percent, of any number of architectures (n, k)."""
    values = np.empty(len(states))
    for start in range(0, len(states), slots):
        part = states[start : start + slots]
        those = np.arange(len(part))
        neighbourhood.set_state(those, part)
        values[start : start + slots] = neighbourhood.values(those)
    return values


def _joined(name: str, problem: EpisodeProblem, plan: Plan, batches: Sequence[_Batch]) -> Episodes:
    sizes = [len(batch.moves) for batch in batches]
    offsets = np.cumsum([0, *sizes[:-1]])
    metrics = [metric for metric in (problem.metric, problem.reported) if metric is not None]
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
