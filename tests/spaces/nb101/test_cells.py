from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("numba", reason="cells need the extra bench")
pytest.importorskip("scipy", reason="the reference is in the extra dev")

from scipy import stats

from archloom.data.tables import Table
from archloom.errors import NoArchitectureError
from archloom.spaces.nb101 import cells
from archloom.spaces.nb101.cells import CELLS, SAMPLERS, all_codes, by_rejection, by_size, enumerate_cells
from archloom.spaces.nb101.codes import Codes, canonical_codes, pack, unpack

UPPER = np.triu_indices(7, 1)
SIZES = {2: 1, 3: 6, 4: 84, 5: 2_441, 6: 62_010, 7: 359_082}
"""How many cells there are of each number of vertices."""


@pytest.fixture(scope="module")
def codes() -> Codes:
    return all_codes()


def vertices(codes: Codes) -> NDArray[np.int64]:
    return 2 + (unpack(codes)[:, 21:] != 3).sum(axis=1)


# -- all cells ----------------------------------------------------------------------------------------------------


def test_there_are_as_many_cells_as_published(codes: Codes) -> None:
    assert len(codes) == CELLS == sum(SIZES.values()) == 423_624
    assert dict(enumerate(np.bincount(vertices(codes)).tolist()[2:], start=2)) == SIZES


def test_all_cells_are_valid_canonical_and_in_order(codes: Codes) -> None:
    assert codes.dtype == np.uint32
    assert (codes[:-1] < codes[1:]).all()
    np.testing.assert_array_equal(canonical_codes(codes), codes)
    genes = unpack(codes)
    assert genes[:, :21].sum(axis=1).max() == 9
    assert whole(matrices(genes), vertices(codes)).all()


def test_all_small_cells_are_there(oracle: Any, codes: Codes) -> None:
    """Every matrix with every labels of up to four vertices, compared with each other by networkx."""
    classes: list[Any] = []
    for n in range(3):
        pairs = [gene for gene, y in enumerate(UPPER[1]) if y <= n + 1]
        for number in range(2 ** len(pairs) * 3**n):
            genes = [0] * 21 + [number // 2 ** len(pairs) // 3**place % 3 for place in range(n)] + [3] * (5 - n)
            for bit, gene in enumerate(pairs):
                genes[gene] = number >> bit & 1
            graph = oracle.graph(genes)
            if oracle.whole(graph) and not any(oracle.same(graph, other) for other in classes):
                classes.append(graph)
    expected = sorted(oracle.hash(graph) for graph in classes)
    assert sorted(oracle.hash(oracle.graph(genes)) for genes in unpack(codes[:91])) == expected


def test_cells_are_listed_in_the_order_of_the_hashes(
    oracle: Any, monkeypatch: pytest.MonkeyPatch, codes: Codes
) -> None:
    """Of a few hundred, because the hashes of all take seconds."""
    few = np.concatenate([codes[:91], codes[::2_003]])
    monkeypatch.setattr(cells, "all_codes", lambda: few)
    listed = enumerate_cells()
    hashes = [oracle.hash(oracle.graph(genes)) for genes in listed]
    assert hashes == sorted(hashes)
    assert sorted(pack(listed).tolist()) == sorted(few.tolist())
    assert listed.dtype == np.uint8


def test_the_published_cells_are_all_cells(table: Table, codes: Codes) -> None:
    """Their order is tested beside the hashes."""
    np.testing.assert_array_equal(np.sort(pack(table.genes)), codes)


# -- random cells -------------------------------------------------------------------------------------------------


def matrices(genes: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    found = np.zeros((len(genes), 7, 7), dtype=bool)
    found[:, UPPER[0], UPPER[1]] = genes[:, :21]
    return found


def whole(found: NDArray[np.bool_], sizes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each vertex but the first has an edge in, and each but the last an edge out."""
    place = np.arange(7)
    used = place < sizes[:, None]
    entered = found.any(axis=1) | ~used | (place == 0)
    left = found.any(axis=2) | ~used | (place == sizes[:, None] - 1)
    return (entered & left).all(axis=1)


def pruned_cells(rng: np.random.Generator, sizes: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Random matrices and labels: their genes, how many vertices pruning leaves (0: no path), and how many edges."""
    place = np.arange(7)
    found = np.triu(rng.random((len(sizes), 7, 7)) < 0.5, 1) & (place < sizes[:, None])[:, None, :]
    reach = found | np.eye(7, dtype=bool)
    for _ in range(3):  # paths of up to eight edges
        reach = (reach.astype(np.uint8) @ reach.astype(np.uint8)) > 0
    kept = reach[:, 0, :] & reach[np.arange(len(sizes)), :, sizes - 1]
    edges = (found & kept[:, :, None] & kept[:, None, :]).sum(axis=(1, 2))
    labels = np.where(np.arange(5) < sizes[:, None] - 2, rng.integers(0, 3, (len(sizes), 5)), 3)
    return np.concatenate([found[:, UPPER[0], UPPER[1]], labels], axis=1), kept.sum(axis=1), edges


def slowly_by_size(rng: np.random.Generator, each: int) -> Codes:
    """So many of each size: the first of many matrices and labels that keep all their vertices."""
    found = []
    for size in range(2, 8):
        genes, left, edges = pruned_cells(rng, np.full(400_000 if size == 7 else 50_000, size))
        accepted = np.flatnonzero((left == size) & (edges <= 9))
        assert len(accepted) >= each
        found.append(genes[accepted[:each]])
    return canonical_codes(pack(np.concatenate(found)))


def slowly_by_rejection(rng: np.random.Generator, count: int) -> Codes:
    genes, left, edges = pruned_cells(rng, np.full(count, 7))
    return canonical_codes(pack(genes[(left > 0) & (edges <= 9)]))


def likeness(left: NDArray[np.int64], right: NDArray[np.int64]) -> float:
    """The p-value of a chi-square test of two samples' histograms; rare categories are put together."""
    top = int(max(left.max(), right.max())) + 1
    counts = np.array([np.bincount(left, minlength=top), np.bincount(right, minlength=top)])
    rare = counts.sum(axis=0) < 40
    counts = np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)])
    return float(stats.chi2_contingency(counts[:, counts.any(axis=0)]).pvalue)


