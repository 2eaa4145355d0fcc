"""A gatherer, without Ray."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

pytest.importorskip("torch", reason="agents need the extra train")

from archloom.agents.apex import make_network
from archloom.agents.apex_gatherer import Gatherer, GathererSetup
from archloom.agents.options import ApexOptions
from archloom.envs.terrain import Terrain
from archloom.testing.planted_walks import hypercube, planted_corner

OPTIONS = ApexOptions(
    width=8, heads=2, feedforward=8, head_width=8, walkers=9, max_neighbours=4, episode_steps=5, reference=1.0
)
SETUP = GathererSetup(partial(Terrain, hypercube(4), planted_corner(4)), OPTIONS, np.array([1, 4, 7]), 5, {})


def test_it_gathers_what_it_is_asked_for_with_the_weights_that_it_was_sent() -> None:
    gatherer = Gatherer()
    assert gatherer.begin(SETUP) is None
    sent = {name: tensor.numpy() for name, tensor in make_network(OPTIONS, 4, seed=9).state_dict().items()}
    for array in sent.values():
        array.flags.writeable = False  # as it comes out of an object store
    told = steps = complete = 0
    for weights in (sent, None):
        found, (columns, errors) = gatherer.gather(20, weights)
        assert 20 <= found.steps == found.tally.gathered < 20 + 3
        assert found.complete == len(errors) == len(columns["states"]) == len(columns["next_counts"])
        steps, complete, told = steps + found.steps, complete + found.complete, told + found.tally.episodes
    assert gatherer._network is not None
    assert all(np.array_equal(tensor, sent[name]) for name, tensor in gatherer._network.state_dict().items())
    assert steps - 3 * OPTIONS.n_step <= complete <= steps
    assert told >= 6


def test_its_walkers_have_their_places_among_all() -> None:
    gatherer = Gatherer()
    gatherer.begin(SETUP)
    assert gatherer._walkers is not None
    assert gatherer._walkers.rates == pytest.approx([0.4 ** (1 + 7 * place / 8) for place in (1, 4, 7)])


def test_it_says_why_it_cannot_begin() -> None:
    reason = Gatherer().begin(replace(SETUP, make=partial(Terrain, hypercube(4), planted_corner(3))))
    assert reason is not None and reason.startswith(
        "values of shape (8,): expected one for each of the graph's 16 rows"
    )
