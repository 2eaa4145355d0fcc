from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="networks need the extra train")

from archloom.nets import darts  # noqa: E402 - it needs PyTorch

NAMES = tuple(darts.OPERATIONS)
SKIPS = [("skip_connect", source) for source in (0, 1, 0, 1, 0, 1, 0, 1)]
CONVS = [("sep_conv_3x3", source) for source in (0, 1, 0, 1, 0, 1, 0, 1)]
POOLS = [("max_pool_3x3", source) for source in (0, 1, 0, 1, 0, 1, 0, 1)]


def small(normal: Any = CONVS, reduce: Any = CONVS, seed: int = 0, **settings: Any) -> darts.DartsNetwork:
    sizes = {"channels": 2, "layers": 3, "classes": 5, "auxiliary": True}
    return darts.DartsNetwork(normal, reduce, seed, **sizes | settings)


def images(count: int = 2, side: int = 32, channels: int = 3) -> Any:
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(0))


def random_cell(rng: np.random.Generator) -> list[tuple[str, int]]:
    sources = [rng.permutation(node + 2)[:2] for node in range(4)]
    return [(NAMES[rng.integers(7)], int(source)) for pair in sources for source in pair]


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 6), st.integers(1, 4))
def test_any_cells_make_a_network(seed: int, channels: int, layers: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    network = small(random_cell(rng), random_cell(rng), channels=channels, layers=layers)
    x = images(count + 1)
    logits, auxiliary = network.train().with_auxiliary(x)
    assert logits.shape == auxiliary.shape == (count + 1, 5)
    assert network(x).shape == (count + 1, 5)
    with torch.no_grad():
        alone = network.eval()(x)
        assert torch.allclose(alone[:1], network(x[:1]), atol=1e-5)
        assert torch.equal(alone, network.with_auxiliary(x)[0])
    assert torch.isfinite(alone).all()


def test_a_network_for_imagenet() -> None:
    network = small(CONVS, POOLS, channels=4, images=darts.IMAGENET).eval()
    x = images(1, 224)
    with torch.no_grad():
        older, newer = network.stem(x)
        assert older.shape == (1, 4, 56, 56)
        assert newer.shape == (1, 4, 28, 28)
        logits, auxiliary = network.with_auxiliary(x)
    assert logits.shape == auxiliary.shape == (1, 5)


def test_the_known_operations_are_the_spaces() -> None:
    pytest.importorskip("numba", reason="the DARTS space needs the extra bench")
    from archloom.spaces.darts import OPERATIONS

    assert NAMES == OPERATIONS


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stride", [1, 2])
def test_operations_keep_channels_and_divide_sides(name: str, stride: int) -> None:
    assert darts.OPERATIONS[name](6, stride)(images(2, 8, channels=6)).shape == (2, 6, 8 // stride, 8 // stride)


REACH = {
    "sep_conv_3x3": 5,
    "sep_conv_5x5": 9,
    "dil_conv_3x3": 5,
    "dil_conv_5x5": 9,
    "max_pool_3x3": 3,
    "skip_connect": 1,
}


@pytest.mark.parametrize(("name", "reach"), REACH.items())
def test_operations_see_as_far_as_they_should(name: str, reach: int) -> None:
    """The pixels that the middle one depends on span a square of this side."""
    operation = darts.OPERATIONS[name](2, 1).eval()
    for parameter in operation.parameters():
        parameter.data.fill_(0.1)  # nothing is negative, so no ReLU hides a pixel
    x = images(1, 15, channels=2).abs().requires_grad_()
    weight = torch.zeros(1, 2, 15, 15)
    weight[:, :, 7, 7] = 1.0
    if name == "max_pool_3x3":
        x.data[0, :, 6, 6] = x.data[0, :, 8, 8] = 100.0  # the first of both is the maximum
        x.data[0, 1, 6, 6] = 0.0
    (operation(x) * weight).sum().backward()
    seen = np.argwhere(x.grad.abs().sum(dim=1)[0].numpy() > 0)
    assert (np.ptp(seen, axis=0) + 1).tolist() == [reach, reach]


def test_average_pooling_counts_real_pixels_only() -> None:
    ones = torch.ones(1, 1, 4, 4)
    assert torch.equal(darts.OPERATIONS["avg_pool_3x3"](1, 1)(ones), ones)


def reduced(side: int) -> torch.Tensor:
    """What a factorised reduction that only sums makes of the numbers from 0 on."""
    reduction = darts.FactorisedReduction(1, 2).eval()
    with torch.no_grad():
        reduction.even.weight.fill_(1.0)
        reduction.odd.weight.fill_(1.0)
        summed: torch.Tensor = reduction(torch.arange(float(side * side)).reshape(1, 1, side, side))
    return summed


def test_a_factorised_reduction_sees_the_even_and_the_odd_pixels() -> None:
    out = reduced(4)
    assert torch.allclose(out[0, 0], torch.tensor([[0.0, 2.0], [8.0, 10.0]]), atol=1e-3)
    assert torch.allclose(out[0, 1], torch.tensor([[5.0, 7.0], [13.0, 15.0]]), atol=1e-3)


def test_a_cell_adds_pairs_and_joins_its_nodes() -> None:
    """Cells of skips: with inputs a and b the nodes are sums of their own sources."""
    pairs = [("skip_connect", source) for source in (0, 1, 0, 2, 2, 3, 4, 1)]
    cell = darts.Cell(pairs, darts.Place(3, 3, 3, reduction=False, halved=False)).eval()
    cell.prepare_older, cell.prepare_newer = torch.nn.Identity(), torch.nn.Identity()  # type: ignore[assignment]
    a, b = images(2, 4), 10 * images(2, 4).flip(0)
    expected = [a + b, 2 * a + b, 3 * a + 2 * b, 3 * a + 3 * b]
    assert torch.allclose(cell(a, b, 0.0), torch.cat(expected, dim=1), atol=1e-5)


@pytest.mark.parametrize(("layers", "reductions"), [(20, (6, 13)), (8, (2, 5)), (3, (1, 2)), (2, (0, 1)), (1, (0,))])
def test_reductions_stand_at_a_third_and_at_two_thirds(layers: int, reductions: tuple[int, ...]) -> None:
    network = small(SKIPS, POOLS, layers=layers)
    kinds = [isinstance(cell.operations[0], torch.nn.Identity) for cell in network.cells]
    assert tuple(layer for layer, normal in enumerate(kinds) if not normal) == reductions
    assert network.branch == reductions[-1]


def test_gradients_reach_everything() -> None:
    network = small([(NAMES[i % 7], source) for i, source in enumerate((0, 1, 1, 2, 2, 3, 3, 4))], layers=4).train()
    logits, auxiliary = network.with_auxiliary(images(4))
    (logits.square().sum() + auxiliary.square().sum()).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


# -- drop-path ----------------------------------------------------------------------------------------------------


def test_drop_path_zeroes_whole_samples_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    out = darts.drop_path(torch.ones(4_000, 2, 3, 3), 0.25)
    assert all(len(sample.unique()) == 1 for sample in out[:50])
    assert torch.allclose(out.unique(), torch.tensor([0.0, 1 / 0.75]))
    assert out.mean().item() == pytest.approx(1.0, abs=0.05)


def test_drop_path_spares_identities_and_nothing_else() -> None:
    for pairs, changes in ((SKIPS, False), (POOLS, True)):
        cell = darts.Cell(pairs, darts.Place(4, 4, 4, reduction=False, halved=False)).train()
        x = images(8, 8, channels=4)
        assert torch.equal(cell(x, x, 0.0), cell(x, x, 0.9)) != changes
    reduction = darts.Cell(SKIPS, darts.Place(4, 4, 4, reduction=True, halved=False)).train()
    torch.manual_seed(0)
    assert (reduction(x, x, 0.9).flatten(1).abs().sum(dim=1) == 0).any()  # a skip of stride 2 is no identity


def test_drop_path_is_for_training_and_can_be_set() -> None:
    network, x = small(drop_path=0.8), images(8)
    with torch.no_grad():
        assert torch.equal(network.eval()(x), network(x))
        still = small(drop_path=0.0).eval()(x)
        assert torch.equal(network(x), still)
        network.train()
        assert not torch.equal(network(x), network(x))
        network.drop_path = 0.0
        assert torch.equal(network(x), network(x))


@pytest.mark.parametrize("probability", [1.0, -0.1, 2, float("nan")])
def test_drop_path_must_be_a_probability_below_one(probability: float) -> None:
    message = rf"^drop_path {probability}: expected a probability from 0 up to, but not, 1$"
    with pytest.raises(ValueError, match=message):
        small(drop_path=probability)
    network = small(drop_path=0.5)
    with pytest.raises(ValueError, match=message):
        network.drop_path = probability
    assert network.drop_path == 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layers": 0}, "layers 0: expected a whole number, at least 1"),
        ({"classes": 0}, "classes 0: expected a whole number, at least 1"),
        ({"classes": 10.0}, "classes 10.0: expected a whole number, at least 1"),
        ({"channels": 0}, "channels 0: expected a whole number, at least 1"),
        ({"channels": True}, "channels True: expected a whole number, at least 1"),
        ({"channels": 1, "images": darts.IMAGENET}, "channels 1: expected a whole number, at least 2"),
        ({"normal": CONVS[:7]}, "a cell of 7 pairs: expected 8, two consecutive ones a node"),
        ({"reduce": [*CONVS, CONVS[0]]}, "a cell of 9 pairs: expected 8, two consecutive ones a node"),
        ({"normal": [*CONVS[:7], ("none", 0)]}, f"operation 'none': expected one of {', '.join(NAMES)}"),
        ({"reduce": [*CONVS[:7], ("skip_connect", 9)]}, "source 9 of pair 7: expected a whole number from 0 to 4"),
        ({"reduce": [("skip_connect", 2), *CONVS[1:]]}, "source 2 of pair 0: expected a whole number from 0 to 1"),
        ({"normal": [("skip_connect", -1), *CONVS[1:]]}, "source -1 of pair 0: expected a whole number from 0 to 1"),
        ({"normal": [("skip_connect", 1.0), *CONVS[1:]]}, "source 1.0 of pair 0: expected a whole number from 0 to 1"),
    ],
)
def test_what_makes_no_network_is_told(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        small(**arguments)
    assert str(caught.value) == message


# -- weights ------------------------------------------------------------------------------------------------------


def test_the_auxiliary_head_is_there_if_asked_for_and_changes_nothing_else() -> None:
    network, other = darts.DartsNetwork(CONVS, POOLS, 0, 2, 3, 5), small(CONVS, POOLS)
    weights = other.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in network.state_dict().items())
    assert set(weights) > set(network.state_dict())
    assert not [name for name, _ in network.named_parameters() if name.startswith("auxiliary")]
    assert network.eval()(images()).shape == (2, 5)
    with pytest.raises(ValueError, match="no auxiliary head; make it with auxiliary=True"):
        network.with_auxiliary(images())


@pytest.mark.parametrize("side", [1, 7, 28, 33])
def test_the_auxiliary_head_takes_images_of_any_size(side: int) -> None:
    for size in (darts.CIFAR, darts.IMAGENET):
        network = darts.WithAuxiliary(small(POOLS, SKIPS, images=size)).eval()
        assert [logits.shape for logits in network(images(2, side))] == [(2, 5)] * 2


def test_an_odd_side_is_rounded_up_and_its_last_odd_pixel_is_0() -> None:
    out = reduced(3)
    assert torch.allclose(out[0, 0], torch.tensor([[0.0, 2.0], [6.0, 8.0]]), atol=1e-3)
    assert torch.allclose(out[0, 1], torch.tensor([[4.0, 0.0], [0.0, 0.0]]), atol=1e-3)


def test_the_seed_alone_decides_the_weights_and_nothing_global_changes(only_its_seed: Any) -> None:
    only_its_seed(lambda seed: small(seed=seed))
