from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

pytest.importorskip("numba", reason="codes need the extra bench")

from archloom.data.tables import Table
from archloom.errors import InputError
from archloom.spaces.nb101.codes import (
    ABSENT,
    GENES,
    UNCONNECTED,
    canonical_codes,
    edges_of,
    inner_vertices,
    keys,
    label_of,
    pack,
    predecessors,
    pruned_codes,
    unpack,
    valid,
)

Row = list[int]


def row(edges: str, *labels: int) -> Row:
    """The genes of a cell from its edges, as in "01 13 34"."""
    genes = [0] * 21 + [*labels] + [ABSENT] * (5 - len(labels))
    for x, y in edges.split():
        source, target = int(x), int(y)
        genes[source * 7 - source * (source + 1) // 2 + target - source - 1] = 1
    return genes


@st.composite
def cells(draw: st.DrawFn, largest: int = 5, connected: bool = True) -> Row:
    """Any cell of up to `largest` inner vertices, with any number of edges, pruned or not."""
    n = draw(st.sampled_from([n for n in (0, 1, 2, 3, 3, 4, 4, 4, 5, 5, 5, 5) if n <= largest]))
    pairs = [(x, y) for y in range(n + 2) for x in range(y)]
    edges = {pair for pair in pairs if draw(st.booleans())}
    if connected:
        path = [0, *(vertex for vertex in range(1, n + 1) if draw(st.booleans())), n + 1]
        edges |= set(itertools.pairwise(path))
    labels = [draw(st.integers(0, 2)) for _ in range(n)]
    return row(" ".join(f"{x}{y}" for x, y in edges), *labels)


def one(genes: Sequence[int] | NDArray[Any]) -> NDArray[np.int64]:
    return np.array([genes], dtype=np.int64)


# -- codes as they stand ------------------------------------------------------------------------------------------


def test_a_code_is_the_columns_of_the_matrix_then_the_labels() -> None:
    """Column 3 is 011, column 2 is 01, column 1 is 1; labels 2, 0 and three times absent."""
    code = pack(np.array(row("01 12 13 23", 2, 0)))
    assert code.tolist() == [0b110_10_1 << 10 | 0b10_00_11_11_11]
    assert code.dtype == np.uint32


@given(st.lists(cells(connected=False), max_size=5))
def test_genes_are_read_back(rows: list[Row]) -> None:
    genes = np.array(rows, dtype=np.uint8).reshape(-1, 26)
    back = unpack(pack(genes))
    np.testing.assert_array_equal(back, genes)
    assert back.dtype == np.uint8


@given(cells(connected=False), st.data())
def test_what_a_code_holds(oracle: Any, genes: Row, data: st.DataObject) -> None:
    graph, code = oracle.graph(genes), int(pack(one(genes))[0])
    n = len(graph) - 2
    assert inner_vertices(code) == n
    assert edges_of(code) == graph.number_of_edges()
    names = ["in", *range(1, n + 1), "out"]
    for vertex, name in enumerate(names[1:], start=1):
        sources = {names[x] for x in range(7) if predecessors(code, vertex) >> x & 1}
        assert sources == set(graph.predecessors(name))
    assert [label_of(code, vertex) for vertex in range(1, 6)] == genes[21:]


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64])
def test_every_type_and_layout_of_genes_gives_the_same_code(dtype: type[np.integer[Any]]) -> None:
    genes = np.array([row("01 12 23 03", 1, 2), row("01"), row("01 16 12 26", 0, 1, 2, 0, 1)])
    expected = [int(pack(one(cell))[0]) for cell in genes]
    given = genes.astype(dtype)
    wide = np.zeros((6, 52), dtype=dtype)
    wide[::2, ::2] = given
    for rows in (given, np.asfortranarray(given), wide[::2, ::2], given[::-1].copy()[::-1]):
        assert pack(rows).tolist() == expected
        assert keys(rows).tolist() == keys(genes).tolist()


def test_batches_of_nothing() -> None:
    nothing = np.empty((0, 26), dtype=np.int64)
    assert pack(nothing).shape == canonical_codes(pack(nothing)).shape == (0,)
    assert keys(nothing).shape == (0, 1)
    assert unpack(pack(nothing)).shape == (0, 26)


