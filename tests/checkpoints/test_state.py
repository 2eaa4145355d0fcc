"""A training as one value."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="states of trainings need the extra train")

from archloom.checkpoints.state import Average, Optimiser, TrainingState  # noqa: E402


def test_states_share_no_defaults() -> None:
    one, other = TrainingState({"network": {}}), TrainingState({"network": {}})
    one.rest["epochs"] = 3
    one.averages["ema"] = Average("network", {})
    one.optimisers["adam"] = Optimiser([], {})
    one.arrays["noise"] = torch.zeros(1)
    assert (other.rest, other.averages, other.optimisers, other.arrays) == ({}, {}, {}, {})
