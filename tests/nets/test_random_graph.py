from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra train")

from archloom.nets import random_graph  # noqa: E402 - it needs PyTorch
from archloom.nets.random_graph import RandomGraphNetwork  # noqa: E402

ONE = ((), (0,), (0,), ("sum",), ("conv3x3",))
"""A graph of one node."""
TRIANGLE = ((0, 1), (0, 2), (1, 2))
SHARE = torch.sigmoid(torch.tensor(1.0)).item()
"""What an edge multiplies with in the beginning."""


def chain(nodes: int, child: Any, merge: str = "sum") -> Any:
    return tuple((node, node + 1) for node in range(nodes - 1)), (0,), (nodes - 1,), (merge,) * nodes, (child,) * nodes


def plan(graph: Any = None, stages: Any = (0, 1, 2), channels: Any = (2, 4, 8), stem: str = "small") -> dict[str, Any]:
    return {"graph": graph or chain(3, ONE), "stages": stages, "channels": channels, "stem": stem}


def small(*args: Any, seed: int = 0, **settings: Any) -> RandomGraphNetwork:
    return RandomGraphNetwork(plan(*args), seed, **{"head_width": 8, **settings})


def images(count: int = 2, height: int = 8, width: int = 8, channels: int = 3) -> Any:
    return torch.randn(count, channels, height, width, generator=torch.Generator().manual_seed(0))


def maps(count: int, channels: int = 2) -> list[Any]:
    return list(images(2 * count, 4, 4, channels).split(2))


# -- merges -------------------------------------------------------------------------------------------------------


def test_a_sum_weighs_its_edges_and_brings_the_others_to_the_channels_of_the_last() -> None:
    a, b, c = maps(3)
    merge = random_graph.merge_of("sum", [2, 3, 2])
    assert merge.channels == 2
    wide = images(2, 4, 4, 3)
    expected = SHARE * a + merge.convs[1](wide) + SHARE * c
    assert torch.allclose(merge([a, wide, c]), expected, atol=1e-6)
    merge.weight.data = torch.tensor([0.0, 30.0])
    assert torch.allclose(merge([a, wide, c]), 0.5 * a + merge.convs[1](wide) + c, atol=1e-6)
    assert [each.shape for each in merge.convs[1].parameters()] == [(2, 3, 1, 1), (2,)]
    assert torch.equal(random_graph.merge_of("attention", [2])([b]), b), "one input is left as it is"


def test_a_concatenation_has_the_channels_of_all() -> None:
    a, b = maps(2)
    merge = random_graph.merge_of("concat", [2, 2])
    assert merge.channels == 4
    assert torch.equal(merge([a, b]), torch.cat([a, b], dim=1))


def test_attention_scales_the_first_input_to_a_mask_of_every_image() -> None:
    a, b, c = maps(3)
    merge = random_graph.merge_of("attention", [2, 2, 2])
    low, high = (getattr(a.flatten(1), name)(dim=1).values.view(2, 1, 1, 1) for name in ("min", "max"))
    rest = SHARE * b + SHARE * c
    assert torch.allclose(merge([a, b, c]), SHARE * rest + rest * (a - low) / (high - low), atol=1e-6)
    alone = merge([a[:1], b[:1], c[:1]])
    assert torch.allclose(alone, merge([a, b, c])[:1], atol=1e-6), "an image does not depend on its batch"


def test_a_constant_map_masks_everything() -> None:
    merge = random_graph.merge_of("attention", [2, 2])
    flat, b = torch.full((2, 2, 4, 4), 3.0, requires_grad=True), maps(1)[0]
    out = merge([flat, b])
    assert torch.allclose(out, SHARE * SHARE * b)
    out.sum().backward()
    assert torch.isfinite(flat.grad).all()


# -- graphs -------------------------------------------------------------------------------------------------------


def bare(graph: Any) -> random_graph.Graph:
    """A graph whose nodes do nothing but merge, by edges of weight 1."""
    made = random_graph.Graph(graph, 2, 2)
    for node in made.nodes:
        node.body = torch.nn.Identity()  # type: ignore[assignment]
        if isinstance(node.merge, random_graph.Edges):
            node.merge.weight.data.fill_(30.0)  # whose sigmoid is 1
    return made


