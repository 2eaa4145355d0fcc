from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product

import pytest

from archloom.nets.gan.plans import CELL, NORMAL, UPS, ProjectionPlan
from archloom.utils import seeds

torch = pytest.importorskip("torch", reason="networks need PyTorch")

from torch import Tensor  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from archloom.nets.gan.generator import RESIZING, Cell, Generator, Projection  # noqa: E402

Noise = Callable[..., Tensor]
Applied = Callable[..., Tensor]
JOINING = CELL[2:]
CHANNELS = 3


def operations(*chosen: str) -> dict[str, str]:
    """A cell with nearest and bilinear up-sampling and the given operations of c0 to c4."""
    return dict(zip(CELL, ("nearest", "bilinear", *chosen), strict=True))


def nodes(cell: Cell, x: Tensor) -> tuple[Tensor, Tensor]:
    return cell["up0"](x), cell["up1"](x)


# -- cells --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("present", list(product((False, True), repeat=5)))
def test_every_pattern_of_edges(present: tuple[bool, ...], noise: Noise, applied: Applied) -> None:
    """Node 2 = c0(node 0) + c1(node 1) + skips, node 3 = c2(node 0) + c3(node 1) + c4(node 2), `none` left out."""
    kinds = ("conv_3x3", "skip_connect", "conv_1x1", "dil_conv_3x3", "skip_connect")
    chosen = operations(*(kind if there else "none" for kind, there in zip(kinds, present, strict=True)))
    cell = Cell(chosen, CHANNELS, skips=2, resizing="nearest")
    x, small, large = noise(2, CHANNELS, 2, 2), noise(2, CHANNELS, 1, 1, seed=1), noise(2, CHANNELS, 4, 4, seed=2)

    def edge(name: str, node: Tensor) -> Tensor:
        return applied(cell, name, chosen[name], node) if chosen[name] != "none" else torch.zeros_like(node)

    node0, node1 = nodes(cell, x)
    joined = edge("c0", node0) + edge("c1", node1) if any(present[:2]) else node0 + node1
    node2 = joined + cell.skips[0](small.expand(-1, -1, 4, 4)) + cell.skips[1](large)
    output = edge("c2", node0) + edge("c3", node1) + edge("c4", node2) if any(present[2:]) else node2
    found, feature = cell(x, [small, large])
    assert found.shape == (2, CHANNELS, 4, 4)
    assert torch.allclose(feature, node2, atol=1e-5)
    assert torch.allclose(found, output, atol=1e-5)


@pytest.mark.parametrize("gene", range(7))
def test_every_option_trains(gene: int, noise: Noise) -> None:
    for option in UPS if gene < 2 else NORMAL:
        chosen = operations(*["conv_1x1"] * 5) | {CELL[gene]: option}
        cell = Cell(chosen, CHANNELS, skips=1, resizing="bilinear")
        output, _ = cell(noise(2, CHANNELS, 2, 2), [noise(2, CHANNELS, 2, 2, seed=1)])
        output.square().sum().backward()
        unused = {"c0", "c1", "skips"} if (gene, option) == (6, "none") else set()  # all that leads to node 2
        trained = {name.split(".")[0] for name, parameter in cell.named_parameters() if parameter.grad is not None}
        assert trained == {name.split(".")[0] for name in cell.state_dict()} - unused, (CELL[gene], option)


def test_edges_that_are_none_have_no_module() -> None:
    cell = Cell(operations("none", "skip_connect", "conv_1x1", "none", "none"), CHANNELS, 0, "nearest")
    assert {name.rpartition(".")[0] for name in cell.state_dict()} == {"up0.conv", "up1.conv", "c2.conv"}
    assert "c1" in cell and "c0" not in cell


def test_features_are_resized_as_the_receiving_cell_does(noise: Noise) -> None:
    x, feature = noise(1, CHANNELS, 2, 2), noise(1, CHANNELS, 2, 2, seed=1)
    for resizing in ("nearest", "bilinear"):
        cell = Cell(operations(*["none"] * 5), CHANNELS, skips=1, resizing=resizing)
        align = {"bilinear": False, "nearest": None}[resizing]
        larger = F.interpolate(feature, scale_factor=2, mode=resizing, align_corners=align)
        node0, node1 = nodes(cell, x)
        assert torch.allclose(cell(x, [feature])[0], node0 + node1 + cell.skips[0](larger), atol=1e-6)
    assert RESIZING == ("nearest", "bilinear", "nearest")


