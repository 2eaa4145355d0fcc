"""Sizes of networks: the baseline that a proxy has to beat."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from archloom.evaluators.proxies.candidate import WEIGHTED, Candidate, hooked


class Params:
    """Millions of parameters."""

    title = "millions of parameters"
    needs_images = False

    def score(self, candidate: Candidate) -> float:
        return sum(parameter.numel() for parameter in candidate.network.parameters()) / 1e6


class Flops:
    """Millions of multiply-adds of convolutions and linear layers for one image; benchmarks call them FLOPs."""

    title = "millions of multiply-adds (FLOPs) for one image"
    needs_images = False

    def score(self, candidate: Candidate) -> float:
        counted: list[int] = []

        def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            weight = module.weight
            assert isinstance(weight, Tensor)  # noqa: S101 - all of these have one
            counted.append((inputs[0] if getattr(module, "transposed", False) else output).numel() * weight[0].numel())

        layers = [module for module in candidate.network.modules() if isinstance(module, WEIGHTED)]
        device = next(candidate.network.parameters()).device
        with (
            torch.no_grad(),
            candidate.evaluating() as network,
            hooked([layer.register_forward_hook(count) for layer in layers]),
        ):
            network(torch.zeros((1, *candidate.shape), device=device))
        return sum(counted) / 1e6
