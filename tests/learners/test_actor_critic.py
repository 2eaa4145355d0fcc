from __future__ import annotations

import numpy as np

from archloom.learners.actor_critic import ActorCritic


def make(seed: int) -> ActorCritic:
    rng = np.random.default_rng(seed)
    return ActorCritic(6, 12, (4, 3), actor_lr=0.01, critic_lr=0.02, betas=(0.9, 0.99), rng=rng)


def test_the_sizes_of_both_networks() -> None:
    pair = make(0)
    assert pair.actor.parameters.size == 7 * 4 + 5 * 3 + 4 * 6
    assert pair.critic.parameters.size == 13 * 4 + 5 * 3 + 4 * 1


def test_an_action_is_the_actors_alone_and_between_0_and_1() -> None:
    pair, state = make(0), np.linspace(-50.0, 50.0, 6, dtype=np.float32)
    action = pair.action(state)
    assert action.shape == (6,) and (action >= 0).all() and (action <= 1).all()
    np.testing.assert_array_equal(pair.action(state), action)
    pair.critic.parameters[:] = 0.0
    np.testing.assert_array_equal(pair.action(state), action)
    pair.actor.parameters[:] = 0.0
    np.testing.assert_array_equal(pair.action(state), np.full(6, 0.5))


def test_a_state_is_a_copy_of_all_that_training_changes() -> None:
    one, other = make(0), make(1)
    for name, adam, net in (("actor", one.actor_adam, one.actor), ("critic", one.critic_adam, one.critic)):
        adam.step(net.parameters, np.full_like(net.parameters, 0.5 if name == "actor" else -0.25))
    state = one.state_dict()
    assert sorted(state) == sorted(
        f"{name}_{part}" for name in ("actor", "critic") for part in ("parameters", "first", "second", "steps")
    )
    before = {name: np.copy(value) for name, value in state.items()}
    one.actor.parameters[:] = 0.0
    np.testing.assert_array_equal(state["actor_parameters"], before["actor_parameters"])
    other.load_state_dict(state)
    for name, value in other.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    assert (other.actor_adam.steps, other.critic_adam.steps) == (1, 1)
