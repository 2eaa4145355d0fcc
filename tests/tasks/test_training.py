from __future__ import annotations

import pytest

from archloom.errors import InputError

torch = pytest.importorskip("torch", reason="training needs the extra train")

from archloom.checkpoints.state import Optimiser  # noqa: E402 - it needs PyTorch
from archloom.tasks.training import (  # noqa: E402
    epoch_streams,
    load_network,
    load_optimiser,
    network_state,
    optimiser_state,
)

CPU = torch.device("cpu")


def network(width: int = 3) -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Conv2d(2, width, 3), torch.nn.BatchNorm2d(width))


def trained(made: torch.nn.Module, steps: int = 2) -> tuple[torch.optim.Optimizer, dict[str, torch.nn.Parameter]]:
    names = {f"net.{name}": parameter for name, parameter in made.named_parameters()}
    optimiser = torch.optim.AdamW(names.values(), lr=0.1)
    x = torch.randn(4, 2, 5, 5, generator=torch.Generator().manual_seed(0))
    for _ in range(steps):
        optimiser.zero_grad()
        made(x).square().sum().backward()
        optimiser.step()
    return optimiser, names


def test_a_state_is_a_copy_in_the_usual_order() -> None:
    made = network().to(memory_format=torch.channels_last)
    state = network_state(made)
    assert all(tensor.is_contiguous() and not tensor.requires_grad for tensor in state.values())
    with torch.no_grad():
        made[0].weight.zero_()
    assert float(state["0.weight"].abs().sum()) > 0
    assert set(state) == set(made.state_dict())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda state: state.pop("0.weight"), "net.0.weight is nothing in the state and (3, 2, 3, 3) in the network"),
        (lambda state: state.update(x=torch.zeros(2)), "net.x is (2,) in the state and nothing in the network"),
        (lambda state: state.update({"1.bias": torch.zeros(4)}), "net.1.bias is (4,) in the state and (3,)"),
    ],
)
def test_tensors_of_another_architecture_are_refused_and_nothing_changes(change: object, says: str) -> None:
    made = network()
    before, state = network_state(made), {name: tensor + 1 for name, tensor in network_state(made).items()}
    change(state)  # type: ignore[operator]
    with pytest.raises(InputError) as caught:
        load_network("net", made, state)
    assert says in str(caught.value)
    assert all(torch.equal(before[name], tensor) for name, tensor in made.state_dict().items())


def test_an_optimiser_goes_on_from_its_state() -> None:
    made = network()
    optimiser, names = trained(made)
    state = optimiser_state(optimiser, names)
    assert state.groups[0]["lr"] == 0.1
    assert "params" not in state.groups[0]
    assert set(state.slots) == set(names)
    assert set(state.slots["net.0.weight"]) == {"step", "exp_avg", "exp_avg_sq"}
    other = network().to(memory_format=torch.channels_last)
    own = {f"net.{name}": parameter for name, parameter in other.named_parameters()}
    resumed = torch.optim.AdamW(own.values(), lr=0.5)
    load_optimiser(resumed, own, state)
    again = optimiser_state(resumed, own)
    assert again.groups[0]["lr"] == 0.5, "settings are the task's"
    for name, slots in state.slots.items():
        assert all(torch.equal(again.slots[name][slot], value) for slot, value in slots.items())
    resumed.state[own["net.0.weight"]]["exp_avg"].zero_()
    assert float(state.slots["net.0.weight"]["exp_avg"].abs().sum()) > 0, "the state is not written to"


def test_slots_that_do_not_fit_are_initialised_again() -> None:
    optimiser, names = trained(network())
    state = optimiser_state(optimiser, names)
    del state.slots["net.1.bias"]
    wider = network(5)
    own = {f"net.{name}": parameter for name, parameter in wider.named_parameters()}
    resumed = torch.optim.AdamW(own.values(), lr=0.1)
    load_optimiser(resumed, own, state)
    assert not resumed.state
    load_optimiser(optimiser, names, state)
    assert set(optimiser_state(optimiser, names).slots) == set(names) - {"net.1.bias"}
    load_optimiser(optimiser, names, None)
    assert not optimiser.state
    load_optimiser(optimiser, names, Optimiser([], {"net.gone": {"exp_avg": torch.zeros(1)}}))
    assert not optimiser.state


def test_streams_depend_on_seed_and_epoch_alone() -> None:
    def draws(seed: int, epoch: int) -> list[float]:
        with epoch_streams(seed, epoch, CPU) as streams:
            return [
                float(torch.rand(1, generator=streams.order)),
                float(torch.rand(1, generator=streams.augment)),
                float(torch.rand(1)),
            ]

    torch.manual_seed(5)
    before = torch.get_rng_state()
    one = draws(1, 2)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    assert draws(1, 2) == one
    assert len({*one, *draws(1, 3), *draws(2, 2)}) == 9
