from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

pytest.importorskip("numba", reason="the space needs the extra bench")

from archloom.data.tables import Table
from archloom.errors import InputError
from archloom.spaces.answers import valid_neighbours
from archloom.spaces.base import Buildable, HasNeighbours, HasSize, HasSource, SearchSpace, is_valid
from archloom.spaces.drawing import Drawable
from archloom.spaces.graphs import Graph, HasGraph
from archloom.spaces.nb101.cells import all_codes
from archloom.spaces.nb101.codes import keys, pack, unpack
from archloom.spaces.nb101.counts import macs, parameters
from archloom.spaces.nb101.moves import neighbours
from archloom.spaces.nb101.space import GENE_NAMES, OPTIONS, Nb101
from archloom.spaces.sizes import STEMS
from archloom.testing import check_space
from archloom.types import Arch
from archloom.utils import seeds

PAIRS = list(itertools.combinations(range(7), 2))
CHOICES = dict(OPTIONS)


def arch(edges: str, *labels: int) -> Arch:
    genes = [0] * 21 + [*labels] + [3] * (5 - len(labels))
    for x, y in edges.split():
        genes[PAIRS.index((int(x), int(y)))] = 1
    return Arch(tuple(genes))


STRAIGHT = arch("01")
UNCONNECTED = arch("01 02", 0, 1)
DANGLING = arch("01 02 13", 0, 1)  # vertex 2 leads nowhere
CROWDED = arch("01 02 03 04 12 13 14 23 24 34", 0, 1, 2)


@st.composite
def architectures(draw: st.DrawFn) -> Arch:
    """Any cell: connected or not, with any number of edges."""
    n = draw(st.integers(0, 5))
    edges = [f"{x}{y}" for x, y in PAIRS if y <= n + 1 and draw(st.booleans())]
    return arch(" ".join(edges), *(draw(st.integers(0, 2)) for _ in range(n)))


@pytest.mark.parametrize("make", [Nb101, partial(Nb101, sampler="rejection")])
def test_contract(make: Callable[[], SearchSpace]) -> None:
    check_space(make)


def test_what_the_space_can_do() -> None:
    space = Nb101()
    for capability in (SearchSpace, HasNeighbours, HasGraph, HasSource, Buildable, Drawable, HasSize):
        assert isinstance(space, capability)
    assert space.size == 423_624


def test_samplers_by_name() -> None:
    """By size, a sixth of the cells has seven vertices; by rejection, three in a thousand do."""

    def full(space: Nb101) -> int:
        rng = seeds.stream(0, "test")
        return sum(3 not in space.sample(rng).genes[21:] for _ in range(600))

    assert 70 < full(Nb101()) < 130
    assert full(Nb101(sampler="by_size")) == full(Nb101())
    assert full(Nb101(sampler="rejection")) < 10
    with pytest.raises(InputError, match=r"unknown sampler of nb101 'uniform' .*known: by_size, rejection"):
        Nb101(sampler="uniform")  # type: ignore[arg-type]


# -- strings ------------------------------------------------------------------------------------------------


def test_a_text_tells_what_leads_to_each_vertex() -> None:
    cell = arch("01 02 12 23 03", 0, 2)
    text = "1=conv3x3(in) 2=maxpool3x3(in,1) out(in,2)"
    assert Nb101().format(cell) == text
    assert Nb101().parse(text) == cell
    assert Nb101().parse(f"  {text.replace(' ', '  ')}\n") == cell
    assert Nb101().parse(text.replace("out(in,2)", "out(2,in)")) == cell
    assert Nb101().format(STRAIGHT) == "out(in)"
    assert Nb101().format(UNCONNECTED) == "1=conv3x3(in) 2=conv1x1(in) out()"


@given(architectures())
def test_texts_are_read_back(cell: Arch) -> None:
    assert Nb101().parse(Nb101().format(cell)) == cell


