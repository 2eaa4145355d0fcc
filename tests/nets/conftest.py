"""What the tests of several networks share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

OnlyItsSeed = Callable[[Callable[[int], Any]], None]


@pytest.fixture
def only_its_seed(monkeypatch: pytest.MonkeyPatch) -> OnlyItsSeed:
    """Checks that the weights of what a function builds follow from its seed alone, and that no global stream moves."""
    torch = pytest.importorskip("torch", reason="networks need the extra train")

    def check(build: Callable[[int], Any]) -> None:
        touched: list[int] = []
        monkeypatch.setattr(torch.cuda, "manual_seed_all", touched.append)
        torch.default_generator.manual_seed(1)
        before = torch.get_rng_state()
        before_numpy = np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
        one = build(7).state_dict()
        assert torch.equal(torch.get_rng_state(), before)
        assert np.random.get_state()[1].tolist() == before_numpy  # type: ignore[index]  # noqa: NPY002
        assert touched == []
        torch.default_generator.manual_seed(2)
        same, other = build(7).state_dict(), build(8).state_dict()
        assert all(torch.equal(one[name], same[name]) for name in one)
        assert any(not torch.equal(one[name], other[name]) for name in one)

    return check
