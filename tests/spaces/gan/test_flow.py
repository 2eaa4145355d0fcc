from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archloom.spaces.gan import Gan, GanHard
from archloom.spaces.gan.genes import ADVERSARIALNAS_CIFAR10
from archloom.types import Arch

SMALL = {"channels": 4, "discriminator_channels": 4, "latent": 12}


def told(space: Any, arch: Arch) -> dict[str, float]:
    return dict(zip(space.feature_layout.stats, space.features([arch])[1][0].tolist(), strict=True))


@pytest.mark.parametrize("as_published", [False, True])
def test_there_are_as_many_paths_as_a_one_becomes_if_nothing_is_computed(as_published: bool) -> None:
    """Every operation becomes an identity and sums stay sums, so the output of a one is the number of paths."""
    torch = pytest.importorskip("torch")
    space, rng = GanHard(as_published=as_published, **SMALL), np.random.default_rng(0)
    for _ in range(25):
        arch = space.sample(rng)
        found, networks = told(space, arch), space.build(arch, 0)
        x, joined = torch.ones(1, 1, 2, 2), []
        for cell in networks.generator.cells:
            for edge in [name for name in cell if name in space.parts["cell1"].choices]:
                cell[edge] = torch.nn.Upsample(scale_factor=2) if edge.startswith("up") else torch.nn.Identity()
            cell.skips = torch.nn.ModuleList(torch.nn.Identity() for _ in joined)
            cell.as_published = False
            x, node = cell(x, joined)
            joined.append(node)
        assert found["generator paths (log2)"] == pytest.approx(np.log2(float(x.max())))
        x = torch.ones(1, 1, 2, 2)
        for block in networks.discriminator.blocks:
            for edge in list(block):
                block[edge] = torch.nn.Identity()
            x = block(x)
        assert found["discriminator paths (log2)"] == pytest.approx(np.log2(float(x.max())))


def test_everything_in_the_generator_of_adversarialnas_is_live() -> None:
    found = {name: value for name, value in told(Gan(), ADVERSARIALNAS_CIFAR10).items() if ": live" in name and value}
    assert found == {
        "generator nearest: live": 1,
        "generator bilinear: live": 5,
        "generator skip_connect: live": 3,
        "generator conv_3x3: live": 8,
    }


def test_without_operations_a_generator_is_its_upsampling() -> None:
    """Node 2 is then the sum of nodes 0 and 1, and the output; it also goes to every later cell."""
    found = {name: value for name, value in told(Gan(), Arch((0,) * 21)).items() if value}
    assert found == {
        "generator nearest: live": 6,
        "generator nearest: most on a path": 3,
        # Two ways through a cell: 2 from the first join, 2 * 2 + 2 to the second, 6 * 2 + 6 + 2 to the third.
        "generator nearest: mean on a path": pytest.approx((8 * 3 + 4 * 2 + 4 * 2 + 2 * 1 + 2 * 1) / 20),
        "generator paths (log2)": pytest.approx(np.log2(20)),
        "generator longest path": 3,
        "generator shortest path": 1,
        "generator mean path": pytest.approx(2.2),
        "generator live edges": 6 + 6 + 3 + 3,
    }


def test_projections_are_counted_beside_the_flow() -> None:
    names = GanHard().feature_layout.stats
    assert "True: count in projection2.if_enabled to projection3.if_enabled" in names
    assert not any("count in cell" in name or "count in block" in name for name in names)
    assert Gan().feature_layout.stats == tuple(Gan().flow.names)
