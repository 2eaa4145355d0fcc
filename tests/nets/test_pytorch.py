"""What people do with networks: every one of ours can be scripted, traced, exported, trained in parallel, ..."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra train")

from archloom.nets import convnet, darts, mbconv, nb101, nb201, random_graph  # noqa: E402 - they need PyTorch

CELL = [(name, source) for name, source in zip(darts.OPERATIONS, (0, 1, 1, 2, 0, 3, 1), strict=True)]
ODD = [*CELL, ("skip_connect", 4)]
SKIPS = [("skip_connect", source) for source in (0, 1, 0, 1, 0, 1, 0, 1)]
LEAVING = [[0, 1, 1, 0, 1], [0, 0, 1, 1, 1], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]
DEAD = ("nor_conv_3x3", "none", "none", "none", "none", "nor_conv_1x1")
"""A cell whose convolutions lead nowhere."""
ALL = ("skip_connect", "nor_conv_1x1", "none", "avg_pool_3x3", "nor_conv_3x3", "skip_connect")
STAGES = [
    ("none", [("sep_conv_3", "swish"), ("id", "id")]),
    ("batch", [("residual_5", "tanh")]),
    ("layer", [("conv_3", "id")]),
]
LAYERS: list[list[mbconv.Layer | None]] = [[(4, 1, 3, 1, True), None], [(8, 2, 5, 2, False), (8, 3, 3, 1, True)]]
WIRED = (((0, 1), (0, 2), (1, 3), (2, 3)), (0,), (3,))
ONE = ((), (0,), (0,), ("sum",), ("conv1x1",))
POOLED = (*WIRED, ("sum", "sum", "sum", "attention"), ("avg_pool_3", "conv3x1", "avg_pool_5", "conv1x3"))
WIDE = (*WIRED, ("sum", "sum", "sum", "concat"), ("conv3x3", "avg_pool_3", "conv5x5", "conv1x1"))
NESTED = (((0, 1),), (0,), (1,), ("sum", "sum"), (WIDE, POOLED))
GRAPHS = (((0, 2), (1, 2), (1, 3)), (0, 1), (2, 3), ("sum", "sum", "attention", "sum"), (ONE, POOLED, NESTED, ONE))
"""Merges of every kind and all operations, in graphs of two and of three levels, some with several ends."""


def wired(graph: Any, stages: tuple[int, ...], stem: str, **more: Any) -> random_graph.RandomGraphNetwork:
    plan = {"graph": graph, "stages": stages, "channels": [2 + stage for stage in stages], "stem": stem}
    return random_graph.RandomGraphNetwork(plan, 0, head_width=8, **more)


NETWORKS: dict[str, Callable[..., torch.nn.Module]] = {
    "nb201": lambda **more: nb201.Nb201Network(ALL, 0, 4, 1, **more),
    "nb201, dead ends": lambda **more: nb201.Nb201Network(DEAD, 0, 4, 1, **more),
    "nb101": lambda **more: nb101.Nb101Network(LEAVING, ["conv1x1", "conv3x3", "maxpool3x3"], 0, 8, 2, 1, **more),
    "nb101, no vertices": lambda **more: nb101.Nb101Network([[0, 1], [0, 0]], [], 0, 8, 2, 1, **more),
    "darts": lambda **more: darts.DartsNetwork(ODD, SKIPS, 0, 2, 3, **more),
    "darts, imagenet": lambda **more: darts.DartsNetwork(SKIPS, ODD, 0, 2, 3, images=darts.IMAGENET, **more),
    "convnet": lambda image_channels=3: convnet.ConvNetwork(STAGES, 0, image_channels, 4),
    "mbconv": lambda image_channels=3: mbconv.MbconvNetwork(LAYERS, 0, stem=4, head=8, channels=image_channels),
    "random graph": lambda **more: wired(GRAPHS, (0, 1, 1, 2), "small", **more),
    "random graph, large": lambda **more: wired(NESTED, (1, 2), "large", **more),
}
SOME = ["nb201", "nb101", "darts", "convnet", "mbconv"]
SIZES = [(33, 33), (31, 28), (64, 48), (7, 5), (3, 2), (1, 1)]


def images(height: int = 16, width: int = 16, count: int = 2, channels: int = 3) -> torch.Tensor:
    return torch.randn(count, channels, height, width, generator=torch.Generator().manual_seed(0))


def saved(network: Any) -> Any:
    buffer = io.BytesIO()
    torch.jit.save(network, buffer)
    buffer.seek(0)
    return torch.jit.load(buffer)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_scripted_it_computes_the_same(name: str) -> None:
    network, x = NETWORKS[name](), images()
    scripted = saved(torch.jit.script(network))
    with torch.random.fork_rng(devices=[]):
        trained = [torch.manual_seed(0) and each.train()(x) for each in (scripted, network)]  # dropout draws
    assert torch.allclose(*trained, atol=1e-5)
    assert torch.allclose(scripted.eval()(x), network.eval()(x), atol=1e-5)
    assert torch.allclose(scripted(images(9, 12)), network(images(9, 12)), atol=1e-5)


@pytest.mark.parametrize("name", SOME)
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_traced_it_computes_the_same_for_other_sizes_too(name: str) -> None:
    network = NETWORKS[name]().eval()
    traced, symbolic = torch.jit.trace(network, images()), torch.fx.symbolic_trace(network)
    for x in (images(), images(9, 12, 3)):
        assert torch.allclose(traced(x), network(x), atol=1e-5)
        assert torch.allclose(symbolic(x), network(x), atol=1e-5)


@pytest.mark.parametrize("name", ["nb101", "convnet", "random graph, large"])
def test_compiled_it_is_one_graph_that_computes_the_same(name: str) -> None:
    network, x = NETWORKS[name]().eval(), images(8, 8)
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    try:
        assert torch.allclose(compiled(x), network(x), atol=1e-5)
    finally:
        torch.compiler.reset()


@pytest.mark.parametrize("name", NETWORKS)
def test_copies_layouts_types_and_devices(name: str) -> None:
    network, x = NETWORKS[name]().eval(), images(9, 12)
    expected = network(x)
    for twin in (pickle.loads(pickle.dumps(network)), copy.deepcopy(network)):
        assert torch.equal(twin(x), expected)
    fresh = NETWORKS[name]().eval()
    fresh.load_state_dict(network.state_dict())
    assert torch.equal(fresh(x), expected)
    last = fresh.to(memory_format=torch.channels_last)
    assert torch.allclose(last(x.to(memory_format=torch.channels_last)), expected, atol=1e-5)
    assert torch.allclose(copy.deepcopy(network).double()(x.double()).float(), expected, atol=1e-4)
    for dtype in (torch.float16, torch.bfloat16):
        assert copy.deepcopy(network).to(dtype)(x.to(dtype)).dtype == dtype
    assert copy.deepcopy(network).to("meta")(x.to("meta")).shape == expected.shape


@pytest.mark.parametrize("name", NETWORKS)
def test_images_of_any_size_and_with_any_number_of_channels(name: str) -> None:
    network = NETWORKS[name]()
    for size in SIZES:
        assert torch.isfinite(network.eval()(images(*size))).all(), size
    assert network.train()(images(33, 65, 1)).shape == network.eval()(images()[:1]).shape, "a batch of one image"
    assert torch.isfinite(NETWORKS[name](image_channels=1)(images(7, 28, channels=1))).all()


# -- parallel training ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def process_group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A group of this process alone: what DistributedDataParallel checks, it checks here too."""
    store: Path = tmp_path_factory.mktemp("group") / "store"
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("name", [*NETWORKS, "darts, with its auxiliary head"])
def test_two_steps_of_parallel_training(name: str, process_group: None) -> None:
    made = NETWORKS.get(name, lambda: darts.WithAuxiliary(darts.DartsNetwork(ODD, SKIPS, 0, 2, 3, auxiliary=True)))
    network = made().train()
    parallel = torch.nn.parallel.DistributedDataParallel(network)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    for _ in range(2):
        out = parallel(images())
        optimiser.zero_grad()
        sum(each.square().mean() for each in (out if isinstance(out, tuple) else (out,))).backward()
        optimiser.step()
    assert not [name for name, parameter in network.named_parameters() if parameter.grad is None]
