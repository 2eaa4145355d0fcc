"""Our networks in numpy as PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray


class Torch:
    """An `Mlp` in PyTorch, in float64, and back."""

    def __init__(self) -> None:
        self.torch = pytest.importorskip("torch", reason="the reference needs the extra train")

    def network(self, net: Any) -> Any:
        """The same network."""
        nn = self.torch.nn
        layers: list[Any] = []
        for weight, bias in zip(net.weights, net.biases, strict=True):
            linear = nn.Linear(*weight.shape).double()
            linear.weight.data = self.double(weight.T)
            linear.bias.data = self.double(bias)
            layers += [linear, nn.ReLU()]
        layers[-1] = nn.Sigmoid() if net.sigmoid else nn.Identity()
        return nn.Sequential(*layers)

    def double(self, array: NDArray[Any]) -> Any:
        return self.torch.from_numpy(array.astype(float, order="C"))

    def gradient(self, model: Any) -> NDArray[np.float64]:
        """(P,) in the order of `Mlp.gradient`."""
        return np.concatenate([p.grad.t().numpy().ravel() for p in model.parameters()])

    def parameters(self, model: Any) -> NDArray[np.floating]:
        """(P,) in the order of `Mlp.parameters`."""
        return np.concatenate([p.detach().t().numpy().ravel() for p in model.parameters()])


@pytest.fixture(scope="session")
def reference() -> Torch:
    return Torch()
