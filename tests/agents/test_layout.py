from __future__ import annotations

from functools import partial

import pytest

pytest.importorskip("torch", reason="agents need the extra train")

import torch

from archloom.agents.apex import Apex
from archloom.agents.layout import OneProcess, Work
from archloom.agents.options import ApexOptions
from archloom.envs.terrain import Terrain
from archloom.learners.arrays import one_thread
from archloom.testing.planted_walks import hypercube, planted_corner


def test_one_process_has_everything_on_one_thread() -> None:
    options = ApexOptions(width=8, heads=2, walkers=8, max_neighbours=4, learning_starts=50)
    make = partial(Terrain, hypercube(4), planted_corner(4))
    with one_thread():
        torch.set_num_threads(2)
        with OneProcess().ready():
            assert torch.get_num_threads() == 1
            agent = OneProcess().agent(Work(make(8, 4), make, options, 3))
            assert isinstance(agent, Apex)
            agent.train(200)
        assert torch.get_num_threads() == 2
    assert agent.progress.updates > 0
    again = OneProcess().agent(Work(make(8, 4), make, options, 3, agent.network))
    assert again.network is agent.network
