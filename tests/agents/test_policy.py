"""What an agent does with the values that its network gives, on places in a row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("gymnasium", reason="environments need the extra envs")
pytest.importorskip("numba", reason="terrains need the extra bench")

from archloom.agents.policy import AgentPolicy
from archloom.envs.episodes import EpisodeProblem, Episodes, Plan, run_episodes
from archloom.envs.terrain import Terrain
from archloom.testing.planted_walks import chain

LAST = 99
EPISODES = 400


class Row(Terrain):
    """Places 0 to 99 in a row, encoded one-hot; a place's accuracy is its number. It counts looks at neighbours'."""

    def __init__(self, slots: int) -> None:
        super().__init__(chain(LAST + 1), np.arange(LAST + 1.0), slots, 2)
        self.looked_up = 0

    def shown_values(self, slots: NDArray[np.intp]) -> NDArray[np.float64]:
        self.looked_up += 1
        return super().shown_values(slots)


class Rightwards:
    """Values a place by its number, which it reads from the bits; `tie` says that all are worth the same."""

    def __init__(self, tie: bool = False) -> None:
        self._tie = tie
        self.batches: list[int] = []

    def q_values(self, architectures: NDArray[np.uint8], counts: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        assert architectures.dtype == np.uint8 and architectures.shape[1:] == (3, LAST + 1)
        self.batches.append(len(architectures))
        numbers = architectures.argmax(axis=2)
        q = np.zeros(numbers.shape) if self._tie else numbers
        return np.where(np.arange(3) < counts[:, None], q, -np.inf).astype(np.float32)


def played(policy: AgentPolicy, steps: int = 200) -> tuple[Episodes, Row]:
    plan = Plan(sets=1, starts=EPISODES, steps=steps, neighbours=2)
    row = Row(EPISODES)
    problem = EpisodeProblem("row", "valid", None, None, row, None, EPISODES)
    return run_episodes(problem, {"apex": policy}, plan)["apex"], row


def test_a_greedy_agent_goes_where_the_values_rise_and_stays_at_the_top() -> None:
    network = Rightwards()
    found, row = played(AgentPolicy(network))
    assert (found.climbed.final == LAST).all()
    assert found.moves.tolist() == (LAST - found.climbed.start).astype(int).tolist()
    assert (found.queries == 1).all() and row.looked_up == 0
    assert network.batches[0] == EPISODES and network.batches[-1] < EPISODES  # those that stayed are not computed


def test_an_agent_that_never_stays_is_stopped() -> None:
    found, _ = played(AgentPolicy(Rightwards()), steps=5)
    assert found.moves.tolist() == np.minimum(5, LAST - found.climbed.start).astype(int).tolist()


def test_the_first_of_equal_values_is_taken() -> None:
    found, _ = played(AgentPolicy(Rightwards(tie=True)))
    assert (found.moves == 0).all()


def test_exploring_always_is_a_random_walk() -> None:
    found, _ = played(AgentPolicy(Rightwards(), epsilon=1.0), steps=1)
    share = float((found.moves == 0).mean())
    assert share == pytest.approx(1 / 3, abs=0.1)
    steps = (found.climbed.final - found.climbed.start)[found.moves == 1]
    assert set(steps.tolist()) == {-1.0, 1.0} and abs(float((steps > 0).mean()) - 0.5) < 0.1


def test_exploring_now_and_then() -> None:
    """With epsilon, half of the walkers at one place go right for the value, and a third of the others by chance."""
    found, _ = played(AgentPolicy(Rightwards(), epsilon=0.5), steps=1)
    inside = (found.climbed.start > 0) & (found.climbed.start < LAST)
    right = (found.climbed.final > found.climbed.start)[inside]
    assert float(right.mean()) == pytest.approx(0.5 + 0.5 / 3, abs=0.07)
