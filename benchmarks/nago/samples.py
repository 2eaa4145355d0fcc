"""Whether every network of the generators of NAGO builds, trains and keeps its limit.

    python -m benchmarks.nago.samples hnag                  1,000 samples over the whole range, a quarter of an hour
    python -m benchmarks.nago.samples all --samples 100     of hnag, rnag, hnag_aug1 and hnag_aug2
    python -m benchmarks.nago.samples time                  how long networks of 180 and of 900 nodes take
    python -m benchmarks.nago.samples all --record FILE     keep what is done in FILE, and continue
    python -m benchmarks.nago.samples all --json            one JSON object per generator
    python -m benchmarks.nago.samples all --smoke           three samples each

Networks of at most 0.1 million weights in their operations make a forward and a backward pass of two images of 16 x 16
pixels; the plan of the same architecture is made for the paper's limit of 4 million, too. Three architectures of each
generator are built again in another process, from their strings. Times are CPU seconds on one thread.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from archloom import registry
from archloom.spaces.random_graph import RandomGraphSpace
from archloom.types import Arch
from archloom.utils import seeds
from benchmarks.recorded import outcomes, parser

SPACES = ("hnag", "rnag", "hnag_aug1", "hnag_aug2")
PIXELS = 16
AGAIN = 3
"""How many networks of each generator are built again in another process."""

SMALL = {"params_m": 0.1, "head_width": 64, "image_size": PIXELS}
PAPER = {"params_m": 4.0, "image_size": 32}


@dataclass(frozen=True)
class Sample:
    """A network of a generator: `failure` is what went wrong, "" if nothing did."""

    setting: str
    seed: int
    arch: str
    failure: str
    operations: int
    joined: int
    params_m: float
    """Of the whole network."""
    share: float
    """Of the limit that the operations' weights take,"""
    paper_share: float
    """and of the paper's limit."""
    multiplier: int
    plan_s: float
    build_s: float


def sample_of(name: str, seed: int) -> Sample:
    """Draw an architecture of a space, build its network, and make a forward and a backward pass."""
    space, paper = _space(name, SMALL), _space(name, PAPER)
    arch = space.sample(seeds.stream(seed, f"benchmarks.nago.samples.{name}"))
    started = time.process_time()
    plan = space.plan(arch)
    planned = time.process_time()
    found = Sample(
        name, seed, space.format(arch), "", len(plan.graph.operations), len(plan.joined), math.nan,
        plan.weights / plan.limit, paper.plan(arch).weights / paper.networks.limit, plan.multiplier,
        planned - started, math.nan,
    )  # fmt: skip
    try:
        started = time.process_time()
        network = space.build(arch, seed)
        found = replace(found, build_s=time.process_time() - started)
        params = sum(parameter.numel() for parameter in network.parameters()) / 1e6
        return replace(found, params_m=params, failure=_fault(space, arch, network, found))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
        return replace(found, failure=f"{type(error).__name__}: {error}")


def _space(name: str, settings: dict[str, Any]) -> RandomGraphSpace:
    made: RandomGraphSpace = registry.load_space(name)(**settings)
    return made


def _fault(space: RandomGraphSpace, arch: Arch, network: nn.Module, found: Sample) -> str:
    """What is wrong with a network; "" for nothing."""
    images = torch.randn(2, 3, PIXELS, PIXELS, generator=torch.Generator().manual_seed(found.seed))
    loss = nn.functional.cross_entropy(network.train()(images), torch.tensor([0, 1]))
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = [parameter.grad for parameter in network.parameters()]
    if any(gradient is None or not gradient.isfinite().all() for gradient in gradients):
        return "gradients are missing or not finite"
    if not (loss.isfinite() and network.eval()(images).isfinite().all()):
        return "logits are not finite"
    if found.share > 1 and found.multiplier > 1:
        return f"{found.share:.3f} of the limit"
    if space.plan(space.parse(found.arch)).literal() != space.plan(arch).literal():
        return "another plan from its string"
    return ""


# -- the same weights in another process --------------------------------------------------------------------------

_AGAIN = """
import json, sys
from benchmarks.nago.samples import digest
print(json.dumps([digest(*each) for each in json.load(sys.stdin)]))
"""


def digest(name: str, text: str) -> str:
    """Of all tensors of the network that a string of a space stands for."""
    space = _space(name, SMALL)
    found = hashlib.sha256()
    for tensor, values in space.build(space.parse(text), 7).state_dict().items():
        found.update(tensor.encode() + values.numpy().tobytes())
    return found.hexdigest()


