"""Images per second of a supernet on a GPU, training and evaluating random paths, and the share of the card's peak.

    python -m benchmarks.supernets.gpu            the published search network of DDAS; a line where there is no GPU
    ... --json, --smoke

A new path for every batch; arithmetic in bfloat16, channels last. FLOPs are two a multiply-add, of convolutions and
linear layers and what normalisations need; training counts three times a forward pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional

from archloom.nets.supernets.base import Sharing
from archloom.nets.supernets.evaluation import batch, evaluating
from archloom.spaces.base import sample_valid
from archloom.spaces.darts import Darts
from archloom.tasks.costs import costs_of
from archloom.utils import seeds
from benchmarks.supernets.searches import parser, told

PEAKS = {"H100": 989.0, "H200": 989.0, "H800": 989.0, "A100": 312.0}
"""TFLOP/s of dense bfloat16 by what is in the device's name (NVIDIA's data sheets, SXM)."""


@dataclass(frozen=True)
class Size:
    channels: int
    cells: int
    side: int
    batch: int


SIZES = (Size(16, 6, 32, 64), Size(16, 6, 32, 512), Size(36, 20, 32, 256))


@dataclass(frozen=True)
class Row:
    device: str
    channels: int
    cells: int
    side: int
    batch: int
    mflops: float
    """Of a path, mean."""
    train: float
    evaluate: float
    train_peak_percent: float | None
    evaluate_peak_percent: float | None


def measure(size: Size, device: torch.device, paths: int) -> Row:
    space = Darts(channels=size.channels, cells=size.cells, image_size=size.side)
    rng = seeds.stream(0, "paths")
    archs = [sample_valid(space, rng) for _ in range(paths)]
    network = space.supernet(0, Sharing()).to(device, memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(network.parameters(), 0.01, 0.9)
    images = torch.randn(size.batch, 3, size.side, size.side, device=device)
    images = images.to(memory_format=torch.channels_last)
    labels = torch.arange(size.batch, device=device) % 10

    def train() -> None:
        for arch in archs:
            network.select(space.path(arch))
            optimiser.zero_grad(set_to_none=True)
            with torch.autocast(device.type, torch.bfloat16):
                loss = functional.cross_entropy(network(images), labels)
            loss.backward()
            optimiser.step()

    def evaluate() -> None:
        with torch.no_grad(), evaluating(network, batch), torch.autocast(device.type, torch.bfloat16):
            for arch in archs:
                network.select(space.path(arch))
                network(images)

    flops = sum(costs_of(space, arch, (3, size.side, size.side))["flops_m"] for arch in archs) / paths
    rates = {"train": _rate(train, paths * size.batch, device), "evaluate": _rate(evaluate, paths * size.batch, device)}
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    peak = next((peak for key, peak in PEAKS.items() if key in name), None)
    shares = [
        None if peak is None else round(100 * rate * flops * times * 1e6 / (peak * 1e12), 2)
        for rate, times in ((rates["train"], 3), (rates["evaluate"], 1))
    ]
    shown = [round(rate, 1) for rate in rates.values()]
    return Row(name, size.channels, size.cells, size.side, size.batch, round(flops, 2), *shown, *shares)


def _rate(work: Callable[[], None], items: int, device: torch.device) -> float:
    """Items a second; the first round does not count."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    work()
    wait()
    started = time.perf_counter()
    work()
    wait()
    return items / (time.perf_counter() - started)


def main() -> None:
    given = parser(__doc__, Path("supernets/gpu")).parse_args()
    if given.smoke:
        told([measure(Size(2, 3, 8, 4), torch.device("cpu"), 2)], given.json)
    elif torch.cuda.is_available():
        told([measure(size, torch.device("cuda"), 50) for size in SIZES], given.json)
    else:
        print("[]" if given.json else "there is no GPU here, so nothing was measured")


if __name__ == "__main__":
    main()