def test_input_nodes_take_the_input_and_the_output_is_the_mean_of_the_output_nodes() -> None:
    """Nodes 0 and 2 are x, 1 is x, 3 = 0 + 2 = 2x, 4 = 1 + 2 = 2x, 5 = 3 + 4 = 4x: outputs 5 and 6 = 1 are 4x and x."""
    edges = ((0, 1), (0, 3), (1, 4), (1, 6), (2, 3), (2, 4), (3, 5), (4, 5))
    graph = edges, (0, 2), (5, 6), ("sum",) * 7, ("conv1x1",) * 7
    x = maps(1)[0]
    assert torch.allclose(bare(graph)(x), 2.5 * x, atol=1e-5)


def test_pools_keep_the_channels_that_come_in_and_convolutions_give_the_stages() -> None:
    """Channels 2 come in; 5 are to go out. Node 2 adds up what a pool and a convolution give."""
    graph = TRIANGLE, (0,), (2,), ("sum",) * 3, ("avg_pool_3", "conv3x3", "conv1x1")
    made = random_graph.Graph(graph, 2, 5)
    assert [node.merge.channels for node in made.nodes] == [2, 2, 5]
    assert [node.channels for node in made.nodes] == [2, 5, 5]
    assert made(maps(1)[0]).shape == (2, 5, 4, 4)


@pytest.mark.parametrize(
    ("name", "reach"), [("conv3x3", (3, 3)), ("conv5x5", (5, 5)), ("conv1x1", (1, 1)), ("conv3x1", (3, 1)),
                        ("conv1x3", (1, 3)), ("avg_pool_3", (3, 3)), ("avg_pool_5", (5, 5))],
)  # fmt: skip
def test_operations_see_as_far_as_they_should(name: str, reach: tuple[int, int]) -> None:
    operation, channels = random_graph.body_of(name, 2, 2)
    assert channels == 2
    for parameter in operation.parameters():
        parameter.data.fill_(0.1)
    x = images(1, 9, 9, 2).abs().requires_grad_()
    operation.eval()(x)[0, :, 4, 4].sum().backward()
    seen = x.grad.abs().sum(dim=1)[0].nonzero()
    assert tuple((seen.amax(dim=0) - seen.amin(dim=0) + 1).tolist()) == reach


def test_parameters_are_counted_by_hand() -> None:
    """Operations: 9 (2*2 + 2*4 + 4*8 + biases); the rest is normalisations, edges, stem and head."""
    network = small((TRIANGLE, (0,), (2,), ("sum",) * 3, (ONE,) * 3))
    operations = 9 * (2 * 2 + 2 * 4 + 4 * 8) + (2 + 4 + 8)
    norms, merge = 2 * (2 + 4 + 8), (2 * 4 + 4) + 1  # into node 2: a 1x1 convolution from 2 channels to 4, one weight
    stem = (9 * 3 * 2 + 2) + 2 * 2 + (9 * 2 * 2 + 2) + 2 * 2
    head = (8 * 8 + 8) + 2 * 8 + (8 * 10 + 10)
    assert sum(p.numel() for p in network.parameters()) == operations + norms + merge + stem + head


# -- the whole network --------------------------------------------------------------------------------------------


def sizes(network: RandomGraphNetwork, x: Any) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = []
    for node in network.nodes:
        node.body.register_forward_hook(lambda _, __, out: found.append(tuple(out.shape[2:])))
    assert network(x).shape == (len(x), 10)
    return found


@pytest.mark.parametrize(
    ("stem", "image", "expected"),
    [
        ("small", (32, 32), [(32, 32), (16, 16), (8, 8)]),
        ("small", (28, 28), [(28, 28), (14, 14), (7, 7)]),
        ("small", (14, 14), [(14, 14), (7, 7), (3, 3)]),
        ("small", (8, 8), [(8, 8), (4, 4), (2, 2)]),
        ("small", (5, 2), [(5, 2), (2, 1), (1, 1)]),
        ("large", (224, 224), [(56, 56), (28, 28), (14, 14)]),
        ("large", (50, 67), [(12, 16), (6, 8), (3, 4)]),
        ("large", (3, 3), [(1, 1), (1, 1), (1, 1)]),
    ],
)
def test_the_stages_halve_the_images(stem: str, image: tuple[int, int], expected: list[tuple[int, int]]) -> None:
    assert sizes(small(None, (0, 1, 2), (2, 4, 8), stem), images(2, *image)) == expected


