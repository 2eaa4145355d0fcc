from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra train")

from archloom.nets import darts as plain  # noqa: E402 - they need PyTorch
from archloom.nets.supernets import darts, nb101, nb201  # noqa: E402
from archloom.nets.supernets.base import Sharing, Supernet, Unscaled  # noqa: E402

CELL = tuple(zip(plain.OPERATIONS, (0, 1, 1, 2, 0, 3, 1), strict=True))
OTHER = tuple(("skip_connect", source) for source in (0, 1, 0, 1, 0, 1, 0, 1))
LEAVING = ((0, 1, 1, 0, 1), (0, 0, 1, 1, 1), (0, 0, 0, 1, 0), (0, 0, 0, 0, 1), (0, 0, 0, 0, 0))
EVERY = ("nor_conv_3x3", "nor_conv_1x1", "skip_connect", "avg_pool_3x3", "none", "nor_conv_3x3")
POOLS = ("avg_pool_3x3", "none", "skip_connect", "skip_connect", "nor_conv_1x1", "none")

FAMILIES: dict[str, tuple[Any, list[Any]]] = {
    "darts": (
        lambda **more: darts.DartsSupernet(0, Sharing(), 2, 3, **more),
        [((*CELL, ("skip_connect", 4)), OTHER), (OTHER, OTHER)],
    ),
    "pc-darts": (
        lambda **more: darts.DartsSupernet(0, Sharing(partial=2), 2, 3, **more),
        [((*CELL, ("skip_connect", 4)), OTHER), (OTHER, OTHER)],
    ),
    "nb201": (lambda **more: nb201.Nb201Supernet(0, Sharing(), 2, 1, **more), [EVERY, POOLS]),
    "nb101": (
        lambda **more: nb101.Nb101Supernet(0, Sharing(), 5, 2, 1, **more),
        [(LEAVING, ("conv1x1", "conv3x3", "maxpool3x3")), (((0, 1), (0, 0)), ())],
    ),
}


def images(*size: int) -> Any:
    return torch.randn(*size, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> tuple[Supernet, list[Any]]:
    made, paths = FAMILIES[request.param]
    return made(), paths


def test_a_path_is_hashable_and_selected_until_another_one_is(family: tuple[Supernet, list[Any]]) -> None:
    network, (path, other) = family
    assert network.path is None
    x = images(4, 3, 8, 8)
    network.eval().select(path)
    assert network.path == path
    first = network(x)
    network.select(other)
    assert not torch.equal(network(x), first)
    network.select(path)
    assert torch.equal(network(x), first)
    assert len({path, other, path}) == 2


@pytest.mark.parametrize("wrong", [(), (("a",), ("b",)), ("a",) * 6, (((0, 1), (0, 0)), ("conv1x1",))])
def test_what_is_no_path_is_refused_and_nothing_changes(family: tuple[Supernet, list[Any]], wrong: Any) -> None:
    network, (path, _) = family
    x = images(4, 3, 8, 8)
    network.eval().select(path)
    before = network(x)
    with pytest.raises(ValueError, match=r"path|cell|operation|matrix"):
        network.select(wrong)
    assert network.path == path
    assert torch.equal(network(x), before)


def test_the_parts_of_a_path_and_of_the_whole(family: tuple[Supernet, list[Any]]) -> None:
    network, (path, other) = family
    whole = {id(parameter) for parameter in network.parameters()}
    assert {id(parameter) for parameter in network.parts(None)} == whole
    sizes = []
    for each in (path, other):
        parts = [id(parameter) for parameter in network.parts(each)]
        assert len(set(parts)) == len(parts)
        assert set(parts) < whole
        sizes.append(len(parts))
    assert sizes[0] != sizes[1]
    norms = {id(module) for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)}
    assert {id(norm) for norm in network.norms(None)} == norms
    assert {id(norm) for norm in network.norms(path)} < norms


def test_no_tensor_is_in_the_state_twice(family: tuple[Supernet, list[Any]]) -> None:
    tensors = list(family[0].state_dict(keep_vars=True).values())
    assert len({id(tensor) for tensor in tensors}) == len(tensors)


def test_copies_run_their_own_weights_and_a_state_can_be_loaded_again(family: tuple[Supernet, list[Any]]) -> None:
    network, (path, other) = family
    x = images(4, 3, 8, 8)
    network.eval().select(path)
    expected = network(x)
    twin = pickle.loads(pickle.dumps(copy.deepcopy(network)))
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    assert torch.equal(twin(x), expected)
    assert len(twin.parts(other)) == len(network.parts(other))
    assert {id(parameter) for parameter in twin.parts(path)} <= {id(parameter) for parameter in twin.parameters()}
    network.load_state_dict(state)
    assert torch.equal(network(x), expected)


@pytest.mark.parametrize("name", FAMILIES)
def test_sizes_layouts_and_types(name: str) -> None:
    made, (path, _) = FAMILIES[name]
    network = made(image_channels=1, classes=4).eval()
    network.select(path)
    last = copy.deepcopy(network).to(memory_format=torch.channels_last)
    for side in [(9, 12), (7, 5), (1, 1)]:
        x = images(2, 1, *side)
        expected = network(x)
        assert expected.shape == (2, 4)
        assert torch.allclose(last(x.to(memory_format=torch.channels_last)), expected, atol=1e-5)
    assert network.bfloat16()(x.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize("affine", [False, True])
def test_normalisations_of_operations_have_weights_if_wanted(affine: bool) -> None:
    for network in (
        nb201.Nb201Supernet(0, Sharing(affine=affine), 2, 1),
        nb101.Nb101Supernet(0, Sharing(affine=affine), 4, 1, 1),
        darts.DartsSupernet(0, Sharing(affine=affine), 2, 3),
    ):
        assert any(isinstance(module, Unscaled) for module in network.modules()) != affine


def test_partial_channels_are_for_darts() -> None:
    with pytest.raises(ValueError, match="partial 4 on nb201: only darts"):
        nb201.Nb201Supernet(0, Sharing(partial=4))
    with pytest.raises(ValueError, match="partial 4 on nb101: only darts"):
        nb101.Nb101Supernet(0, Sharing(partial=4))
