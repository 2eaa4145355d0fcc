"""What tests of checkpoints share: states of trainings of small networks, and when two of them are the same."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from archloom.checkpoints.store import CheckpointFolder, CheckpointsInMemory, CheckpointStore
from archloom.errors import StoreError

if TYPE_CHECKING:  # the tests skip themselves where there is no PyTorch
    from torch import Tensor, nn

    from archloom.checkpoints.state import TrainingState

ALL_CONV = "c" * 11


@cache
def _kinds() -> tuple[type[nn.Module], type[nn.Module]]:
    """A network with one of every layer that has something special in its state, and a critic.

    A cell of the network is an identity, a linear layer or a convolution.
    """
    from torch import nn

    class Net(nn.Module):
        def __init__(self, cells: str) -> None:
            super().__init__()
            kinds = {"i": nn.Identity, "l": lambda: nn.Linear(2, 2), "c": lambda: nn.Conv2d(2, 2, 1)}
            self.stem = nn.Conv2d(3, 2, 3)
            self.cells = nn.ModuleList(kinds[kind]() for kind in cells)
            self.batch_norm = nn.BatchNorm2d(2)
            self.layer_norm = nn.LayerNorm(2)
            self.old = nn.utils.spectral_norm(nn.Conv2d(2, 2, 1))
            self.new = nn.utils.parametrizations.spectral_norm(nn.Linear(2, 2))
            self.head = nn.Linear(2, 1)

    class Critic(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.old = nn.utils.spectral_norm(nn.Linear(2, 2))
            self.head = nn.Linear(2, 1)

    return Net, Critic


def _begun(cells: str = ALL_CONV, seed: int = 0) -> TrainingState:
    """The state of a training that has just begun: a running average of `net`, a target of `critic`, no moments."""

    import torch

    from archloom.checkpoints.state import Average, Optimiser, TrainingState

    net, critic = _kinds()

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks = {"net": net(cells).state_dict(), "critic": critic().state_dict()}
    return TrainingState(
        networks,
        {
            "ema": Average("net", copy.deepcopy(networks["net"])),
            "target": Average("critic", dict(networks["critic"]), target=True),
        },
        {"adam": Optimiser([{"lr": 0.1}], {}), "adam_critic": Optimiser([{"lr": 0.2}], {})},
        {"stream": torch.tensor([seed], dtype=torch.uint8)},
        {"epochs": 0},
    )


def _trained(cells: str = ALL_CONV, seed: int = 1) -> TrainingState:
    """A state in which every number is another one, and every parameter has moments."""

    import torch

    state, torch_rng = _begun(cells, seed), torch.Generator().manual_seed(seed)

    def drawn(like: Tensor) -> Tensor:
        if like.is_floating_point():
            return torch.randn(like.shape, generator=torch_rng)
        return torch.randint(1, 1000, like.shape, generator=torch_rng)

    for tensors in [*state.networks.values(), *(copied.tensors for copied in state.averages.values())]:
        tensors.update({name: drawn(tensor) for name, tensor in tensors.items()})
    for optimiser, network in (("adam", "net"), ("adam_critic", "critic")):
        state.optimisers[optimiser].groups[0]["lr"] += seed
        state.optimisers[optimiser].slots = {
            f"{network}.{name}": {"step": torch.tensor(float(seed)), "exp_avg": drawn(tensor)}
            for name, tensor in state.networks[network].items()
            if tensor.is_floating_point()
        }
    state.rest = {"epochs": seed}
    return state


def _same(a: Tensor, b: Tensor) -> bool:
    import torch

    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)


def _same_tensors(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(_same(a[name], b[name]) for name in a)


def _same_state(a: TrainingState, b: TrainingState) -> bool:
    return (
        a.networks.keys() == b.networks.keys()
        and all(_same_tensors(a.networks[name], b.networks[name]) for name in a.networks)
        and all(_same_tensors(a.averages[name].tensors, b.averages[name].tensors) for name in a.averages)
        and all(a.optimisers[name].slots.keys() == b.optimisers[name].slots.keys() for name in a.optimisers)
        and all(
            _same_tensors(slots, b.optimisers[name].slots[parameter])
            for name, optimiser in a.optimisers.items()
            for parameter, slots in optimiser.slots.items()
        )
        and _same_tensors(a.arrays, b.arrays)
        and a.rest == b.rest
    )


@pytest.fixture(scope="session")
def network() -> Callable[[str], nn.Module]:
    """Makes a network with these cells, one letter each."""
    return _kinds()[0]


@pytest.fixture(scope="session")
def begun() -> Callable[..., TrainingState]:
    return _begun


@pytest.fixture(scope="session")
def trained() -> Callable[..., TrainingState]:
    return _trained


@pytest.fixture(scope="session")
def same() -> Callable[[Tensor, Tensor], bool]:
    return _same


@pytest.fixture(scope="session")
def same_tensors() -> Callable[[dict[str, Tensor], dict[str, Tensor]], bool]:
    return _same_tensors


@pytest.fixture(scope="session")
def same_state() -> Callable[[TrainingState, TrainingState], bool]:
    return _same_state


@pytest.fixture(params=["memory", "folder"])
def checkpoints(request: pytest.FixtureRequest, tmp_path: Path) -> CheckpointStore:
    """Each kind of store, empty."""
    return CheckpointsInMemory() if request.param == "memory" else CheckpointFolder(tmp_path / "weights")


@pytest.fixture(scope="session")
def state() -> Callable[[float], TrainingState]:
    """Makes the state of a training of one weight."""
    from archloom.checkpoints.state import TrainingState

    torch = pytest.importorskip("torch", reason="states of trainings need the extra train")
    return lambda value: TrainingState({"network": {"weight": torch.tensor([value])}})


@pytest.fixture(scope="session")
def there() -> Callable[[CheckpointStore], set[int]]:
    """Gives the trials whose checkpoints a store has."""

    def found(checkpoints: CheckpointStore, upto: int = 20) -> set[int]:
        trials = set()
        for trial in range(upto):
            try:
                checkpoints.load(trial)
            except (StoreError, KeyError):
                continue
            trials.add(trial)
        return trials

    return found
