"""Neighbourhoods in NAS-Bench-101."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archloom.data.tables import Table, load_table
from archloom.errors import InputError

pytest.importorskip("gymnasium", reason="environments need the extra envs")
pytest.importorskip("numba", reason="NAS-Bench-101 cells need the extra bench")

from gymnasium.vector import AutoresetMode

from archloom.envs.incremental import IncrementalVectorEnv
from archloom.envs.nb101 import graph_of, values_by_row
from archloom.envs.terrain import Graph, Terrain
from archloom.spaces.nb101 import Nb101
from archloom.spaces.nb101.codes import unpack
from archloom.spaces.nb101.encoding import encode
from archloom.types import Arch

METRIC = "valid_108_surrogate"


@pytest.fixture(scope="module")
def table(real_table: Any) -> Table:
    return load_table(real_table("nb101_surrogate.npz"))


@pytest.fixture(scope="module")
def graph(cell_index: Any) -> Graph:
    return graph_of(cell_index)


def neighbourhood(graph: Graph, slots: int, max_neighbours: int) -> Terrain:
    return Terrain(graph, np.linspace(10, 95, len(graph)), slots, max_neighbours)


def bits_of(cell_index: Any, rows: Any) -> Any:
    return encode(unpack(cell_index.codes[rows]))


def test_all_neighbours_are_shown_if_there_is_room(graph: Graph, cell_index: Any) -> None:
    place = neighbourhood(graph, 40, 100)
    rng = np.random.default_rng(0)
    place.place(np.arange(40), rng)
    seen = np.ones((40, 101, 56), dtype=np.uint8)
    shown = place.show(seen, rng)
    for slot, (row,) in enumerate(place.states(np.arange(40))):
        around = cell_index.neighbours(row)
        assert shown[slot] == len(around)
        assert (seen[slot, 0] == bits_of(cell_index, [row])[0]).all()
        assert sorted(map(bytes, seen[slot, 1 : shown[slot] + 1])) == sorted(map(bytes, bits_of(cell_index, around)))
        assert not seen[slot, shown[slot] + 1 :].any(), "nothing is left from before"


def test_fewer_are_drawn_uniformly_without_replacement_in_random_order(graph: Graph, cell_index: Any) -> None:
    slots, most = 20_000, 10
    place = neighbourhood(graph, slots, most)
    row = int(np.argmax(np.diff(cell_index.offsets)))
    around = cell_index.neighbours(row)
    assert len(around) == 87
    place.set_state(np.arange(slots), np.full((slots, 1), row))
    seen = np.empty((slots, most + 1, 56), dtype=np.uint8)
    assert (place.show(seen, np.random.default_rng(0)) == most).all()
    drawn = place.shown_states(np.arange(slots))[:, :, 0]
    assert all(len(set(one)) == most for one in drawn[:500].tolist())
    for slot in (drawn[:, 0], drawn[:, -1], drawn.ravel()):
        counts = np.array([(slot == near).sum() for near in around])
        expected = len(slot) / len(around)
        assert counts.sum() == len(slot), "only neighbours are drawn"
        # 86 degrees of freedom: chi-square is beyond 140 once in 5,000 times, for seeds drawn again.
        assert ((counts - expected) ** 2 / expected).sum() < 140


def test_a_move_goes_to_the_neighbour_shown(graph: Graph, cell_index: Any) -> None:
    place = neighbourhood(graph, 30, 50)
    everyone, rng = np.arange(30), np.random.default_rng(1)
    place.place(everyone, rng)
    seen = np.empty((30, 51, 56), dtype=np.uint8)
    shown = place.show(seen, rng)
    choices = 1 + np.arange(30) % shown
    worth = place.shown_values(everyone)[everyone, choices - 1]
    place.move(everyone, choices)
    assert (bits_of(cell_index, place.states(everyone)[:, 0]) == seen[everyone, choices]).all()
    assert (place.values(everyone) == worth).all()


def test_values_beyond_those_shown_are_nan(graph: Graph) -> None:
    place = neighbourhood(graph, 10, 80)
    place.place(np.arange(10), np.random.default_rng(0))
    shown = place.show(np.empty((10, 81, 56), dtype=np.uint8), np.random.default_rng(0))
    values = place.shown_values(np.arange(10))
    assert (np.isfinite(values).sum(axis=1) == shown).all()
    assert all(np.isfinite(values[i, : shown[i]]).all() for i in range(10))


def test_some_slots_can_be_shown_neighbours_alone(graph: Graph, cell_index: Any) -> None:
    place, everyone = neighbourhood(graph, 10, 50), np.arange(10)
    place.place(everyone, np.random.default_rng(0))
    place.show(np.empty((10, 51, 56), dtype=np.uint8), np.random.default_rng(0))
    before, some = place.shown_values(everyone), np.array([2, 7])
    place.place(some, np.random.default_rng(5))
    seen = np.empty((2, 51, 56), dtype=np.uint8)
    shown = place.show(seen, np.random.default_rng(3), some)
    others = np.setdiff1d(everyone, some)
    assert np.array_equal(place.shown_values(others), before[others], equal_nan=True)
    assert (np.isfinite(place.shown_values(some)).sum(axis=1) == shown).all()
    place.move(some, np.array([1, 1]))
    assert (bits_of(cell_index, place.states(some)[:, 0]) == seen[:, 1]).all()


def test_states_are_encoded_as_they_are_shown(graph: Graph, cell_index: Any) -> None:
    place, everyone = neighbourhood(graph, 20, 40), np.arange(20)
    assert (place.space, place.encoding, place.bits) == ("nb101", "nb101", 56)
    place.place(everyone, np.random.default_rng(0))
    seen = np.empty((20, 41, 56), dtype=np.uint8)
    shown = place.show(seen, np.random.default_rng(0))
    assert (place.encode(place.states(everyone)) == seen[:, 0]).all()
    states = place.shown_states(everyone)
    there = np.arange(40) < shown[:, None]
    assert (place.encode(states[there]) == seen[:, 1:][there]).all()
    assert (place.encode(states[there]) == bits_of(cell_index, states[there][:, 0])).all()
    assert not states[~there].any()
    assert (place.genes(states[there]) == unpack(cell_index.codes[states[there][:, 0]])).all()


@pytest.mark.parametrize("mode", AutoresetMode)
def test_steps_go_on_exactly_from_a_state_that_was_kept(mode: Any, graph: Graph, goes_on_exactly: Any) -> None:
    goes_on_exactly(lambda: IncrementalVectorEnv(neighbourhood(graph, 7, 12), 7, 12, 3, None, mode))


def test_how_many_threads_there_are_makes_no_difference(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    def shown(threads: str) -> Any:
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        place = neighbourhood(graph, 9_000, 5)
        rng = np.random.default_rng(5)
        place.place(np.arange(9_000), rng)
        seen = np.empty((9_000, 6, 56), dtype=np.uint8)
        place.show(seen, rng)
        return seen

    assert (shown("1") == shown("2")).all()


def test_climbing_greedily_pays(graph: Graph, cell_index: Any, table: Table) -> None:
    """Rewards point the way: always going to the best neighbour shown ends far above the start."""
    place = Terrain(graph, values_by_row(cell_index, table, METRIC), 200, 50)
    env = IncrementalVectorEnv(place, 200, 50, 100, None)
    _, info = env.reset(seed=0)
    start, gained = info["value"], np.zeros(200)
    for _ in range(10):
        around = np.nan_to_num(place.shown_values(np.arange(200)), nan=-1.0)
        actions = np.where(around.max(axis=1) > info["value"], around.argmax(axis=1) + 1, 51 - 1)
        _, rewards, _, _, info = env.step(actions)
        gained += rewards
    assert info["value"].mean() > start.mean() + 3
    assert gained == pytest.approx(np.exp(0.06 * info["value"]) - np.exp(0.06 * start))


def test_values_come_in_the_order_of_the_index(cell_index: Any, table: Table) -> None:
    values = values_by_row(cell_index, table, METRIC)
    assert (values == table.metric(METRIC)).all(), "both are in the official order"
    order = np.random.default_rng(0).permutation(len(table))
    mixed = Table.from_arrays(
        space="nb101",
        gene_names=table.gene_names,
        options=table.options,
        genes=table.genes[order],
        metrics={METRIC: table.metric(METRIC)[order]},
        goals={METRIC: "max"},
        source="mixed",
        units="percent",
    )
    assert (values_by_row(cell_index, mixed, METRIC) == values).all()


def test_the_row_that_answers_in_a_search_answers_here(cell_index: Any, table: Table) -> None:
    """The first of several rows of a cell, whichever matrix they hold; rows that are no valid cell answer for none."""
    same = Nb101().parse("1=maxpool3x3(in) 2=conv3x3(in) out(1,2)").genes
    (row,) = cell_index.rows_of(np.array([same])).tolist()
    assert list(same) != table.genes[row].tolist(), "it is not the published matrix"
    unconnected, crowded = [*[0] * 21, *[3] * 5], [*[1] * 21, *[0] * 5]
    genes = np.concatenate([[same, unconnected, crowded], table.genes]).astype(np.uint8)
    accuracies = np.concatenate([np.array([1.0, 2.0, 3.0], np.float32), table.metric(METRIC)])
    longer = Table.from_arrays(
        space="nb101",
        gene_names=table.gene_names,
        options=table.options,
        genes=genes,
        metrics={METRIC: accuracies},
        goals={METRIC: "max"},
        source="longer",
        units="percent",
    )
    values = values_by_row(cell_index, longer, METRIC)
    space = Nb101.for_table(dict(zip(table.gene_names, table.options, strict=True)), genes)
    for cell in (row, 0, 7):
        canonical = space.canonical(Arch(tuple(table.genes[cell].tolist())))
        answers = np.flatnonzero((genes == canonical.genes).all(axis=1))
        assert values[cell] == accuracies[answers[0]]
    assert values[row] == 1.0
    assert (np.delete(values, row) == np.delete(table.metric(METRIC), row)).all()


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("valid_108_best_of_3", "is measured for 30,001 of 423,624 cells: an environment needs all of them"),
        ("params_m", "expected an accuracy in percent, to be maximised"),
    ],
)
def test_a_metric_that_is_no_accuracy_of_every_cell_is_refused(
    cell_index: Any, table: Table, metric: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        values_by_row(cell_index, table, metric)