@pytest.mark.parametrize(
    "text",
    [
        "out",
        "out(in) out(in)",
        "1=conv3x3(in)",
        "out(in) 1=conv3x3(in)",
        "2=conv3x3(in) out(2)",
        "1=conv3x3(in) 1=conv3x3(in) out(1)",
        "1=conv5x5(in) out(1)",
        "1=absent(in) out(1)",
        "1=conv3x3(1) out(1)",
        "1=conv3x3(2) 2=conv3x3(in) out(1)",
        "1=conv3x3(in) out(2)",
        "1=conv3x3(in) out(0)",
        "1=conv3x3(in) out(01)",
        "1=conv3x3(in) out(٢)",
        "1=conv3x3(in) out(1,1)",
        "1=conv3x3(in) out(1,)",
        "1=conv3x3(in) out(in, 1)",
        "1=conv3x3(in) out(-1)",
        "out(" + "9" * 5_000 + ")",
        " ".join(f"{vertex}=conv3x3(in)" for vertex in range(1, 7)) + " out(1)",
        "1=conv3x3((in) out(1)",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected vertices in order with what leads to them, as in") as error:
        Nb101().parse(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1=conv3x3(in)", "the last vertex is not out(...)"),
        ("1=conv3x3(in) 2=conv5x5(1) out(2)", "vertex 2 is '2=conv5x5(1)'"),
        ("1=conv3x3(in) 3=conv3x3(1) out(2)", "vertex 2 is '3=conv3x3(1)'"),
        ("1=conv3x3(in) out(2)", "vertex 2: '2' leads to it, expected in, 1"),
        ("1=conv3x3(in) out(1,1)", "vertex 2: 1 leads to it twice"),
        ("", "0 vertices, expected 1 to 6"),
    ],
)
def test_the_place_of_a_fault_is_named(text: str, says: str) -> None:
    with pytest.raises(InputError) as error:
        Nb101().parse(text)
    assert f": {says}; expected vertices" in str(error.value)


def test_a_long_text_is_not_told_in_full() -> None:
    with pytest.raises(InputError) as error:
        Nb101().parse("x" * 100_000)
    assert len(str(error.value)) < 500


# -- rules, canonical form and keys -------------------------------------------------------------------------------


@given(architectures())
def test_rules_are_those_of_the_benchmark(oracle: Any, cell: Arch) -> None:
    violations, pruned = Nb101().violations(cell), oracle.pruned(oracle.graph(cell.genes))
    if pruned is None:
        assert violations == {"output not reachable from the input": 1.0}
    else:
        assert violations == {"edges beyond 9": float(pruned.number_of_edges() - 9)}


def test_edges_that_are_pruned_do_not_count() -> None:
    assert not is_valid(Nb101(), CROWDED)
    assert is_valid(Nb101(), arch("01 02 12 03 13 23 04 14 24 34 56 06", 0, 1, 2, 0, 1))


@given(architectures(), st.integers(0, 2**32))
def test_isomorphic_cells_are_one(oracle: Any, cell: Arch, seed: int) -> None:
    space, graph = Nb101(), oracle.graph(cell.genes)
    pruned = oracle.pruned(graph)
    if pruned is None:
        assert space.canonical(cell) == cell
        assert space.key(cell) == space.format(cell)
        return
    canonical = space.canonical(cell)
    assert list(canonical.genes) == oracle.smallest(pruned).tolist()
    assert space.key(cell) == space.format(canonical)
    other = Arch(tuple(oracle.genes(pruned, np.random.default_rng(seed)).tolist()))
    assert (space.canonical(other), space.key(other)) == (canonical, space.key(cell))


@pytest.mark.parametrize(
    "genes", [(), (0,) * 25, (2, *[0] * 20, *[3] * 5), (-1, *[0] * 20, *[3] * 5), (0.5,) * 26, (2**70,) * 26]
)
def test_genes_that_are_no_cell_are_refused(genes: tuple[float, ...]) -> None:
    space = Nb101()
    for use in (space.violations, space.canonical, space.key, space.format, space.neighbours, space.to_graph):
        with pytest.raises(InputError, match="expected") as error:
            use(Arch(genes))
        assert "\n" not in str(error.value)


def test_floats_may_stand_for_whole_numbers() -> None:
    """As they do where genes were read from a file that knows only one kind of number."""
    space, cell = Nb101(), arch("01 02 12 23 03", 0, 2)
    floats = Arch(tuple(float(gene) for gene in cell.genes))
    assert (space.key(floats), space.format(floats)) == (space.key(cell), space.format(cell))
    assert space.violations(floats) == space.violations(cell)
    assert space.canonical(floats) == space.canonical(cell)
    assert space.neighbours(floats) == space.neighbours(cell)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), "1", None, (1, 2)])