def other_in_another_process(samples: Sequence[Sample]) -> int:
    """How many networks have other weights when a new process builds them from their strings."""
    asked = [(each.setting, each.arch) for each in samples]
    done = subprocess.run(
        [sys.executable, "-c", _AGAIN], input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    return sum(digest(*one) != theirs for one, theirs in zip(asked, json.loads(done.stdout), strict=True))


# -- rows ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A generator: least, median and most over its samples."""

    space: str
    samples: int
    failures: int
    other_weights: int
    joined: int
    """Samples with a graph that was never drawn connected."""
    least_multiplier: int
    at_least: int
    """Samples that even a multiplier of 1 brings above the limit."""
    operations: tuple[float, float, float]
    share: tuple[float, float, float]
    paper_share: tuple[float, float, float]
    plan_s: tuple[float, float, float]
    build_s: tuple[float, float, float]


def row(space: str, found: Sequence[Sample]) -> Row:
    def spread(values: Sequence[float]) -> tuple[float, float, float]:
        return min(values), float(np.median(values)), max(values)

    return Row(
        space,
        len(found),
        sum(each.failure != "" for each in found),
        other_in_another_process(found[:AGAIN]),
        sum(each.joined > 0 for each in found),
        min(each.multiplier for each in found),
        sum(each.share > 1 for each in found),
        spread([each.operations for each in found]),
        spread([each.share for each in found]),
        spread([each.paper_share for each in found]),
        spread([each.plan_s for each in found]),
        spread([each.build_s for each in found]),
    )


def show(made: Row, found: Sequence[Sample]) -> None:
    print(f"{made.space}: {made.samples} samples, {made.failures} failures, {made.joined} with joined graphs")
    print(f"  built again in another process: {made.other_weights} of {AGAIN} have other weights")
    print("  operations          {:.0f}, {:.0f}, {:.0f} (least, median, most)".format(*made.operations))
    print("  share of 0.1 M      {:.2f}, {:.2f}, {:.2f}".format(*made.share), f"({made.at_least} above 1)")
    print("  share of 4 M        {:.2f}, {:.2f}, {:.2f}".format(*made.paper_share))
    print("  plan, CPU seconds   {:.3f}, {:.3f}, {:.3f}".format(*made.plan_s))
    print("  build, CPU seconds  {:.3f}, {:.3f}, {:.3f}".format(*made.build_s))
    for each in found:
        if each.failure:
            print(f"  {each.failure}: {each.arch}")


# -- how long large networks take ---------------------------------------------------------------------------------

TIMED = {180: (6, 5, 6), 900: (10, 9, 10)}
"""Nodes of the three levels, by how many operations there are."""


def times(nodes: int, repeats: int) -> dict[str, float]:
    """The least CPU seconds for a network of hnag with so many operations, of the paper's size."""
    top, mid, bottom = TIMED[nodes]
    space = _space("hnag", {"top_nodes": top, "mid_nodes": mid, "bottom_nodes": bottom, **PAPER})
    arch = space.sample(seeds.stream(0, "benchmarks.nago.samples.time"))
    network = space.build(arch, 0)
    exported = space.source(arch, "benchmarks")

    def load() -> None:
        names: dict[str, Any] = {"__name__": "exported"}
        exec(compile(exported, "exported.py", "exec"), names)  # noqa: S102 - our own code
        names["make_network"]().load_state_dict(network.state_dict())

    tasks: dict[str, Callable[[], Any]] = {
        "plan": lambda: space.plan(arch).literal(),
        "build": lambda: space.build(arch, 0),
        "copy": lambda: copy.deepcopy(network),
        "pickle": lambda: pickle.loads(pickle.dumps(network)),
        "export": lambda: space.source(arch, "benchmarks"),
        "load": load,
    }
    return {"nodes": nodes, **{name: min(_seconds(task) for _ in range(repeats)) for name, task in tasks.items()}}


def _seconds(task: Callable[[], Any]) -> float:
    started = time.process_time()
    task()
    return time.process_time() - started


def show_times(smoke: bool, as_json: bool) -> None:
    found = [times(nodes, 1 if smoke else 5) for nodes in TIMED]
    if as_json:
        print(json.dumps(found))
        return
    for each in found:
        print(*(f"{name} {value:.3f}" if name != "nodes" else f"{value} nodes:" for name, value in each.items()))


def main() -> None:
    asked = parser(__doc__, (*SPACES, "all", "time"), smoke="three samples each")
    asked.add_argument("--samples", type=int, default=1000, help="of each generator")
    arguments = asked.parse_args()
    count = 3 if arguments.smoke else arguments.samples
    torch.set_num_threads(1)
    if arguments.study == "time":
        show_times(arguments.smoke, arguments.json)
        return
    names = SPACES if arguments.study == "all" else (arguments.study,)
    jobs = [((name, seed), (name, seed)) for seed in range(count) for name in names]
    study = json.dumps([SMALL, PAPER])
    found = outcomes(Sample, sample_of, jobs, arguments.workers, arguments.record, study)
    grouped = {name: [each for each in found if each.setting == name and each.seed < count] for name in names}
    rows = {name: row(name, samples) for name, samples in grouped.items()}
    if arguments.json:
        print(json.dumps([asdict(made) for made in rows.values()]))
    else:
        for name, made in rows.items():
            show(made, grouped[name])


if __name__ == "__main__":
    main()
