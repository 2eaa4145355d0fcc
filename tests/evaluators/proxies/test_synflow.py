from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="proxies need the extra train")

from torch import nn  # noqa: E402

from archloom.evaluators.proxies.candidate import Candidate  # noqa: E402
from archloom.evaluators.proxies.synflow import Synflow  # noqa: E402
from archloom.nets.convnet import BatchNorm  # noqa: E402

SHAPE = (1, 1, 2)


def two_layers(between: nn.Module) -> nn.Sequential:
    """Weights [[-1, 2], [3, -4]] and [[5, -6]], and a bias that no weight's derivative depends on."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False), between, nn.Linear(2, 1))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([[-1.0, 2.0], [3.0, -4.0]]))
        network[3].weight.copy_(torch.tensor([[5.0, -6.0]]))
    return network


def scaled_norm(kind: type[nn.Module] = nn.BatchNorm1d) -> nn.Module:
    norm = kind(2)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([7.0, -0.5]))
    return norm


def test_a_linear_network_by_hand() -> None:
    """R = 5 (1 + 2) + 6 (3 + 4) = 57, which is the sum of w dR/dw of either layer."""
    assert Synflow().score(Candidate(two_layers(nn.Identity()), SHAPE)) == math.log1p(114)


def test_a_bias_before_a_layer_flows_through_it() -> None:
    network = two_layers(nn.ReLU())
    network[1] = nn.Linear(2, 2)
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([[-1.0, 2.0], [3.0, -4.0]]))
        network[1].bias.copy_(torch.tensor([-1.0, 2.0]))
    # The second layer has 5 (3 + 1) + 6 (7 + 2) = 74, the first one still 57.
    assert Synflow().score(Candidate(network, SHAPE)) == math.log1p(131)


@pytest.mark.parametrize("kind", [nn.BatchNorm1d, lambda width: nn.LayerNorm(width)])
def test_normalisations_let_everything_through(kind: type[nn.Module]) -> None:
    assert Synflow().score(Candidate(two_layers(scaled_norm(kind)), SHAPE)) == math.log1p(114)


def test_the_norms_of_convnet_are_normalisations() -> None:
    conv = nn.Conv2d(1, 2, 1, bias=False)
    plain, normed = nn.Sequential(conv), nn.Sequential(conv, scaled_norm(BatchNorm))
    scores = [Synflow().score(Candidate(network, (1, 3, 3))) for network in (plain, normed)]
    assert scores[0] == scores[1] == math.log1p(float(9 * conv.weight.detach().double().abs().sum()))


def test_the_network_is_left_as_it_was() -> None:
    network = two_layers(scaled_norm())
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    Synflow().score(Candidate(network, SHAPE))
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert network.training


def test_nothing_gets_through() -> None:
    network = two_layers(nn.Identity())
    nn.init.zeros_(network[1].weight)
    assert Synflow().score(Candidate(network, SHAPE)) == 0.0


def test_a_flow_beyond_double_precision_is_no_score() -> None:
    layers = [nn.Linear(2, 2, bias=False) for _ in range(10)]
    for layer in layers:
        nn.init.constant_(layer.weight, 1e35)
    with pytest.raises(ArithmeticError, match=r"^synflow is (inf|nan): the flow overflows double precision"):
        Synflow().score(Candidate(nn.Sequential(nn.Flatten(), *layers), SHAPE))