def test_genes_that_are_no_numbers_are_refused(wrong: Any) -> None:
    with pytest.raises(InputError, match="expected") as error:
        Nb101().violations(Arch((wrong, *STRAIGHT.genes[1:])))
    assert "\n" not in str(error.value)


# -- neighbours ---------------------------------------------------------------------------------------------------


def test_neighbours_are_those_of_the_moves() -> None:
    cell = arch("01 02 12 23 03", 0, 2)
    found = Nb101().neighbours(cell)
    assert [list(near.genes) for near in found] == neighbours(np.array(cell.genes)).tolist()
    assert all(type(gene) is int for near in found for gene in near.genes)


def test_neighbours_need_no_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are valid by construction (`check_space` looks), and there are many of them."""
    space = Nb101()
    found = list(space.neighbours(STRAIGHT))
    monkeypatch.setattr(space, "violations", lambda arch: {"never": 1.0})
    assert valid_neighbours(space, STRAIGHT) == found


def test_mutants_are_neighbours_each_as_likely() -> None:
    space, rng = Nb101(), seeds.stream(0, "test")
    found = [space.mutate(STRAIGHT, rng) for _ in range(600)]
    assert set(found) == set(space.neighbours(STRAIGHT))
    assert min(found.count(near) for near in set(found)) > 150


def test_cells_that_are_not_valid_have_no_neighbours() -> None:
    space = Nb101()
    for cell, message in ((UNCONNECTED, "output not reachable from the input"), (CROWDED, "edges beyond 9")):
        with pytest.raises(InputError, match=f"{message}; only valid cells have neighbours"):
            space.neighbours(cell)
        with pytest.raises(InputError, match=message):
            space.mutate(cell, seeds.stream(0, "test"))


# -- tables -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published() -> NDArray[np.uint8]:
    """Some cells, canonical."""
    return unpack(np.concatenate([all_codes()[:91:7], all_codes()[100::4_001]]))


@pytest.fixture(scope="module")
def shuffled(oracle: Any, published: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same cells in other matrices."""
    rng = np.random.default_rng(0)
    rows = np.array([oracle.genes(oracle.graph(genes), rng) for genes in published])
    assert (rows != published).any(axis=1).mean() > 0.2
    return rows


def test_the_stored_matrix_answers(published: NDArray[np.uint8], shuffled: NDArray[np.uint8]) -> None:
    space = Nb101.for_table(CHOICES, shuffled)
    for own, stored in zip(published.tolist(), shuffled.tolist(), strict=True):
        assert space.canonical(Arch(tuple(own))) == space.canonical(Arch(tuple(stored))) == Arch(tuple(stored))
        assert space.key(Arch(tuple(own))) == space.key(Arch(tuple(stored))) == space.format(Arch(tuple(own)))
    assert space.representative_rows(shuffled).all()
    assert space.size == 423_624


def test_a_cell_that_is_not_in_the_table_stands_for_itself(published: NDArray[np.uint8]) -> None:
    space = Nb101.for_table(CHOICES, published[1:-1])
    for genes in (published[0], published[-1]):
        assert list(space.canonical(Arch(tuple(genes.tolist()))).genes) == genes.tolist()


def test_the_first_of_several_rows_answers(published: NDArray[np.uint8], shuffled: NDArray[np.uint8]) -> None:
    rows = np.concatenate([shuffled, [UNCONNECTED.genes], published, published]).astype(np.int64)
    space = Nb101.for_table(CHOICES, rows)
    expected = [True] * len(shuffled) + [False] * (1 + 2 * len(published))
    assert space.representative_rows(rows).tolist() == expected
    for genes in rows[~np.array(expected)][1:]:
        assert space.canonical(Arch(tuple(genes.tolist()))).genes in {tuple(row) for row in shuffled.tolist()}
    assert space.canonical(UNCONNECTED) == UNCONNECTED


def test_a_stored_cell_may_have_vertices_that_are_pruned() -> None:
    stored = np.array([DANGLING.genes])
    space = Nb101.for_table(CHOICES, stored)
    assert space.canonical(arch("01 12", 0)) == DANGLING
    assert space.key(DANGLING) == "1=conv3x3(in) out(1)"


