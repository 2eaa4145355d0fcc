from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("numba", reason="DARTS cells need the extra bench")

from archloom.errors import InputError
from archloom.evaluators.surrogates.genotypes import INACTIVE, PAIRS, edge_operations, nodes_of, pair_ranks
from archloom.spaces.darts import random_genotypes
from archloom.spaces.darts.genotypes import FIRST_EDGE

SEEDS = st.integers(0, 2**32 - 1)
CELL = [[0, 3], [1, 4], [0, 0], [2, 6], [3, 5], [1, 2], [4, 1], [3, 0]]


def test_a_cell_written_out() -> None:
    nodes = nodes_of(np.array([CELL, CELL]))
    assert nodes[0, 0, 2].tolist() == [[1, 2], [3, 5]]  # the third node's pairs were the other way round
    assert [PAIRS[k][rank] for k, rank in enumerate(pair_ranks(nodes)[0, 0])] == [(0, 1), (0, 2), (1, 3), (3, 4)]
    operations = edge_operations(nodes)[0, 1]
    assert {edge: operation for edge, operation in enumerate(operations) if operation != INACTIVE} == {
        0: 3, 1: 4, 2: 0, 4: 6, 6: 2, 8: 5, 12: 0, 13: 1,
    }  # fmt: skip


@given(SEEDS)
def test_edges_and_pairs_say_it_all_in_whatever_order_it_was_written(seed: int) -> None:
    rng = np.random.default_rng(seed)
    genotypes = random_genotypes(5, rng)
    nodes = nodes_of(genotypes)
    assert (nodes.reshape(genotypes.shape) == genotypes).all()  # those drawn are sorted
    written = nodes.copy()
    turned = rng.random((5, 2, 4)) < 0.5
    written[turned] = written[turned][:, ::-1]
    assert (nodes_of(written.reshape(genotypes.shape)) == nodes).all()
    edges, ranks = edge_operations(nodes), pair_ranks(nodes)
    for row, cell, node in np.ndindex(5, 2, 4):
        into = edges[row, cell, FIRST_EDGE[node] : FIRST_EDGE[node] + node + 2].tolist()
        sources = PAIRS[node][ranks[row, cell, node]]
        assert [[source, operation] for source, operation in enumerate(into) if operation != INACTIVE] == (
            nodes[row, cell, node].tolist()
        )
        assert sources == tuple(nodes[row, cell, node, :, 0])


def test_one_genotype_is_a_batch_of_one() -> None:
    one = np.array([CELL, CELL], dtype=np.uint8)
    assert (nodes_of(one) == nodes_of(one[None])).all()
    assert nodes_of(one[None][:0]).shape == (0, 2, 4, 2, 2)


@pytest.mark.parametrize("wrong", [np.zeros((2, 8, 3), int), np.zeros((1, 2, 8, 2)), np.zeros((1, 2, 8, 2), bool)])
def test_another_shape_or_type_is_told(wrong: np.ndarray) -> None:
    with pytest.raises(InputError, match="expected whole numbers of shape") as caught:
        nodes_of(wrong)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("pair", "entry", "value"), [(3, 0, 0), (3, 0, 3), (3, 0, -1), (0, 1, 7), (0, 1, -1)])
def test_a_broken_rule_is_told_with_its_row(pair: int, entry: int, value: int) -> None:
    genotypes = np.tile(np.array([CELL, CELL]), (3, 1, 1, 1))
    genotypes[1, 1, pair, entry] = value
    with pytest.raises(InputError, match=f"genotype 1 of the batch: node {pair // 2 + 2} of the reduce cell"):
        nodes_of(genotypes)
