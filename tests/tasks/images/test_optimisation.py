from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra train")

from archloom.tasks.images.optimisation import (  # noqa: E402 - it needs PyTorch
    HORIZONS,
    OPTIMISERS,
    SCHEDULES,
    LearningRate,
    OptimiserSettings,
)


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_begin_at_one(name: str) -> None:
    assert SCHEDULES[name](0.0) == 1.0
    assert SCHEDULES[name](1.0) == SCHEDULES[name](7.0) == (1.0 if name == "constant" else 0.0)


def test_halfway_and_at_a_quarter() -> None:
    assert SCHEDULES["linear"](0.25) == 0.75
    assert SCHEDULES["cosine"](0.5) == pytest.approx(0.5, abs=1e-15)
    assert SCHEDULES["cosine"](0.25) == pytest.approx((1 + math.sqrt(0.5)) / 2, abs=1e-15)


def test_the_rate_of_pre_training_as_published() -> None:
    """DARTS and DDAS: from 0.025 to 0.001 along a cosine, here of 4 epochs."""
    rate = LearningRate("cosine", 0.025, final=0.001)
    assert [rate.at(epoch, epoch + 1, 4) for epoch in (0, 2, 4, 9)] == pytest.approx([0.025, 0.013, 0.001, 0.001])


def test_warm_up_rises_to_the_rate_that_falls_afterwards() -> None:
    """PC-DARTS on ImageNet: 0.5 after 5 epochs, then linearly to 0; here of 15 epochs, two steps each."""
    rate = LearningRate("linear", 0.5, warmup=5)
    steps = [rate.at(step / 2, (step + 1) / 2, 15) for step in range(30)]
    assert steps[:10] == pytest.approx([0.05 * (step + 1) for step in range(10)])
    assert steps[10:] == pytest.approx([0.5 - 0.025 * step for step in range(20)])


def test_a_horizon_within_the_warm_up() -> None:
    rate = LearningRate("cosine", 1.0, final=0.1, warmup=2.5)
    assert rate.at(0, 1, 1) == 0.4
    assert rate.at(2, 3, 2) == 0.1


def test_where_schedules_end() -> None:
    assert {name: horizon(9, 3) for name, horizon in HORIZONS.items()} == {"epochs": 9, "fidelity": 3}


def step(optimiser: torch.optim.Optimizer, parameter: torch.nn.Parameter, gradients: list[float]) -> list[float]:
    values = []
    for gradient in gradients:
        parameter.grad = torch.tensor([gradient])
        optimiser.step()
        values.append(float(parameter.detach()))
    return values


@pytest.mark.parametrize(
    ("momentum", "nesterov", "moves"),
    [
        (0.5, False, [1.0, 1.0 + 1.5]),
        (0.5, True, [1.5, 1.5 + 1.75]),
        (0.0, True, [1.0, 2.0]),
    ],
)
def test_momentum_by_hand(momentum: float, nesterov: bool, moves: list[float]) -> None:
    """v = m v + g; the step is v, or g + m v with Nesterov's."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    settings = OptimiserSettings(lr=0.25, momentum=momentum, nesterov=nesterov)
    values = step(OPTIMISERS["sgd"](iter([parameter]), settings), parameter, [1.0, 1.0])
    assert values == [-0.25 * move for move in moves]


@pytest.mark.parametrize("name", OPTIMISERS)
def test_weight_decay_pulls_to_zero(name: str) -> None:
    parameter = torch.nn.Parameter(torch.ones(1))
    optimiser = OPTIMISERS[name](iter([parameter]), OptimiserSettings(lr=0.5, weight_decay=0.5, momentum=0.0))
    assert step(optimiser, parameter, [0.0]) == [0.75]
