"""A chain of layers learns to imitate a random one: a task on which mixing networks can show what it is worth.

    archloom search pbt_nas --on benchmarks/pbt_nas/chain.py --set population=24 --set epochs=20 --set step=1
    archloom search pbt_nas --on benchmarks/pbt_nas/chain.py:drifting --set population=24 --set epochs=20 --set step=1

Eight pairs of numbers enter a chain, one pair at each layer, and it is to give what the teacher gives, a chain of the
same form with random weights. A layer is of one of six kinds. The teacher has the first four only, each of which
imitates itself best; the last two lose information, whatever they learn. An epoch is 10 steps on batches of 64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor, nn

import archloom
from archloom.constraints import Winner
from archloom.tasks.network import NetworkTraining
from archloom.tasks.training import EpochStreams
from archloom.types import Arch, Goal
from archloom.utils.optimisers import Adam

LAYERS, PAIR, WIDTH, OUTPUTS = 8, 2, 24, 8
STEPS, BATCH = 10, 64
TRAIN, VALID = 2_048, 512
KEPT = 0.8
"""How much of what a chain carries passes by a layer."""
ENTERING = 0.7
"""The standard deviation of the numbers by which what enters is spread over the width."""

GOOD: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "abs": torch.abs,
    "sin": lambda x: torch.sin(2 * x),
}
KINDS = (*GOOD, "deaf", "forgetful")


class Layer(nn.Linear):
    """Adds something new to what the chain carries (B, WIDTH), made of that and of what `enters` here (B, WIDTH).

    A deaf one adds nothing. A forgetful one replaces what was carried by its mean.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(WIDTH, WIDTH)
        self.kind = kind

    def forward(self, carried: Tensor, enters: Tensor) -> Tensor:
        if self.kind == "deaf":
            return KEPT * carried
        new = super().forward(carried + enters)
        if self.kind == "forgetful":
            return new.mean(1, keepdim=True) + 0.5 * carried
        return torch.add(GOOD[self.kind](new), carried, alpha=KEPT)


class Chain(nn.Module):
    def __init__(self, kinds: Sequence[str], seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.layers = nn.ModuleList(map(Layer, kinds))
            self.last = nn.Linear(WIDTH, OUTPUTS)

    def forward(self, entering: Tensor) -> Tensor:
        """(LAYERS, B, WIDTH) -> (B, OUTPUTS)"""
        carried = torch.zeros_like(entering[0])
        for layer, enters in zip(self.layers, entering, strict=True):
            carried = layer(carried, enters)
        return self.last(carried)


class ChainSpace(archloom.Categorical):
    """Eight layers, each of one of six kinds. Any layer's weights fit any kind."""

    name = "chain"

    def __init__(self) -> None:
        super().__init__({f"layer{number}": KINDS for number in range(LAYERS)})

    def modules(self, gene: int) -> Sequence[str]:
        return (f"network.layers.{gene}",)


@lru_cache(2)
def teachers(seed: int) -> tuple[Chain, Chain, Tensor]:
    """Two chains of the same random kinds, and what enters: (LAYERS, TRAIN + VALID, WIDTH)."""
    random = torch.Generator().manual_seed(seed)
    kinds = [list(GOOD)[kind] for kind in torch.randint(len(GOOD), (LAYERS,), generator=random).tolist()]
    one, other = (Chain(kinds, draw) for draw in torch.randint(2**31, (2,), generator=random).tolist())
    pairs = torch.randn(LAYERS, TRAIN + VALID, PAIR, generator=random)
    return one, other, pairs @ (ENTERING * torch.randn(LAYERS, PAIR, WIDTH, generator=random))


@lru_cache(2)
def _lesson(seed: int, angle: float) -> tuple[Tensor, Tensor]:
    """What enters, and what the teacher gives: (TRAIN + VALID, OUTPUTS), each with mean 0 and variance 1."""
    one, other, entering = teachers(seed)
    turned = Chain([layer.kind for layer in one.layers], 0)
    turned.load_state_dict(
        {
            name: math.cos(angle) * tensor + math.sin(angle) * other.state_dict()[name]
            for name, tensor in one.state_dict().items()
        }
    )
    with torch.no_grad():
        given = turned(entering)
    return entering, (given - given.mean(0)) / given.std(0)


class Imitation(NetworkTraining):
    def __init__(self, arch: Arch, seed: int, task: Imitate) -> None:
        network = Chain(tuple(ChainSpace().choices(arch).values()), seed)
        adam = Adam(network.parameters(), lr=task.lr, fused=True)
        super().__init__({"network": network}, {"adam": adam}, seed)
        self._task = task

    def run_epoch(self, streams: EpochStreams) -> None:
        network, adam = self.networks["network"], self.optimisers["adam"]
        entering, given = self._task.lesson(self.epochs)
        for rows in torch.randint(TRAIN, (STEPS, BATCH), generator=streams.order):
            adam.zero_grad()
            nn.functional.mse_loss(network(entering[:, rows]), given[rows]).backward()
            adam.step()

    def evaluate(self) -> Mapping[str, float]:
        """The explained share of the variance of what the teacher gives, in percent, for inputs that are new."""
        entering, given = self._task.lesson(self.epochs)
        with torch.no_grad():
            error = nn.functional.mse_loss(self.networks["network"](entering[:, TRAIN:]), given[TRAIN:])
        return {"explained": 100 * (1 - error.item())}


class Imitate:
    """`teacher`: which one, of all random ones. `drift`: by how many radians an epoch its weights turn into others."""

    name, epochs = "imitate", 20
    goals: ClassVar[Mapping[str, Goal]] = {"explained": "max"}
    report: ClassVar[Sequence[str]] = ()

    def __init__(self, teacher: int = 0, drift: float = 0.0, lr: float = 0.005) -> None:
        self.teacher, self.drift, self.lr = teacher, drift, lr
        self.winner = Winner.OF_LAST_POPULATION if drift else Winner.EVER

    def lesson(self, epoch: int) -> tuple[Tensor, Tensor]:
        return _lesson(self.teacher, self.drift * epoch)

    def begin(self, arch: Arch, seed: int) -> Imitation:
        return Imitation(arch, seed, self)


problem = archloom.TaskProblem(ChainSpace(), Imitate())
drifting = archloom.TaskProblem(ChainSpace(), Imitate(drift=0.05))
