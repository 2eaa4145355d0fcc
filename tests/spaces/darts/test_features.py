from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba", reason="the DARTS space needs the extra bench")

from archloom.errors import InputError
from archloom.spaces.darts import Darts, one_hot, random_genotypes
from archloom.spaces.darts.features import FLOW, LAYOUT, features, flow_batches
from archloom.spaces.darts.genotypes import SHAPE
from archloom.spaces.darts.graph import graph_of
from archloom.types import Arch

SPACE = Darts()


def test_the_batches_are_the_graphs_of_both_cells() -> None:
    genotypes = random_genotypes(30, np.random.default_rng(0))
    normal, reduce = flow_batches(genotypes)
    for row, genotype in enumerate(genotypes):
        graph = graph_of(genotype)
        assert np.concatenate([normal.labels[row], reduce.labels[row]]).tolist() == graph.labels.tolist()
        assert normal.adjacency[row].tolist() == graph.adjacency[:15, :15].tolist()
        assert reduce.adjacency[row].tolist() == graph.adjacency[15:, 15:].tolist()


def test_the_statistics_of_a_published_cell(darts_v1: str) -> None:
    """Its normal cell: node 2 = sep(1) + sep(0), 3 = skip(0) + sep(1), 4 = skip(0) + sep(1), 5 = sep(0) + skip(2)."""
    codes, stats = SPACE.features([SPACE.parse(darts_v1)])
    told = dict(zip(LAYOUT.stats, stats[0].tolist(), strict=True))
    assert codes.shape == (1, 280)
    assert told["normal sep_conv_3x3: live"] == 5
    assert told["normal skip_connect: live"] == 3
    assert told["normal dil_conv_5x5: live"] == 0
    assert told["normal sep_conv_3x3: most on a path"] == 1
    # Two paths to each of the nodes 2, 3 and 4, three to node 5: 0 sep, and 0 or 1 sep, then skip.
    assert told["normal paths (log2)"] == pytest.approx(np.log2(9))
    assert told["normal longest path"] == 1
    assert told["normal shortest path"] == 0
    assert told["normal mean path"] == pytest.approx(7 / 9)
    assert told["normal share of the first input"] == pytest.approx(5 / 9)
    assert told["normal nodes that feed the output only"] == 2
    assert told["reduce nodes that feed the output only"] == 2
    assert told["reduce max_pool_3x3: most on a path"] == 1


def test_a_node_with_nothing_in_common_is_one_apart() -> None:
    genotypes = np.zeros((4, *SHAPE), dtype=np.uint8)
    genotypes[:, :, 1::2] = 1
    genotypes[1, 0, 6, 1] = 3  # the operation of one pair of the last node of the normal cell
    genotypes[2, 0, 6:, 0] += 2  # both sources
    genotypes[3, 0, 6:] += 2  # and both operations
    codes, _ = features(genotypes)
    apart = pytest.approx([1 / 3, 2 / 3, 1])
    assert ((codes[0] - codes[1:]) ** 2).sum(axis=1).tolist() == apart
    ends = np.cumsum(LAYOUT.widths)
    group = slice(ends[2], ends[3])
    assert LAYOUT.groups[3] == "normal node 5"
    assert ((codes[0, group] - codes[1:, group]) ** 2).sum(axis=1).tolist() == apart


def test_a_group_has_the_nodes_rows_of_alpha_its_operations_and_its_sources() -> None:
    genotypes = random_genotypes(20, np.random.default_rng(2))
    codes, alpha, at, row = features(genotypes)[0] * np.sqrt(12), one_hot(genotypes), 0, 0
    for width, sources in zip(LAYOUT.widths, (2, 3, 4, 5) * 2, strict=True):
        own = alpha[:, row : row + sources]
        expected = np.concatenate([own.reshape(20, -1), own.sum(axis=1), own.sum(axis=2)], axis=1)
        assert codes[:, at : at + width] == pytest.approx(expected)
        at, row = at + width, row + sources
    assert at == codes.shape[1]


def test_the_order_of_a_nodes_pairs_makes_no_difference() -> None:
    genotypes = random_genotypes(20, np.random.default_rng(1))
    turned = genotypes.reshape(-1, 2, 4, 2, 2)[:, :, :, ::-1].reshape(genotypes.shape)
    for one, other in zip(features(genotypes), features(turned), strict=True):
        assert np.array_equal(one, other)


def test_genes_that_are_no_genotype_are_refused() -> None:
    whole = SPACE.sample(np.random.default_rng(0))
    for genes in (whole.genes[:-1], (0.5, *whole.genes[1:]), (9, *whole.genes[1:]), (-1, *whole.genes[1:])):
        with pytest.raises(InputError, match=r"genotype|genes"):
            SPACE.features([whole, Arch(genes)])
    floats = Arch(tuple(float(gene) for gene in whole.genes))
    for one, other in zip(SPACE.features([whole, floats]), SPACE.features([whole, whole]), strict=True):
        assert np.array_equal(one, other)


def test_no_genotypes_have_no_rows() -> None:
    codes, stats = SPACE.features([])
    assert codes.shape == (0, 280)
    assert stats.shape == (0, len(FLOW.names) + 2)
