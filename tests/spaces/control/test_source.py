"""Encoder, actor and critic as a file of code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from archloom.spaces.control import Control
from archloom.types import Arch


@pytest.mark.parametrize("observation", [(9, 12, 11), (5,)])
@pytest.mark.parametrize("as_published", [False, True])
def test_the_file_builds_the_same_networks(
    observation: tuple[int, ...], as_published: bool, stand_alone: Callable[[Any, Arch], tuple[Any, Any]]
) -> None:
    torch = pytest.importorskip("torch", reason="networks need the extra train")
    space = Control(observation, actions=2, width=3, hidden=4, features=(3, 5), as_published=as_published)
    rng, draw = np.random.default_rng(2), torch.Generator().manual_seed(0)
    frames = torch.rand(2, *observation, generator=draw) * 255
    for _ in range(3):
        ours, made = stand_alone(space, space.sample(rng))
        for train in (False, True, False):  # a pass of training moves the vectors of spectral norms
            action = ours.train(train)(frames)
            assert torch.equal(action, made.train(train)(frames))
            features = ours.encoder(frames)
            values = ours.critic(features, action), made.critic(made.encoder(frames), action)
            assert all(map(torch.equal, *values))
        made.load_state_dict(ours.state_dict(), strict=True)
