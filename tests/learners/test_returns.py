from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.learners.returns import NStepWindow, Transitions

TOKENS, LENGTH = 2, 3


@dataclass(frozen=True)
class Stream:
    """S steps of W walkers, and the S + 1 observations around them."""

    states: NDArray[np.int32]
    counts: NDArray[np.int64]
    values: NDArray[np.float64]
    actions: NDArray[np.int64]
    rewards: NDArray[np.float64]
    terminations: NDArray[np.bool_]
    truncations: NDArray[np.bool_]
    taken: NDArray[np.float64]

    @property
    def ends(self) -> NDArray[np.bool_]:
        return self.terminations | self.truncations


class Expected(NamedTuple):
    began: int
    walker: int
    arrived: int
    total: float
    discount: float


def stream(ends: NDArray[np.int64], seed: int) -> Stream:
    """Random numbers around `ends` (S, W): 1 is a termination, 2 a truncation; the step after an end only resets.

    All numbers are small multiples of 1/4, so that sums with gamma = 1/2 are exact.
    """
    steps, walkers = ends.shape
    rng = np.random.default_rng(seed)
    ends, resets = ends.copy(), np.zeros(ends.shape, np.bool_)
    for step in range(1, steps):
        resets[step] = ends[step - 1] > 0
        ends[step, resets[step]] = 0
    shape = (steps + 1, walkers, TOKENS, LENGTH)
    return Stream(
        states=np.arange(np.prod(shape), dtype=np.int32).reshape(shape),
        counts=rng.integers(1, 51, (steps + 1, walkers)),
        values=rng.integers(-40, 40, (steps + 1, walkers)) / 4,
        actions=rng.integers(0, 51, ends.shape),
        rewards=np.where(resets, 0, rng.integers(-20, 20, ends.shape) / 4),
        terminations=ends == 1,
        truncations=ends == 2,
        taken=rng.integers(-40, 40, ends.shape) / 4,
    )


def played(window: NStepWindow, of: Stream, start: int = 0, stop: int | None = None) -> list[Transitions]:
    """What `observe` gives at each of the observations from `start` to `stop`, which is not acted upon.

    What the window is given is overwritten at once, as an environment may do.
    """
    found = []
    stop = len(of.rewards) if stop is None else stop
    for step in range(start, stop + 1):
        observed = of.states[step].copy(), of.counts[step].copy(), of.values[step].copy()
        found.append(window.observe(*observed))
        done = of.actions, of.rewards, of.terminations, of.truncations, of.taken
        given = [array[step].copy() for array in done] if step < stop else []
        if given:
            window.act(*given)
        for array in (*observed, *given):
            array[...] = 1
    return found


def slowly(of: Stream, n: int, gamma: float, exact: bool, bootstrap: bool) -> dict[int, list[Expected]]:
    """The transitions by the observation that completes them: one walker and one step at a time."""
    found = defaultdict(list)
    for walker in range(of.rewards.shape[1]):
        for began in range(len(of.rewards)):
            if began > 0 and of.ends[began - 1, walker]:
                continue  # the step that resets
            total, rewards, terminated, over = 0.0, 0, False, False
            while rewards < n and not over and began + rewards < len(of.rewards):
                step = began + rewards
                total += gamma**rewards * of.rewards[step, walker]
                over = bool(of.ends[step, walker])
                terminated = bool(of.terminations[step, walker]) or (over and not bootstrap)
                rewards += 1
            if rewards == n or over:
                discount = 0.0 if terminated else gamma ** (rewards if exact else n)
                found[began + rewards].append(Expected(began, walker, began + rewards, total, discount))
    return {arrived: sorted(each) for arrived, each in found.items()}


