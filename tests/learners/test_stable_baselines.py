"""Returns and TD errors on a chain of states, against the DQN of Stable-Baselines3 in the same episodes.

Its environments start again in the step that ends an episode, ours with the next one. It has no double Q-learning; that
target is written down here. The library is imported by the tests, not with the file: that takes seconds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="training needs the extra train")
gymnasium = pytest.importorskip("gymnasium", reason="environments need the extra envs")

from archloom.learners.q_learning import Batch, Learning, QLearner  # noqa: E402 - it needs PyTorch
from archloom.learners.q_network import NetworkOptions, QNetwork  # noqa: E402
from archloom.learners.returns import NStepWindow, Transitions  # noqa: E402

STATES, ACTIONS, EPISODES, LIMIT, GAMMA = 7, 3, 50, 5, 0.9
NEIGHBOURS = [[other for other in (state - 1, state + 1) if 0 <= other < STATES] for state in range(STATES)]
SCRIPTS = np.random.default_rng(0).choice([0, 1, 2], (EPISODES + 1, LIMIT), p=[0.1, 0.4, 0.5])
NO_ACTION = -1e6
"""Q of an action that a state does not have."""


class Chain(gymnasium.Env):  # type: ignore[misc, name-defined]
    """Action 0 stays and ends the episode, action k moves to the k-th neighbour; the values of states are squares."""

    observation_space = gymnasium.spaces.Discrete(STATES)
    action_space = gymnasium.spaces.Discrete(ACTIONS)

    def __init__(self) -> None:
        self.episode = -1

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[int, dict[str, Any]]:
        self.episode, self.taken = self.episode + 1, 0
        self.state = self.episode % STATES
        return self.state, {}

    def planned(self) -> int:
        """What whoever plays this episode does next."""
        return int(SCRIPTS[self.episode, self.taken]) % (len(NEIGHBOURS[self.state]) + 1)

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        before, self.taken = self.state, self.taken + 1
        if action > 0:
            self.state = NEIGHBOURS[before][action - 1]
        return self.state, (self.state**2 - before**2) / 64, bool(action == 0), False, {}


def limited() -> Any:
    return gymnasium.wrappers.TimeLimit(Chain(), LIMIT)


def seen(states: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What is shown at these states, (m, A, 1), the rest zeros, and how many tokens that is."""
    shown = [[int(state), *NEIGHBOURS[state]] for state in states]
    padded = [each + [0] * (ACTIONS - len(each)) for each in shown]
    return np.array(padded)[:, :, None], np.array([len(each) for each in shown])


def of_ours(n: int, bootstrap: bool) -> Transitions:
    """Transitions of the episodes by autoreset with the next step and our window."""
    env = gymnasium.vector.SyncVectorEnv([limited], autoreset_mode=gymnasium.vector.AutoresetMode.NEXT_STEP)
    chain = env.envs[0].unwrapped
    window = NStepWindow(1, n, GAMMA, (ACTIONS, 1), np.int64, bootstrap=bootstrap)
    states, _ = env.reset()
    ended, done = False, []
    while chain.episode < EPISODES:
        done.append(window.observe(*seen(states), np.zeros(1)))
        actions = np.array([0 if ended else chain.planned()])
        states, rewards, terminations, truncations, _ = env.step(actions)
        window.act(actions, rewards, terminations, truncations, np.zeros(1))
        ended = bool(terminations[0] or truncations[0])
    return Transitions(*(np.concatenate(columns) for columns in zip(*done, strict=True)))


@pytest.fixture(scope="module")
def sb3() -> Any:
    return pytest.importorskip("stable_baselines3", reason="Stable-Baselines3 is the reference of what is learnt from")


def of_theirs(sb3: Any, n: int, bootstrap: bool, steps: int) -> Any:
    """Their DQN on a table of Q-values with a buffer of the same episodes; learning is a step of size 1."""
    env = sb3.common.vec_env.DummyVecEnv([limited])
    chain = env.envs[0].unwrapped

    class Scripted(sb3.DQN):  # type: ignore[misc]
        def _sample_action(self, *_: Any, **__: Any) -> tuple[NDArray[Any], NDArray[Any]]:
            return np.array([chain.planned()]), np.array([chain.planned()])

    model = Scripted(
        "MlpPolicy",
        env,
        learning_rate=1.0,
        gamma=GAMMA,
        n_steps=n,
        max_grad_norm=1e9,
        learning_starts=10**9,
        train_freq=1,
        buffer_size=steps + 1,
        replay_buffer_kwargs={"handle_timeout_termination": bootstrap},
        policy_kwargs={"net_arch": [], "optimizer_class": torch.optim.SGD, "optimizer_kwargs": {}},
        device="cpu",
    )
    model.learn(steps)
    return model


