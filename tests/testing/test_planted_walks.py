"""Graphs with known answers: the answers are right."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("gymnasium", reason="environments need the extra envs")
pytest.importorskip("numba", reason="terrains need the extra bench")

from archloom.envs.incremental import IncrementalVectorEnv
from archloom.envs.terrain import Terrain
from archloom.testing.planted_walks import chain, chain_q, hypercube, planted_corner, rising


def test_the_neighbours_of_a_chain_are_left_and_right() -> None:
    graph = chain(4)
    around = [graph.targets[graph.offsets[row] : graph.offsets[row + 1]].tolist() for row in range(4)]
    assert around == [[1], [0, 2], [1, 3], [2]]
    assert (graph.encoded == np.eye(4)).all()
    assert rising(5).tolist() == [0, 25, 50, 75, 100]


def test_the_neighbours_of_a_corner_differ_in_one_coordinate() -> None:
    graph = hypercube(3)
    for row in range(8):
        around = graph.targets[graph.offsets[row] : graph.offsets[row + 1]]
        assert (graph.encoded[around] != graph.encoded[row]).sum(axis=1).tolist() == [1, 1, 1]
        assert len(set(around.tolist())) == 3
    assert planted_corner(2).tolist() == [0, 50, 50, 100]


@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.9])
def test_the_q_values_of_a_chain_solve_its_bellman_equation(gamma: float) -> None:
    rows = 32
    q, accuracy = chain_q(rows, gamma), rising(rows) / 100
    assert np.isnan(q).sum() == 2
    best = np.nanmax(q, axis=1)
    assert (np.nanargmax(q[:-1], axis=1) == 2).all()
    assert best[-1] == 0, "staying at the end is the best there"
    assert q[1:, 1] == pytest.approx(accuracy[:-1] - accuracy[1:] + gamma * best[:-1])
    assert q[:-1, 2] == pytest.approx(accuracy[1:] - accuracy[:-1] + gamma * best[1:])
    assert (q[:, 0] == 0).all()


def test_rewards_are_gains_in_the_plain_accuracy() -> None:
    env = IncrementalVectorEnv(Terrain(hypercube(4), planted_corner(4), 3, 4), 3, 4, 9, None)
    env.reset(seed=0)
    before = env.seen_states()[:, 0, 0]
    rewards = env.step(np.ones(3, dtype=np.int64))[1]
    after = env.seen_states()[:, 0, 0]
    ones = hypercube(4).encoded.sum(axis=1).astype(int)
    assert rewards == pytest.approx((ones[after] - ones[before]) / 4)
    assert set((4 * rewards).round().tolist()) <= {-1.0, 1.0}