def test_outputs_of_several_stages_are_brought_to_the_last_ones_size_and_channels() -> None:
    """Nodes 1 and 3 are outputs, and node 1 is no input node: the authors' code would average others."""
    graph = ((0, 1), (2, 3)), (0, 2), (1, 3), ("sum",) * 4, (ONE,) * 4
    network = small(graph, (0, 0, 1, 2), (2, 2, 4, 8)).eval()
    outputs: dict[int, Any] = {}
    for number, node in enumerate(network.nodes):
        node.body.register_forward_hook(lambda _, __, out, number=number: outputs.update({number: out}))
    x = images()
    logits = network(x)
    pooled = torch.nn.functional.avg_pool2d(outputs[1], 4)
    assert [p.shape for p in network.joined.parameters()] == [(8, 2, 1, 1), (8,)]
    expected = (network.joined[0](pooled) + outputs[3]) / 2
    assert torch.allclose(network.head(expected), logits, atol=1e-6)


def test_an_image_does_not_depend_on_its_batch() -> None:
    graph = TRIANGLE, (0,), (2,), ("attention",) * 3, (ONE, chain(2, ONE), ONE)
    network, x = small(graph).eval(), images(4)
    assert torch.allclose(network(x)[:1], network(x[:1]), atol=1e-6)


def test_the_auxiliary_head_sits_on_what_comes_into_the_first_node_of_the_last_stage() -> None:
    graph = TRIANGLE, (0,), (2,), ("sum",) * 3, (ONE,) * 3
    for stages in ((0, 1, 2), (0, 1, 1), (0, 0, 0)):
        network, without = small(graph, stages, auxiliary=True), small(graph, stages)
        same = without.state_dict()
        assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in same.items())
        x = images()
        assert torch.equal(network.eval()(x), without.eval()(x))
        merged: list[Any] = []
        network.nodes[stages.index(stages[-1])].merge.register_forward_hook(lambda _, __, out: merged.append(out))  # noqa: B023
        logits, auxiliary = network.with_auxiliary(x)
        assert torch.equal(logits, without(x)) and auxiliary.shape == (2, 10)
        assert torch.equal(network.auxiliary(merged[0]), auxiliary)  # type: ignore[misc]
    with pytest.raises(ValueError, match="has no auxiliary head; make it with auxiliary=True"):
        without.with_auxiliary(x)


def test_weights_are_normal_by_fan_out_and_follow_from_the_seed(only_its_seed: Callable[..., None]) -> None:
    only_its_seed(lambda seed: small(seed=seed))
    weight = small(None, (0, 1, 2), (8, 32, 64)).nodes[2].body.nodes[0].body.conv.weight
    assert weight.shape == (64, 32, 3, 3)
    assert weight.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.03)
    auxiliary: Any = small(auxiliary=True).auxiliary
    assert auxiliary[5].weight.shape == (768, 128, 2, 2)
    assert auxiliary[5].weight.std().item() == pytest.approx((2 / (4 * 768)) ** 0.5, rel=0.03)


def test_copies_do_not_depend_on_the_number_of_nodes() -> None:
    """Were its nodes linked to one another, Python would recurse too deep for such a chain."""
    network = small(chain(1, chain(200, "conv1x1")), (0,), (1,)).eval()
    x = images(1, 2, 2)
    for twin in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(twin(x), network(x))
    network.train()(images()).sum().backward()


# -- drop-path ----------------------------------------------------------------------------------------------------


def test_one_edge_of_an_image_is_always_kept_and_the_mean_is_that_of_all() -> None:
    torch.manual_seed(0)
    drop, edges = 0.6, 3
    factors = random_graph.kept_edges(torch.zeros(20_000, 1), edges, drop).flatten(1)
    kept = factors > 0
    assert kept.any(dim=0).all()
    probability = 0.4 + 0.6**3 / 3  # an edge is not dropped, or all are and it is the one that stays
    assert torch.allclose(factors.unique(), torch.tensor([0.0, 1 / probability]))
    assert torch.allclose(kept.float().mean(dim=1), torch.full((3,), probability), atol=0.015)
    assert kept.sum(dim=0).eq(1).float().mean().item() == pytest.approx(3 * 0.4 * 0.36 + 0.6**3, abs=0.015)
    assert torch.equal(random_graph.kept_edges(torch.zeros(5, 1), 1, 0.9), torch.ones(1, 5, 1, 1, 1))