UNLIKELY = 1e-4
"""A test with other seeds fails once in some thousand times for a right sampler."""


def features(codes: Codes, every: Codes) -> dict[str, NDArray[np.int64]]:
    genes = unpack(codes).astype(np.int64)
    small = every[:91]
    return {
        "vertices": vertices(codes),
        "edges of 7 vertices": genes[vertices(codes) == 7, :21].sum(axis=1),
        "small cells": np.searchsorted(small, codes[codes <= small[-1]]),
        "operations": (genes[:, 21:] == 0).sum(axis=1) * 6 + (genes[:, 21:] == 1).sum(axis=1),
        "in to out": matrices(genes)[np.arange(len(genes)), 0, vertices(codes) - 1].astype(np.int64),
    }


@pytest.mark.parametrize(
    ("fast", "slow"),
    [
        (by_size, lambda rng: slowly_by_size(rng, each=850)),
        (by_rejection, lambda rng: slowly_by_rejection(rng, 200_000)),
    ],
    ids=["by_size", "rejection"],
)
def test_samplers_draw_as_rejection_does(
    fast: Callable[[np.random.Generator, int], Codes], slow: Callable[[np.random.Generator], Codes], codes: Codes
) -> None:
    ours, theirs = (
        features(drawn, codes) for drawn in (fast(np.random.default_rng(1), 100_000), slow(np.random.default_rng(2)))
    )
    for name in ours:
        assert likeness(ours[name], theirs[name]) > UNLIKELY, name


def test_the_two_samplers_differ(codes: Codes) -> None:
    """What the test above would say of the wrong sampler."""
    left, right = (features(draw(np.random.default_rng(3), 20_000), codes) for draw in (by_size, by_rejection))
    assert likeness(left["vertices"], right["vertices"]) < 1e-100


def test_sizes_are_uniform() -> None:
    counts = np.bincount(vertices(by_size(np.random.default_rng(0), 60_000)))[2:]
    assert len(counts) == 6
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 20.5  # 99.9 % of chi-square with five degrees of freedom


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("count", [0, 1, 2, 100, 3_000])
def test_samples_are_valid_and_determined_by_the_generator(codes: Codes, name: str, count: int) -> None:
    drawn = SAMPLERS[name](np.random.default_rng(7), count)
    assert drawn.shape == (count,)
    assert drawn.dtype == np.uint32
    assert np.isin(drawn, codes).all()
    np.testing.assert_array_equal(drawn, SAMPLERS[name](np.random.default_rng(7), count))
    if count > 1:
        assert (drawn != SAMPLERS[name](np.random.default_rng(8), count)).any()


@pytest.mark.parametrize("name", SAMPLERS)
def test_single_cells_are_drawn_like_many(codes: Codes, name: str) -> None:
    """A strategy draws one at a time, from blocks."""
    rng = np.random.default_rng(5)
    single = np.concatenate([SAMPLERS[name](rng, 1) for _ in range(3_000)])
    left, right = features(single, codes), features(SAMPLERS[name](np.random.default_rng(6), 30_000), codes)
    for feature in ("vertices", "operations"):
        assert likeness(left[feature], right[feature]) > UNLIKELY, feature


def test_a_search_for_cells_comes_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "MAX_TRIES", 1)
    with pytest.raises(NoArchitectureError, match=r"1 rounds of random matrices left \d+ of 3000 cells without one"):
        by_rejection(np.random.default_rng(0), 3_000)
