from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba", reason="the space needs the extra bench")

from archloom.errors import InputError
from archloom.spaces.graphs import OPEN
from archloom.spaces.nb101 import Nb101
from archloom.spaces.nb101.cells import all_codes
from archloom.spaces.nb101.codes import unpack
from archloom.spaces.nb101.flow import FLOW, flow_batch
from archloom.types import Arch

SPACE = Nb101()


def test_a_batch_holds_the_graphs_of_its_cells() -> None:
    genes = unpack(all_codes()[::20_000])
    batch = flow_batch(genes)
    for row, labels, adjacency in zip(genes.tolist(), *batch, strict=True):
        graph = SPACE.to_graph(Arch(tuple(row)))
        there = labels != OPEN
        assert labels[there].tolist() == graph.labels.tolist()
        assert adjacency[np.ix_(there, there)].tolist() == graph.adjacency.tolist()
        assert adjacency.sum() == graph.adjacency.sum()


def test_statistics_of_a_cell() -> None:
    """Vertex 3 leads nowhere, vertex 4 is reached by nothing."""
    arch = SPACE.parse("1=conv3x3(in) 2=maxpool3x3(in,1) 3=conv1x1(2) 4=conv1x1() out(in,2,4)")
    codes, stats = SPACE.features([arch])
    assert codes.shape == (1, 0)
    assert dict(zip(SPACE.feature_layout.stats, stats[0].tolist(), strict=True)) == {
        "conv3x3: live": 1,
        "conv1x1: live": 0,
        "maxpool3x3: live": 1,
        "conv3x3: most on a path": 1,
        "conv1x1: most on a path": 0,
        "maxpool3x3: most on a path": 1,
        "conv3x3: mean on a path": pytest.approx(1 / 3),
        "conv1x1: mean on a path": 0,
        "maxpool3x3: mean on a path": pytest.approx(2 / 3),
        "paths (log2)": pytest.approx(np.log2(3)),
        "longest path": 2,
        "shortest path": 0,
        "mean path": pytest.approx(1),
        "live edges": 5,
        "edges from inputs": 3,
        "edges to outputs": 2,
    }


def test_isomorphic_cells_have_the_same_statistics_whatever_dangles() -> None:
    one = SPACE.parse("1=conv3x3(in) 2=maxpool3x3(in) out(1,2)")
    other = SPACE.parse("1=maxpool3x3(in) 2=conv1x1(1) 3=conv3x3(in) out(1,3)")
    _, stats = SPACE.features([one, other])
    assert SPACE.key(one) == SPACE.key(other)
    assert stats[0].tolist() == stats[1].tolist()


def test_a_cell_without_a_path_has_zeros() -> None:
    _, stats = SPACE.features([SPACE.parse("1=conv3x3(in) out()")])
    assert not stats.any()
    assert stats.shape == (1, len(FLOW.names))


def test_genes_that_are_no_graph_are_refused() -> None:
    with pytest.raises(InputError, match="expected 21 zeros and ones"):
        SPACE.features([Arch((2, *[0] * 20, *[3] * 5))])
