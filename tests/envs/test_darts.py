"""Neighbourhoods in the DARTS space."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.errors import InputError

pytest.importorskip("gymnasium", reason="environments need the extra envs")
pytest.importorskip("numba", reason="DARTS cells need the extra bench")

from gymnasium.vector import AutoresetMode

from archloom.envs import NeighbourhoodRequest
from archloom.envs.darts import DartsNeighbourhoodEnv, open_neighbourhood
from archloom.envs.incremental import IncrementalVectorEnv
from archloom.evaluators.surrogates.evaluator import load_nb301
from archloom.problems import ProblemSpec
from archloom.spaces.darts import encode, neighbours


def request(file: Path, metric: str | None = None, slots: int = 8, most: int = 50) -> NeighbourhoodRequest:
    spec = ProblemSpec("nb301", str(file))
    return NeighbourhoodRequest(spec.source.open(spec), metric, slots, most, os.environ, None)


def test_what_is_shown_are_neighbours_of_both_cells(nb301_file: Path) -> None:
    neighbourhood = open_neighbourhood(request(nb301_file))
    everyone, rng = np.arange(8), np.random.default_rng(0)
    neighbourhood.place(everyone, rng)
    seen = np.empty((8, 51, 510), dtype=np.uint8)
    assert (neighbourhood.show(seen, rng) == 50).all()
    starts = neighbourhood.states(everyone).reshape(8, 2, 8, 2)
    assert (seen[:, 0] == encode(starts)).all()
    neighbourhood.move(everyone, np.arange(1, 9))
    moved = neighbourhood.states(everyone).reshape(8, 2, 8, 2)
    assert (encode(moved) == seen[everyone, np.arange(1, 9)]).all()
    for start, end in zip(starts, moved, strict=True):
        for cell in range(2):
            assert end[cell].tolist() in neighbours(start)[cell].tolist()


def test_some_slots_can_be_shown_neighbours_alone(nb301_file: Path) -> None:
    neighbourhood, everyone = open_neighbourhood(request(nb301_file, most=5)), np.arange(8)
    neighbourhood.place(everyone, np.random.default_rng(0))
    neighbourhood.show(np.empty((8, 6, 510), dtype=np.uint8), np.random.default_rng(0))
    before, some = neighbourhood.shown_values(everyone), np.array([2, 7])
    seen = np.empty((2, 6, 510), dtype=np.uint8)
    assert neighbourhood.show(seen, np.random.default_rng(3), some).tolist() == [5, 5]
    others = np.setdiff1d(everyone, some)
    assert (neighbourhood.shown_values(others) == before[others]).all()
    neighbourhood.move(some, np.array([1, 1]))
    assert (encode(neighbourhood.states(some).reshape(2, 2, 8, 2)) == seen[:, 1]).all()


def test_accuracies_are_the_surrogates(nb301_file: Path) -> None:
    neighbourhood, model = open_neighbourhood(request(nb301_file)), load_nb301(nb301_file)
    everyone, rng = np.arange(8), np.random.default_rng(0)
    neighbourhood.place(everyone, rng)
    neighbourhood.show(np.empty((8, 51, 510), dtype=np.uint8), rng)
    assert neighbourhood.values(everyone) == pytest.approx(
        model.predict(neighbourhood.states(everyone).reshape(8, 2, 8, 2))
    )
    around = neighbourhood.shown_values(np.array([3, 5]))
    assert around.shape == (2, 50)
    neighbourhood.move(everyone, np.full(8, 7))
    assert around[:, 6] == pytest.approx(neighbourhood.values(np.array([3, 5])))


def test_set_state_restores_states(nb301_file: Path) -> None:
    one, other = open_neighbourhood(request(nb301_file)), open_neighbourhood(request(nb301_file, slots=3))
    one.place(np.arange(8), np.random.default_rng(0))
    chosen = np.array([1, 4, 6])
    other.set_state(np.arange(3), one.states(chosen))
    assert (other.values(np.arange(3)) == one.values(chosen)).all()


def test_states_are_encoded_as_they_are_shown(nb301_file: Path) -> None:
    place, everyone = open_neighbourhood(request(nb301_file, most=5)), np.arange(8)
    assert (place.space, place.encoding, place.bits, place.state_width) == ("darts", "darts", 510, 32)
    place.place(everyone, np.random.default_rng(0))
    seen = np.empty((8, 6, 510), dtype=np.uint8)
    place.show(seen, np.random.default_rng(0))
    states = np.concatenate([place.states(everyone)[:, None], place.shown_states(everyone)], axis=1)
    assert (states.shape, states.dtype) == ((8, 6, 32), place.state_dtype)
    assert (place.encode(states.reshape(-1, 32)) == seen.reshape(-1, 510)).all()
    assert (place.genes(states.reshape(-1, 32)) == states.reshape(-1, 32)).all()
    into = np.empty((8, 510), dtype=np.uint8)
    assert place.encode(states[:, 3], into) is into
    assert (into == seen[:, 3]).all()
    place.move(everyone, np.full(8, 3))
    assert (place.states(everyone) == states[:, 3]).all()


@pytest.mark.parametrize("mode", AutoresetMode)
def test_steps_go_on_exactly_from_a_state_that_was_kept(mode: Any, nb301_file: Path, goes_on_exactly: Any) -> None:
    opened = request(nb301_file, slots=4, most=3)
    goes_on_exactly(lambda: IncrementalVectorEnv(open_neighbourhood(opened), 4, 3, 3, None, mode))


def test_numbers_that_are_no_genotypes_are_refused(nb301_file: Path) -> None:
    place = open_neighbourhood(request(nb301_file, slots=2, most=3))
    place.place(np.arange(2), np.random.default_rng(0))
    bad = np.full((2, 32), 9, dtype=np.uint8)
    kept = place.states(np.arange(2)).copy()
    for refused in (lambda: place.encode(bad), lambda: place.set_state(np.arange(2), bad)):
        with pytest.raises(
            InputError, match="genotype 0 of the batch: node 2 of the normal cell takes sources 9 and 9"
        ):
            refused()
    with pytest.raises(InputError, match=r"states uint8 \(2, 31\): expected whole numbers \(m, 32\)"):
        place.encode(bad[:, :31])
    with pytest.raises(InputError, match=r"out is uint8 \(3, 510\): expected uint8 \(2, 510\) in one piece"):
        place.encode(kept, np.empty((3, 510), np.uint8))
    with pytest.raises(InputError, match="state's seen: expected genotypes"):
        place.load_state_dict({"seen": np.full((2, 4, 2, 8, 2), 9, dtype=np.uint8)})
    assert (place.states(np.arange(2)) == kept).all()


def test_only_an_accuracy_can_be_climbed(nb301_file: Path) -> None:
    with pytest.raises(InputError, match="unknown metric to climb 'runtime_s_surrogate'"):
        open_neighbourhood(request(nb301_file, "runtime_s_surrogate"))
    assert isinstance(open_neighbourhood(request(nb301_file, "valid_surrogate")), DartsNeighbourhoodEnv)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        open_neighbourhood(request(tmp_path / "absent.npz"))


def test_more_neighbours_than_there_are_are_refused_at_once(nb301_file: Path) -> None:
    with pytest.raises(InputError, match="max_neighbours=3601: expected at most 3,600"):
        open_neighbourhood(request(nb301_file, slots=1, most=3_601))


def test_rewards_are_shaped_as_in_the_paper(nb301_file: Path) -> None:
    """Section 4.2.1: the gain in exp(32 * accuracy), the accuracy between 0 and 1."""
    env = IncrementalVectorEnv(open_neighbourhood(request(nb301_file, most=5)), 8, 5, 16, None)
    _, before = env.reset(seed=0)
    _, rewards, _, _, after = env.step(np.ones(8, dtype=np.int64))
    accuracies = [info["value"] / 100 for info in (before, after)]
    assert (accuracies[0] != accuracies[1]).all()
    assert rewards == pytest.approx(np.exp(32 * accuracies[1]) - np.exp(32 * accuracies[0]))
