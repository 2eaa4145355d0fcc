from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest

from archloom.spaces.base import Buildable, HasSource
from archloom.spaces.random_graph import Hnag, HnagAug1, HnagAug2, RandomGraphSpace, Rnag
from archloom.types import Arch
from archloom.utils import seeds

SMALL: Mapping[str, Any] = {"params_m": 0.01, "head_width": 16, "image_channels": 1, "classes": 3, "image_size": 8}


@pytest.mark.parametrize("kind", [Hnag, Rnag, HnagAug1, HnagAug2])
def test_the_exported_file_builds_the_same_network(kind: type[RandomGraphSpace], exported: Callable[..., Any]) -> None:
    make = partial(kind, **SMALL) if kind is Rnag else partial(kind, mid_nodes=(1, 2), bottom_nodes=(1, 4), **SMALL)
    space = make(auxiliary=True)
    assert isinstance(space, HasSource) and isinstance(space, Buildable)
    arch = space.sample(seeds.stream(0, "test"))
    exported(space, arch, (2, 1, 8, 8))


def test_an_exported_network_takes_the_weights_of_a_training() -> None:
    torch = pytest.importorskip("torch", reason="networks need the extra train")
    space = Hnag(top_nodes=6, mid_nodes=4, bottom_nodes=5, **SMALL)
    arch: Arch = space.sample(seeds.stream(0, "test"))
    names: dict[str, Any] = {"__name__": "exported"}
    source = space.source(arch, "found by a test")
    assert "x / 127.5 - 1, where x is their bytes; trained with another normalisation, as the run's note says" in source
    exec(compile(source, "exported.py", "exec"), names)
    assert space.details(arch)["operations"] == 120
    network, trained = names["make_network"](), space.build(arch, 5).state_dict()
    network.load_state_dict(trained)
    assert all(torch.equal(trained[name], tensor) for name, tensor in network.state_dict().items())
