from __future__ import annotations

import pytest

from archloom.errors import InputError
from archloom.strategies.graph_bo.options import GraphBoOptions
from archloom.strategies.graph_bo.targets import WARPS
from archloom.utils import options


def test_a_kernel_needs_a_term() -> None:
    with pytest.raises(InputError, match="the kernel needs at least one of the two"):
        GraphBoOptions(codes=False, statistics=False)


def test_every_warp_can_be_chosen() -> None:
    assert {GraphBoOptions(warp=name).warp for name in WARPS} == set(WARPS)
    with pytest.raises(InputError, match="warp"):
        options.of_dataclass(GraphBoOptions)["warp"].convert("strategy graph_bo", "squared")