@pytest.mark.parametrize("lone", [0, 1])
@pytest.mark.parametrize("as_published", [False, True])
def test_a_node_that_is_passed_on_shares_features_only_as_published(
    lone: int, as_published: bool, noise: Noise
) -> None:
    """With a lone skip_connect node 2 is node 0 or 1 itself; the output here is node 0 + node 1."""
    first = ["none", "none"]
    first[lone] = "skip_connect"
    cell = Cell(operations(*first, "skip_connect", "skip_connect", "none"), CHANNELS, 1, "nearest", as_published)
    x, feature = noise(1, CHANNELS, 2, 2), noise(1, CHANNELS, 4, 4, seed=1)
    output, node2 = cell(x, [feature])
    skip = cell.skips[0](feature)
    assert torch.allclose(node2, nodes(cell, x)[lone] + skip, atol=1e-6)
    assert torch.allclose(output, sum(nodes(cell, x)) + (skip if as_published else 0), atol=1e-6)


@pytest.mark.parametrize("chosen", [("skip_connect", "skip_connect"), ("conv_1x1", "none"), ("none", "none")])
def test_a_node_2_of_its_own_is_never_shared(chosen: tuple[str, str], noise: Noise) -> None:
    x, feature = noise(1, CHANNELS, 2, 2), noise(1, CHANNELS, 4, 4, seed=1)
    for as_published in (False, True):
        torch.manual_seed(0)
        cell = Cell(operations(*chosen, "skip_connect", "skip_connect", "none"), CHANNELS, 1, "nearest", as_published)
        assert torch.allclose(cell(x, [feature])[0], sum(nodes(cell, x)), atol=1e-6)


# -- projections --------------------------------------------------------------------------------------------------


def test_a_projection_reads_its_part_only(noise: Noise) -> None:
    projection = Projection(ProjectionPlan(2, 4, 2, 2), CHANNELS)
    latent = noise(5, 6)
    wanted = latent[:, 2:4] @ projection.linear.weight.T + projection.linear.bias
    assert torch.allclose(projection(latent).flatten(1), wanted, atol=1e-6)
    assert projection(latent).shape == (5, CHANNELS, 2, 2)
    latent[:, [0, 1, 4, 5]] = 9.0
    assert torch.allclose(projection(latent).flatten(1), wanted, atol=1e-6)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize(("width", "target"), [(1, 1), (2, 4), (1, 4), (2, 5)])
def test_a_projection_is_resized_to_its_target(mode: str, width: int, target: int, noise: Noise) -> None:
    projection = Projection(ProjectionPlan(0, 6, width, target, mode), CHANNELS)
    latent = noise(2, 6)
    small = projection.linear(latent).view(2, CHANNELS, width, width)
    align = {"bilinear": False, "nearest": None}[mode]
    wanted = F.interpolate(small, size=(target, target), mode=mode, align_corners=align)
    assert torch.allclose(projection(latent), wanted, atol=1e-6)


def test_dropout_sets_its_share_to_zero_in_training(noise: Noise) -> None:
    projection = Projection(ProjectionPlan(0, 6, 8, 16, dropout=0.2), channels=32)
    latent = noise(4, 6)
    whole = projection.eval()(latent)
    dropped = projection.train()(latent, torch.Generator().manual_seed(1))
    kept = dropped != 0
    assert 1 - kept.float().mean().item() == pytest.approx(0.2, abs=0.01)
    assert torch.allclose(dropped[kept], whole[kept] / 0.8, atol=1e-6)
    patches = kept.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4).float().mean(dim=4)  # pixels made from one value
    assert ((patches > 0) & (patches < 1)).any()


