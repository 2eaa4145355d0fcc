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


@pytest.mark.parametrize(("sharing", "count"), [(SHARINGS[0], 50), (SHARINGS[1], 10), (SHARINGS[2], 50)])
def test_a_path_is_its_plain_network(alike: Any, sharing: Sharing, count: int) -> None:
    def twin(path: Any) -> plain.DartsNetwork:
        return darts.plain_network(path, 1, sharing, **SIZES)

    alike(small(sharing), twin, random_paths(count), images())


@pytest.mark.parametrize("sharing", SHARINGS)
def test_what_is_off_the_path_rests(rests: Any, sharing: Sharing) -> None:
    rests(small(sharing), *random_paths(2), images())


def test_the_seed_alone_decides_the_weights_and_nothing_global_changes(only_its_seed: Any) -> None:
    only_its_seed(lambda seed: small(seed=seed))