@given(
    shape=st.tuples(st.integers(0, 14), st.integers(1, 3)),
    ends=st.lists(st.sampled_from([0, 0, 0, 1, 2]), min_size=42, max_size=42),
    n=st.integers(1, 5),
    gamma=st.sampled_from([0.0, 0.5, 1.0]),
    exact=st.booleans(),
    bootstrap=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_transitions_are_those_of_a_slow_loop(
    shape: tuple[int, int], ends: list[int], n: int, gamma: float, exact: bool, bootstrap: bool
) -> None:
    of = stream(np.array(ends)[: shape[0] * shape[1]].reshape(shape), seed=0)
    window = NStepWindow(shape[1], n, gamma, (TOKENS, LENGTH), np.int32, exact_discount=exact, bootstrap=bootstrap)
    right = slowly(of, n, gamma, exact, bootstrap)
    for arrived, found in enumerate(played(window, of)):
        expected = right.get(arrived, [])
        began = [each.began for each in expected], [each.walker for each in expected]
        ended = [each.arrived for each in expected], [each.walker for each in expected]
        totals = np.array([each.total for each in expected])
        discounts = np.array([each.discount for each in expected])
        assert len(found.actions) == len(expected)
        if expected:
            np.testing.assert_array_equal(found.states, of.states[began])
            np.testing.assert_array_equal(found.counts, of.counts[began])
            np.testing.assert_array_equal(found.actions, of.actions[began])
            np.testing.assert_array_equal(found.returns, totals)
            np.testing.assert_array_equal(found.discounts, discounts)
            np.testing.assert_array_equal(found.next_states, of.states[ended])
            np.testing.assert_array_equal(found.next_counts, of.counts[ended])
            np.testing.assert_array_equal(found.errors, np.abs(totals + discounts * of.values[ended] - of.taken[began]))


def test_types_and_shapes_are_the_same_whether_anything_is_complete_or_not() -> None:
    of = stream(np.array([[0], [1], [0]]), seed=0)
    none, _, some, _ = played(NStepWindow(1, 3, 0.5, (TOKENS, LENGTH), np.int32), of)
    assert [len(each) for each in none] == [0] * 8
    assert [len(each) for each in some] == [2] * 8
    assert [each.dtype for each in none] == [each.dtype for each in some]
    assert [each.dtype for each in some] == ["int32", *["int64"] * 2, *["float32"] * 2, "int32", "int64", "float32"]
    assert [each.shape[1:] for each in none] == [each.shape[1:] for each in some]


def test_a_truncated_return_is_discounted_by_its_own_length_or_as_in_rllib_by_that_of_a_whole_one() -> None:
    of = stream(np.array([[0], [2]]), seed=0)
    *_, exact = played(NStepWindow(1, 3, 0.9, (TOKENS, LENGTH), np.int32), of)
    *_, quirk = played(NStepWindow(1, 3, 0.9, (TOKENS, LENGTH), np.int32, exact_discount=False), of)
    np.testing.assert_array_equal(exact.discounts, np.float32([0.9**2, 0.9]))
    np.testing.assert_array_equal(quirk.discounts, np.float32([0.9**3, 0.9**3]))
    np.testing.assert_array_equal(exact.returns, quirk.returns)


def test_what_is_handed_out_stays_as_it_was() -> None:
    of = stream(np.zeros((12, 2), np.int64), seed=3)
    window = NStepWindow(2, 2, 0.5, (TOKENS, LENGTH), np.int32)
    found = played(window, of, stop=4)
    before = [tuple(array.copy() for array in each) for each in found]
    window.act(of.actions[4], of.rewards[4], of.terminations[4], of.truncations[4], of.taken[4])
    played(window, of, start=5)
    for each, earlier in zip(found, before, strict=True):
        for array, copy in zip(each, earlier, strict=True):
            np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("stop", range(9))
def test_a_window_continues_from_its_state(stop: int) -> None:
    ends = np.array([[0, 1, 2], [0, 0, 0], [0, 0, 1], [1, 0, 0], [0, 0, 0], [0, 2, 0], [2, 0, 0], [0, 0, 0]])
    of = stream(ends, seed=1)
    whole = played(NStepWindow(3, 3, 0.9, (TOKENS, LENGTH), np.int32), of)
    first, second = (NStepWindow(3, 3, 0.9, (TOKENS, LENGTH), np.int32) for _ in range(2))
    found = played(first, of, stop=stop)
    second.load_state_dict(first.state_dict())
    if stop < len(of.rewards):  # the state was taken between observe and act
        for each in (first, second):
            each.act(of.actions[stop], of.rewards[stop], of.terminations[stop], of.truncations[stop], of.taken[stop])
        third = NStepWindow(3, 3, 0.9, (TOKENS, LENGTH), np.int32)
        third.load_state_dict(second.state_dict())
        found += played(third, of, start=stop + 1)
    for each, right in zip(found, whole, strict=True):
        for array, expected in zip(each, right, strict=True):
            np.testing.assert_array_equal(array, expected)


def test_a_state_is_a_copy_and_of_a_window_of_the_same_size() -> None:
    window = NStepWindow(1, 3, 0.9, (TOKENS, LENGTH), np.int32)
    state = window.state_dict()
    played(window, stream(np.zeros((2, 1), np.int64), seed=0))
    assert not state["states"].any()  # type: ignore[union-attr]
    with pytest.raises(InputError, match=r"states of shape \(3, 1, 2, 3\).*expected \(4, 1, 2, 3\)"):
        NStepWindow(1, 4, 0.9, (TOKENS, LENGTH), np.int32).load_state_dict(state)


# --- two states, a reward of 1 a step, a time limit of four steps


def two_states(n: int, *, bootstrap: bool = True, ends: bool = True) -> NDArray[np.float64]:
    """Q of the only action in each of the two states, learnt from a window's transitions until it stays.

    The first state leads to the second, and that to itself, in Gymnasium's own vector environment with its own time
    limit. Without `ends` the window is not told of any: it takes the step that resets for one like any other.
    """
    gymnasium = pytest.importorskip("gymnasium", reason="environments need the extra envs")

    class Walk(gymnasium.Env):  # type: ignore[misc, name-defined]
        observation_space = gymnasium.spaces.Discrete(2)
        action_space = gymnasium.spaces.Discrete(1)

        def reset(self, *, seed: Any = None, options: Any = None) -> tuple[int, dict[str, Any]]:
            return 0, {}

        def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
            return 1, 1.0, False, False, {}

    env = gymnasium.vector.SyncVectorEnv(
        [lambda: gymnasium.wrappers.TimeLimit(Walk(), 4)],
        autoreset_mode=gymnasium.vector.AutoresetMode.NEXT_STEP,
    )
    window = NStepWindow(1, n, 0.9, (1, 1), np.int64, bootstrap=bootstrap)
    one, zero, never = np.ones(1, np.int64), np.zeros(1), np.zeros(1, np.bool_)
    seen, _ = env.reset()
    stored = []
    for _ in range(40 + n):  # what begins in the first 40 steps is complete: eight episodes and steps that reset
        stored.append(window.observe(seen[:, None, None], one, zero))
        seen, rewards, terminations, truncations, _ = env.step(np.zeros(1, np.int64))
        window.act(one - 1, rewards, *((terminations, truncations) if ends else (never, never)), zero)
    states, nexts = (
        np.concatenate([getattr(each, name).ravel() for each in stored]) for name in ("states", "next_states")
    )
    returns, discounts = (np.concatenate([getattr(each, name) for each in stored]) for name in ("returns", "discounts"))
    q = np.zeros(2)
    for _ in range(400):
        targets = returns + discounts * q[nexts]
        q = np.array([targets[states == state].mean() for state in range(2)])
    return q


@pytest.mark.parametrize("n", [1, 3, 4, 6])
def test_through_a_time_limit_the_value_is_that_of_the_endless_walk(n: int) -> None:
    np.testing.assert_allclose(two_states(n), [10.0, 10.0], rtol=1e-5)


def test_without_bootstrapping_the_value_is_that_of_the_time_limit() -> None:
    assert two_states(4, bootstrap=False)[0] == pytest.approx(3.439, rel=1e-5)  # 1 + 0.9 + 0.9^2 + 0.9^3
    # One step at a time, the value of the second state is a mean: of its three steps the last ends the episode.
    second = 1 / (1 - 0.9 * 2 / 3)
    np.testing.assert_allclose(two_states(1, bootstrap=False), [1 + 0.9 * second, second], rtol=1e-5)


def test_storing_the_step_that_resets_gives_a_third_value() -> None:
    """That step leads from the second state to the first, and its reward is 0.

    V0 = 1 + 0.9 V1, and V1 is the mean of three times 1 + 0.9 V1 and once 0.9 V0. Four steps at a time V0 = 3.439 +
    r V1 with r = 0.9^4, and V1 is the mean of 2.71 + r V0 and of r V1 with 2.629, 2.539 and 2.439 more.
    """
    second = (3 + 0.9) / (4 - 0.9 * 3 - 0.9**2)
    np.testing.assert_allclose(two_states(1, ends=False), [1 + 0.9 * second, second], rtol=1e-5)  # 8.16 and 7.96
    rest = 0.9**4
    second = (2.71 + 2.629 + 2.539 + 2.439 + rest * 3.439) / (4 - 3 * rest - rest**2)
    np.testing.assert_allclose(two_states(4, ends=False), [3.439 + rest * second, second], rtol=1e-5)  # 8.63 and 7.91


# --- what is not as it must be


def test_a_step_that_resets_has_neither_reward_nor_end() -> None:
    """As under another autoreset mode, in which it is a step of the next episode."""
    true, false, one = np.array([True]), np.array([False]), np.ones(1)
    for rewards, terminations, truncations in ((one, false, false), (0 * one, true, false), (0 * one, false, true)):
        window = NStepWindow(1, 3, 0.9, (TOKENS, LENGTH), np.int32)
        of = stream(np.array([[2], [0]]), seed=0)
        played(window, of, stop=1)
        before = window.state_dict()
        with pytest.raises(InputError, match=r"walker 0 got the reward .* autoreset mode NextStep"):
            window.act(of.actions[1], rewards, terminations, truncations, one)
        assert all(np.array_equal(before[name], value) for name, value in window.state_dict().items())


def test_observations_and_actions_take_turns() -> None:
    of = stream(np.zeros((2, 1), np.int64), seed=0)
    window = NStepWindow(1, 3, 0.9, (TOKENS, LENGTH), np.int32)
    act = of.actions[0], of.rewards[0], of.terminations[0], of.truncations[0], of.taken[0]
    with pytest.raises(InputError, match="expected observe before it"):
        window.act(*act)
    window.observe(of.states[0], of.counts[0], of.values[0])
    with pytest.raises(InputError, match="expected act between"):
        window.observe(of.states[0], of.counts[0], of.values[0])
    window.act(*act)
    with pytest.raises(InputError, match="expected observe before it"):
        window.act(*act)


def test_arrays_of_other_sizes_are_refused() -> None:
    of = stream(np.zeros((1, 2), np.int64), seed=0)
    window = NStepWindow(2, 3, 0.9, (TOKENS, LENGTH), np.int32)
    with pytest.raises(InputError, match=r"observations \(1, 2, 3\).*expected \(2, 2, 3\), \(2,\) and \(2,\)"):
        window.observe(of.states[0, :1], of.counts[0], of.values[0])
    window.observe(of.states[0], of.counts[0], of.values[0])
    with pytest.raises(InputError, match=r"expected \(2,\) each"):
        window.act(of.actions[0], of.rewards[0, :1], of.terminations[0], of.truncations[0], of.taken[0])


@pytest.mark.parametrize(
    ("walkers", "steps", "gamma"), [(0, 3, 0.9), (1, 0, 0.9), (1, 3, -0.1), (1, 3, 1.1), (1, 3, np.nan)]
)
def test_settings_that_make_no_sense_are_refused(walkers: int, steps: int, gamma: float) -> None:
    with pytest.raises(InputError, match="expected"):
        NStepWindow(walkers, steps, gamma, (TOKENS, LENGTH), np.int32)