def test_dropout_is_drawn_from_the_generator_given(noise: Noise) -> None:
    projection, latent = Projection(ProjectionPlan(0, 6, 4, 4, dropout=0.1), CHANNELS), noise(2, 6)
    before = torch.get_rng_state()
    one, same, other = (projection(latent, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, same) and not torch.equal(one, other)
    torch.manual_seed(5)
    default = projection(latent)
    torch.manual_seed(5)
    assert torch.equal(projection(latent), default)


# -- the generator ------------------------------------------------------------------------------------------------


def generator(
    plans: list[ProjectionPlan], cells: Mapping[str, str] | None = None, image_channels: int = 3
) -> Generator:
    return Generator([cells or operations(*["skip_connect"] * 5)] * 3, plans, CHANNELS, image_channels)


def thirds(**last: bool | float) -> list[ProjectionPlan]:
    plans = [ProjectionPlan(2 * i, 2 * i + 2, 1 << i, 1 << i) for i in range(2)]
    return [*plans, ProjectionPlan(4, 6, 4, 4, **last)]  # type: ignore[arg-type]


@pytest.mark.parametrize(("parts", "enabled"), [(1, ()), (2, (1,)), (3, (1, 2)), (3, (1,))])
def test_maps_are_added_between_cells(parts: int, enabled: tuple[int, ...], noise: Noise) -> None:
    network = generator(thirds(enabled=2 in enabled)[:parts]).eval()
    latent = noise(2, 6)
    x: Tensor = network.projections[0](latent)
    features: list[Tensor] = []
    for i, cell in enumerate(network.cells):
        x = x + network.projections[i](latent) if i in enabled else x
        x, node2 = cell(x, list(features))
        features.append(node2)
    mean, var = network.to_rgb[0].running_mean, network.to_rgb[0].running_var
    normed = F.batch_norm(x, mean, var, network.to_rgb[0].weight, network.to_rgb[0].bias)
    images = torch.tanh(network.to_rgb[2](normed.clamp(min=0)))
    assert torch.allclose(network(latent), images, atol=1e-6)
    assert [len(cell.skips) for cell in network.cells] == [0, 1, 2]
    assert [cell.resizing for cell in network.cells] == list(RESIZING)


def test_a_projection_that_is_off_has_its_weights_and_no_part_in_the_image(noise: Noise) -> None:
    on, off = generator(thirds(enabled=True)).eval(), generator(thirds(enabled=False)).eval()
    off.load_state_dict(on.state_dict())  # the same tensors
    latent = noise(2, 6)
    assert not torch.allclose(on(latent), off(latent))
    with torch.no_grad():
        on.projections[2].linear.weight.zero_()
        on.projections[2].linear.bias.zero_()
    assert torch.allclose(on(latent), off(latent))


def test_dropout_within_the_generator_is_drawn_from_the_generator_given(noise: Noise) -> None:
    network, latent = generator(thirds(dropout=0.2)), noise(2, 6)
    one, same, other = (network(latent, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)


@pytest.mark.parametrize("bottom", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("image_channels", [1, 3])
def test_images_are_eight_times_as_wide_with_values_in_reach(bottom: int, image_channels: int, noise: Noise) -> None:
    rng = seeds.stream(bottom, "test")
    cells = [{edge: str(rng.choice(UPS if edge in CELL[:2] else NORMAL)) for edge in CELL} for _ in range(3)]
    plans = [ProjectionPlan(0, 6, bottom << i, bottom << i) for i in range(3)]
    network = Generator(cells, plans, CHANNELS, image_channels)
    with torch.no_grad():
        images = network(50 * noise(4, 6))
    assert images.shape == (4, image_channels, 8 * bottom, 8 * bottom)
    assert images.abs().max() <= 1


def test_initial_weights() -> None:
    torch.manual_seed(0)
    network = Generator([operations(*["conv_3x3"] * 5)] * 3, thirds(), channels=400, image_channels=3)
    norm = network.to_rgb[0]
    assert norm.weight.mean().item() == pytest.approx(1, abs=0.005)
    assert norm.weight.std().item() == pytest.approx(0.02, rel=0.15)
    assert not norm.bias.any()
    bound = (6 / (9 * 400 + 9 * 3)) ** 0.5
    assert 0.99 * bound < network.to_rgb[2].weight.abs().max() <= bound
    linear = network.projections[0].linear
    assert 0.9 * 2**-0.5 < linear.weight.abs().max() <= 2**-0.5  # PyTorch's own: uniform up to 1 / sqrt(inputs)
