from __future__ import annotations

import numpy as np
import pytest

from archloom.strategies.ddas.experience import Experiences


def made(origin: float = np.nan, capacity: int = 10**6, accuracy: float = 0.5, loss: float = 0.5) -> Experiences:
    return Experiences(2, capacity, np.array([origin]), accuracy_weight=accuracy, loss_weight=loss)


def filled(
    memory: Experiences, steps: list[tuple[float, float]], violations: tuple[float, ...] | None = None
) -> Experiences:
    """With steps of a utility and a gain each; states, actions and next states count."""
    for k, (utility, gain) in enumerate(steps):
        state, action, following = np.array([[k % 2, 1], [k, 0], [(k + 1) % 2, 1]], np.float32)
        memory.add(state, action, following, (utility,), gain, 0.0 if violations is None else violations[k])
    return memory


def rewards(memory: Experiences) -> list[float]:
    found: list[float] = memory.rewards(np.arange(len(memory))).tolist()
    return found


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_rewards_are_those_of_equation_3_3(scale: float) -> None:
    """1/2 (Acc - Acc(OS)) + 1/2 (L(previous) - L), the accuracy a decimal, whatever its units."""
    memory = filled(made(0.5 * scale), [(0.75 * scale, 0.25), (0.25 * scale, -1.0)])
    assert rewards(memory) == [0.5 * 0.25 + 0.5 * 0.25, 0.5 * -0.25 - 0.5 * 1.0]


def test_weights_of_the_two_terms() -> None:
    steps = [(75.0, 0.25), (25.0, -1.0)]
    assert rewards(filled(made(50.0, accuracy=1.0, loss=0.0), steps)) == [0.25, -0.25]
    assert rewards(filled(made(50.0, accuracy=0.0, loss=1.0), steps)) == [0.25, -1.0]


def test_without_a_reference_accuracies_are_compared_with_the_mean() -> None:
    assert rewards(filled(made(loss=0.0), [(80.0, 0.0), (20.0, 0.0)])) == pytest.approx([0.15, -0.15])


def test_several_objectives_are_the_mean_of_their_ranges() -> None:
    memory = Experiences(1, 10, np.array([np.nan, np.nan]), accuracy_weight=1.0, loss_weight=0.0)
    one = np.ones(1, np.float32)
    for utilities in ((0.0, -5.0), (10.0, -5.0), (10.0, -1.0)):
        memory.add(one, one, one, utilities, 0.0, 0.0)
    assert rewards(memory) == [-0.5, 0.0, 0.5]


def test_a_broken_constraint_is_worse_than_any_accuracy() -> None:
    memory = filled(made(50.0), [(0.0, 0.0), (99.0, 1.0), (99.0, 1.0)], (0.0, 1.0, 3.0))
    assert rewards(memory) == [-0.25, -1.5, -1.75]


def test_a_loss_that_explodes_leaves_numbers() -> None:
    largest = np.finfo(np.float64).max
    memory = filled(made(50.0), [(50.0, -np.inf), (50.0, largest), (50.0, 0.0)])
    assert rewards(memory) == [-0.5e6, 0.5e6, 0.0]


def test_it_keeps_the_latest_and_draws_from_a_window_with_replacement() -> None:
    memory = filled(made(capacity=6), [(float(k), 0.0) for k in range(10)])
    rng = np.random.default_rng(0)
    assert set(memory.sample(200, 10**6, rng).actions[:, 0]) == {4.0, 5.0, 6.0, 7.0, 8.0, 9.0}
    drawn = memory.sample(200, 3, rng)
    assert set(drawn.actions[:, 0]) == {7.0, 8.0, 9.0}
    np.testing.assert_array_equal(drawn.states[:, 0], drawn.actions[:, 0] % 2)
    np.testing.assert_array_equal(drawn.next_states[:, 0], 1 - drawn.states[:, 0])
    assert {array.dtype for array in drawn} == {np.dtype(np.float32)}


@pytest.mark.parametrize(("capacity", "steps"), [(10**6, 1100), (6, 10), (6, 3)])
def test_a_restored_buffer_goes_on_alike(capacity: int, steps: int) -> None:
    memory = filled(made(40.0, capacity), [(k % 90.0, k / 7) for k in range(steps)])
    other = made(40.0, capacity)
    other.load_state_dict(memory.state_dict())
    for each in (memory, other):
        filled(each, [(100.0, 0.5), (20.0, 0.1)])
    first, second = (each.sample(50, 10**6, np.random.default_rng(1)) for each in (memory, other))
    for mine, theirs in zip(first, second, strict=True):
        np.testing.assert_array_equal(mine, theirs)
