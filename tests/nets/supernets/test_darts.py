from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archloom.utils import seeds

torch = pytest.importorskip("torch", reason="networks need the extra train")

from archloom.nets import darts as plain  # noqa: E402 - they need PyTorch
from archloom.nets.supernets import darts  # noqa: E402
from archloom.nets.supernets.base import Sharing  # noqa: E402

NAMES = tuple(plain.OPERATIONS)
SHARINGS = [Sharing(), Sharing(affine=True), Sharing(partial=4)]
SIZES = {"channels": 4, "layers": 3, "classes": 5}


def images(count: int = 4, side: int = 8) -> Any:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def random_path(rng: np.random.Generator) -> Any:
    def cell() -> Any:
        sources = [source for node in range(4) for source in sorted(rng.permutation(node + 2)[:2].tolist())]
        return tuple((NAMES[rng.integers(7)], source) for source in sources)

    return cell(), cell()


def random_paths(count: int) -> list[Any]:
    rng = seeds.stream(0, "test")
    return [random_path(rng) for _ in range(count)]


def small(sharing: Sharing = SHARINGS[0], seed: int = 0, **sizes: Any) -> darts.DartsSupernet:
    return darts.DartsSupernet(seed, sharing, **SIZES | sizes)


@pytest.mark.parametrize(("sharing", "count"), [(SHARINGS[0], 25), (SHARINGS[1], 10), (SHARINGS[2], 25)])
def test_a_path_is_its_plain_network(alike: Any, sharing: Sharing, count: int) -> None:
    def twin(path: Any) -> plain.DartsNetwork:
        return darts.plain_network(path, 1, sharing, **SIZES)

    alike(small(sharing), twin, random_paths(count), images())


@pytest.mark.parametrize("sharing", SHARINGS)
def test_what_is_off_the_path_rests(rests: Any, sharing: Sharing) -> None:
    rests(small(sharing), *random_paths(2), images())


def test_the_seed_alone_decides_the_weights_and_nothing_global_changes(only_its_seed: Any) -> None:
    only_its_seed(lambda seed: small(seed=seed))


@pytest.mark.parametrize(("sharing", "published"), [(Sharing(), 1_930_618), (Sharing(partial=4), 299_578)])
def test_parameter_counts_are_those_of_the_published_search_networks(sharing: Sharing, published: int) -> None:
    """As the authors' code prints it at the beginning of a search: 16 channels, 8 cells."""
    network = darts.DartsSupernet(0, sharing, 16, 8)
    assert sum(parameter.numel() for parameter in network.parameters()) == published


def test_all_at_once_is_the_sum_of_all_operations_on_all_edges() -> None:
    network = small().eval()
    place = plain.Place(3, 3, 4, reduction=False, halved=False)
    cell = darts.SharedCell(place, SHARINGS[0]).eval()
    older, newer = images(2), images(2)
    states = [cell.prepare_older(older), cell.prepare_newer(newer)]
    edges = iter(cell.edges)
    for node in range(4):
        terms = [operation(states[source]) for source in range(node + 2) for operation in next(edges).values()]
        assert len(terms) == 7 * (node + 2)
        states.append(torch.stack(terms).sum(dim=0))
    assert torch.allclose(cell(older, newer), torch.cat(states[2:], dim=1), rtol=1e-4, atol=1e-5)
    network.select(random_paths(1)[0])
    network.select(None)
    assert network.path is None
    network.train()(images()).square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_partial_channels_bypass_the_operation_and_are_shuffled() -> None:
    """Eight channels in four groups: 0 and 1 go through the operation; the order is 0 2 4 6 1 3 5 7."""
    x = torch.arange(8.0).reshape(1, 8, 1, 1).expand(2, 8, 5, 5).contiguous()
    partial = darts.Partial(torch.nn.Identity(), 8, 1, 4)
    assert partial(x)[0, :, 0, 0].tolist() == [0, 2, 4, 6, 1, 3, 5, 7]
    through = darts.PartialChannels(4).make("sep_conv_3x3", 8, 2)
    inner = through.operation(x[:, :2])
    out = through(x)
    assert out.shape == (2, 8, 3, 3), "odd sides are rounded up"
    assert torch.equal(out[:, [0, 4]], inner)
    assert out[0, [1, 2, 3, 5, 6, 7], 2, 2].tolist() == [2, 4, 6, 3, 5, 7]


def test_with_all_at_once_the_other_channels_bypass_an_edge_once() -> None:
    channels = darts.PartialChannels(2)
    operations = [channels.make(name, 4, 1).eval() for name in NAMES]
    x = images(2)[:, [0, 1, 2, 0]]
    total = sum(operation.operation(x[:, :2]) for operation in operations)
    expected = torch.cat([total, x[:, 2:]], dim=1)[:, [0, 2, 1, 3]]
    assert torch.allclose(channels.together(operations, x), expected, atol=1e-6)


def test_a_pool_is_normalised_in_the_search_network_alone() -> None:
    pool = darts.search_operation("avg_pool_3x3", 3, 1)
    assert [type(layer) for layer in pool] == [torch.nn.AvgPool2d, torch.nn.BatchNorm2d]
    assert pool[1].weight is None
    path = tuple((("max_pool_3x3", source) for source in (0, 1, 0, 1, 0, 1, 0, 1)) for _ in range(2))
    path = tuple(map(tuple, path))
    counts = [
        sum(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())
        for network in (plain.DartsNetwork(*path, 0, 4, 3), darts.plain_network(path, 0, SHARINGS[0], 4, 3))
    ]
    assert counts[1] == counts[0] + 8 * 3


@pytest.mark.parametrize("partial", [3, 0, 8])
def test_channels_that_cannot_be_shared_out_are_refused(partial: int) -> None:
    with pytest.raises(ValueError, match=f"partial {partial}"):
        small(Sharing(partial=partial))
