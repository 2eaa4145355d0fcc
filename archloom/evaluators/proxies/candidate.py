"""A network to be scored, and what it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.instancenorm import _InstanceNorm

from archloom.nets.convnet import Norm

WEIGHTED = (_ConvNd, nn.Linear)
"""The layers whose weights count in proxies, as in the code of Abdelfattah et al. 2021: no bias, no normalisation."""

NORMALISATIONS = (_BatchNorm, _InstanceNorm, nn.GroupNorm, nn.LayerNorm, Norm)

RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU)
"""Activations with a kink at zero, on whose sides an input is active or not."""


@dataclass(frozen=True)
class Batch:
    """Images (B, c, h, w) and their classes (B,)."""

    images: Tensor
    labels: Tensor


class Candidate:
    """A network with fresh weights, in training mode but for dropout.

    So normalisations are over the batch, as in the published codes. `shape` (c, h, w) is that of an image; `batch` is
    None for proxies that see none. What several proxies need is computed once; it does not depend on which of them ask.
    """

    def __init__(self, network: nn.Module, shape: tuple[int, int, int], batch: Batch | None = None) -> None:
        self.network = network.train()
        for module in network.modules():
            if isinstance(module, _DropoutNd):
                module.eval()
        self.shape = shape
        self._batch = batch

    @property
    def batch(self) -> Batch:
        if self._batch is None:
            raise ValueError("this candidate is shown no images")
        return self._batch

    @cached_property
    def weights(self) -> tuple[Tensor, ...]:
        """The weights of all convolutions and linear layers."""
        return weights_of(self.network)

    @cached_property
    def gradients(self) -> tuple[Tensor, ...]:
        """Of the mean cross-entropy of the batch with respect to each of `weights`; 0 for one that is not used."""
        loss = functional.cross_entropy(self._passed.logits, self.batch.labels)
        return gradients_of(loss, self.weights, keep=True)

    @cached_property
    def jacobian(self) -> Tensor:
        """(B, c * h * w) the gradient of the sum of all logits with respect to the pixels of each image."""
        (gradient,) = gradients_of(self._passed.logits.sum(), (self._passed.images,), keep=True)
        return gradient.flatten(1)

    @property
    def agreement(self) -> Tensor:
        """(B, B) float64: in how many rectified units two images are on the same side of zero. ArithmeticError if
        there is no such unit."""
        if self._passed.agreement is None:
            raise ArithmeticError("the network has no rectified unit (ReLU)")
        return self._passed.agreement

    @contextmanager
    def evaluating(self) -> Iterator[nn.Module]:
        """The network in evaluation mode, in which a single image can be shown; afterwards it is as it was."""
        training = [module for module in self.network.modules() if module.training]
        self.network.eval()
        try:
            yield self.network
        finally:
            for module in training:
                module.training = True

    @cached_property
    def _passed(self) -> _Passed:
        images = self.batch.images.detach().clone().requires_grad_()
        sums: list[Tensor] = []

        def count(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            sides = (inputs[0].detach().flatten(1) > 0).to(torch.float32).mul_(2).sub_(1)  # (B, units) of 1 and -1
            sums.append((sides @ sides.T).double().add_(sides.shape[1]).div_(2))  # exact below 2^24 units

        rectifiers = [module for module in self.network.modules() if isinstance(module, RECTIFIERS)]
        with hooked([module.register_forward_pre_hook(count) for module in rectifiers]):
            logits = self.network(images)
        return _Passed(images, logits, torch.stack(sums).sum(dim=0) if sums else None)


@dataclass(frozen=True)
class _Passed:
    """What is left of the batch's way through the network."""

    images: Tensor
    logits: Tensor
    agreement: Tensor | None


class Proxy(Protocol):
    """Scores an untrained network; more is better."""

    title: str
    needs_images: bool

    def score(self, candidate: Candidate) -> float:
        """ArithmeticError with the reason if the network has none."""
        ...


def weights_of(network: nn.Module) -> tuple[Tensor, ...]:
    """The weights of all convolutions and linear layers of a network, each once."""
    return tuple(module.weight for module in network.modules() if isinstance(module, WEIGHTED))


def gradients_of(value: Tensor, tensors: tuple[Tensor, ...], keep: bool = False) -> tuple[Tensor, ...]:
    """Of a scalar with respect to tensors, zeros for those that it does not depend on; `keep` the graph for more."""
    found = torch.autograd.grad(value, tensors, retain_graph=keep, allow_unused=True)
    return tuple(
        torch.zeros_like(tensor) if gradient is None else gradient
        for tensor, gradient in zip(tensors, found, strict=True)
    )


@contextmanager
def hooked(handles: list[Any]) -> Iterator[None]:
    """A context at whose end hooks are removed."""
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
