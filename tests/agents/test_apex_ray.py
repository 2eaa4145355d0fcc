"""The Ape-X agent on a real Ray cluster of this machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="agents need the extra train")
if find_spec("ray") is None:  # importing it here would make it talkative
    pytest.skip("gathering on Ray needs the extra ray", allow_module_level=True)

from archloom.agents.apex import Progress, encoded
from archloom.agents.apex_ray import OnRay, RayApex
from archloom.agents.layout import Work
from archloom.agents.options import ApexOptions
from archloom.envs.terrain import Terrain
from archloom.errors import InputError
from archloom.executors.ray import RayCluster
from archloom.testing.planted_walks import hypercube, planted_corner
from archloom.workers import cluster as cluster_module
from archloom.workers.cluster import import_ray
from archloom.workers.crew import Member

ray: Any = import_ray()
pytestmark = pytest.mark.xdist_group("ray")

DIMENSIONS = 8
STEPS = 10_000
CUBE = ApexOptions(
    width=32, feedforward=64, head_width=32, walkers=64, max_neighbours=DIMENSIONS, shaping=0.0, scale_rewards=False,
    lr=1e-3, learning_starts=500, target_period=1_000, sync_delay=100,
)  # fmt: skip
MAKE = partial(Terrain, hypercube(DIMENSIONS), planted_corner(DIMENSIONS))
LAYOUT = OnRay(RayCluster(2, "local"), 2)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no error."""
    monkeypatch.setattr(cluster_module, "ROOM_WITHIN_S", float("inf"))


def agent(options: ApexOptions = CUBE, layout: OnRay = LAYOUT) -> RayApex:
    return layout.agent(Work(MAKE(options.walkers, DIMENSIONS), MAKE, options, 0))


def starts_that_reach_the_corner(trained: RayApex) -> int:
    """Of all corners of the hypercube, greedily, in as many moves as it has dimensions."""
    graph = hypercube(DIMENSIONS)
    around = np.column_stack([np.arange(len(graph)), graph.targets.reshape(len(graph), DIMENSIONS)])
    counts = np.full(len(graph), DIMENSIONS + 1)
    q = trained.network.q_values(encoded(MAKE(1, DIMENSIONS), around[:, :, None], counts), counts)
    moves = around[np.arange(len(graph)), q.argmax(axis=1)]
    at = np.arange(len(graph))
    reached = at == len(graph) - 1
    for _ in range(DIMENSIONS):
        at = moves[at]
        reached |= at == len(graph) - 1
    return int(reached.sum())


class Watched:
    """Looks in every round that what is learnt keeps its ratio to what is gathered: never ahead, and behind by what
    gatherers may bring before they have to wait. Ends the training in a round in which `enough` is true."""

    def __init__(self, trained: RayApex, enough: Callable[[Progress], bool] = lambda progress: False) -> None:
        self.trained = trained
        self.enough = enough
        self.unlearnt: float | None = None
        """Steps before there was enough to learn from."""
        fragment = trained.options.sync_delay + trained.options.walkers // len(trained._gatherers)
        self.on_their_way = len(trained._gatherers) * fragment * trained.options.learn_ratio

    def __call__(self, done: Progress) -> bool:
        options = self.trained.options
        unlearnt = done.steps - (done.updates * options.batch_size + done.owed) / options.learn_ratio
        if self.unlearnt is None and (done.owed or done.updates):
            self.unlearnt = unlearnt
        assert unlearnt == (done.steps if self.unlearnt is None else self.unlearnt)
        assert 0 <= done.owed <= self.trained.most_owed + self.on_their_way
        assert done.steps == done.tally.gathered
        return not self.enough(done)


@pytest.mark.usefixtures("ray_cluster")
def test_the_corner_of_a_hypercube_is_reached_from_everywhere_and_learning_keeps_its_ratio() -> None:
    trained = agent()
    before: list[tuple[float, int]] = []

    def look(done: Progress) -> bool:
        if done.steps > STEPS - 2_000:
            before.append((done.tally.ends, done.tally.exploiting))
        return False

    watched = Watched(trained, look)
    trained.train(STEPS, watched)
    ends, episodes = np.subtract(before[-1], before[0])
    assert ends / episodes > 75, "who explores least ends at 94, with the learner's weights; with the first ones at 45"
    assert STEPS <= trained.progress.steps < STEPS + CUBE.walkers
    assert watched.unlearnt is not None
    incomplete = CUBE.walkers * CUBE.n_step
    assert CUBE.learning_starts / 2 <= watched.unlearnt < CUBE.learning_starts + watched.on_their_way + incomplete
    assert trained.progress.owed < CUBE.batch_size, "what is owed at the end is learnt"
    assert starts_that_reach_the_corner(trained) == 2**DIMENSIONS
    assert [member.lives for member in (*trained._gatherers, *trained._shards)] == [1, 1, 1, 1]
    assert trained.state_dict().keys() == {"learner", "progress"}


def kill(member: Member) -> None:
    pid = ray.get(member.handle.__ray_call__.remote(lambda actor: os.getpid()))
    os.kill(pid, signal.SIGKILL)


@pytest.mark.usefixtures("ray_cluster")
def test_a_killed_gatherer_and_a_killed_shard_are_started_again_and_the_training_goes_on() -> None:
    trained = agent()
    (_, gatherer), (shard, _) = trained._gatherers, trained._shards
    lengths = []

    def enough(done: Progress) -> bool:
        if not lengths and done.steps > 2_000:
            kill(gatherer)
            kill(shard)
        if done.steps > 2_000:
            lengths.append(shard.length)
        again = gatherer.lives == shard.lives == 2 and gatherer.since_sync
        return bool(again) and done.steps >= STEPS and shard.length >= 1_000

    trained.train(10**9, Watched(trained, enough))
    assert [member.lives for member in (*trained._gatherers, *trained._shards)] == [1, 2, 2, 1]
    assert np.diff(lengths).min() < 0, "its transitions are lost"
    assert starts_that_reach_the_corner(trained) == 2**DIMENSIONS


def test_gatherers_have_their_own_walkers_and_seeds_and_one_scale_of_rewards() -> None:
    trained = agent(replace(CUBE, walkers=9, shaping=6.0, scale_rewards=True), OnRay(RayCluster(3)))
    setups = [member.setup(member) for member in trained._gatherers]
    assert [setup.places.tolist() for setup in setups] == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]
    references = {setup.options.reference for setup in setups}
    assert len(references) == 1 and None not in references
    trained._gatherers[0].lives += 1
    again = trained._gatherers[0].setup(trained._gatherers[0])
    assert len({setup.seed for setup in (*setups, again)}) == 4


def test_layouts_that_are_none() -> None:
    with pytest.raises(InputError, match="shards=0: expected at least 1"):
        OnRay(RayCluster(2), 0)
    with pytest.raises(InputError, match="workers=65: expected at most walkers=64"):
        agent(layout=OnRay(RayCluster(65)))
