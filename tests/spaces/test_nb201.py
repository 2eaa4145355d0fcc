from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from archloom.data.tables import Table
from archloom.errors import InputError
from archloom.spaces.base import SearchSpace
from archloom.spaces.graphs import Graph
from archloom.spaces.nb201 import EDGES, GENES, OPERATIONS, Nb201, macs, parameters
from archloom.spaces.sizes import STEMS
from archloom.testing import check_space
from archloom.testing.graphs import draw_graphs
from archloom.types import Arch
from archloom.utils import seeds

FIVE = [Arch(genes) for genes in itertools.product(range(5), repeat=6)]
SKIP, CONV1, CONV3 = 1, 2, 3

CANONICAL = Nb201(canonical=True)  # its classes are made once, for all tests


@pytest.mark.parametrize("make", [Nb201, partial(Nb201, canonical=True)])
def test_contract(make: Callable[[], SearchSpace]) -> None:
    check_space(make)


def test_texts_are_the_benchmarks_own() -> None:
    space = Nb201()
    text = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_3x3~0|none~1|skip_connect~2|"
    arch = space.parse(text)
    assert arch == Arch((4, 2, 1, 3, 0, 1))
    assert space.format(arch) == text
    assert space.parse(f"  {text}\n") == arch
    assert space.operations(arch)[3] == "nor_conv_3x3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("|none~0|+|none~0|none~1|", "2 nodes joined by +, expected 3; expected |op~0|+|op~0|op~1|+|op~0|op~1|op~2|"),
        ("|none~0|+|none~1|none~0|+|none~0|none~1|none~2|", "edge 1 of node 2 is 'none~1', expected op~0"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|", "node 3 has 2 edges, expected 3"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none|", "edge 3 of node 3 is 'none', expected op~2"),
        ("|none~0|+|none~0|none~1|+|none~0|~1|none~2|", "edge 2 of node 3 is '~1', expected op~1"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2| 93.1", "no |...|"),
        ("none", "no |...|; expected |op~0|"),
        ("\n" * 1000 + "x" * 10_000, "expected |op~0|"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|conv~2|", "2->3='conv': expected one of none, skip_connect"),
    ],
)
def test_another_text_is_told(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Nb201().parse(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "form",
    [
        "Structure(4 nodes with {})",
        "2019-01-01 12:00:00 best: {}",
        "'{}',",
        "arch = {};  # 94.37 %",
        "[{}]",
    ],
)
def test_the_forms_in_which_cells_are_printed(form: str) -> None:
    cell = "|skip_connect~0|+|none~0|nor_conv_1x1~1|+|avg_pool_3x3~0|nor_conv_3x3~1|none~2|"
    assert Nb201().parse(form.format(cell)) == Nb201().parse(cell)
    assert Nb201().format(Nb201().parse(cell)) == cell


def test_genes_are_the_six_edges_in_order() -> None:
    with pytest.raises(InputError, match="expected 0->1, 0->2, 1->2, 0->3, 1->3, 2->3"):
        Nb201({f"{a}->{b}": OPERATIONS for a, b in reversed(EDGES)})


def test_other_operations_keep_their_own_texts() -> None:
    space = Nb201({f"{a}->{b}": ("none", "sep_conv") for a, b in EDGES})
    assert space.size == 64
    assert space.parse(space.format(Arch((1, 0, 1, 0, 1, 0)))) == Arch((1, 0, 1, 0, 1, 0))


# -- isomorphic cells ---------------------------------------------------------------------------------------------


def test_the_published_number_of_classes() -> None:
    """15,625 cells, 6,466 different ones (Dong & Yang 2020, section 2.1)."""
    assert Nb201().size == len(FIVE) == 15_625
    assert CANONICAL.size == 6_466
    assert len({CANONICAL.key(arch) for arch in FIVE}) == 6_466
    assert len({Nb201().key(arch) for arch in FIVE}) == 15_625


def test_the_first_cell_of_a_class_stands_for_all() -> None:
    classes: dict[str, list[Arch]] = defaultdict(list)
    for arch in FIVE:
        classes[CANONICAL.key(arch)].append(arch)
    for members in classes.values():
        assert {CANONICAL.canonical(arch) for arch in members} == {members[0]}
        assert len({CANONICAL.signature(arch) for arch in members}) == 1


def linear(arch: Arch, mixing: dict[int, np.ndarray], x: np.ndarray) -> np.ndarray:
    """The cell with every operation a fixed matrix: cells of one class must agree."""
    nodes = [x]
    for node in (1, 2, 3):
        terms = [mixing[int(g)] @ nodes[a] for g, (a, b) in zip(arch.genes, EDGES, strict=True) if b == node]
        nodes.append(np.sum(terms, axis=0))
    return nodes[3]


def test_cells_of_a_class_compute_the_same() -> None:
    rng = seeds.stream(0, "test")
    mixing = {0: np.zeros((3, 3)), 1: np.eye(3)} | {i: rng.normal(size=(3, 3)) for i in (2, 3, 4)}
    x = rng.normal(size=3)
    for arch in FIVE[::7]:
        np.testing.assert_allclose(linear(arch, mixing, x), linear(CANONICAL.canonical(arch), mixing, x), atol=1e-9)


def test_known_isomorphs() -> None:
    """A skip into node 1 makes edges from 0 and from 1 the same; an edge out of a dead node is dead."""
    assert CANONICAL.key(Arch((SKIP, CONV1, 0, 0, 0, CONV3))) == CANONICAL.key(Arch((SKIP, 0, CONV1, 0, 0, CONV3)))
    assert CANONICAL.key(Arch((0, 0, CONV1, CONV3, CONV1, 0))) == CANONICAL.key(Arch((0, 0, 0, CONV3, 0, 0)))
    assert CANONICAL.key(Arch((0, 0, 0, CONV1, 0, 0))) != CANONICAL.key(Arch((0, 0, 0, CONV3, 0, 0)))


# -- graphs -------------------------------------------------------------------------------------------------------


def test_every_cell_is_read_back_from_its_graph() -> None:
    space = Nb201()
    graphs = [space.to_graph(arch) for arch in FIVE]
    assert [space.from_graph(graph) for graph in graphs] == FIVE
    assert len({tuple(graph.labels.tolist()) for graph in graphs}) == 15_625


def test_edges_become_vertices_as_in_a_line_graph() -> None:
    """Between the input, read by edges from node 0, and the output, which reads edges to node 3."""
    networkx = pytest.importorskip("networkx", reason="graphs are compared by networkx, which comes with torch")
    space, genes = Nb201(), (4, 2, 1, 3, 0, 1)
    graph = space.to_graph(Arch(genes))
    expected = networkx.line_graph(networkx.DiGraph(EDGES))
    expected.add_edges_from(("input", edge) for edge in EDGES if edge[0] == 0)
    expected.add_edges_from((edge, "output") for edge in EDGES if edge[1] == 3)
    names = ["input", *EDGES, "output"]
    assert {(names[x], names[y]) for x, y in np.argwhere(graph.adjacency)} == set(expected.edges)
    operations = [OPERATIONS[gene] for gene in genes]
    assert [space.graph_labels[label] for label in graph.labels] == ["input", *operations, "output"]


def test_random_graphs_are_cells_drawn_uniformly_edge_by_edge() -> None:
    space = Nb201()
    graphs = draw_graphs(space.grammar(), 7, 500, seeds.stream(0, "test"))
    genes = np.array([space.from_graph(graph).genes for graph in graphs])
    assert all(set(column) == set(range(5)) for column in genes.T)
    assert len(np.unique(genes, axis=0)) > 450  # of 500; 492 are expected


def mixed() -> Nb201:
    """Edges with operations of their own, in orders of their own."""
    sets = (("none", "sep_conv"), ("sep_conv", "none", "zoom"), ("zoom",))
    return Nb201({f"{a}->{b}": sets[edge % 3] for edge, (a, b) in enumerate(EDGES)})


def test_operations_of_a_table_are_labels_by_their_names() -> None:
    check_space(mixed)
    space = mixed()
    assert space.graph_labels == ("input", "output", "none", "sep_conv", "zoom")
    archs = [Arch(genes) for genes in itertools.product(*map(range, space.sizes))]
    assert [space.from_graph(space.to_graph(arch)) for arch in archs] == archs
    assert space.to_graph(Arch((0, 1, 0, 1, 0, 0))).labels.tolist() == [0, 2, 2, 4, 3, 3, 4, 1]
    graphs = draw_graphs(space.grammar(), 5, 300, seeds.stream(0, "test"))
    assert {space.from_graph(graph) for graph in graphs} == set(archs)
    labels = space.to_graph(archs[0]).labels.copy()
    labels[1] = 4
    with pytest.raises(InputError, match="0->1='zoom': expected one of none, sep_conv"):
        space.from_graph(Graph(labels, space.to_graph(archs[0]).adjacency))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: Graph(g.labels[:7], g.adjacency), r"labels of shape \(7,\) .*: expected 8 whole numbers"),
        (lambda g: Graph(g.labels + 0.5, g.adjacency), "type float64 .*: expected 8 whole numbers"),
        (lambda g: Graph(g.labels, g.adjacency[:7, :7]), r"adjacency of shape \(7, 7\): expected 8 whole numbers"),
        (lambda g: Graph(g.labels, 1 - g.adjacency), "the edges that `to_graph` of any cell has"),
        (lambda g: Graph(g.labels[::-1], g.adjacency), r"labels \[1, .*, 0\]: expected 0 \(input\), six of 2 to 6"),
        (lambda g: Graph(g.labels % 6, g.adjacency), r"labels \[0, .*: expected 0 \(input\), six of 2 to 6, then 1"),
        (lambda g: Graph(g.labels + (g.labels == 6), g.adjacency), r"expected 0 \(input\), six of 2 to 6, then 1"),
    ],
)
def test_another_graph_is_told(change: Callable[[Graph], Graph], message: str) -> None:
    with pytest.raises(InputError, match=f"^graph with .*{message}"):
        Nb201().from_graph(change(Nb201().to_graph(Arch((4, 2, 1, 3, 0, 1)))))


