from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra train")

from torch import nn  # noqa: E402 - it is PyTorch's

from archloom.errors import InputError  # noqa: E402
from archloom.spaces.random_graph import Hnag, HnagAug1  # noqa: E402
from archloom.tasks.memory import check_batch, check_training, memory_of  # noqa: E402
from archloom.types import Arch  # noqa: E402
from archloom.utils import seeds  # noqa: E402
from archloom.utils.optimisers import SGD, AdamW  # noqa: E402

IMAGE = (3, 5, 5)


class Given:
    """A space of one network."""

    def __init__(self, *layers: nn.Module) -> None:
        self.layers = layers

    def build(self, arch: Arch, seed: int) -> nn.Module:
        return nn.Sequential(*self.layers)


class Scaled(nn.Module):
    """Each value times the sigmoid of a weight of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(IMAGE))

    def forward(self, x: Any) -> Any:
        return x * torch.sigmoid(self.weight)


def saved_of(*layers: nn.Module) -> float:
    """Four-byte numbers."""
    return memory_of(Given(*layers), Arch(()), IMAGE) * 1e6 / 4


def test_what_is_saved_is_counted_by_hand() -> None:
    """A convolution saves its input, a normalisation its input, and a ReLU its output, which is the linear layer's
    input too and counts once; weights do not.
    """
    found = saved_of(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(100, 2))
    assert found == pytest.approx(75 + 100 + 100)


def test_what_is_saved_once_a_batch_does_not_count() -> None:
    assert saved_of(Scaled()) == pytest.approx(75)


def test_it_is_counted_where_nothing_is_saved_otherwise() -> None:
    with torch.no_grad():
        assert saved_of(Scaled()) == pytest.approx(75)


def test_nothing_moves_and_it_is_the_training_mode_that_counts() -> None:
    before = torch.get_rng_state()
    assert saved_of(Scaled(), nn.Dropout(0.5).eval()) == pytest.approx(75 + 75)  # what was kept of each value
    assert torch.equal(torch.get_rng_state(), before)


def test_the_auxiliary_head_counts_if_it_is_trained() -> None:
    space = HnagAug1(params_m=0.01, bottom_nodes=(1, 3), mid_nodes=(1, 2), head_width=8, auxiliary=True)
    arch = space.sample(seeds.stream(0, "test"))
    plain, whole = (memory_of(space, arch, (3, 8, 8), auxiliary) for auxiliary in (False, True))
    # Its ReLU's output, which the pool saves too, has at least one channel; the rest is 2 x 2 or a single pixel.
    assert whole - plain > 4 * (128 * 4 * 2 + 768 * 2) / 1e6


def test_the_published_memory_of_a_sample() -> None:
    """Table 3 of NAGO: 17 MB for BOHB's best generator on CIFAR-10. What ours takes is known of the plan."""
    space = Hnag()
    arch = space.parse(
        "top_nodes=8, top_neighbours=5, top_rewiring=0.6, mid_nodes=1, mid_edge=0.7, bottom_nodes=5, "
        "bottom_neighbours=4, bottom_rewiring=0.2, graph_seed=0"
    )
    assert memory_of(space, arch, (3, 32, 32)) == pytest.approx(15.0, abs=0.5)


def test_a_machine_that_cannot_hold_a_training_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 numbers of 4 bytes: parameters, gradients and the copies of a state, with Adam's moments 7, with SGD's
    momentum 5 of each."""
    weights = [nn.Parameter(torch.empty(1_000))]
    adam, sgd = AdamW(weights), SGD(weights, 0.1, momentum=0.9)
    monkeypatch.setattr("archloom.utils.memory.memory_bytes", lambda: 25_000)
    check_training([sgd])
    with pytest.raises(InputError, match=r"^training 1,000 parameters takes 0.0 GB; this machine has 0.0 GB of memory"):
        check_training([adam])
    monkeypatch.setattr("archloom.utils.memory.memory_bytes", lambda: 10**9)
    check_batch(25.0, 32)
    with pytest.raises(InputError, match=r"^training on a batch of 64 images takes 1\.6 GB; this machine has 1\.0 GB"):
        check_batch(25.0, 64)
