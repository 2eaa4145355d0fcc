"""Graphs of numbered architectures to walk on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from archloom.errors import InputError

pytest.importorskip("gymnasium", reason="environments need the extra envs")
pytest.importorskip("numba", reason="terrains need the extra bench")

from archloom.envs.incremental import IncrementalVectorEnv
from archloom.envs.terrain import Graph, Terrain

RING = 12


def ring(bits: int = 5, starts: Any = None) -> Graph:
    """Row r is next to r + 1, r + 2, ... on a ring of 12, as many as r % 4; its encoding is r in binary."""
    around = [[(row + step) % RING for step in range(1, 1 + row % 4)] for row in range(RING)]
    offsets = np.cumsum([0, *map(len, around)]).astype(np.int32)
    encoded = (np.arange(RING)[:, None] >> np.arange(bits) & 1).astype(np.uint8)
    return Graph("ring", "binary", 3.0, offsets, np.concatenate(around).astype(np.int32), encoded, starts)


def terrain(slots: int = RING, most: int = 2, bits: int = 5) -> Terrain:
    return Terrain(ring(bits), np.arange(RING) * 5.0, slots, most)


@pytest.mark.parametrize("bits", [5, 6, 8, 12, 16, 24])
def test_what_is_shown_is_encoded_whatever_the_number_of_bits(bits: int) -> None:
    place, everyone = terrain(bits=bits), np.arange(RING)
    place.set_state(everyone, everyone[:, None])
    seen = np.ones((RING, 3, bits), dtype=np.uint8)
    shown = place.show(seen, np.random.default_rng(0))
    assert shown.tolist() == [min(row % 4, 2) for row in range(RING)]
    read = (seen.astype(np.int64) << np.arange(bits)).sum(axis=2)
    states = place.shown_states(everyone)[:, :, 0]
    assert (read[:, 0] == everyone).all()
    assert (read[:, 1:] == states).all(), "rows below 16 are read whole, and zeros follow the last"
    for row in range(RING):
        assert {(state - row) % RING for state in states[row, : shown[row]].tolist()} <= set(range(1, 1 + row % 4))
    values = place.shown_values(everyone)
    assert np.array_equal(values, np.where(np.arange(2) < shown[:, None], states * 5.0, np.nan), equal_nan=True)
    assert (place.encode(states.reshape(-1, 1)) == seen[:, 1:].reshape(-1, bits)).all()


def test_episodes_start_where_the_graph_says() -> None:
    graph = ring(starts=lambda rng, count: np.full(count, 7))
    place = Terrain(graph, np.zeros(RING), 5, 2)
    place.place(np.arange(1, 4), np.random.default_rng(0))
    assert place.states(np.arange(5))[:, 0].tolist() == [0, 7, 7, 7, 0]
    uniform = terrain(slots=12_000)
    uniform.place(np.arange(12_000), np.random.default_rng(0))
    counts = np.bincount(uniform.states(np.arange(12_000))[:, 0], minlength=RING)
    # 11 degrees of freedom: chi-square is beyond 33 once in 1,700 times, for seeds drawn again.
    assert ((counts - 1_000) ** 2 / 1_000).sum() < 33


def test_genes_are_those_that_the_graph_knows() -> None:
    with pytest.raises(InputError, match="architectures of 'ring' have no genes: expected a benchmark with a space"):
        terrain().genes(np.array([[3]]))
    place = Terrain(replace(ring(), genes=lambda rows: np.stack([rows, rows], axis=1)), np.zeros(RING), 2, 2)
    assert place.genes(np.array([[3], [11]])).tolist() == [[3, 3], [11, 11]]
    with pytest.raises(InputError, match="state 12: expected a row from 0 to 11"):
        place.genes(np.array([[12]]))


def test_nobody_moves_to_what_is_not_shown() -> None:
    place, everyone = terrain(), np.arange(RING)
    with pytest.raises(InputError, match="choices: expected numbers of neighbours that are shown, counted from 1"):
        place.move(everyone, np.ones(RING, dtype=np.intp))
    place.set_state(everyone, everyone[:, None])
    place.show(np.empty((RING, 3, 5), dtype=np.uint8), np.random.default_rng(0))
    with pytest.raises(InputError, match="choices: expected numbers of neighbours that are shown, counted from 1"):
        place.move(np.array([5, 6]), np.array([2, 2]))
    assert (place.states(everyone)[:, 0] == everyone).all(), "row 5 has one neighbour, and nobody moved"


def test_a_row_without_neighbours_can_only_be_stayed_at() -> None:
    env = IncrementalVectorEnv(
        Terrain(ring(starts=lambda rng, count: np.full(count, 4)), np.zeros(RING), 1, 2), 1, 2, 4, None
    )
    observation, _ = env.reset(seed=0)
    assert observation["mask"].tolist() == [[1, 0, 0]]
    assert env.alpha == 3.0
    _, rewards, terminations, truncations, _ = env.step(np.array([1]))
    assert (rewards[0], terminations[0], truncations[0]) == (0.0, False, False)
    assert env.seen_states().tolist() == [[[4], [0], [0]]]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"offsets": np.zeros(13)}, "graph with offsets float64 (13,)"),
        ({"offsets": np.zeros(12, np.int32)}, "graph with offsets int32 (12,)"),
        ({"encoded": np.zeros((11, 5), np.uint8)}, "graph with offsets int32 (13,)"),
        ({"encoded": np.zeros((12, 5))}, "graph with offsets int32 (13,), targets int32 (18,) and encodings float64"),
        ({"targets": np.zeros(17, np.int32)}, "graph's offsets: expected at least one row"),
        ({"offsets": np.array([0, 18, *[0] * 10, 18], np.int32)}, "graph's offsets: expected at least one row"),
        ({"targets": np.full(18, 12, np.int32)}, "graph's targets: expected rows from 0 to 11"),
        ({"targets": np.full(18, -1, np.int32)}, "graph's targets: expected rows from 0 to 11"),
    ],
)
def test_arrays_that_are_no_graph_are_refused(wrong: dict[str, Any], said: str) -> None:
    graph = ring()
    given = {"offsets": graph.offsets, "targets": graph.targets, "encoded": graph.encoded, **wrong}
    with pytest.raises(InputError) as caught:
        Graph("ring", "binary", 1.0, **given)
    assert said in str(caught.value)


def test_values_are_one_for_each_row() -> None:
    with pytest.raises(InputError, match=r"values of shape \(11,\): expected one for each of the graph's 12 rows"):
        Terrain(ring(), np.zeros(11), 1, 1)


@pytest.mark.parametrize(
    ("states", "said"),
    [
        (np.array([[3], [12]]), "state 12: expected a row from 0 to 11"),
        (np.array([[-1], [12]]), "state -1: expected a row from 0 to 11"),
        (np.array([3, 4]), r"states int64 (2,): expected whole numbers (m, 1)"),
        (np.array([[3.0]]), r"states float64 (1, 1): expected whole numbers (m, 1)"),
    ],
)
def test_states_that_are_no_rows_are_refused(states: Any, said: str) -> None:
    place = terrain()
    for refused in (lambda: place.encode(states), lambda: place.set_state(np.arange(len(states)), states)):
        with pytest.raises(InputError) as caught:
            refused()
        assert str(caught.value) == said
    assert not place.states(np.arange(RING)).any()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rows": np.full(RING, 12, np.int32)}, "state's rows: expected rows from 0 to 11"),
        ({"choices": np.full((RING, 2), -1, np.int32)}, "state's choices: expected rows from 0 to 12"),
        ({"choices": np.full((RING, 2), 13, np.int32)}, "state's choices: expected rows from 0 to 12"),
        ({"choices": np.zeros((RING, 3), np.int32)}, "state's choices is int32 (12, 3): expected int32 (12, 2)"),
    ],
)
def test_a_state_of_another_terrain_is_refused(wrong: dict[str, Any], said: str) -> None:
    place = terrain()
    with pytest.raises(InputError) as caught:
        place.load_state_dict({**place.state_dict(), **wrong})
    assert str(caught.value).startswith(said)
