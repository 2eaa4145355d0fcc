"""Generators and discriminators as files of code."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from archloom.spaces.gan import Gan, GanHard, GanSpace
from archloom.testing import MakeSpace
from archloom.types import Arch

SIZES = {"image_size": 16, "image_channels": 1, "channels": 3, "discriminator_channels": 4, "latent": 6}


@pytest.mark.parametrize(
    "make",
    [
        partial(Gan, **SIZES),
        partial(Gan, **SIZES, latent_parts=1),
        partial(Gan, **{**SIZES, "image_size": 48, "image_channels": 3}, latent_parts=2, as_published=True),
        partial(GanHard, **SIZES),
        partial(GanHard, **{**SIZES, "image_size": 48, "image_channels": 3}, as_published=True),
    ],
    ids=["thirds", "whole", "stl", "hard", "hard-stl"],
)
def test_the_file_builds_the_same_networks(
    make: MakeSpace, stand_alone: Callable[[Any, Arch], tuple[Any, Any]]
) -> None:
    torch = pytest.importorskip("torch", reason="networks need the extra train")
    space, rng = make(), np.random.default_rng(2)
    assert isinstance(space, GanSpace)
    size, draw = space.dimensions, torch.Generator().manual_seed(0)
    latent = torch.randn(2, size.latent, generator=draw)
    for _ in range(3):
        ours, made = stand_alone(space, space.sample(rng))
        for train in (False, True, False):  # a pass of training moves statistics, and vectors of the singular values
            with torch.random.fork_rng(), torch.no_grad():
                images, scores = _outputs(torch, ours.train(train), latent)
                again, scored = _outputs(torch, made.train(train), latent)
            assert images.shape == (2, size.image_channels, size.image_size, size.image_size)
            assert torch.equal(images, again)
            assert torch.equal(scores, scored)
        made.load_state_dict(ours.state_dict(), strict=True)


def _outputs(torch: Any, networks: Any, latent: Any) -> tuple[Any, Any]:
    torch.manual_seed(0)  # for dropout
    images = networks.generator(latent)
    return images, networks.discriminator(images)
