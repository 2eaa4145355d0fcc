"""A shard of the replay, without Ray."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba", reason="replay needs the extra envs")

from archloom.agents.apex_shard import Shard, ShardSetup

SETUP = ShardSetup(4, {"number": (np.int64, ())}, 1.0, 1e-6, 0, {})


def stored(*numbers: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    return {"number": np.array(numbers)}, np.ones(len(numbers), np.float32)


def test_rows_that_were_overwritten_keep_their_new_priorities() -> None:
    """Rows 0 to 3 hold 0 to 3; before their errors come, 4 and 5 overwrite rows 0 and 1."""
    shard = Shard()
    assert shard.begin(SETUP) is None
    shard.add(stored(0, 1, 2, 3))
    drawn = shard.sample(64, 0.4)
    assert sorted(set(drawn.sample.columns["number"].tolist())) == [0, 1, 2, 3]
    shard.add(stored(4, 5))
    shard.update(np.arange(4), np.full(4, 9.0, np.float32), drawn.added)
    assert shard.replay.state_dict()["priorities"] == pytest.approx([1, 1, 9, 9], abs=1e-5)
    shard.add(stored(6, 7, 8, 9, 10))
    shard.update(np.arange(4), np.full(4, 5.0, np.float32), drawn.added)
    assert shard.replay.state_dict()["priorities"] == pytest.approx([1, 1, 1, 1], abs=1e-5)


def test_a_shard_that_is_not_full_has_overwritten_nothing() -> None:
    shard = Shard()
    shard.begin(SETUP)
    shard.add(stored(0, 1))
    drawn = shard.sample(2, 0.4)
    shard.add(stored(2))
    shard.update(np.array([0, 1]), np.array([3.0, 7.0], np.float32), drawn.added)
    assert shard.replay.state_dict()["priorities"] == pytest.approx([3, 7, 1], abs=1e-5)


def test_a_shard_says_why_it_cannot_begin() -> None:
    assert Shard().begin(ShardSetup(0, {}, 1.0, 1e-6, 0, {})) == "capacity=0: expected at least 1"