def test_a_single_row_is_a_batch_of_one() -> None:
    genes = np.array(row("01 12", 2))
    assert pack(genes).tolist() == pack(genes[None]).tolist()
    assert keys(genes).shape == (1, 1)


# -- genes that are none ------------------------------------------------------------------------------------------

GOOD = row("01 12", 1)


def changed(place: int, value: int) -> Row:
    genes = list(GOOD)
    genes[place] = value
    return genes


@pytest.mark.parametrize(
    "bad",
    [
        changed(0, 2),
        changed(0, -1),
        changed(0, 256),
        changed(0, 257),
        changed(0, 2**32 + 1),
        changed(21, -1),
        changed(21, 4),
        changed(21, 256),
        changed(21, 259),
        row("01 12 23", ABSENT, 1),
        row("04", 1, 1, ABSENT, 1),
        row("13", 1),  # vertex 3 is absent
        row("06"),
        row("56", 1),
    ],
)
@pytest.mark.parametrize("count", ["1", "3"])
def test_impossible_genes_are_told_with_their_row(monkeypatch: pytest.MonkeyPatch, bad: Row, count: str) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", count)
    rows = np.array([GOOD] * 20_000)
    rows[[9_000, 19_000]] = bad
    with pytest.raises(InputError, match=r"in row 9000: expected 21 zeros and ones, then 5 labels 0 to 3") as error:
        pack(rows)
    assert str(bad) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("bad", [changed(0, 2), changed(0, 255), changed(21, 4), changed(25, 200)])
def test_impossible_bytes_are_told_too(bad: Row) -> None:
    with pytest.raises(InputError, match="in row 1: expected"):
        pack(np.array([GOOD, bad], dtype=np.uint8))


@pytest.mark.parametrize(
    "rows",
    [
        np.zeros((2, 25), np.uint8),
        np.zeros(21, np.int64),
        np.zeros((2, 2, 26), np.uint8),
        np.zeros((), np.int64),
        np.zeros((2, 26)),
        np.zeros((2, 26), bool),
        np.array([[2**70] * 26]),
    ],
)
def test_arrays_of_another_shape_or_type_are_told(rows: NDArray[Any]) -> None:
    with pytest.raises(InputError, match=r"expected integers \(n, 26\)") as error:
        pack(rows)
    assert str(rows.shape) in str(error.value)
    assert "\n" not in str(error.value)


def test_only_connected_cells_have_a_key() -> None:
    with pytest.raises(InputError, match="the cell in row 2 has no path from input to output"):
        keys(np.array([GOOD, GOOD, row("01", 1), row("")]))


# -- pruning and the canonical form -------------------------------------------------------------------------------


@given(cells(connected=False))
def test_pruning_keeps_what_lies_on_a_path(oracle: Any, genes: Row) -> None:
    found, pruned = pruned_codes(pack(one(genes))), oracle.pruned(oracle.graph(genes))
    event(f"connected: {pruned is not None}")
    if pruned is None:
        assert found[0] == UNCONNECTED
        assert canonical_codes(pack(one(genes)))[0] == UNCONNECTED
        return
    left = [vertex for vertex in range(1, len(oracle.graph(genes)) - 1) if vertex in pruned]
    assert unpack(found)[0, 21:].tolist() == [genes[20 + vertex] for vertex in left] + [ABSENT] * (5 - len(left))
    renamed = oracle.nx.relabel_nodes(pruned, {vertex: place for place, vertex in enumerate(left, start=1)})
    assert set(oracle.graph(unpack(found)[0]).edges) == set(renamed.edges)
    assert pruned_codes(found).tolist() == found.tolist()


@given(cells())
def test_the_canonical_form_is_the_smallest_of_all_matrices(oracle: Any, genes: Row) -> None:
    code = canonical_codes(pack(one(genes)))
    np.testing.assert_array_equal(unpack(code)[0], oracle.smallest(oracle.pruned(oracle.graph(genes))))
    assert canonical_codes(code).tolist() == code.tolist()


@given(cells(), st.integers(0, 2**32))
def test_the_order_of_vertices_does_not_show(oracle: Any, genes: Row, seed: int) -> None:
    rng, graph = np.random.default_rng(seed), oracle.graph(genes)
    for other in (graph, oracle.pruned(graph)):
        assert keys(oracle.genes(other, rng)).tolist() == keys(one(genes)).tolist()


