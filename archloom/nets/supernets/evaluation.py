"""By which statistics batch normalisation evaluates a network: a path's own are not those of all that share weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn

from archloom.nets.supernets.base import Supernet

NormRule = Callable[[Sequence[nn.BatchNorm2d]], None]
"""Makes normalisations that are in evaluation mode work by some rule; `evaluating` restores what it sets."""


def running(norms: Sequence[nn.BatchNorm2d]) -> None:
    """Running averages over everything the network was trained on, whatever path it was (RandomNAS)."""


def batch(norms: Sequence[nn.BatchNorm2d]) -> None:
    """The statistics of the very batch."""
    for norm in norms:
        norm.training = True
        norm.track_running_stats = False  # PyTorch then neither uses nor changes the buffers


NORM_RULES: Mapping[str, NormRule] = {"running": running, "batch": batch}
"""The rules that need nothing but the network. (`recalibrated` needs images.)"""


@contextmanager
def evaluating(network: nn.Module, norm: NormRule) -> Iterator[None]:
    """Evaluation mode, normalisations by the rule `norm`; afterwards every module is in the mode it was in.

    No buffer changes. It holds for the whole network, so other paths may be selected meanwhile. In a supernet nothing
    but the network itself and its normalisations is switched.
    """
    moded, norms = _moded(network)
    modes = [(module, module.training) for module in moded]
    tracking = [(each, each.track_running_stats) for each in norms]
    try:
        for module in moded:
            module.training = False
        norm(norms)
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for each, tracked in tracking:
            each.track_running_stats = tracked


def _moded(network: nn.Module) -> tuple[Sequence[nn.Module], Sequence[nn.BatchNorm2d]]:
    """The modules whose mode matters, and the normalisations among them.

    In a supernet that is nothing else, and to look through thousands of modules takes as long as a small batch.
    """
    if isinstance(network, Supernet):
        norms = network.norms(None)
        return [network, *norms], norms
    modules = list(network.modules())
    return modules, [module for module in modules if isinstance(module, nn.BatchNorm2d)]


@contextmanager
def recalibrated(network: nn.Module, batches: Iterable[Tensor]) -> Iterator[None]:
    """`evaluating` by running statistics that are averaged, each batch alike, over these images.

    Of a supernet those of the selected path alone are measured: select it before, and no other meanwhile. Afterwards
    all statistics are what they were. ValueError if there are no batches.
    """
    norms = _path_norms(network)
    kept = [(buffer, buffer.clone()) for norm in norms for buffer in norm.buffers(recurse=False)]
    momenta = [norm.momentum for norm in norms]
    try:
        with evaluating(network, running):
            for norm in norms:
                norm.reset_running_stats()
                norm.training, norm.momentum = True, cast(float, None)  # None: a cumulative average
            count = 0
            with torch.no_grad():
                for images in batches:
                    network(images)
                    count += 1
            if not count:
                raise ValueError("no batches of images to measure the statistics of: expected at least one")
            for norm in norms:
                norm.training = False
            yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        with torch.no_grad():
            for buffer, value in kept:
                buffer.copy_(value)


def _path_norms(network: nn.Module) -> Sequence[nn.BatchNorm2d]:
    if isinstance(network, Supernet):
        return network.norms(network.path)
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
