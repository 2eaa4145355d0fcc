"""What a path costs in a supernet and on its own, and how many images a second supernets train on and evaluate.

    python -m benchmarks.supernets.speed costs     a path in each family, forward and backward
    python -m benchmarks.supernets.speed images    the search network of DARTS at several sizes
    ... --json                                     JSON rows
    ... --smoke                                    small networks, few repetitions
    ... --device cuda                              on another device

On a CPU the time is processor time of one thread, so that other processes on the machine hardly count. The two sides of
a ratio are measured in turns in one process.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from archloom.nets.supernets.base import Sharing
from archloom.nets.supernets.evaluation import batch, evaluating
from archloom.spaces.base import sample_valid
from archloom.spaces.darts import Darts
from archloom.spaces.nb101 import Nb101
from archloom.spaces.nb201 import Nb201
from archloom.utils import seeds
from benchmarks.apex.study import show

_LAYOUTS = {"default": torch.contiguous_format, "channels_last": torch.channels_last}


WHOLE = Sharing()


@dataclass(frozen=True)
class Family:
    name: str
    space: Any
    """A space with `HasSupernet`."""
    sharing: Sharing = WHOLE


@dataclass(frozen=True)
class Cost:
    """One family, over random paths: medians and the greatest of each path's ratio to its plain network."""

    family: str
    paths: int
    path_ms: float
    plain_ms: float
    time_ratio: float
    greatest_time_ratio: float
    saved_mb: float
    memory_ratio: float
    greatest_memory_ratio: float
    reached: bool
    """Both medians within the bounds."""


TIME_BOUND, MEMORY_BOUND = 1.05, 1.1


@dataclass(frozen=True)
class Size:
    channels: int
    cells: int
    side: int


SIZES = [Size(16, 6, 32), Size(8, 6, 28), Size(4, 5, 28), Size(8, 6, 16), Size(4, 5, 8)]


@dataclass(frozen=True)
class Rate:
    """Images a second of random paths, a new one for every batch."""

    channels: int
    cells: int
    side: int
    layout: str
    train: float
    evaluate: float


def families(smoke: bool, side: int) -> list[Family]:
    """At usual sizes of supernets, for images of this side."""
    sizes = {kind: dict(kind.supernet_sizes) for kind in (Darts, Nb201, Nb101)}
    if smoke:
        sizes = {
            Darts: {"channels": 4, "cells": 3},
            Nb201: {"channels": 4, "cells": 1},
            Nb101: {"channels": 8, "cells": 1},
        }
    darts, nb201, nb101 = (kind(image_size=side, **sizes[kind]) for kind in (Darts, Nb201, Nb101))
    return [
        Family("darts", darts),
        Family("pc_darts", darts, Sharing(partial=4)),
        Family("nb201", nb201),
        Family("nb101", nb101),
    ]


class Clock:
    """Seconds of a device: of the processor, or elapsed ones on any other."""

    def __init__(self, device: torch.device) -> None:
        self._wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
        self._now = time.perf_counter if device.type == "cuda" else time.process_time

    def of(self, work: Callable[[], object]) -> float:
        self._wait()
        started = self._now()
        work()
        self._wait()
        return self._now() - started

    def in_turns(self, one: Callable[[], object], other: Callable[[], object]) -> tuple[float, float]:
        """Each twice, the first one first and last."""
        first, both = self.of(one), self.of(other) + self.of(other)
        return (first + self.of(one)) / 2, both / 2


def saved_bytes(network: nn.Module, x: Tensor) -> int:
    """What a forward pass saves for the backward one, besides parameters."""
    held = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    found: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in held:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # an output of the network would hold itself

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = network(x)  # while it lives, no storage is given to another tensor
    total = sum(found.values())
    del out
    return total