def test_a_batch_of_rows_is_as_each_row(published: NDArray[np.uint8]) -> None:
    space, text = Nb101(), [Nb101().key(Arch(tuple(genes))) for genes in published.tolist()]
    assert len(set(text)) == len(np.unique(keys(published))) == len(published)
    assert space.representative_rows(published).all()


@pytest.mark.parametrize(
    "options",
    [
        dict(list(CHOICES.items())[1:]),
        dict(reversed(CHOICES.items())),  # columns in another order would be read wrongly
        CHOICES | {"0->1": ("yes", "no")},
        CHOICES | {"op1": ("conv1x1", "conv3x3", "maxpool3x3", "absent")},
        CHOICES | {"op6": CHOICES["op5"]},
        {},
    ],
)
def test_tables_of_other_genes_are_refused(options: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(InputError, match="in this order, edges with the options no and yes, operations with") as error:
        Nb101(options)
    assert "\n" not in str(error.value)


def test_options_may_be_lists() -> None:
    Nb101({name: list(values) for name, values in CHOICES.items()})


def test_rows_that_are_no_cells_are_refused() -> None:
    with pytest.raises(InputError, match="in row 1: expected"):
        Nb101.for_table(CHOICES, np.array([STRAIGHT.genes, [2] * 26]))


def test_the_real_table_makes_the_space(table: Table) -> None:
    space = Nb101.for_table(dict(zip(table.gene_names, table.options, strict=True)), table.genes)
    assert tuple(table.gene_names) == GENE_NAMES
    assert space.representative_rows(table.genes).all()
    assert space.canonical(DANGLING) == arch("01 12", 0)
    assert (pack(np.array([space.canonical(DANGLING).genes])) == pack(table.genes)).sum() == 1


# -- graphs and drawings ------------------------------------------------------------------------------------------


@given(architectures())
def test_graphs_are_read_back(oracle: Any, cell: Arch) -> None:
    space, expected = Nb101(), oracle.graph(cell.genes)
    graph = space.to_graph(cell)
    names = ["in", *range(1, len(expected) - 1), "out"]
    kinds = {-1: "input", 0: "conv3x3", 1: "conv1x1", 2: "maxpool3x3", -2: "output"}
    assert [space.graph_labels[label] for label in graph.labels] == [
        kinds[expected.nodes[name]["label"]] for name in names
    ]
    assert {(names[x], names[y]) for x, y in np.argwhere(graph.adjacency)} == set(expected.edges)
    assert (graph.labels.dtype, graph.adjacency.dtype) == (np.int64, np.uint8)
    back = space.from_graph(graph)
    assert back == cell
    assert all(type(gene) is int for gene in back.genes)


@pytest.mark.parametrize(
    ("labels", "adjacency", "message"),
    [
        ([0], np.zeros((1, 1)), "graph with labels"),
        ([], np.zeros((0, 0)), "graph with labels"),
        ([0, 1], np.zeros((2, 2)), "graph with labels"),
        ([1, 4], np.zeros((2, 2)), "graph with labels"),
        ([0, 0, 4], np.zeros((3, 3)), "graph with labels"),
        ([0, 4, 4], np.zeros((3, 3)), "graph with labels"),
        ([0, -1, 4], np.zeros((3, 3)), "graph with labels"),
        ([0, *[1] * 6, 4], np.zeros((8, 8)), "graph with labels"),
        ([0, 1, 4], np.zeros((2, 2)), r"adjacency of shape \(2, 2\): expected \(3, 3\)"),
        ([0, 1, 4], np.zeros(3), r"adjacency of shape \(3,\): expected \(3, 3\)"),
        ([0, 1, 4], np.eye(3), "zeros and ones above the diagonal"),
        ([0, 1, 4], np.tril(np.ones((3, 3)), -1), "zeros and ones above the diagonal"),
        ([0, 1, 4], np.triu(np.full((3, 3), 2), 1), "zeros and ones above the diagonal"),
    ],
)
def test_graphs_that_are_no_cell_are_refused(labels: list[int], adjacency: NDArray[Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        Nb101().from_graph(Graph(np.array(labels, dtype=np.int64), adjacency.astype(np.uint8)))
    assert "\n" not in str(error.value)


def test_labels_of_graphs_are_integers() -> None:
    graph = Graph(np.array([0, 1.5, 4]), np.triu(np.ones((3, 3), np.uint8), 1))
    with pytest.raises(InputError, match="expected integers"):
        Nb101().from_graph(graph)


def test_a_drawing_has_the_cells_vertices_and_edges() -> None:
    drawing = Nb101().drawing(arch("01 02 12 23 03", 0, 2))
    assert drawing.nodes == ("in", "conv3x3", "maxpool3x3", "out")
    assert [(e.source, e.target) for e in drawing.edges] == [(0, 1), (0, 2), (0, 3), (1, 2), (2, 3)]
    assert Nb101().drawing(DANGLING).nodes == ("in", "conv3x3", "conv1x1", "out")


SIZES = [
    {"channels": 7, "cells": 1, "classes": 3, "image_channels": 1, "image_size": 8},
    {"channels": 5, "cells": 2, "classes": 10, "image_channels": 3, "image_size": 14},
    {"channels": 6, "cells": 1, "classes": 2, "image_channels": 2, "image_size": (13, 28)},
    {"channels": 6, "cells": 1, "classes": 5, "image_channels": 3, "image_size": (64, 33), "stem": "imagenet"},
    {"channels": 5, "cells": 1, "classes": 5, "image_channels": 1, "image_size": 1},
]


# -- networks -----------------------------------------------------------------------------------------------------


def test_the_network_is_that_of_the_canonical_cell() -> None:
    """Networks have up to 50 million weights, so one of few channels to a vertex will do."""
    torch = pytest.importorskip("torch", reason="networks need the extra train")
    space, given = Nb101(), arch("01 02 03 13 24 34", 2, 0, 1)
    canonical = space.canonical(given)
    assert canonical != given
    network = space.build(given, 3)
    counted = int(parameters(np.array([canonical.genes]))[0])
    assert sum(weight.numel() for weight in network.parameters()) == counted
    network.eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, 8, 8)).shape == (2, 10)


def test_a_stored_cell_with_pruned_vertices_is_built_without_them() -> None:
    pytest.importorskip("torch", reason="networks need the extra train")
    stored = arch("01 03 13 04 35 05", 2, 0, 2, 0)  # vertices 2 and 4 lie on no path
    space = Nb101.for_table(CHOICES, np.array([stored.genes]))
    names = {name.split(".")[2] for name, _ in space.build(stored, 0).named_parameters() if name.startswith("body.0.v")}
    assert names <= {"1", "2"}
    assert "MATRIX = [[0, 1, 1, 1], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]" in space.source(stored, "a test")


def test_the_matrix_that_answers_is_the_one_that_is_built() -> None:
    """The published one; the stored one where there is a table."""
    pytest.importorskip("torch", reason="networks need the extra train")
    stored, published = arch("01 02 13 23", 2, 0), arch("01 02 13 23", 0, 2)
    assert Nb101().canonical(stored) == published
    for space, operations in (
        (Nb101(), ["conv3x3", "maxpool3x3"]),
        (Nb101.for_table(CHOICES, np.array([stored.genes])), ["maxpool3x3", "conv3x3"]),
    ):
        for cell in (stored, published):
            assert f"OPERATIONS_FOUND = {operations}" in space.source(cell, "a test")
            convolution = f"body.0.vertices.{1 + operations.index('conv3x3')}.0.weight"
            assert convolution in dict(space.build(cell, 0).named_parameters())


def test_there_is_no_network_without_a_path() -> None:
    pytest.importorskip("torch", reason="networks need the extra train")
    for use in (lambda: Nb101().build(UNCONNECTED, 0), lambda: Nb101().source(UNCONNECTED, "a test")):
        with pytest.raises(InputError, match="not reachable from the input, so there is no network"):
            use()


def test_the_source_is_a_file_that_builds_the_same_network(exported: Any) -> None:
    exported(Nb101(), arch("01 12 13 23", 2, 1), (1, 3, 8, 8))


@pytest.mark.parametrize("sizes", SIZES)
def test_networks_have_the_sizes_of_the_space_and_what_is_counted(sizes: Any, counted: Any, exported: Any) -> None:
    space, rng = Nb101(**sizes), seeds.stream(0, "test")
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


def test_a_cell_needs_as_many_channels_as_vertices_may_feed_its_output() -> None:
    with pytest.raises(InputError, match="channels=4: expected a whole number of at least 5"):
        Nb101(channels=4)
