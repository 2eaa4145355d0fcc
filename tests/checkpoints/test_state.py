"""A training as one value."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="states of trainings need the extra train")

from archloom.checkpoints.average import average  # noqa: E402
from archloom.checkpoints.mix import mix  # noqa: E402
from archloom.checkpoints.mutate import mutate_weights  # noqa: E402
from archloom.checkpoints.state import Average, Optimiser, TrainingState  # noqa: E402
from archloom.errors import InputError  # noqa: E402


def test_states_share_no_defaults() -> None:
    one, other = TrainingState({"network": {}}), TrainingState({"network": {}})
    one.rest["epochs"] = 3
    one.averages["ema"] = Average("network", {})
    one.optimisers["adam"] = Optimiser([], {})
    one.arrays["noise"] = torch.zeros(1)
    assert (other.rest, other.averages, other.optimisers, other.arrays) == ({}, {}, {}, {})


def test_networks_are_measured_with_their_copies_tensors() -> None:
    one, two, three, four = (torch.tensor([float(number)]) for number in range(4))
    state = TrainingState({"net": {"w": one, "bn": two}, "critic": {"w": one}})
    assert state.measured() == state.networks
    state.averages = {"ema": Average("net", {"w": three}), "target": Average("critic", {"w": four}, target=True)}
    assert state.measured() == {"net": {"w": three, "bn": two}, "critic": {"w": one}}
    assert state.networks["net"]["w"] is one
    state.averages["target"].measured, state.averages["ema"].measured = True, False
    assert state.measured() == {"net": {"w": one, "bn": two}, "critic": {"w": four}}


def test_of_which_copy_measured_networks_are_is_no_guess() -> None:
    weight = torch.zeros(1)
    state = TrainingState({"net": {"w": weight}}, {name: Average("net", {"w": weight}) for name in ("fast", "slow")})
    with pytest.raises(InputError, match=r"^averages fast, slow of network 'net': expected one .*measured=False$"):
        state.measured()
    state.averages = {"ema": Average("net", {"v": weight})}
    with pytest.raises(InputError, match=r"^average 'ema' has v, which its network 'net' lacks$"):
        state.measured()


@pytest.mark.parametrize("way", ["mix", "mutate", "average"])
def test_what_is_made_is_nobody_elses(way: str, begun: Any, trained: Any, same_state: Any) -> None:
    """Neither making a state nor changing its data afterwards reaches the states that it was made from."""
    states, fresh = [trained(seed=1), trained(seed=2)], begun(seed=3)
    before = copy.deepcopy((states, fresh))
    made = {
        "mix": lambda: mix(
            states[0], {0: states[1], 1: None}, fresh, {0: ("net.cells.0",), 1: ("net.cells.1",)}, 0.4, 0.1
        )[0],
        "mutate": lambda: mutate_weights(states[0], np.random.default_rng(0)),
        "average": lambda: average(states),
    }[way]()
    made.rest["epochs"] = 9
    made.arrays.clear()
    made.optimisers["adam"].groups[0]["lr"] = 9
    for tensors in [*made.networks.values(), made.averages["ema"].tensors, *made.optimisers["adam"].slots.values()]:
        tensors.clear()
    assert all(map(same_state, [*states, fresh], [*before[0], before[1]]))
    assert states[0].optimisers["adam"].groups == before[0][0].optimisers["adam"].groups