def cost(family: Family, paths: int, repetitions: int, x: Tensor, clock: Clock) -> Cost:
    """Forward and backward along random paths, and through their plain networks."""
    space: Any = family.space
    shared = space.supernet(0, family.sharing).to(x.device).train()
    target = torch.arange(len(x), device=x.device) % 10

    def work(network: nn.Module, weights: Sequence[nn.Parameter]) -> None:
        for weight in weights:  # as an optimiser does: `network.zero_grad` would look through the whole network
            weight.grad = None
        functional.cross_entropy(network(x), target).backward()

    times: list[tuple[float, float]] = []
    bytes_saved: list[tuple[int, int]] = []
    rng = seeds.stream(0, "paths")
    for _ in range(paths):
        arch = sample_valid(space, rng)
        path = space.path(arch)
        shared.select(path)
        plain = space.plain(arch, 0, family.sharing).to(x.device).train()
        plain.load_state_dict(shared.standalone(path))
        sides = partial(work, shared, shared.parts(path)), partial(work, plain, list(plain.parameters()))
        pairs = [clock.in_turns(*sides) for _ in range(repetitions + 1)][1:]  # the first one warms up
        times.append((median(a for a, _ in pairs), median(b for _, b in pairs)))
        bytes_saved.append((saved_bytes(shared, x), saved_bytes(plain, x)))
    time_ratios = [a / b for a, b in times]
    memory_ratios = [a / b for a, b in bytes_saved]
    return Cost(
        family.name, paths,
        1000 * median(a for a, _ in times), 1000 * median(b for _, b in times),
        median(time_ratios), max(time_ratios),
        median(a for a, _ in bytes_saved) / 2**20, median(memory_ratios), max(memory_ratios),
        median(time_ratios) <= TIME_BOUND and median(memory_ratios) <= MEMORY_BOUND,
    )  # fmt: skip


def costs(arguments: argparse.Namespace, device: torch.device) -> Iterator[Cost]:
    side, images, paths, repetitions = (8, 4, 2, 2) if arguments.smoke else (28, 64, 6, 2)
    x = torch.randn(images, 3, side, side, generator=torch.Generator().manual_seed(0)).to(device)
    for family in families(arguments.smoke, side):
        yield cost(family, paths, repetitions, x, Clock(device))


def rate(size: Size, layout: str, batches: int, device: torch.device, batch_size: int = 64) -> Rate:
    """Training by SGD, and evaluation by the statistics of the batch, on the search network of DARTS."""
    space = Darts(channels=size.channels, cells=size.cells, image_size=size.side)
    form, rng = _LAYOUTS[layout], seeds.stream(0, "paths")
    network = space.supernet(0, WHOLE).to(device, memory_format=form).train()
    images = torch.randn(batch_size, 3, size.side, size.side, generator=torch.Generator().manual_seed(0))
    x = images.to(device, memory_format=form)
    target = (torch.arange(batch_size) % 10).to(device)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.001, momentum=0.9, weight_decay=3e-4)

    def train() -> None:
        network.select(space.path(space.sample(rng)))
        optimiser.zero_grad()
        functional.cross_entropy(network(x), target).backward()
        optimiser.step()

    def evaluate() -> None:
        network.select(space.path(space.sample(rng)))
        with torch.no_grad():
            network(x)

    clock = Clock(device)
    trained = _seconds(clock, train, batches)
    with evaluating(network, batch):
        evaluated = _seconds(clock, evaluate, batches)
    return Rate(size.channels, size.cells, size.side, layout, batch_size / trained, batch_size / evaluated)


def _seconds(clock: Clock, work: Callable[[], None], times: int) -> float:
    """The mean of a few calls after one that is not counted; paths differ, so no median."""
    work()
    return sum(clock.of(work) for _ in range(times)) / times


def rates(arguments: argparse.Namespace, device: torch.device) -> Iterator[Rate]:
    sizes, batches = ([Size(4, 3, 8)], 1) if arguments.smoke else (SIZES, 15)
    for size in sizes:
        for layout in _LAYOUTS:
            yield rate(size, layout, batches, device)


STUDIES: dict[str, Callable[[argparse.Namespace, torch.device], Iterator[Cost] | Iterator[Rate]]] = {
    "costs": costs,
    "images": rates,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--smoke", action="store_true", help="small networks, few repetitions")
    parser.add_argument("--device", default="cpu", help="where the networks are")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = [asdict(row) for row in STUDIES[arguments.study](arguments, torch.device(arguments.device))]
    if arguments.json:
        print(json.dumps(found))
    else:
        show(found)


if __name__ == "__main__":
    main()
