"""The Ape-X agent on a Ray cluster: gatherers, shards of the replay, and the learner, which is in this process.

Horgan et al. 2018, in the layout of RLlib's Ape-X. Each gatherer has its share of the walkers, whose epsilons come from
one ladder of all, and sends what it gathers straight to a shard. The shards send samples to the learner, which sends
them the new priorities, and the gatherers new weights. Whoever is ahead waits, so that `learn_ratio` holds.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from archloom.agents.apex import BaseApex, Progress, replay_columns
from archloom.agents.apex_gatherer import Gathered, Gatherer, GathererSetup
from archloom.agents.apex_shard import Drawn, Shard, ShardSetup
from archloom.agents.layout import Work
from archloom.errors import InputError
from archloom.executors.ray import THREADS, RayCluster
from archloom.learners.replay import Sample
from archloom.utils import seeds
from archloom.workers.cluster import import_ray
from archloom.workers.crew import Crew, Member
from archloom.workers.pool import LOOK_EVERY_S

LONGEST_FRAGMENT = 2_000
"""Steps that a gatherer makes before it sends them, at most, however long it may keep its weights."""

AHEAD = 4
"""Batches that are drawn before they are needed."""


@dataclass(frozen=True)
class OnRay:
    """The layout with `cluster.workers` gatherers and `shards` of the replay, each an actor on a Ray cluster.

    A gatherer takes a CPU and `cluster.gpus` GPUs; a shard takes memory, of this machine if there is room.
    """

    cluster: RayCluster
    shards: int = 1

    def __post_init__(self) -> None:
        if self.shards < 1:
            raise InputError(f"shards={self.shards}: expected at least 1")

    def ready(self) -> AbstractContextManager[object]:
        return self.cluster.ready()

    def agent(self, work: Work) -> RayApex:
        return RayApex(self, work)


class _Gatherer(Member):
    """A gatherer: steps that it was asked for (0: it is idle) and made since it got weights (None: it has none)."""

    asked: int
    since_sync: int | None

    def lost(self) -> None:
        self.asked, self.since_sync = 0, None


class _Shard(Member):
    """A shard: how many transitions it has, and batches that it was asked for."""

    length: int
    pending: int

    def lost(self) -> None:
        self.length, self.pending = 0, 0


@dataclass(frozen=True)
class _Batch:
    """A sample, and which life of which shard drew it."""

    drawn: Drawn
    shard: _Shard
    life: int


class RayApex(BaseApex):
    """The agent whose learner is here; gatherers and shards live as long as `train` runs.

    A gatherer that dies is started again with new episodes and the newest weights, a shard without transitions; nothing
    else is lost. What is learnt depends on timing, so a training cannot be repeated bit for bit. Its state has neither
    episodes nor transitions: whoever goes on from it gathers `learning_starts` transitions before anything is learnt.
    """

    def __init__(self, layout: OnRay, work: Work) -> None:
        """InputError for more gatherers than walkers."""
        super().__init__(work.neighbourhood, work.options, work.seed, work.network)
        self._cluster = layout.cluster
        self._work = work
        self._threads = {name: os.environ.get(name, "1") for name in THREADS}
        options, workers = self.options, layout.cluster.workers
        if workers > options.walkers:
            raise InputError(f"workers={workers}: expected at most walkers={options.walkers}, since each has some")
        places = np.arange(options.walkers)
        self._gatherers = [
            _Gatherer(f"gatherer {n}", self._make_gatherer, partial(self._gatherer_setup, places[n::workers]))
            for n in range(workers)
        ]
        self._capacity = math.ceil(options.buffer / layout.shards)
        self._starts = math.ceil(options.learning_starts / layout.shards)
        self._shards = [_Shard(f"shard {n}", self._make_shard, self._shard_setup) for n in range(layout.shards)]
        self._fragment = min(max(options.sync_delay, 1), LONGEST_FRAGMENT)
        self._batches: deque[_Batch] = deque()
        self._weights: tuple[int, Any] | None = None
        """After how many updates, and where they are in Ray's object store."""
        self._stored = self._drawn = 0

    @property
    def most_owed(self) -> float:
        """Transitions that may be owed if a gatherer is to go on: what all of them bring at once."""
        brought = len(self._gatherers) * self._fragment * self.options.learn_ratio
        return max(brought, self.options.batch_size)

    def train(self, steps: int, after_round: Callable[[Progress], bool] = lambda progress: True) -> None:
        """See `BaseApex`. WorkerError if actors cannot start, or die again and again."""
        if self.progress.steps >= steps:
            return
        self._batches.clear()
        self._weights = None
        with Crew([*self._gatherers, *self._shards]) as crew:
            while self.progress.steps < steps:
                self._round(crew, steps)
                while self.progress.steps >= steps and self._owes and self._ready:
                    self._round(crew, steps)
                if not after_round(self.progress):
                    return

    def _round(self, crew: Crew, steps: int) -> None:
        """Send out gatherers, learn a batch if one is owed and here, and hear what has come."""
        self._send_out(crew, steps)
        self._draw(crew)
        if self._owes and self._batches:
            self._learn_from(self._batches.popleft(), crew)
            crew.listen(0.0)
        else:
            crew.listen(LOOK_EVERY_S)

    # -- gathering ------------------------------------------------------------------------------------------------

    def _send_out(self, crew: Crew, steps: int) -> None:
        """Let idle gatherers go on, unless learning is too far behind."""
        for gatherer in self._gatherers:
            left = steps - self.progress.steps - sum(other.asked for other in self._gatherers)
            if left <= 0 or (self._ready and self.progress.owed >= self.most_owed):
                return
            if not gatherer.begun or gatherer.asked:
                continue
            gatherer.asked = min(self._fragment, left)
            weights = None
            if gatherer.since_sync is None or gatherer.since_sync >= self.options.sync_delay:
                weights, gatherer.since_sync = self._newest(), 0
            found, stored = gatherer.handle.gather.options(num_returns=2).remote(gatherer.asked, weights)
            crew.ask(gatherer, found, partial(self._take, crew, gatherer, stored))

    def _take(self, crew: Crew, gatherer: _Gatherer, stored: Any, found: Gathered) -> None:
        """Count what a gatherer found; what it `stored` in Ray's object store goes to the next shard in turn."""
        gatherer.asked = 0
        gatherer.since_sync = (gatherer.since_sync or 0) + found.steps
        self.progress.tally.add(found.tally)
        shard = self._shards[self._stored % len(self._shards)]
        self._stored += 1
        shard.length = min(shard.length + found.complete, self._capacity)
        crew.ask(shard, shard.handle.add.remote(stored))
        self._count(found.steps, learning=bool(self._ready))

    def _newest(self) -> Any:
        """The learner's weights, in Ray's object store."""
        if self._weights is None or self._weights[0] != self.progress.updates:
            weights = {name: tensor.cpu().numpy() for name, tensor in self.network.state_dict().items()}
            self._weights = self.progress.updates, import_ray().put(weights)
        return self._weights[1]

    # -- learning -------------------------------------------------------------------------------------------------

    @property
    def _ready(self) -> list[_Shard]:
        """The shards that have enough to learn from."""
        return [shard for shard in self._shards if shard.length >= self._starts]

    def _draw(self, crew: Crew) -> None:
        """Have batches drawn ahead, by one shard after another."""
        ready, options = self._ready, self.options
        while ready and options.learn_ratio and self._coming < AHEAD:
            shard = ready[self._drawn % len(ready)]
            self._drawn += 1
            shard.pending += 1
            answer = shard.handle.sample.remote(options.batch_size, options.priority_beta)
            crew.ask(shard, answer, partial(self._keep, shard, shard.lives))

    @property
    def _coming(self) -> int:
        return len(self._batches) + sum(shard.pending for shard in self._shards)

    def _keep(self, shard: _Shard, life: int, drawn: Drawn) -> None:
        shard.pending -= 1
        sample = drawn.sample  # in Ray's memory, where nothing may be written
        columns = {name: column.copy() for name, column in sample.columns.items()}
        copied = Sample(sample.rows, sample.weights.copy(), columns)
        self._batches.append(_Batch(drawn._replace(sample=copied), shard, life))

    def _learn_from(self, batch: _Batch, crew: Crew) -> None:
        errors = self._learn(batch.drawn.sample)
        shard = batch.shard
        if batch.life == shard.lives:  # or its rows have died with it
            crew.ask(shard, shard.handle.update.remote(batch.drawn.sample.rows, errors, batch.drawn.added))

    # -- actors ---------------------------------------------------------------------------------------------------

    def _make_gatherer(self) -> Any:
        return import_ray().remote(num_cpus=1, num_gpus=self._cluster.gpus, max_restarts=0)(Gatherer).remote()

    def _gatherer_setup(self, places: Any, member: Member) -> GathererSetup:
        work, device = self._work, "cuda" if self._cluster.gpus else "cpu"
        return GathererSetup(work.make, self.options, places, self._seed_of(member), self._threads, device)

    def _make_shard(self) -> Any:
        ray: Any = import_ray()
        here = ray.get_runtime_context().get_node_id()
        near = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(here, soft=True)
        return ray.remote(num_cpus=0, max_restarts=0, scheduling_strategy=near)(Shard).remote()

    def _shard_setup(self, member: Member) -> ShardSetup:
        options, columns = self.options, replay_columns(self.options, self._neighbourhood)
        return ShardSetup(
            self._capacity, columns, options.priority_alpha, options.priority_eps, self._seed_of(member), self._threads
        )

    def _seed_of(self, member: Member) -> int:
        """Another one for each actor, each of its lives, and each time that the training goes on."""
        purpose = f"agent/{member.name}/{member.lives}"
        return int(seeds.stream(self._work.seed, purpose, self.progress.steps).integers(2**62))
