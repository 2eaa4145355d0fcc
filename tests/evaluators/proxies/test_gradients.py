from __future__ import annotations

import copy
import math

import pytest

torch = pytest.importorskip("torch", reason="proxies need the extra train")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from archloom.evaluators.proxies.candidate import Batch, Candidate  # noqa: E402
from archloom.evaluators.proxies.gradients import GradNorm, Snip  # noqa: E402


def test_grad_norm_of_a_linear_classifier_by_hand() -> None:
    """With weights of 0 both classes have probability 1/2. The gradient is the mean of (p - y) x: rows (1/2, 1) and
    (-1/2, -1), of norm sqrt(5/2)."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    images = torch.tensor([[1.0, 0.0], [3.0, 4.0]]).reshape(2, 1, 1, 2)
    candidate = Candidate(network, (1, 1, 2), Batch(images, torch.tensor([0, 1])))
    assert candidate.gradients[0].tolist() == [[0.5, 1.0], [-0.5, -1.0]]
    assert math.isclose(GradNorm().score(candidate), math.sqrt(2.5), rel_tol=1e-6)
    assert Snip().score(candidate) == 0.0, "there is nothing to remove"


@pytest.fixture
def small() -> Candidate:
    """A network with a convolution, a normalisation and a classifier, in double precision."""
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 2, 2, bias=False), nn.BatchNorm2d(2), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3)
    ).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    images = torch.randn((4, 1, 3, 3), generator=generator, dtype=torch.float64)
    return Candidate(network, (1, 3, 3), Batch(images, torch.tensor([0, 1, 2, 1])))


def test_snip_is_how_the_loss_changes_as_weights_are_scaled(small: Candidate) -> None:
    """By finite differences: each weight times 1 + h and 1 - h."""
    total, h = 0.0, 1e-6
    for number, weight in enumerate(small.weights):
        for place in range(weight.numel()):
            losses = []
            for factor in (1 + h, 1 - h):
                network = copy.deepcopy(small.network)
                changed = [layer.weight for layer in network if isinstance(layer, (nn.Conv2d, nn.Linear))][number]
                with torch.no_grad():
                    changed.flatten()[place] *= factor
                    losses.append(float(functional.cross_entropy(network(small.batch.images), small.batch.labels)))
            total += abs(losses[0] - losses[1]) / (2 * h)
    assert math.isclose(Snip().score(small), total, rel_tol=1e-6)


def test_grad_norm_adds_the_norms_of_layers(small: Candidate) -> None:
    expected = sum(math.sqrt(float((gradient**2).sum())) for gradient in small.gradients)
    assert len(small.gradients) == 2, "not those of the normalisation, or of biases"
    assert math.isclose(GradNorm().score(small), expected, rel_tol=1e-12)


def test_a_layer_that_is_not_used_has_no_gradient() -> None:
    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.idle = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.used(x.flatten(1))

    batch = Batch(torch.ones((2, 1, 1, 2)), torch.tensor([0, 1]))
    candidate = Candidate(Idle(), (1, 1, 2), batch)
    assert candidate.gradients[1].tolist() == [[0, 0], [0, 0]]
    assert math.isfinite(GradNorm().score(candidate))
