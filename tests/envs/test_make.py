"""How environments are made: `archloom.envs.make_vector` and related functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archloom.envs
from archloom.errors import InputError

pytest.importorskip("gymnasium", reason="environments need the extra envs")
pytest.importorskip("numba", reason="compiled spaces need the extra bench")


@pytest.fixture
def in_shared_cache(cell_index: Any, shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache of the process has the index."""
    monkeypatch.setenv("ARCHLOOM_CACHE", str(shared_cache))


@pytest.mark.parametrize("on", ["darts", "nb301"])
def test_darts_by_either_name(on: str, nb301_file: Path) -> None:
    env = archloom.envs.make_vector(on, 4, max_neighbours=20, table=nb301_file)
    observation, _ = env.reset(seed=0)
    assert observation["architectures"].shape == (4, 21, 510)
    _, rewards, _, _, _ = env.step(np.ones(4, dtype=np.int64))
    assert (rewards != 0).all()


def test_nb101_with_its_table(data_dir: Path, in_shared_cache: None) -> None:
    env = archloom.envs.make_vector("nb101", 16, table=data_dir / "nb101_surrogate.npz")
    observation, info = env.reset(seed=0)
    assert observation["architectures"].shape == (16, 51, 56)
    assert observation in env.observation_space
    assert (info["value"] > 10).all()


def test_nb201_with_its_table(data_dir: Path) -> None:
    """24 of 50 neighbours there is room for."""
    env = archloom.envs.make_vector("nb201", 16, table=data_dir / "nb201.npz", metric="cifar100_valid_200")
    observation, info = env.reset(seed=0)
    assert observation["architectures"].shape == (16, 51, 30)
    assert (env.shown == 24).all()
    _, rewards, _, _, after = env.step(np.ones(16, dtype=np.int64))
    assert rewards == pytest.approx(np.exp(0.24 * after["value"]) - np.exp(0.24 * info["value"]))
    assert (rewards != 0).any()


def test_the_checker_of_gymnasium_accepts_all(data_dir: Path, in_shared_cache: None) -> None:
    from gymnasium.utils.env_checker import check_env

    for on, table in (("nb101", "nb101_surrogate.npz"), ("nb201", "nb201.npz"), ("darts", "nb301_surrogate.npz")):
        check_env(archloom.envs.make(on, max_neighbours=10, table=data_dir / table), skip_render_check=True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"on": "nb102", "num_envs": 1}, "unknown benchmark to walk on 'nb102'; did you mean 'nb101'"),
        ({"on": None, "num_envs": 1}, "unknown benchmark to walk on 'None'"),
        ({"on": "darts", "num_envs": 0}, "num_envs=0: expected a whole number of at least 1"),
        ({"on": "darts", "num_envs": 2.5}, "num_envs=2.5: expected a whole number of at least 1"),
        ({"on": "darts", "num_envs": "3"}, "num_envs='3': expected a whole number of at least 1"),
        ({"on": "darts", "num_envs": True}, "num_envs=True: expected a whole number of at least 1"),
        ({"on": "darts", "num_envs": 1, "max_neighbours": 0}, "max_neighbours=0: expected a whole number of at least"),
        ({"on": "darts", "num_envs": 1, "episode_steps": 1.5}, "episode_steps=1.5: expected a whole number of at"),
        ({"on": "darts", "num_envs": 1, "alpha": float("nan")}, "alpha=nan: expected a number from 0 to 700"),
        ({"on": "darts", "num_envs": 1, "alpha": 1e6}, "alpha=1000000.0: expected a number from 0 to 700"),
        ({"on": "darts", "num_envs": 1, "alpha": -1}, "alpha=-1: expected a number from 0 to 700"),
        ({"on": "darts", "num_envs": 1, "alpha": "6"}, "alpha='6': expected a number from 0 to 700"),
    ],
)
def test_bad_arguments_are_refused(arguments: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        archloom.envs.make_vector(**arguments)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_number_of_slots_is_checked() -> None:
    with pytest.raises(InputError, match="slots=0: expected a whole number of at least 1"):
        archloom.envs.open_neighbourhood("darts", 0)


def test_more_neighbours_than_there_are_cannot_be_asked_for(nb301_file: Path) -> None:
    with pytest.raises(InputError, match="max_neighbours=3601: expected at most 3,600"):
        archloom.envs.make_vector("darts", 1, max_neighbours=3_601, table=nb301_file)
    assert archloom.envs.make_vector("darts", np.int64(1), max_neighbours=3_600, table=nb301_file).num_envs == 1
