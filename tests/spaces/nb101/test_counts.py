from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("numba", reason="counts need the extra bench")

from archloom.data.tables import Table
from archloom.errors import InputError
from archloom.spaces.nb101 import Nb101
from archloom.spaces.nb101.cells import by_size
from archloom.spaces.nb101.codes import ABSENT, keys, unpack
from archloom.spaces.nb101.counts import CONV1X1, CONV3X3, MAXPOOL3X3, macs, parameters
from archloom.types import Arch


def genes(rows: str, *operations: int) -> NDArray[np.uint8]:
    """(1, 26) the cell with a matrix of these rows."""
    edges = np.zeros((7, 7), dtype=np.uint8)
    matrix = np.array([list(map(int, row)) for row in rows.split()])
    edges[: len(matrix), : len(matrix)] = matrix
    labels = [*operations, *[ABSENT] * (5 - len(operations))]
    return np.concatenate([edges[np.triu_indices(7, 1)], labels]).astype(np.uint8)[None]


STRAIGHT = genes("01 00")
ONE = genes("010 001 000", CONV3X3)
THREE = "01110 00001 00001 00001 00000"


def test_every_cell_of_the_table_has_its_parameters(table: Table) -> None:
    assert len(table) == 423_624
    counted = (parameters(table.genes) / 1e6).astype(np.float32)
    np.testing.assert_array_equal(counted, table.metric("params_m"))


def test_every_cell_of_the_table_has_its_multiply_adds(table: Table) -> None:
    """The table gives millions, in single precision and rounded to two places."""
    counted = (macs(table.genes) / 1e6).astype(np.float32).round(2)
    np.testing.assert_array_equal(counted, table.metric("macs_m"))


def test_input_to_output_only() -> None:
    """By hand: stem, nine projections, classifier."""
    stem = 27 * 128 + 256
    projections = 3 * (128 * 128 + 256) + 128 * 256 + 2 * 256 * 256 + 3 * 512 + 256 * 512 + 2 * 512 * 512 + 3 * 1024
    assert parameters(STRAIGHT).tolist() == [stem + projections + 5130]
    first, second, third = 3 * 128 * 128, 128 * 256 + 2 * 256 * 256, 256 * 512 + 2 * 512 * 512
    assert macs(STRAIGHT).tolist() == [(27 * 128 + first) * 1024 + second * 256 + third * 64 + 5120]


def test_one_convolution_in_a_small_network() -> None:
    """By hand: stem 3 -> 6; a cell projects 6 -> 6 and convolves; pooling; a cell projects 6 -> 12 and convolves."""
    sizes = {"channels": 6, "stacks": 2, "cells": 1, "classes": 4}
    weights = 27 * 6, 36 + 9 * 36, 72 + 9 * 144, 12 * 4
    assert parameters(ONE, **sizes).tolist() == [sum(weights) + 12 + 2 * 12 + 2 * 24 + 4]
    assert macs(ONE, image_size=5, **sizes).tolist() == [25 * (weights[0] + weights[1]) + 9 * weights[2] + weights[3]]


def test_an_operation_costs_what_it_weighs() -> None:
    cost = {kind: int(parameters(genes("010 001 000", kind))[0]) for kind in (CONV3X3, CONV1X1, MAXPOOL3X3)}
    squares = 3 * (128**2 + 256**2 + 512**2)
    assert cost[CONV3X3] - cost[CONV1X1] == 8 * squares
    assert cost[CONV1X1] - cost[MAXPOOL3X3] == squares + 2 * 3 * (128 + 256 + 512)