# -- against the table --------------------------------------------------------------------------------------------


def test_counts_of_every_cell_are_the_tables(nb201_table: Table) -> None:
    assert list(nb201_table.options[0]) == list(OPERATIONS)
    np.testing.assert_allclose(parameters(nb201_table.genes) / 1e6, nb201_table.metric("cifar10_params_m"), atol=1e-6)
    np.testing.assert_allclose(macs(nb201_table.genes) / 1e6, nb201_table.metric("cifar10_flops_m"), rtol=1e-5)


def test_the_table_makes_the_same_space(nb201_table: Table) -> None:
    choices = dict(zip(nb201_table.gene_names, nb201_table.options, strict=True))
    space = Nb201.for_table(choices, nb201_table.genes, canonical=True)
    assert space.size == 6_466
    assert space.options == Nb201().options


SIZES = [
    {"channels": 4, "cells": 1, "classes": 3, "image_channels": 1, "image_size": 8},
    {"channels": 5, "cells": 2, "classes": 10, "image_channels": 3, "image_size": 14},
    {"channels": 6, "cells": 1, "classes": 2, "image_channels": 2, "image_size": (13, 28)},
    {"channels": 6, "cells": 1, "classes": 5, "image_channels": 3, "image_size": (64, 33), "stem": "imagenet"},
    {"channels": 5, "cells": 1, "classes": 5, "image_channels": 1, "image_size": 1},
]