def their_errors(model: Any, online: NDArray[np.float32], target: NDArray[np.float32], rows: int) -> list[float]:
    """Their TD errors with these tables (STATES, ACTIONS): what one step of their training adds to an entry."""
    buffer, found = model.replay_buffer, []
    for row in range(rows):
        for net, table in ((model.q_net, online), (model.q_net_target, target)):
            weights = {"q_net.0.weight": torch.from_numpy(table.T.copy()), "q_net.0.bias": torch.zeros(ACTIONS)}
            net.load_state_dict({**net.state_dict(), **weights})
        sample = buffer._get_samples(np.array([row]))
        buffer.sample = lambda *_, sample=sample, **__: sample
        model.train(gradient_steps=1, batch_size=1)
        state, action = int(sample.observations), int(sample.actions)
        change = model.q_net.q_net[0].weight.detach().numpy().T - online
        found.append(float(change[state, action]))
    return found


def learner(double: bool) -> QLearner:
    """A learner whose two networks differ."""
    options = NetworkOptions(width=16, layers=1, heads=2, feedforward=16, encoder_layers=1)
    online, target = (QNetwork(STATES, ACTIONS, options, np.random.default_rng(seed)) for seed in (1, 2))
    made = QLearner(online, Learning(1e-3, 1e-8, 40.0, 1.0, double, 10**9))
    made.target.load_state_dict(target.state_dict())
    return made


def table(network: QNetwork) -> NDArray[np.float32]:
    """(STATES, ACTIONS) Q-values."""
    shown, counts = seen(np.arange(STATES))
    q = network.q_values(np.eye(STATES, dtype=np.uint8)[shown[:, :, 0]], counts)
    return np.where(np.isfinite(q), q, np.float32(NO_ACTION))


def our_errors(made: QLearner, of: Transitions) -> NDArray[np.float32]:
    one_hot = np.eye(STATES, dtype=np.uint8)
    weights = np.ones(len(of.actions), np.float32)
    seen_then, seen_next = one_hot[of.states[:, :, 0]], one_hot[of.next_states[:, :, 0]]
    batch = Batch(seen_then, of.counts, of.actions, of.returns, of.discounts, seen_next, of.next_counts, weights)
    return made.learn(batch)[0]


def test_episodes_end_in_both_ways() -> None:
    through, not_through = ((of_ours(1, bootstrap).discounts == 0).sum() for bootstrap in (True, False))
    assert 10 < through < EPISODES - 10
    assert not_through == EPISODES


@pytest.mark.xdist_group("stable_baselines3")
@pytest.mark.parametrize("bootstrap", [True, False])
@pytest.mark.parametrize("n", [1, 3])
def test_transitions_and_td_errors_are_theirs(sb3: Any, n: int, bootstrap: bool) -> None:
    ours = of_ours(n, bootstrap)
    rows = len(ours.actions)
    model = of_theirs(sb3, n, bootstrap, rows)
    theirs = model.replay_buffer._get_samples(np.arange(rows))
    np.testing.assert_array_equal(ours.states[:, 0], theirs.observations)
    np.testing.assert_array_equal(ours.actions, theirs.actions[:, 0])
    np.testing.assert_array_equal(ours.next_states[:, 0], theirs.next_observations)
    np.testing.assert_allclose(ours.returns, theirs.rewards[:, 0], rtol=1e-6, atol=1e-7)
    discounts = GAMMA if theirs.discounts is None else theirs.discounts[:, 0]
    np.testing.assert_allclose(ours.discounts, discounts * (1 - theirs.dones[:, 0]), rtol=1e-6)
    made = learner(double=False)
    errors = their_errors(model, table(made.network), table(made.target), rows)
    assert np.abs(errors).max() < 1, "Huber's loss is still a square"
    np.testing.assert_allclose(our_errors(made, ours), errors, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n", [1, 3])
def test_double_q_learning_lets_the_online_network_choose_and_the_target_network_value(n: int) -> None:
    ours = of_ours(n, bootstrap=True)
    made = learner(double=True)
    online, target = table(made.network), table(made.target)
    then, after = ours.states[:, 0, 0], ours.next_states[:, 0, 0]
    values = target[after, online[after].argmax(axis=1)]
    assert (values < target[after].max(axis=1)).any(), "not what the target network itself would choose"
    right = ours.returns + ours.discounts * values - online[then, ours.actions]
    np.testing.assert_allclose(our_errors(made, ours), right, rtol=1e-4, atol=1e-6)