def test_the_first_of_three_vertices_have_one_channel_more() -> None:
    """7 = 3 + 2 + 2. The published matrix has the labels in order, so that the wider vertex has the smaller label:
    a 1x1 convolution beside two poolings has 9 weights; of two of them one has 9, the other 4."""
    counted = [
        int(parameters(genes(THREE, *kinds), channels=7, stacks=1, cells=1)[0])
        for kinds in [
            (MAXPOOL3X3, MAXPOOL3X3, MAXPOOL3X3),
            (CONV1X1, MAXPOOL3X3, MAXPOOL3X3),
            (MAXPOOL3X3, MAXPOOL3X3, CONV1X1),
            (MAXPOOL3X3, CONV1X1, CONV1X1),
        ]
    ]
    assert [count - counted[0] for count in counted[1:]] == [9 + 6, 9 + 6, 9 + 6 + 4 + 4]


@pytest.mark.parametrize("seed", range(4))
def test_what_is_counted_is_what_is_built(oracle: Any, seed: int) -> None:
    """Whatever matrix of a cell is given: one in seven has other counts as it stands than as published."""
    rng = np.random.default_rng(seed)
    published = unpack(by_size(rng, 10))
    for row in published:
        given = oracle.genes(oracle.graph(row), rng)
        network = Nb101().build(Arch(tuple(given.tolist())), 0)
        assert parameters(given)[0] == sum(parameter.numel() for parameter in network.parameters())
        assert (parameters(given), macs(given)) == (parameters(row), macs(row))


def test_vertices_on_no_path_are_not_counted() -> None:
    for dangling in (genes("011 000 000", CONV3X3), genes("001 001 000", CONV3X3)):
        assert parameters(dangling).tolist() == parameters(STRAIGHT).tolist()
        assert macs(dangling).tolist() == macs(STRAIGHT).tolist()


@pytest.mark.parametrize("count", [parameters, macs])
def test_rows_are_counted_each_on_its_own(
    count: Callable[..., NDArray[np.int64]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the number of threads nor the type or layout of the genes shows."""
    few = np.concatenate([STRAIGHT, ONE, genes(THREE, CONV3X3, MAXPOOL3X3, CONV1X1)])
    rows = np.tile(few, (400, 1))
    expected = [count(row[None])[0] for row in few] * 400
    for threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        for given in (rows, rows.astype(np.int64), np.asfortranarray(rows), rows.astype(np.int8)):
            assert count(given).tolist() == expected
            assert count(given).dtype == np.int64
    assert count(rows[:0]).shape == (0,)


def changed(cell: NDArray[np.uint8], column: int, value: int) -> NDArray[np.int64]:
    row = cell.astype(np.int64)
    row[0, column] = value
    return row


@pytest.mark.parametrize("count", [parameters, macs])
def test_genes_are_read_as_by_keys(count: Callable[..., NDArray[np.int64]]) -> None:
    """What is a cell and what is not is one question with one answer."""
    assert count(ONE[0]).tolist() == count(ONE.tolist()).tolist() == count(ONE).tolist()
    for bad in (
        genes("00 00"),
        genes("010 001 000"),  # an edge beyond the last vertex
        genes("0100 0010 0001 0000", ABSENT, CONV3X3),
        changed(ONE, 0, 2),
        changed(ONE, 0, -1),
        changed(ONE, 0, 257),
        changed(ONE, 21, 4).astype(np.uint8),
        ONE.astype(bool),
        ONE.astype(float),
        ONE[:, :25],
        [[0, 1], [0]],
    ):
        with pytest.raises(InputError) as said:
            keys(bad)  # type: ignore[arg-type]
        with pytest.raises(InputError) as error:
            count(bad)  # type: ignore[arg-type]
        assert str(error.value) == str(said.value).replace("a key", "a network")
        assert "\n" not in str(error.value)


def test_sizes_that_make_no_network_are_refused() -> None:
    for sizes in ({"channels": 4}, {"stacks": 0}, {"cells": 0}):
        with pytest.raises(InputError, match="expected at least 5, 1 and 1"):
            parameters(ONE, **sizes)
        with pytest.raises(InputError, match="expected at least 5, 1 and 1"):
            macs(ONE, **sizes)
    with pytest.raises(InputError, match="image_size=0: expected a whole number of pixels of at least 1"):
        macs(ONE, image_size=0)
