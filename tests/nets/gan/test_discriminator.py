from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from archloom.nets.gan.plans import BLOCK, CONVOLUTIONS, DOWNS, NORMAL, BlockPlan
from archloom.utils import seeds

torch = pytest.importorskip("torch", reason="networks need PyTorch")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from archloom.nets.gan.discriminator import (  # noqa: E402
    Discriminator,
    SearchedBlock,
    autogan_discriminator,
    searched_discriminator,
)

Noise = Callable[..., Tensor]
Applied = Callable[..., Tensor]
CHANNELS = 3


def plan(downsample: bool = False, **operations: str) -> BlockPlan:
    """A block with only the edges named, and pools at the ends of its branches."""
    rest = dict.fromkeys(BLOCK, "none") | {"down0": "avg_pool", "down1": "avg_pool"}
    return BlockPlan(rest | operations, downsample)


def block(downsample: bool = False, as_published: bool = False, **operations: str) -> nn.Module:
    return settled(SearchedBlock(plan(downsample, **operations), CHANNELS, CHANNELS, as_published=as_published))


def settled(network: nn.Module) -> nn.Module:
    """In evaluation, after some power iterations: the first vectors may divide a weight by almost nothing."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            for _ in range(3):
                layer(torch.zeros(1, layer.in_channels, 1, 1))
    return network.eval()


# -- edge cases of a block ----------------------------------------------------------------------------------------


def test_without_edges_from_the_input_a_block_is_its_input_at_full_size(noise: Noise) -> None:
    x = noise(2, CHANNELS, 4, 4)
    assert block(downsample=True, c3="conv_3x3", c4="conv_1x1", c5="conv_1x1", down0="conv_3x3")(x) is x


def test_node_0_alone_is_the_output_at_full_size(noise: Noise, applied: Applied) -> None:
    x = noise(2, CHANNELS, 4, 4)
    made = block(downsample=True, c0="conv_3x3", c3="conv_1x1", c4="conv_1x1", c5="conv_1x1")
    assert torch.allclose(made(x), applied(made, "c0", "conv_3x3", x), atol=1e-6)


def test_none_at_the_end_of_a_branch_is_the_identity(noise: Noise) -> None:
    x = noise(2, CHANNELS, 4, 4)
    assert torch.equal(block(c1="skip_connect")(x), x)
    assert torch.equal(block(c2="skip_connect")(x), x)


def test_both_branches_are_added(noise: Noise) -> None:
    x = noise(2, CHANNELS, 4, 4)
    assert torch.equal(block(c1="skip_connect", c2="skip_connect")(x), 2 * x)
    assert torch.equal(block(c0="skip_connect", c1="skip_connect", c2="skip_connect", c4="skip_connect")(x), 3 * x)


def test_the_second_branch_is_dead_as_published(noise: Noise) -> None:
    x = noise(2, CHANNELS, 4, 4)
    both = {"c0": "skip_connect", "c1": "skip_connect", "c2": "skip_connect", "c4": "skip_connect"}
    assert torch.equal(block(as_published=True, **both)(x), x)
    assert torch.equal(block(as_published=True, c2="skip_connect")(x), x)


def test_pools_of_inputs_take_every_term_by_itself(noise: Noise) -> None:
    x = noise(2, CHANNELS, 4, 4)
    made = block(True, c0="conv_1x1", c1="skip_connect", c3="skip_connect", c5="conv_3x3", down0="max_pool_input")
    pooled = F.max_pool2d(x, 2) + F.max_pool2d(made["c0"](x), 2)
    assert torch.allclose(made(x), made["c5"](pooled), atol=1e-6)


def test_other_pools_come_last(noise: Noise) -> None:
    x = noise(2, CHANNELS, 4, 4)
    made = block(True, c0="conv_1x1", c1="skip_connect", c3="skip_connect", c5="conv_3x3", down0="max_pool")
    assert torch.allclose(made(x), F.max_pool2d(made["c5"](x + made["c0"](x)), 2), atol=1e-6)


def test_the_branches_have_their_own_ways_of_halving(noise: Noise) -> None:
    x = noise(2, CHANNELS, 4, 4)
    made = block(True, c1="skip_connect", c2="conv_1x1", c6="conv_3x3", down0="conv_5x5", down1="avg_pool_input")
    wanted = made["down0"](x) + made["c6"](F.avg_pool2d(made["c2"](x), 2))
    assert torch.allclose(made(x), wanted, atol=1e-6)


@pytest.mark.parametrize("name", DOWNS)
def test_without_downsampling_the_weights_wait(name: str, noise: Noise) -> None:
    x = noise(2, CHANNELS, 4, 4)
    made = block(False, c1="skip_connect", down0=name)
    assert torch.equal(made(x), x)
    assert any(key.startswith("down0") for key in made.state_dict()) == (name in CONVOLUTIONS)


# -- any block, written out ---------------------------------------------------------------------------------------


def written_out(made: nn.Module, chosen: BlockPlan, x: Tensor, applied: Applied, of_images: bool) -> Tensor:
    """A block in evaluation, from its description alone."""
    names = chosen.operations

    def edge(name: str, node: Tensor | None, activation: bool = True) -> Tensor | None:
        if node is None or names[name] == "none":
            return None
        return applied(made, name, names[name], node, activation=activation)

    def halved(name: str, node: Tensor) -> Tensor:
        if names[name] in CONVOLUTIONS:
            return applied(made, name, names[name], node, stride=2)
        return {"avg": F.avg_pool2d, "max": F.max_pool2d}[names[name][:3]](node, 2, ceil_mode=True)

    node0, *starts = (edge(name, x, not of_images) for name in ("c0", "c1", "c2"))
    results = []
    for start, across, last, down in zip(starts, ("c3", "c4"), ("c5", "c6"), ("down0", "down1"), strict=True):
        if start is None:
            continue
        early, added = names[down].endswith("_input"), edge(across, node0)
        terms = [start] if added is None else [start, added]
        node = sum((halved(down, term) if chosen.downsample and early else term) for term in terms)
        node = node if names[last] == "none" else edge(last, node)
        results.append(halved(down, node) if chosen.downsample and not early else node)
    if results:
        return sum(results)
    return x if node0 is None else node0


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("of_images", [False, True])
def test_blocks_drawn_at_random(seed: int, of_images: bool, noise: Noise, applied: Applied) -> None:
    rng = seeds.stream(seed, "test", int(of_images))
    names = {edge: str(rng.choice(NORMAL[2:] if of_images and edge in BLOCK[:3] else NORMAL)) for edge in BLOCK}
    names |= {edge: "none" for edge in BLOCK[3 if of_images else 0 :] if rng.random() < 0.3}
    names |= {edge: str(rng.choice(DOWNS)) for edge in ("down0", "down1")}
    chosen = BlockPlan(names, bool(rng.random() < 0.7))
    c_in = 1 if of_images else CHANNELS
    made = settled(SearchedBlock(chosen, c_in, CHANNELS, of_images))
    x = noise(2, c_in, 5, 5, seed=seed)
    found, wanted = made(x), written_out(made, chosen, x, applied, of_images)
    assert found.shape == wanted.shape
    assert torch.allclose(found, wanted, rtol=1e-4, atol=1e-4), chosen


@pytest.mark.parametrize("position", [*range(7), "down0", "down1"])
def test_every_option_trains(position: int | str, noise: Noise) -> None:
    name = BLOCK[position] if isinstance(position, int) else position
    everything = dict.fromkeys(BLOCK, "conv_1x1") | {"down0": "conv_3x3", "down1": "conv_3x3"}
    for option in NORMAL if isinstance(position, int) else DOWNS:
        made = block(True, **(everything | {name: option})).train()
        unused = {"c0": {"c3", "c4"}, "c1": {"c3", "c5", "down0"}, "c2": {"c4", "c6", "down1"}}
        dead = unused.get(name, set()) if option == "none" else set()
        made(noise(2, CHANNELS, 6, 6)).square().sum().backward()
        for key, parameter in made.named_parameters():
            assert (parameter.grad is None) == (key.split(".")[0] in dead), (name, option, key)


def test_sizes_of_the_branches_agree_where_they_are_odd() -> None:
    for one, other in zip(DOWNS, (*DOWNS[1:], DOWNS[0]), strict=True):
        made = block(True, c1="conv_1x1", c2="conv_1x1", down0=one, down1=other)
        for size in (1, 3):
            assert made(torch.ones(1, CHANNELS, size, size)).shape[-1] == (size + 1) // 2, (one, other)


# -- whole discriminators -----------------------------------------------------------------------------------------


def test_scores_sum_over_pixels_without_a_bias() -> None:
    network = Discriminator([], CHANNELS)
    x = torch.tensor([1.0, -5.0, 2.0]).view(1, 3, 1, 1).expand(2, 3, 4, 4)
    weight = network.linear.weight_orig[0] / network.linear.weight_orig.norm()
    assert torch.allclose(network(x), (16 * (weight[0] + 2 * weight[2])).expand(2, 1), atol=1e-5)
    assert "linear.bias" not in network.state_dict()


def test_autogans_discriminator(noise: Noise, weight_in_use: Callable[[nn.Module], Tensor]) -> None:
    network = settled(autogan_discriminator(3, CHANNELS))

    def conv(name: str, x: Tensor) -> Tensor:
        layer = network.get_submodule(name)
        weight = weight_in_use(layer)
        return F.conv2d(x, weight, layer.get_parameter("bias"), padding=weight.shape[-1] // 2)

    images = noise(2, 3, 8, 8)
    h = F.avg_pool2d(conv("blocks.0.conv2", conv("blocks.0.conv1", images).relu()), 2)
    h = h + conv("blocks.0.shortcut", F.avg_pool2d(images, 2))
    residual = conv("blocks.1.conv2.conv", conv("blocks.1.conv1.conv", h.relu()).relu())
    h = F.avg_pool2d(residual, 2) + F.avg_pool2d(conv("blocks.1.shortcut", h), 2)
    for i in (2, 3):
        h = h + conv(f"blocks.{i}.conv2.conv", conv(f"blocks.{i}.conv1.conv", h.relu()).relu())
    wanted = h.relu().sum(dim=(2, 3)) @ weight_in_use(network.linear).T
    assert torch.allclose(network(images), wanted, rtol=1e-4, atol=1e-4)


def test_every_layer_is_normalised() -> None:
    rng = np.random.default_rng(0)
    blocks = [plan(True, **{edge: str(rng.choice(NORMAL[2:])) for edge in BLOCK}) for _ in range(4)]
    for network in (autogan_discriminator(3, CHANNELS), searched_discriminator(blocks, 3, CHANNELS)):
        layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
        assert len(layers) in (11, 29)
        assert all(hasattr(layer, "weight_orig") for layer in layers)


def test_the_first_block_sees_the_image_and_its_negative_values(noise: Noise) -> None:
    first = plan(c0="conv_1x1", c1="conv_3x3", c2="conv_1x1", c3="conv_1x1", c5="conv_1x1")
    network = searched_discriminator([first, plan(), plan(), plan()], 3, 4).eval()
    convs = {edge: network.blocks[0][edge].conv for edge in ("c0", "c1", "c2", "c3", "c5")}
    assert [layer.in_channels for layer in convs.values()] == [3, 3, 3, 4, 4]
    assert [network.blocks[0][edge].activation for edge in convs] == [False, False, False, True, True]
    images = -noise(2, 3, 8, 8).abs()
    assert not torch.allclose(network(images), network(0 * images))
    with pytest.raises(ValueError, match="3 blocks: expected 4"):
        searched_discriminator([first, plan(), plan()], 3, 4)


@pytest.mark.parametrize("size", [8, 16, 24, 40, 48])
@pytest.mark.parametrize("image_channels", [1, 3])
def test_images_of_any_size_are_scored(size: int, image_channels: int) -> None:
    always = dict.fromkeys(BLOCK, "conv_1x1")
    halving = [plan(True, **always, down0="max_pool", down1="conv_3x3") for _ in range(4)]
    images = torch.zeros(2, image_channels, size, size)
    for network in (autogan_discriminator(image_channels, 4), searched_discriminator(halving, image_channels, 4)):
        assert network(images).shape == (2, 1)
