from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra train")

from archloom.learners import arrays  # noqa: E402
from archloom.runs.record import decode_state, encode_state  # noqa: E402


def make(seed: int) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    with arrays.drawn_from(np.random.default_rng(seed)):
        network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
    return network, torch.optim.Adam(network.parameters(), lr=0.1)


def train(network: torch.nn.Module, optimiser: torch.optim.Optimizer, steps: int) -> None:
    for at in range(steps):
        optimiser.zero_grad()
        (network(torch.full((2, 3), 0.5)) - at).square().mean().backward()
        optimiser.step()


@pytest.mark.parametrize("before", [0, 3])
def test_a_network_goes_on_exactly_where_it_was_dumped(before: int) -> None:
    one, other = make(0), make(1)
    train(*one, before)
    state = decode_state(encode_state(arrays.dump(*one)))
    train(*other, 2)
    arrays.restore(*other, state)
    train(*one, 4)
    train(*other, 4)
    for left, right in zip(one[0].parameters(), other[0].parameters(), strict=True):
        assert torch.equal(left, right)


def test_what_was_dumped_does_not_change_with_the_network() -> None:
    network, optimiser = make(0)
    train(network, optimiser, 1)
    state = arrays.dump(network, optimiser)
    kept = {name: array.copy() for name, array in state["weights"].items()}
    train(network, optimiser, 1)
    assert all(np.array_equal(state["weights"][name], array) for name, array in kept.items())


def test_weights_come_from_the_generator_alone_and_leave_pytorch_s_as_it_was() -> None:
    before = torch.random.get_rng_state()
    first, again, other = make(0)[0], make(0)[0], make(1)[0]
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(first[0].weight, again[0].weight) and not torch.equal(first[0].weight, other[0].weight)


def test_one_thread_and_then_as_many_as_before() -> None:
    before = torch.get_num_threads()
    with arrays.one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