@pytest.mark.parametrize("kind", ["sum", "concat", "attention"])
def test_paths_are_dropped_for_each_image_in_training_only(kind: str) -> None:
    torch.manual_seed(0)
    graph = TRIANGLE, (0,), (2,), (kind,) * 3, ("conv3x3",) * 3
    network = small(chain(3, chain(1, graph)), drop_path=0.5)
    assert [merge.drop for merge in network.modules() if isinstance(merge, random_graph.Merge)] == [0.5] * (3 + 3 + 9)
    merge, inputs = (
        network.nodes[0].body.nodes[0].body.nodes[2].merge,
        [torch.full((40, 2, 3, 3), value) for value in (1.0, 2.0)],
    )
    whole = merge.eval()(inputs)
    assert torch.equal(merge(inputs), whole)
    dropped = merge.train()(inputs)
    kinds = len({tuple(image.flatten().tolist()) for image in dropped})
    if kind == "attention":  # the mask is never dropped, and the other edge is the last one
        assert torch.equal(dropped, whole)
    else:
        assert kinds == 3  # without the one, without the other, with both
        merge.drop = 0.0
        assert torch.equal(merge(inputs), whole)


def test_attention_keeps_its_mask_and_drops_the_other_edges() -> None:
    torch.manual_seed(0)
    merge = random_graph.merge_of("attention", [2, 2, 2])
    merge.drop = 0.5
    mask, ones = images(1, 3, 3, 2).repeat(60, 1, 1, 1), torch.ones(60, 2, 3, 3)
    assert len({tuple(image.flatten().tolist()) for image in merge.train()([mask, ones, 2 * ones])}) == 3


@pytest.mark.parametrize("drop", [-0.1, 1.0])
def test_a_drop_path_that_is_no_probability(drop: float) -> None:
    network = small()
    with pytest.raises(ValueError, match=f"drop_path {drop}: expected a probability from 0 up to, but not, 1"):
        network.drop_path = drop


# -- what is no plan ----------------------------------------------------------------------------------------------


def changed(place: int, value: Any) -> Any:
    """A triangle of graphs of one node, of which one part is another."""
    parts: list[Any] = [TRIANGLE, (0,), (2,), ("sum",) * 3, (ONE,) * 3]
    parts[place] = value
    return tuple(parts)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (plan("abc"), r"the graph: expected \(edges, inputs, outputs, merges, children\), found abc"),
        (plan(changed(0, ((0, 3),))), r"the graph: edge \(0, 3\); expected nodes from 0 to 2, the lower one first"),
        (plan(changed(0, ((1, 0),))), r"edge \(1, 0\)"),
        (plan(changed(0, (*TRIANGLE, (0, 1)))), "an edge occurs twice"),
        (plan(changed(1, (0, 1))), r"the graph: inputs \(0, 1\); with these edges they are \(0,\)"),
        (plan(changed(2, (1,))), r"outputs \(1,\); with these edges they are \(2,\)"),
        (plan(changed(3, ("sum",))), "3 children and 1 merges; expected one of each for every node"),
        (plan(changed(3, ("sum", "sum", "max"))), "the graph, node 2: merge 'max'; expected one of sum, concat, att"),
        (plan(changed(4, (ONE, ONE, (*ONE[:4], ("conv7x7",))))), "the graph, node 2, node 0: operation 'conv7x7'"),
        (plan(changed(4, (ONE, ONE, (*ONE[:4], ("avg_pool_3",))))), "expected a convolution in an output node, one of"),
        (plan(stages=(0, 1)), "2 stages for a graph of 3 nodes: expected one for each"),
        (plan(stages=(0, 2, 1)), r"stages \(0, 2, 1\): expected them in order, for edges lead to later stages"),
        (plan(stages=(0, 1, 3)), "stage 3: expected a whole number from 0 to 2"),
        (plan(channels=(2, 4, 0)), "channels 0: expected a whole number, at least 1"),
        (plan(stem="huge"), "stem 'huge': expected one of small, large"),
    ],
)
def test_what_is_no_plan_is_refused(given: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        RandomGraphNetwork(given, 0)


@pytest.mark.parametrize("name", ["image_channels", "classes", "head_width"])
def test_sizes_below_one_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} 0: expected a whole number, at least 1"):
        small(**{name: 0})
