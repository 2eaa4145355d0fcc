from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="proxies need the extra train")

from torch import nn  # noqa: E402

from archloom.evaluators.proxies.candidate import Candidate  # noqa: E402
from archloom.evaluators.proxies.counts import Flops, Params  # noqa: E402
from archloom.spaces.nb201 import Nb201, macs, parameters  # noqa: E402


def test_the_counts_of_nas_bench_201() -> None:
    space = Nb201()
    for seed in range(3):
        arch = space.sample(np.random.default_rng(seed))
        candidate = Candidate(space.build(arch, 0), (3, 32, 32))
        genes = np.array([arch.genes])
        assert Params().score(candidate) == parameters(genes)[0] / 1e6
        assert Flops().score(candidate) == macs(genes)[0] / 1e6


def test_grouped_and_transposed_convolutions_by_hand() -> None:
    """4 to 6 channels in 2 groups: 6 x 2 x 9 weights at 5 x 5 places; 6 to 3 upwards: 6 x 3 x 4 weights at 5 x 5."""
    network = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1, groups=2), nn.ConvTranspose2d(6, 3, 2, stride=2))
    candidate = Candidate(network, (4, 5, 5))
    assert Flops().score(candidate) == (6 * 2 * 9 * 25 + 6 * 3 * 4 * 25) / 1e6
    assert Params().score(candidate) == (6 * 2 * 9 + 6 + 6 * 3 * 4 + 3) / 1e6
    assert network.training, "it is left in training mode"
