"""Synaptic flow: how much of a constant input gets through the absolute weights."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from archloom.evaluators.proxies.candidate import NORMALISATIONS, Candidate, gradients_of, hooked, weights_of


class Synflow:
    """Tanaka et al. 2020, equation 1, summed over all weights as Abdelfattah et al. 2021 do: sum |w dR/dw|, where R is
    the sum of the logits for an image of ones with every parameter replaced by its absolute value.

    In double precision and without normalisations, as in the latter's published code, whose rank correlations are
    those of their table. The score is log(1 + the sum): sums span tens of orders of magnitude, more than a table's
    float32 has, and the order is the same. A network that lets nothing through scores 0. ArithmeticError if the sum
    overflows a double.
    """

    title = "synaptic flow (Tanaka et al. 2020), log(1 + sum)"
    needs_images = False

    def score(self, candidate: Candidate) -> float:
        network = copy.deepcopy(candidate.network).double().eval()  # a single image has no statistics to normalise by
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.abs_()
        weights, device = weights_of(network), next(network.parameters()).device
        normalisations = [module for module in network.modules() if isinstance(module, NORMALISATIONS)]
        with hooked([module.register_forward_hook(_unchanged) for module in normalisations]):
            flow = network(torch.ones((1, *candidate.shape), dtype=torch.float64, device=device)).sum()
        gradients = gradients_of(flow, weights)
        total = sum(float((w.detach() * g).abs().sum()) for w, g in zip(weights, gradients, strict=True))
        if not math.isfinite(total):
            raise ArithmeticError(f"synflow is {total}: the flow overflows double precision in so deep a network")
        return math.log1p(total)


def _unchanged(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """In place of what a normalisation gives: what it was given."""
    return inputs[0]
