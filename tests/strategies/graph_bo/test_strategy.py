"""graph_bo as a strategy."""

from __future__ import annotations

from functools import partial

from archloom.strategies.graph_bo.strategy import GraphBo, GraphBoOptions
from archloom.testing import check_strategy


def test_contract() -> None:
    check_strategy(GraphBo, queries=40, repetitions=4)


def test_contract_with_several_fidelities() -> None:
    check_strategy(partial(GraphBo, options=GraphBoOptions(fidelities=3)), queries=20, repetitions=4)