@st.composite
def pairs_of_cells(draw: st.DrawFn) -> tuple[Row, Row]:
    """Two cells that have nothing, nearly everything or everything in common."""
    first = draw(cells())
    kinds = ["another", "an edge or label changed", "labels permuted", "an edge moved", "the same"]
    kind = draw(st.sampled_from(kinds))
    event(kind)
    second = list(first)
    n = sum(label != ABSENT for label in first[21:])
    if kind == "another":
        return first, draw(cells(largest=2))
    places = [gene for gene, (_, y) in enumerate(itertools.combinations(range(7), 2)) if y <= n + 1]
    if kind == "labels permuted":
        second[21 : 21 + n] = draw(st.permutations(first[21 : 21 + n]))
    elif kind == "an edge moved":
        one_place, other = draw(st.sampled_from(places)), draw(st.sampled_from(places))
        second[one_place], second[other] = second[other], second[one_place]
    elif kind != "the same":
        gene = draw(st.sampled_from([*places, *range(21, 21 + n)]))
        second[gene] = 1 - second[gene] if gene < 21 else draw(st.integers(0, 2))
    return first, second


@settings(max_examples=300)
@given(pairs_of_cells(), st.integers(0, 2**32))
def test_keys_are_equal_exactly_for_isomorphic_cells(oracle: Any, pair: tuple[Row, Row], seed: int) -> None:
    first, second = (oracle.pruned(oracle.graph(genes)) for genes in pair)
    assume(second is not None)
    same = oracle.same(first, second)
    event(f"isomorphic: {same}")
    shuffled = oracle.genes(second, np.random.default_rng(seed))
    found = keys(np.array([pair[0], pair[1], shuffled]))
    assert (found[0, 0] == found[1, 0]) == same
    assert found[1, 0] == found[2, 0]
    assert found.dtype == np.uint32


def test_cells_that_differ_in_little() -> None:
    """The same degrees and labels, vertex by vertex, but other graphs; and labels at exchangeable places."""
    crossed, straight = row("01 02 13 24 35 45", 0, 1, 0, 1), row("01 02 14 23 35 45", 0, 1, 0, 1)
    exchanged = row("01 02 13 24 35 45", 1, 0, 1, 0)
    found = keys(np.array([crossed, straight, exchanged])).ravel().tolist()
    assert found[0] == found[2] != found[1]


def test_keys_are_each_rows_own(monkeypatch: pytest.MonkeyPatch) -> None:
    few = np.array([row("01"), row("01 12", 2), row("02 12 01 13 23", 1, 2), row("01 16 02 26", 0, 1, 2, 0, 1)])
    rows, expected = np.tile(few, (500, 1)), np.tile(keys(few), (500, 1))
    for count in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", count)
        np.testing.assert_array_equal(keys(rows), expected)


def test_the_published_matrices_are_the_canonical_ones(table: Table) -> None:
    codes = pack(table.genes)
    assert len(codes) == len(np.unique(codes)) == 423_624
    np.testing.assert_array_equal(canonical_codes(codes), codes)


@given(st.lists(cells(connected=False), min_size=1, max_size=8))
def test_what_is_valid(oracle: Any, rows: list[Row]) -> None:
    expected = []
    for genes in rows:
        pruned = oracle.pruned(oracle.graph(genes))
        expected.append(pruned is not None and pruned.number_of_edges() <= 9)
    assert valid(np.array(rows)).tolist() == expected


def test_whatever_whole_numbers_are_given_validity_is_told() -> None:
    rows = np.random.default_rng(0).integers(-300, 300, (500, GENES))
    assert not valid(rows).any()
    assert valid(np.array([GOOD, [9] * GENES, GOOD])).tolist() == [True, False, True]
    assert valid(np.array(GOOD)).tolist() == [True]
    assert valid(np.zeros((0, GENES), int)).shape == (0,)
    for wrong in (np.zeros((1, 25), int), np.zeros((1, GENES)), [[0], [0, 1]]):
        with pytest.raises(InputError, match=r"expected integers \(n, 26\)"):
            valid(wrong)  # type: ignore[arg-type]
