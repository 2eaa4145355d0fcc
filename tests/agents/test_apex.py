from collections import deque
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from archloom.agents.apex import (
    LOOKS,
    Apex,
    Progress,
    Tally,
    Walkers,
    encoded,
    epsilons,
    learning_rate,
    make_network,
    reward_scale,
    with_reference,
)
from archloom.agents.options import ApexOptions
from archloom.envs.incremental import IncrementalVectorEnv
from archloom.envs.terrain import Terrain
from archloom.testing.planted_walks import hypercube, planted_corner

CUBE = ApexOptions(
    width=32, feedforward=64, head_width=32, walkers=64, max_neighbours=10, shaping=0.0, scale_rewards=False, lr=1e-3,
    lr_decay=False, learning_starts=500, target_period=1_000, sync_delay=0,
)  # fmt: skip


def environment(graph, values, options):
    terrain = Terrain(graph, values, options.walkers, options.max_neighbours)
    return IncrementalVectorEnv(
        terrain, options.walkers, options.max_neighbours, options.episode_steps, options.shaping
    )


def agent(graph, values, options, seed=0):
    return Apex(environment(graph, values, options), options, seed)


def around(graph):
    """Every row with its neighbours, in order, as observations."""
    degrees = np.diff(graph.offsets)
    states = np.zeros((len(graph), int(degrees.max()) + 1, 1), dtype=np.int32)
    for row, (start, stop) in enumerate(zip(graph.offsets, graph.offsets[1:], strict=False)):
        states[row, 0] = row
        states[row, 1 : 1 + stop - start, 0] = graph.targets[start:stop]
    return states, degrees + 1


def q_of(trained, graph, values):
    states, counts = around(graph)
    terrain = Terrain(graph, values, 1, 1)
    return trained.network.q_values(encoded(terrain, states, counts), counts), states


def test_the_corner_of_a_hypercube_is_reached_from_everywhere():
    """2^10 architectures; from one with k zeros the planted corner is k moves away."""
    graph, values = hypercube(10), planted_corner(10)
    trained = agent(graph, values, CUBE)
    trained.train(16_000)
    q, states = q_of(trained, graph, values)
    moves = states[np.arange(len(graph)), q.argmax(axis=1), 0]
    at = np.arange(len(graph))
    reached = at == len(graph) - 1
    for _ in range(10):
        at = moves[at]
        reached |= at == len(graph) - 1
    assert reached.all()


def numbers(state):
    """All arrays and numbers of a nested state, in order."""
    found, queue = [], deque([state])
    while queue:
        value = queue.popleft()
        queue.extend(value.values() if isinstance(value, dict) else value if isinstance(value, list) else [])
        if not isinstance(value, dict | list):
            found.append(value)
    return found


def test_a_kept_state_goes_on_bit_for_bit():
    options = replace(CUBE, learning_starts=100, buffer=700)
    graph, values = hypercube(10), planted_corner(10)
    whole = agent(graph, values, options)
    whole.train(3_000)
    first = agent(graph, values, options)
    first.train(1_500)
    kept = first.state_dict()
    first.train(2_000)  # does not change what was kept
    second = agent(graph, values, options, seed=5)
    second.load_state_dict(kept)
    second.train(3_000)
    for ours, theirs in zip(numbers(second.state_dict()), numbers(whole.state_dict()), strict=True):
        assert np.array_equal(ours, theirs)


def test_every_gathered_step_is_stored_once_and_no_other():
    """The replay gets the steps that the walkers count, no resets, but for those still in the window."""
    options = replace(CUBE, walkers=8, episode_steps=5, n_step=3)
    graph, values = hypercube(10), planted_corner(10)
    walkers = Walkers(environment(graph, values, options), options, seed=0)
    network = make_network(options, graph.bits, seed=0)
    tally = Progress().tally
    stored = steps = 0
    for _ in range(60):
        complete, going = walkers.step(network, tally)
        stored += len(complete.actions)
        steps += going
        assert (complete.actions < complete.counts).all()
    assert steps == tally.gathered
    assert steps < 60 * 8
    assert steps - 8 * 3 <= stored <= steps