# -- networks -----------------------------------------------------------------------------------------------------


def test_the_source_is_a_file_that_builds_the_same_network(exported: Any) -> None:
    exported(Nb201(), Arch((3, 1, 0, 2, 4, 1)), (2, 3, 16, 16))


@pytest.mark.parametrize("sizes", SIZES)
def test_networks_have_the_sizes_of_the_space_and_what_is_counted(sizes: Any, counted: Any, exported: Any) -> None:
    space, rng = Nb201(**sizes), seeds.stream(0, "test")
    image = (space.image_channels, *space.network_sizes.image)
    widths = {name: value for name, value in sizes.items() if name not in ("image_size", "stem")}
    stem = STEMS[space.stem]
    for _ in range(3):
        arch = space.sample(rng)
        genes = np.array([arch.genes])
        network = space.build(arch, 0)
        assert sum(weight.numel() for weight in network.parameters()) == parameters(genes, **widths, stem=stem)[0]
        assert counted(network, image) == macs(genes, **widths, image_size=sizes["image_size"], stem=stem)[0]
        assert network.head[-1].out_features == sizes["classes"]
    exported(space, arch, (2, *image))


def test_an_operation_without_a_layer_is_told() -> None:
    pytest.importorskip("torch")
    space = Nb201({f"{a}->{b}": ("none", "nor_conv_5x5") for a, b in EDGES})
    with pytest.raises(InputError, match="unknown operation to build 'nor_conv_5x5'; did you mean 'nor_conv_3x3'"):
        space.build(Arch((1, 0, 0, 0, 0, 0)), seed=0)


def test_a_drawing_has_the_cells_edges() -> None:
    drawing = Nb201().drawing(Arch((3, 0, 1, 2, 4, 0)))
    assert drawing.nodes == ("in", "1", "2", "out")
    assert [(e.source, e.target) for e in drawing.edges] == list(EDGES)
    assert [e.absent for e in drawing.edges] == [False, True, False, False, False, True]


def test_features_of_a_cell_and_of_a_table_with_other_operations() -> None:
    """The skip carries no length, and what `none` cuts off does not count."""
    space = Nb201()
    arch = space.parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|nor_conv_3x3~1|avg_pool_3x3~2|")
    codes, stats = space.features([arch])
    assert codes.shape == (1, 30)
    assert len(space.feature_layout.stats) == 15
    told = {name: value for name, value in zip(space.feature_layout.stats, stats[0].tolist(), strict=True) if value}
    assert told == {
        "skip_connect: live": 1,
        "nor_conv_3x3: live": 2,
        "nor_conv_3x3: most on a path": 2,
        "nor_conv_3x3: mean on a path": 1,
        "paths (log2)": 1,
        "longest path": 2,
        "mean path": 1,
        "live edges": 5,
    }
    other = Nb201(dict.fromkeys(GENES, ("mix", "none")))
    assert other.feature_layout.stats[:3] == ("mix: live", "mix: most on a path", "mix: mean on a path")
    assert not other.features([Arch((1,) * 6)])[1].any()
