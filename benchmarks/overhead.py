"""What the engine costs: a population in a run folder, compared with the same networks in a plain PyTorch loop.

    python -m benchmarks.overhead            8 members on digits, chunks of about a second
    python -m benchmarks.overhead --json     one JSON object
    python -m benchmarks.overhead --smoke    small sizes

The plain loop trains, chunk by chunk, the same architectures as PBT-NAS, as often and on batches of the same size; it
keeps its networks in memory, saves nothing and mixes nothing. Both run on one thread, in turns, and are compared by
processor time, so that other programs do not matter.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.nn import functional

from archloom.executors.backends import Processes
from archloom.problems import ProblemSpec
from archloom.runs.folders import limits_for, run_folder
from archloom.runs.prepare import Request
from archloom.runs.report import RunReport
from archloom.strategies.population.note import MemberNote
from archloom.tasks.images.task import EVALUATION_BATCH, ImagesTask, Part


def request(members: int, chunks: int, epochs: int) -> Request:
    """A population, and the number of epochs in each of its chunks."""
    options = {"population": str(members), "epochs": str(chunks * epochs), "step": str(epochs)}
    spec = ProblemSpec("images:digits", task={"epochs": str(chunks * epochs)})
    return Request("pbt_nas", spec, 0, limits_for("pbt_nas", options, None, None), options)


def by_archloom(what: Request) -> RunReport:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        return run_folder(Path(folder) / "run", what, Processes(1, isolate=False))


def by_hand(report: RunReport, task: ImagesTask, epochs: int) -> None:
    """The same chunks of training. A member whose architecture changed gets a new network."""
    members: dict[int, tuple[Any, torch.nn.Module, torch.optim.Optimizer]] = {}
    for line in sorted(report.history.lines, key=lambda line: line.id):
        arch, member = line.trial.proposal.arch, MemberNote.of(line.note).member
        if member not in members or members[member][0] != arch:
            network: Any = task.space.build(arch, line.id)
            network.to(memory_format=torch.channels_last)
            options = task.options
            optimiser = torch.optim.AdamW(
                network.parameters(), options.lr, weight_decay=options.weight_decay, fused=True
            )
            members[member] = (arch, network, optimiser)
        _, network, optimiser = members[member]
        for _ in range(epochs):
            _train(network, optimiser, task.parts["train"], task.options.batch_size)
        for part in ("valid", "test"):
            _accuracy(network, task.parts[part])


def _train(network: torch.nn.Module, optimiser: torch.optim.Optimizer, data: Part, batch: int) -> None:
    network.train()
    order = torch.randperm(len(data.labels))
    for start in range(0, len(order) - batch + 1, batch):
        images, labels = data.batch(order[start : start + batch])
        loss = functional.cross_entropy(network(images), labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()


def _accuracy(network: torch.nn.Module, data: Part) -> float:
    network.eval()
    hits = 0
    with torch.no_grad():
        for start in range(0, len(data.labels), EVALUATION_BATCH):
            images, labels = data.batch(slice(start, start + EVALUATION_BATCH))
            hits += int((network(images).argmax(dim=1) == labels).sum())
    return hits / len(data.labels)


def _processor_s(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def measure(what: Request, epochs: int, repetitions: int) -> dict[str, float]:
    torch.set_num_threads(1)
    task = ImagesTask.open("digits", {}, os.environ)
    report = by_archloom(what)  # warms up, and determines the work of the plain loop
    ours, plain = [], []
    for _ in range(repetitions):
        ours.append(_processor_s(lambda: by_archloom(what))[0])
        plain.append(_processor_s(lambda: by_hand(report, task, epochs))[0])
    ratios = [one / other for one, other in zip(ours, plain, strict=True)]
    return {
        "archloom_s": median(ours),
        "plain_s": median(plain),
        "overhead": median(ratios) - 1,
        "overhead_least": min(ratios) - 1,
        "overhead_most": max(ratios) - 1,
        "trials": float(report.trials),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--smoke", action="store_true", help="small sizes")
    arguments = parser.parse_args()
    members, chunks, epochs, repetitions = (2, 2, 1, 1) if arguments.smoke else (8, 2, 4, 3)
    found = measure(request(members, chunks, epochs), epochs, repetitions)
    if arguments.json:
        print(json.dumps(found))
        return
    print(f"{members} members, {chunks} chunks of {epochs} epochs each, {repetitions} times, processor time")
    for name, value in found.items():
        print(f"{name:<16}{value:>10.3f}")


if __name__ == "__main__":
    main()
