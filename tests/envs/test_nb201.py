"""Neighbourhoods in NAS-Bench-201."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.data.tables import Table, load_table
from archloom.errors import InputError

pytest.importorskip("gymnasium", reason="environments need the extra envs")
pytest.importorskip("numba", reason="terrains need the extra bench")

from gymnasium.vector import AutoresetMode

from archloom.envs import NeighbourhoodRequest
from archloom.envs.incremental import IncrementalVectorEnv
from archloom.envs.nb201 import graph_of, open_neighbourhood, values_by_row
from archloom.envs.terrain import Terrain
from archloom.problems import ProblemSpec
from archloom.spaces.nb201 import GENES, OPERATIONS, Nb201
from archloom.types import Arch

OPTIONS = dict.fromkeys(GENES, OPERATIONS)


def opened(file: Path, metric: str | None = None, slots: int = 6, most: int = 50) -> Terrain:
    problem = ProblemSpec("nb201", str(file)).source.open(ProblemSpec("nb201", str(file)))
    return open_neighbourhood(NeighbourhoodRequest(problem, metric, slots, most, os.environ, None))


def made(genes: Any, values: Any, goal: str = "max", options: Any = OPTIONS) -> Table:
    return Table.from_arrays(
        space="nb201",
        gene_names=GENES,
        options=list(options.values()),
        genes=np.asarray(genes, dtype=np.uint8),
        metrics={"valid": np.asarray(values, dtype=np.float32)},
        goals={"valid": goal},
        source="made",
        units="percent",
    )


def test_neighbours_are_those_of_the_space() -> None:
    """24 of each of the 15,625 cells, which stand in the order of their genes."""
    space = Nb201()
    graph = graph_of(space)
    assert (len(graph), graph.bits, len(graph.targets)) == (15_625, 30, 15_625 * 24)
    rows = np.array([0, 1, 7_777, 15_624])
    assert graph.genes is not None
    assert graph.genes(rows).tolist() == [[0] * 6, [0, 0, 0, 0, 0, 1], [2, 2, 2, 1, 0, 2], [4] * 6]
    everything = graph.genes(np.arange(15_625))
    for row in rows.tolist():
        around = graph.targets[graph.offsets[row] : graph.offsets[row + 1]]
        near = space.neighbours(Arch(tuple(everything[row].tolist())))
        assert sorted(map(tuple, everything[around].tolist())) == sorted(arch.genes for arch in near)
    assert (graph.encoded == space.encode(everything)).all()
    assert graph.encoded[7_777].reshape(6, 5).argmax(axis=1).tolist() == [2, 2, 2, 1, 0, 2]
    assert (graph.space, graph.encoding, graph.alpha) == ("nb201", "nb201", 24.0)


def test_a_table_of_other_operations_is_another_terrain(small_table: Path) -> None:
    """All 729 cells of three operations have 12 neighbours, and their bits mean something else."""
    place = opened(small_table)
    assert (place.space, place.bits) == ("nb201", 18)
    assert place.encoding != "nb201"
    place.place(np.arange(6), np.random.default_rng(0))
    assert place.show(np.empty((6, 51, 18), np.uint8), np.random.default_rng(0)).tolist() == [12] * 6


def test_values_are_the_tables(nb201_table: Table) -> None:
    metric = "cifar100_valid_200"
    space = Nb201.for_table(dict(zip(nb201_table.gene_names, nb201_table.options, strict=True)), nb201_table.genes)
    values = values_by_row(space, nb201_table, metric)
    graph = graph_of(space)
    assert graph.genes is not None
    order = np.random.default_rng(0).permutation(len(nb201_table))[:500]
    cells = {tuple(genes): row for row, genes in enumerate(graph.genes(np.arange(len(graph))).tolist())}
    rows = [cells[tuple(genes)] for genes in nb201_table.genes[order].tolist()]
    assert (values[rows] == nb201_table.metric(metric)[order]).all()
    assert values.max() == pytest.approx(73.49, abs=0.01), "the best cell by the paper's table 5"


def test_a_table_that_lacks_cells_or_is_no_accuracy_is_refused() -> None:
    cells = np.indices((5,) * 6).reshape(6, -1).T
    values = np.full(len(cells), 50.0)
    with pytest.raises(InputError, match="is measured for 15,624 of 15,625 cells: an environment needs all of them"):
        values_by_row(Nb201(), made(cells[1:], values[1:]), "valid")
    values[4] = np.nan
    with pytest.raises(InputError, match="is measured for 15,624 of 15,625 cells: an environment needs all of them"):
        values_by_row(Nb201(), made(cells, values), "valid")
    values[4] = 100.5
    with pytest.raises(InputError, match="expected an accuracy in percent, to be maximised"):
        values_by_row(Nb201(), made(cells, values), "valid")
    values[4] = 50
    with pytest.raises(InputError, match="expected an accuracy in percent, to be maximised"):
        values_by_row(Nb201(), made(cells, values, "min"), "valid")


def test_genes_of_states_are_those_of_the_space(small_table: Path) -> None:
    place, everyone = opened(small_table), np.arange(6)
    place.place(everyone, np.random.default_rng(0))
    states = place.states(everyone)
    table = load_table(small_table)
    space = Nb201.for_table(dict(zip(table.gene_names, table.options, strict=True)), table.genes)
    assert (space.encode(place.genes(states)) == place.encode(states)).all()


@pytest.mark.parametrize("mode", AutoresetMode)
def test_steps_go_on_exactly_from_a_state_that_was_kept(mode: Any, small_table: Path, goes_on_exactly: Any) -> None:
    goes_on_exactly(lambda: IncrementalVectorEnv(opened(small_table, most=14), 6, 14, 3, None, mode))


def test_a_metric_over_epochs_is_that_of_the_last(data_dir: Path) -> None:
    """`cifar100_valid` is no array of the file: `cifar100_valid_12` and `cifar100_valid_200` are."""
    slots = np.arange(6)
    envs = [opened(data_dir / "nb201.npz", metric) for metric in ("cifar100_valid", "cifar100_valid_200")]
    for env in envs:
        env.place(slots, np.random.default_rng(0))
    assert np.array_equal(envs[0].values(slots), envs[1].values(slots))


def test_a_table_of_one_cell_is_no_terrain() -> None:
    one = dict.fromkeys(GENES, OPERATIONS[:1])
    with pytest.raises(InputError, match=r"has one architecture: expected a table with two options"):
        graph_of(Nb201.for_table(one, np.zeros((1, 6), np.int64)))
