"""The bookkeeping of environments, on a neighbourhood with known answers: places in a row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from archloom.envs.checks import loaded
from archloom.errors import InputError

gymnasium = pytest.importorskip("gymnasium", reason="environments need the extra envs")
from gymnasium.vector import AutoresetMode  # noqa: E402

from archloom.envs.incremental import IncrementalEnv, IncrementalVectorEnv, NeighbourhoodEnv  # noqa: E402

PLACES = 10
VALUES = np.array([10.0, 20, 30, 25, 50, 60, 55, 80, 70, 90])


class Row(NeighbourhoodEnv):
    """Place p is next to p - 1 and p + 1; its encoding has p ones."""

    space = encoding = "row"
    bits = PLACES
    state_dtype = np.dtype(np.int64)
    state_width = 1
    alpha = 2.0

    def __init__(self, slots: int, starts: int | None = None) -> None:
        self.at = np.zeros(slots, dtype=np.int64)
        self.seen = np.zeros((slots, 2), dtype=np.int64)
        self.starts = starts

    def place(self, slots: NDArray[np.intp], rng: np.random.Generator) -> None:
        self.at[slots] = rng.integers(0, PLACES, len(slots)) if self.starts is None else self.starts

    def move(self, slots: NDArray[np.intp], choices: NDArray[np.intp]) -> None:
        self.at[slots] = self.seen[slots, choices - 1]

    def values(self, slots: NDArray[np.intp]) -> NDArray[np.float64]:
        return VALUES[self.at[slots]]

    def shown_values(self, slots: NDArray[np.intp]) -> NDArray[np.float64]:
        return VALUES[self.seen[slots]]

    def states(self, slots: NDArray[np.intp]) -> NDArray[np.integer[Any]]:
        return self.at[slots, None]

    def shown_states(self, slots: NDArray[np.intp]) -> NDArray[np.integer[Any]]:
        return self.seen[slots, :, None]

    def set_state(self, slots: NDArray[np.intp], states: NDArray[np.integer[Any]]) -> None:
        self.at[slots] = states[:, 0]

    def encode(self, states: NDArray[np.integer[Any]], out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        out = self._out(len(states), out)
        out[:] = np.arange(PLACES) < states
        return out

    def state_dict(self) -> dict[str, NDArray[Any]]:
        return {"at": self.at.copy(), "seen": self.seen.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.at, self.seen = loaded(state, "at", self.at), loaded(state, "seen", self.seen)

    def show(
        self, architectures: NDArray[np.uint8], rng: np.random.Generator, slots: NDArray[np.intp] | None = None
    ) -> NDArray[np.int64]:
        slots = np.arange(len(self.at)) if slots is None else slots
        counts = np.empty(len(slots), dtype=np.int64)
        architectures[:] = 0
        for row, slot in enumerate(slots):
            place = self.at[slot]
            around = [near for near in (place - 1, place + 1) if 0 <= near < PLACES]
            self.seen[slot] = [*around, 0][:2]
            counts[row] = len(around)
            for number, shown in enumerate([place, *around]):
                architectures[row, number, :shown] = 1
        return counts


def make(
    slots: int = 3, starts: int | None = None, steps: int = 5, alpha: float | None = None, mode: Any = "NextStep"
) -> Any:
    return IncrementalVectorEnv(Row(slots, starts), slots, 2, steps, alpha, mode)


def test_the_observation_shows_the_current_one_then_its_neighbours() -> None:
    env = make(2, starts=4)
    observation, info = env.reset(seed=0)
    assert observation["architectures"].sum(axis=2).tolist() == [[4, 3, 5]] * 2
    assert observation["mask"].tolist() == [[1, 1, 1]] * 2
    assert info["value"].tolist() == [50.0, 50.0]
    env = make(1, starts=0)
    observation, _ = env.reset(seed=0)
    assert observation["mask"].tolist() == [[1, 1, 0]], "the first place has one neighbour"
    assert observation in env.observation_space


@pytest.mark.parametrize("alpha", [None, 0.0, 6.0])
def test_the_reward_is_the_gain_in_the_shaped_accuracy(alpha: float | None) -> None:
    env = make(1, starts=4, alpha=alpha)
    env.reset(seed=0)
    _, rewards, terminated, truncated, info = env.step(np.array([2]))
    used = 2.0 if alpha is None else alpha
    expected = np.exp(used * 0.6) - np.exp(used * 0.5) if used else 0.6 - 0.5
    assert rewards[0] == pytest.approx(expected, abs=1e-12)
    assert info["value"][0] == 60.0
    assert not terminated[0]
    assert not truncated[0]


def test_staying_terminates_with_no_reward_and_the_next_step_starts_again() -> None:
    env = make(2, starts=4)
    env.reset(seed=0)
    _, rewards, terminated, truncated, _ = env.step(np.array([0, 2]))
    assert terminated.tolist() == [True, False]
    assert rewards[0] == 0
    assert not truncated.any()
    observation, rewards, terminated, truncated, info = env.step(np.array([2, 2]))
    assert info["value"].tolist() == [50.0, 55.0], "the first starts again, its action is ignored"
    assert rewards[0] == 0
    assert not terminated.any()
    assert observation["architectures"][0, 0].sum() == 4


def test_episodes_are_truncated_after_their_steps() -> None:
    env = make(1, starts=4, steps=3)
    env.reset(seed=0)
    for episode in range(2):
        ends = [env.step(np.array([1 + step % 2]))[2:4] for step in range(3)]
        assert [bool(truncated[0]) for _, truncated in ends] == [False, False, True], episode
        assert not any(terminated[0] for terminated, _ in ends)
        _, _, terminated, truncated, info = env.step(np.array([1]))
        assert info["value"][0] == 50.0, "the step after the end starts again"
        assert not terminated[0]
        assert not truncated[0]


def test_staying_in_the_last_step_terminates() -> None:
    env = make(1, starts=4, steps=1)
    env.reset(seed=0)
    _, _, terminated, truncated, _ = env.step(np.array([0]))
    assert terminated[0]
    assert not truncated[0], "an episode that ended by itself is not to be bootstrapped through"


def test_a_masked_action_changes_nothing_and_takes_a_step() -> None:
    env = make(1, starts=0, steps=2)
    env.reset(seed=0)
    observation, rewards, terminated, truncated, info = env.step(np.array([2]))
    assert observation["architectures"][0, 0].sum() == 0
    assert (rewards[0], info["value"][0]) == (0.0, 10.0)
    assert not terminated[0]
    assert not truncated[0]
    assert env.step(np.array([2]))[3][0]


def test_rewards_of_an_episode_add_up_to_the_gain() -> None:
    env = make(50, alpha=0.0, steps=20)
    _, info = env.reset(seed=3)
    starts = info["value"]
    total, rng = np.zeros(50), np.random.default_rng(0)
    for _ in range(19):
        _, rewards, _, _, info = env.step(rng.integers(1, 3, 50))
        total += rewards
    assert total == pytest.approx((info["value"] - starts) / 100)
    assert (total != 0).any()


def test_the_seed_determines_everything() -> None:
    def play(seed: int) -> list[Any]:
        env = make(20)
        env.reset(seed=99)
        env.step(np.ones(20, dtype=np.int64))
        seen = [env.reset(seed=seed)[1]["value"]]
        rng = np.random.default_rng(0)
        seen += [env.step(rng.integers(0, 3, 20))[4]["value"] for _ in range(30)]
        return [values.tolist() for values in seen]

    assert play(1) == play(1)
    assert play(1) != play(2)


def test_observations_are_not_written_to_again() -> None:
    env = make(2, starts=4)
    observation, info = env.reset(seed=0)
    kept, values = {name: array.copy() for name, array in observation.items()}, info["value"].copy()
    env.step(np.array([1, 2]))
    assert all((observation[name] == kept[name]).all() for name in kept)
    assert (info["value"] == values).all()


@pytest.mark.parametrize(
    ("actions", "said"),
    [
        (np.array([1]), "actions of shape (1,) and type int64: expected 3 integers"),
        (np.array([1.0, 1.0, 1.0]), "actions of shape (3,) and type float64: expected 3 integers"),
        (np.array([1, 3, 1]), "action 3: expected 0 (stay) to 2"),
        (np.array([1, -1, 1]), "action -1: expected 0 (stay) to 2"),
    ],
)
def test_bad_actions_are_refused(actions: Any, said: str) -> None:
    env = make()
    env.reset(seed=0)
    with pytest.raises(InputError) as caught:
        env.step(actions)
    assert str(caught.value) == said


def test_a_step_before_the_first_reset_is_refused() -> None:
    with pytest.raises(InputError, match="step before the first reset"):
        make().step(np.zeros(3, dtype=np.int64))


@pytest.mark.parametrize("wrong", [{"num_envs": 0}, {"max_neighbours": 0}, {"episode_steps": 0}])
def test_sizes_below_one_are_refused(wrong: dict[str, int]) -> None:
    given = {"num_envs": 3, "max_neighbours": 2, "episode_steps": 5, **wrong}
    with pytest.raises(InputError, match="=0: expected a whole number of at least 1"):
        IncrementalVectorEnv(Row(3), alpha=None, **given)


@pytest.mark.parametrize("alpha", [float("nan"), float("inf"), 1e6, -0.1])
def test_an_alpha_that_shapes_no_reward_is_refused(alpha: float) -> None:
    with pytest.raises(InputError, match="expected a number from 0 to 700, or None"):
        make(alpha=alpha)


def test_the_largest_alpha_gives_rewards_that_are_numbers() -> None:
    env = make(1, starts=8, alpha=700.0)
    env.reset(seed=0)
    assert np.isfinite(env.step(np.array([2]))[1]).all()


def test_one_episode_passes_the_checker_of_gymnasium() -> None:
    from gymnasium.utils.env_checker import check_env

    check_env(IncrementalEnv(make(1)), skip_render_check=True)


def test_one_episode_ends_as_gymnasium_says() -> None:
    env = IncrementalEnv(make(1, starts=4))
    observation, info = env.reset(seed=0)
    assert observation["architectures"].shape == (3, PLACES)
    assert info["value"] == 50.0
    observation, reward, terminated, truncated, info = env.step(2)
    assert (reward > 0, terminated, truncated, info["value"]) == (True, False, False, 60.0)
    assert env.step(0)[2] is True
    assert env.reset()[1]["value"] == 50.0


def test_one_episode_needs_a_vector_of_one() -> None:
    with pytest.raises(InputError, match="num_envs=3: expected a vector environment of 1"):
        IncrementalEnv(make(3))


# -- masks, seeds, resets ---------------------------------------------------------------------------------------------


def test_masks_are_what_gymnasium_samples_with() -> None:
    env, one = make(4, starts=0), IncrementalEnv(make(1, starts=0))
    observation, info = env.reset(seed=0)
    assert info["action_mask"].tolist() == observation["mask"].tolist() == [[1, 1, 0]] * 4
    env.action_space.seed(0)
    drawn = [env.action_space.sample(info["action_mask"]) for _ in range(20)]
    drawn += [env.action_space.sample(tuple(info["action_mask"])) for _ in range(20)]
    assert np.unique(drawn).tolist() == [0, 1]
    assert all(actions in env.action_space for actions in drawn)
    observation, info = one.reset(seed=0)
    assert {int(one.action_space.sample(info["action_mask"])) for _ in range(20)} == {0, 1}
    assert one.action_space.sample(observation["mask"]) in (0, 1)
    assert observation in one.observation_space


def test_a_seed_is_a_whole_number() -> None:
    values = [make(9).reset(seed=seed)[1]["value"].tolist() for seed in (3, 3, 4)]
    assert values[0] == values[1] != values[2]
    for seed in (-1, 1.5, [1, 2, 3], "1"):
        for env in (make(3), IncrementalEnv(make(1))):
            with pytest.raises(InputError, match="expected a whole number from 0 to"):
                env.reset(seed=seed)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"start": 3}, "unknown reset option 'start'"),
        ({"reset_mask": [True, False, True]}, "reset_mask is list: expected an array (3,) of bool"),
        ({"reset_mask": np.array([1, 0, 1])}, "reset_mask is an array (3,) of int64: expected an array (3,) of bool"),
        ({"reset_mask": np.ones(2, bool)}, "reset_mask is an array (2,) of bool: expected an array (3,) of bool"),
        ({"reset_mask": np.zeros(3, bool)}, "reset_mask is true for no episode: expected at least one to reset"),
    ],
)
def test_what_no_reset_can_do_is_refused(options: Any, said: str) -> None:
    env = make()
    _, before = env.reset(seed=0)
    with pytest.raises(InputError) as caught:
        env.reset(seed=1, options=options)
    assert said in str(caught.value)
    assert env.step(np.ones(3, dtype=np.int64))[4]["value"].shape == before["value"].shape
    with pytest.raises(InputError, match="expected none, this environment has no options"):
        IncrementalEnv(make(1)).reset(options=options)


def test_a_mask_before_the_first_reset_is_refused_unless_it_is_of_all() -> None:
    with pytest.raises(InputError, match="reset_mask before the first reset"):
        make(2).reset(options={"reset_mask": np.array([True, False])})
    assert make(2).reset(options={"reset_mask": np.ones(2, bool)})[0]["mask"].shape == (2, 3)


@pytest.mark.parametrize("mode", AutoresetMode)
def test_a_mask_starts_some_again_and_leaves_the_others_as_they_are(mode: Any) -> None:
    env = make(3, starts=4, steps=4, mode=mode)
    env.reset(seed=0)
    before, *_ = env.step(np.array([2, 2, 2]))
    given = {"reset_mask": np.array([False, True, False])}
    after, info = env.reset(options=given)
    assert info["value"].tolist() == [60.0, 50.0, 60.0]
    for name in before:
        assert (after[name][[0, 2]] == before[name][[0, 2]]).all(), "the others see what they saw"
    assert after["architectures"][1].sum(axis=1).tolist() == [4, 3, 5]
    assert list(given) == ["reset_mask"], "the caller's options stay"
    for _ in range(3):
        _, _, _, truncated, _ = env.step(np.array([1, 1, 1]))
    assert truncated.tolist() == [True, False, True], "its steps are counted from its own start"


# -- when episodes start again ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["SameStep", "SAME_STEP", AutoresetMode.SAME_STEP])
def test_in_the_same_step(mode: Any) -> None:
    env = make(3, starts=4, steps=2, mode=mode)
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    env.reset(seed=0)
    observation, rewards, terminated, truncated, info = env.step(np.array([0, 2, 2]))
    assert terminated.tolist() == [True, False, False]
    assert info["value"].tolist() == [50.0, 60.0, 60.0]
    assert info["_final_obs"].tolist() == info["_final_info"].tolist() == [True, False, False]
    assert info["final_obs"][0]["architectures"].sum(axis=1).tolist() == [4, 3, 5]
    observation, rewards, terminated, truncated, info = env.step(np.array([2, 2, 1]))
    assert truncated.tolist() == [False, True, True]
    assert info["value"].tolist() == [60.0, 50.0, 50.0]
    assert info["final_info"]["value"].tolist() == [0.0, 55.0, 50.0]
    assert info["final_info"]["_value"].tolist() == [False, True, True]
    assert info["final_obs"][0] is None
    assert info["final_obs"][1]["architectures"].sum(axis=1).tolist() == [6, 5, 7]
    assert observation["architectures"][1].sum(axis=1).tolist() == [4, 3, 5]
    assert observation in env.observation_space
    assert rewards[1] < 0, "the reward is that of the last step, not of the new start"


def test_by_hand_only() -> None:
    env = make(2, starts=4, mode="Disabled")
    env.reset(seed=0)
    _, _, terminated, truncated, _ = env.step(np.array([0, 2]))
    with pytest.raises(InputError, match=r"episode 0 is over, and nothing starts it again .*: reset\(options="):
        env.step(np.array([1, 1]))
    env.reset(options={"reset_mask": terminated | truncated})
    assert env.step(np.array([2, 2]))[4]["value"].tolist() == [60.0, 55.0]


@pytest.mark.parametrize("mode", ["sometimes", None, 3])
def test_a_mode_that_there_is_not_is_refused(mode: Any) -> None:
    with pytest.raises(InputError, match="unknown autoreset mode"):
        make(mode=mode)


@pytest.mark.parametrize("mode", AutoresetMode)
def test_episodes_are_those_of_gymnasiums_own_vector_environments(mode: Any) -> None:
    """The same starts, actions and mode: the same steps, one by one, and the same keys of infos that both have."""
    ours = make(1, starts=3, steps=3, mode=mode)
    theirs = gymnasium.vector.SyncVectorEnv([lambda: IncrementalEnv(make(1, starts=3, steps=3))], autoreset_mode=mode)
    seen = [env.reset(seed=0) for env in (ours, theirs)]
    over = np.zeros(1, bool)
    for action in (1, 2, 0, 2, 2, 1, 2, 0, 0, 1):
        if mode is AutoresetMode.DISABLED and over.any():
            seen = [env.reset(options={"reset_mask": over.copy()}) for env in (ours, theirs)]
        steps = [env.step(np.array([action])) for env in (ours, theirs)]
        over = steps[0][2] | steps[0][3]
        for one, other in ([step[0] for step in steps], [each[0] for each in seen]):
            assert all((one[name] == other[name]).all() for name in one)
        for one, other in zip(steps[0][1:4], steps[1][1:4], strict=True):
            assert one.tolist() == other.tolist()
        infos = [step[4] for step in steps]
        assert set(infos[0]) == set(infos[1])
        assert infos[0]["value"].tolist() == infos[1]["value"].tolist()
        if over.any() and mode is AutoresetMode.SAME_STEP:
            assert infos[0]["final_info"]["value"].tolist() == infos[1]["final_info"]["value"].tolist()
            ends = [info["final_obs"][0] for info in infos]
            assert all((ends[0][name] == ends[1][name]).all() for name in ends[0])


def test_wrappers_of_gymnasium_and_closing() -> None:
    env = gymnasium.wrappers.vector.RecordEpisodeStatistics(make(2, starts=4, steps=2))
    env.reset(seed=0)
    env.step(np.array([2, 1]))
    assert env.step(np.array([1, 2]))[4]["episode"]["l"].tolist() == [2, 2]
    env.close()
    env.close()
    assert env.unwrapped.closed
    one = gymnasium.wrappers.TimeLimit(IncrementalEnv(make(1, starts=4)), 1)
    one.reset(seed=0)
    assert one.step(1)[3]
    assert one.render_mode is None


# -- what an agent learns from ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", AutoresetMode)
def test_what_is_seen_is_told_as_states(mode: Any) -> None:
    env = make(6, steps=3, mode=mode)
    assert env.shown.tolist() == [-1] * 6
    observation, _ = env.reset(seed=1)
    rng = np.random.default_rng(0)
    for _ in range(12):
        states = env.seen_states()
        assert states.shape == (6, 3, 1)
        assert states.dtype == env.neighbourhood.state_dtype
        there = observation["mask"].astype(bool)
        assert (env.shown + 1 == there.sum(axis=1)).all()
        assert (env.neighbourhood.encode(states[there]) == observation["architectures"][there]).all()
        assert not states[~there].any()
        assert not observation["architectures"][~there].any()
        actions = rng.integers(0, env.shown + 1)
        observation, _, terminations, truncations, _ = env.step(actions)
        over = terminations | truncations
        if mode is not AutoresetMode.SAME_STEP:
            reached = states[np.arange(6), actions]
            ongoing = actions > 0
            assert (env.seen_states()[over & ongoing, 0] == reached[over & ongoing]).all(), (
                "ends show the true last one"
            )
        if mode is AutoresetMode.DISABLED and over.any():
            observation, _ = env.reset(options={"reset_mask": over})


def test_the_observation_of_an_end_is_the_last_one_and_the_step_after_it_is_a_reset() -> None:
    """NEXT_STEP: a learner bootstraps from what comes with the truncation, and must not store the step after it."""
    env = make(2, starts=4, steps=2)
    env.reset(seed=0)
    env.step(np.array([2, 0]))
    last, _, terminated, truncated, _ = env.step(np.array([2, 2]))
    assert (terminated.tolist(), truncated.tolist()) == ([False, False], [True, False])
    assert env.seen_states()[:, :, 0].tolist() == [[6, 5, 7], [4, 3, 5]], "one ends at 6, the other starts again"
    assert last["architectures"].sum(axis=2).tolist() == [[6, 5, 7], [4, 3, 5]]
    _, rewards, terminated, truncated, _ = env.step(np.array([2, 2]))
    assert (rewards[0], terminated[0], truncated[0]) == (0.0, False, False)
    assert env.seen_states()[:, 0, 0].tolist() == [4, 5]


@pytest.mark.parametrize("mode", AutoresetMode)
def test_steps_go_on_exactly_from_a_state_that_was_kept(mode: Any, goes_on_exactly: Any) -> None:
    goes_on_exactly(lambda: make(5, steps=3, mode=mode))


def test_the_generator_of_a_state_is_json() -> None:
    env = make()
    env.reset(seed=0)
    state = env.state_dict()
    state["generator"] = json.loads(json.dumps(state["generator"]))
    other = make()
    other.load_state_dict(state)
    assert other.np_random.integers(1 << 60) == env.np_random.integers(1 << 60)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"generator": {"bit_generator": "MT19937"}}, "state's generator: expected the state of a PCG64 generator"),
        ({"generator": None}, "state's generator: expected the state of a PCG64 generator"),
        ({"values": np.zeros(4)}, "state's values is float64 (4,): expected float64 (3,)"),
        ({"over": [False] * 3}, "state's over is no array: expected bool (3,)"),
        ({"neighbourhood.at": np.zeros(2, np.int64)}, "state's at is int64 (2,): expected int64 (3,)"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(wrong: dict[str, Any], said: str) -> None:
    env, twin = make(), make()
    for each in (env, twin):
        each.reset(seed=0)
    elsewhere = make()
    elsewhere.reset(seed=5)
    with pytest.raises(InputError) as caught:
        env.load_state_dict({**elsewhere.state_dict(), **wrong})
    assert str(caught.value).startswith(said)
    actions = np.array([1, 2, 1])
    assert env.step(actions)[4]["value"].tolist() == twin.step(actions)[4]["value"].tolist()
    assert env.np_random.integers(1 << 60) == twin.np_random.integers(1 << 60)


def test_before_the_first_reset_there_is_no_state() -> None:
    with pytest.raises(InputError, match="state_dict before the first reset"):
        make().state_dict()