def test_walkers_are_greedy_but_for_epsilon():
    """Without it they take the best action, with 1 any of those that there are, staying included."""
    graph, values = hypercube(10), planted_corner(10)
    for epsilon in (0.0, 1.0):
        options = replace(CUBE, n_step=1, epsilon=epsilon, epsilon_exponent=0.0)
        walkers = Walkers(environment(graph, values, options), options, seed=0)
        network, tally = make_network(options, graph.bits, seed=0), Tally()
        found = [walkers.step(network, tally)[0] for _ in range(60)]
        actions = np.concatenate([each.actions for each in found])
        if epsilon:
            assert stats.chisquare(np.bincount(actions, minlength=11)).pvalue > 0.001
            continue
        states, counts = (np.concatenate([getattr(each, name) for each in found]) for name in ("states", "counts"))
        q = network.q_values(encoded(walkers.neighbourhood, states, counts), counts)
        np.testing.assert_allclose(q[np.arange(len(q)), actions], q.max(axis=1), rtol=1e-4, atol=1e-6)


class Recorded(IncrementalVectorEnv):
    """Keeps how episodes ended and where they were after each step."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.record = []

    def step(self, actions):
        told = super().step(actions)
        self.record.append([each.copy() for each in (told[2], told[3], told[4]["value"])])
        return told


def test_what_happened_is_counted_as_a_slow_loop_counts_it():
    """Steps that reset count for nothing; ends are told of the third that explores least, the best one of all."""
    options = replace(CUBE, walkers=9, episode_steps=5)
    terrain = Terrain(hypercube(10), planted_corner(10), 9, 10)
    env = Recorded(terrain, 9, 10, options.episode_steps, options.shaping)
    walkers, network, tally = Walkers(env, options, seed=0), make_network(options, 10, seed=0), Tally()
    right, resetting, lengths = Tally(), np.zeros(9, bool), np.zeros(9, int)
    for number in range(80):
        if number == 40:
            for each in (tally, right):
                each.clear()
        walkers.step(network, tally)
        for walker, (stopped, cut, value) in enumerate(zip(*env.record[-1], strict=True)):
            if resetting[walker]:
                resetting[walker], lengths[walker] = False, 0
                continue
            lengths[walker] += 1
            right.gathered += 1
            right.values += value
            if stopped or cut:
                resetting[walker] = True
                right.episodes += 1
                right.lengths += lengths[walker]
                right.stopped += int(stopped)
                right.best = max(right.best, value)
                if walker >= 6:
                    right.exploiting += 1
                    right.ends += value
    assert right.exploiting > 10
    assert tally == right


def expected_errors(terrain, columns, network, gamma_of_next):
    """|TD| of transitions by the Q-values of one network."""
    q = network.q_values(encoded(terrain, columns["states"], columns["counts"]), columns["counts"])
    after = network.q_values(encoded(terrain, columns["next_states"], columns["next_counts"]), columns["next_counts"])
    taken = q[np.arange(len(q)), columns["actions"]]
    return np.abs(columns["returns"] + gamma_of_next * after.max(axis=1) - taken)


def test_transitions_are_what_happened_on_the_terrain():
    """One step at a time: where it led, what it brought, and whether it ended there; no step that resets is one."""
    options = replace(CUBE, walkers=8, episode_steps=5, n_step=1, shaping=6.0, scale_rewards=True, reference=0.5)
    graph, values = hypercube(10), planted_corner(10)
    env = environment(graph, values, options)
    walkers, network, tally = Walkers(env, options, seed=0), make_network(options, graph.bits, seed=0), Tally()
    shaped = np.exp(6.0 * (values / 100 - 0.5))
    found = [walkers.step(network, tally)[0]._asdict() for _ in range(60)]
    steps = {name: np.concatenate([each[name] for each in found]) for name in found[0]}
    rows, actions = steps["states"][:, 0, 0], steps["actions"]
    next_rows = steps["next_states"][:, 0, 0]
    assert np.array_equal(next_rows, steps["states"][np.arange(len(rows)), actions, 0])
    np.testing.assert_allclose(steps["returns"], shaped[next_rows] - shaped[rows], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(steps["discounts"], np.where(actions == 0, 0, np.float32(0.9)))
    assert tally.episodes - tally.stopped > 20, "through these the value goes on"
    errors = expected_errors(env.neighbourhood, steps, network, steps["discounts"])
    np.testing.assert_allclose(steps["errors"], errors, rtol=1e-3, atol=1e-5)


def test_priorities_are_those_of_the_acting_network_until_the_learner_gives_others():
    options = replace(CUBE, learning_starts=400, sync_delay=10**9, target_period=10**9)
    graph, values = hypercube(10), planted_corner(10)
    trained = agent(graph, values, options)
    acting = make_network(options, graph.bits, seed=0)

    def differing():
        """The share of the replay that has other priorities than when it was gathered."""
        state = trained.state_dict()["replay"]
        columns = {name.removeprefix("column_"): column for name, column in state.items()}
        errors = expected_errors(Terrain(graph, values, 1, 1), columns, acting, columns["discounts"])
        return float((~np.isclose(state["priorities"], (errors + 1e-6) ** 0.6, rtol=1e-3, atol=1e-4)).mean())

    trained.train(300)
    assert trained.progress.updates == 0
    assert differing() == 0
    trained.train(1_500)
    assert trained.progress.updates > 10
    assert differing() > 0.2


def test_losses_are_weighted_by_beta(monkeypatch):
    for beta, weighted in ((0.0, False), (0.4, True)):
        trained = agent(hypercube(10), planted_corner(10), replace(CUBE, learning_starts=100, priority_beta=beta))
        learn, weights = trained.learner.learn, []
        monkeypatch.setattr(
            trained.learner,
            "learn",
            lambda batch, rate, to=weights, real=learn: to.append(batch.weights) or real(batch, rate),
        )
        trained.train(400)
        assert len(weights) == trained.progress.updates > 0
        assert bool((np.concatenate(weights) < 1).any()) == weighted


def test_learning_keeps_its_ratio_to_gathering():
    for ratio in (0.5, 2.0):
        options = replace(CUBE, learn_ratio=ratio, learning_starts=200)
        trained = agent(hypercube(10), planted_corner(10), options)
        trained.train(2_000)
        assert trained.progress.updates * options.batch_size == pytest.approx(ratio * 1_800, abs=3 * 64 * ratio + 128)


def test_walkers_explore_as_ape_x_does():
    rates = epsilons(ApexOptions(walkers=8))
    assert rates[0] == pytest.approx(0.4)
    assert rates[-1] == pytest.approx(0.4**8)
    assert rates[3] == pytest.approx(0.4 ** (1 + 7 * 3 / 7))
    assert epsilons(ApexOptions(walkers=1)) == pytest.approx([0.4])
    assert np.array_equal(epsilons(ApexOptions(walkers=256, epsilon_levels=8)), np.repeat(rates, 32))
    _, groups = np.unique(epsilons(ApexOptions(walkers=10, epsilon_levels=4)), return_counts=True)
    assert sorted(groups) == [2, 2, 3, 3]


def test_walkers_get_new_weights_after_the_delay():
    options = replace(CUBE, sync_delay=10**9, learning_starts=64, epsilon=0.0)
    trained = agent(hypercube(10), planted_corner(10), options)
    trained.train(1_000)
    acting = trained.state_dict()["acting"]
    begun = make_network(options, 10, seed=0).state_dict()
    assert all(np.array_equal(acting[name], tensor.numpy()) for name, tensor in begun.items())
    assert not np.array_equal(acting["value.0.weight"], trained.network.value[0].weight.detach().numpy())


def test_walkers_keep_their_weights_for_the_delay():
    options = replace(CUBE, walkers=8, sync_delay=100, learning_starts=64)
    trained = agent(hypercube(10), planted_corner(10), options)
    synced, kept = [0], trained.state_dict()["acting"]
    for _ in range(100):
        trained.round()
        acting = trained.state_dict()["acting"]
        if trained.progress.since_sync == 0:
            synced.append(trained.progress.steps)
            kept = {name: tensor.numpy().copy() for name, tensor in trained.network.state_dict().items()}
        assert all(np.array_equal(acting[name], array) for name, array in kept.items())
    assert len(synced) == 7
    assert all(100 <= later - earlier < 108 for earlier, later in pairwise(synced))


def test_the_learning_rate_falls_to_nothing():
    options = ApexOptions(steps=1_000)
    assert [learning_rate(options, steps) for steps in (0, 500, 1_000, 1_100)] == [1.0, 0.5, 0.0, 0.0]
    assert learning_rate(replace(options, lr_decay=False), 900) == 1.0


def test_nothing_more_is_learnt_when_the_rate_has_fallen():
    options = replace(CUBE, steps=800, learning_starts=100, lr_decay=True)
    trained = agent(hypercube(10), planted_corner(10), options)
    trained.train(800)
    updates, before = trained.progress.updates, trained.learner.state_dict()["online"]["weights"]
    trained.train(1_000)
    after = trained.learner.state_dict()["online"]["weights"]
    assert trained.progress.updates > updates
    assert all(np.array_equal(before[name], array) for name, array in after.items())


def test_scaled_rewards_are_of_the_order_of_one():
    assert reward_scale(ApexOptions(reference=0.9), 6.0) * np.exp(6.0 * 0.9) == pytest.approx(1.0)
    assert reward_scale(ApexOptions(scale_rewards=False), 32.0) == 1.0


def test_the_reference_of_rewards_is_the_best_of_some_random_architectures():
    terrain = Terrain(hypercube(10), planted_corner(10), 16, 10)
    options = ApexOptions(walkers=16)
    found = with_reference(options, terrain, seed=0)
    assert 0.7 <= found.reference <= 1.0  # of 128 architectures whose mean is 0.5
    assert with_reference(options, terrain, seed=0) == found
    for given in (replace(options, reference=0.3), replace(options, scale_rewards=False)):
        assert with_reference(given, terrain, seed=0) == given


def test_so_many_architectures_are_looked_at_for_it_and_no_more():
    class Counted(Terrain):
        looks = 0

        def values(self, slots):
            self.looks += len(slots)
            return super().values(slots)

    for walkers in (16, 50, 300):
        terrain = Counted(hypercube(10), planted_corner(10), walkers, 10)
        with_reference(ApexOptions(walkers=walkers), terrain, seed=0)
        assert terrain.looks == LOOKS


def test_the_same_seed_gives_the_same_agent():
    graph, values = hypercube(10), planted_corner(10)
    weights = []
    for seed in (3, 3, 4):
        trained = agent(graph, values, replace(CUBE, learning_starts=100), seed)
        trained.train(600)
        weights.append(trained.network.value[0].weight.detach().numpy())
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_walkers_that_walk_elsewhere_have_their_places_among_all():
    """The three of nine that explore least are told of, wherever they are."""
    options = replace(CUBE, walkers=9)
    graph, values = hypercube(10), planted_corner(10)
    shares = [np.arange(9)[start::2] for start in range(2)]
    walkers = [
        Walkers(environment(graph, values, replace(options, walkers=len(share))), options, seed, share)
        for seed, share in enumerate(shares)
    ]
    assert np.array_equal(walkers[0].rates, epsilons(options)[[0, 2, 4, 6, 8]])
    assert np.array_equal(walkers[1].rates, epsilons(options)[[1, 3, 5, 7]])
    assert [each._exploiting.tolist() for each in walkers] == [[False] * 3 + [True] * 2, [False] * 3 + [True]]


def test_tallies_are_added():
    tally = Tally(gathered=3, ends=2.0, best=7.0)
    tally.add(Tally(gathered=4, ends=1.5, losses=1.0, best=5.0))
    assert tally == Tally(gathered=7, ends=3.5, losses=1.0, best=7.0)


def test_what_others_gathered_for_is_learnt_on_with_new_episodes():
    """The state of a distributed training has no walkers and no replay."""
    graph, values = hypercube(10), planted_corner(10)
    first, second = (agent(graph, values, replace(CUBE, learning_starts=100), seed) for seed in range(2))
    first.train(600)
    state = first.state_dict()
    owing = {**state["progress"], "owed": 200.0, "since_sync": 0}
    second.load_state_dict({"learner": state["learner"], "progress": owing})
    kept = second.state_dict()
    assert kept["progress"] == owing
    assert np.array_equal(kept["acting"]["value.0.weight"], state["learner"]["online"]["weights"]["value.0.weight"])
    second.train(1_000)
    assert second.progress.updates > first.progress.updates
