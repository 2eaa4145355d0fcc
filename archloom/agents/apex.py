"""The Ape-X agent: walkers gather transitions, a prioritised replay keeps them, one learner learns from it.

Cassimon et al., section 3.2.3 and 4.1.1, after Horgan et al. 2018; `learn_ratio` transitions are learnt for each one
gathered. `BaseApex` is the learner, whoever gathers for it; `Apex` has everything in one process, where gathering and
learning alternate.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from archloom.agents.options import ApexOptions
from archloom.envs.incremental import IncrementalVectorEnv, NeighbourhoodEnv
from archloom.errors import TrainingError
from archloom.learners.q_learning import Batch, QLearner
from archloom.learners.q_network import QNetwork
from archloom.learners.replay import PrioritisedReplay, Sample
from archloom.learners.returns import NStepWindow, Transitions
from archloom.utils import seeds

LOOKS = 128
"""Random architectures, of which the best is the reference of rewards."""


def with_reference(options: ApexOptions, neighbourhood: NeighbourhoodEnv, seed: int) -> ApexOptions:
    """The options with a reference for the size of rewards: the best accuracy of some random architectures.

    That uses the neighbourhood's slots, so it comes before they are reset.
    """
    if options.reference is not None or not options.scale_rewards:
        return options
    rng, slots = seeds.stream(seed, "agent/reference"), np.arange(min(options.walkers, LOOKS))
    best = 0.0
    for done in range(0, LOOKS, len(slots)):
        some = slots[: LOOKS - done]
        neighbourhood.place(some, rng)
        best = max(best, float(neighbourhood.values(some).max()))
    return replace(options, reference=best / 100.0)


def reward_scale(options: ApexOptions, alpha: float) -> float:
    """What rewards are multiplied by for learning; `options` must have a reference."""
    if not options.scale_rewards:
        return 1.0
    assert options.reference is not None  # noqa: S101 - see `with_reference`
    return math.exp(-alpha * options.reference)


def epsilons(options: ApexOptions) -> NDArray[np.float64]:
    """(walkers,) how often each walker explores: epsilon^(1 + exponent * i / (n - 1)) (Horgan et al. 2018, 4.1).

    i counts groups of walkers that stand side by side, as many as there are levels; a walker is a group by default.
    """
    n = options.epsilon_levels or options.walkers
    place = np.arange(options.walkers) * n // options.walkers / max(n - 1, 1)
    found: NDArray[np.float64] = options.epsilon ** (1 + options.epsilon_exponent * place)
    return found


def learning_rate(options: ApexOptions, steps: int) -> float:
    """What the learning rate is multiplied by after so many steps."""
    return max(0.0, 1.0 - steps / options.steps) if options.lr_decay else 1.0


def check_finite(numbers: NDArray[Any]) -> None:
    """TrainingError unless all of these are finite."""
    if not np.isfinite(numbers).all():
        raise TrainingError(
            "rewards or Q-values are no longer finite: train again with a smaller lr, or a smaller shaping and "
            "scale_rewards=true"
        )


def make_network(options: ApexOptions, bits: int, seed: int) -> QNetwork:
    """The network with weights drawn for a seed."""
    return QNetwork(bits, options.max_neighbours + 1, options.network, seeds.stream(seed, "agent/network"))


def replay_columns(options: ApexOptions, neighbourhood: NeighbourhoodEnv) -> dict[str, tuple[Any, tuple[int, ...]]]:
    """The columns of a replay of transitions: type and shape of each. Observations are kept as states."""
    seen = (options.max_neighbours + 1, neighbourhood.state_width)
    return {
        "states": (neighbourhood.state_dtype, seen),
        "counts": (np.int32, ()),
        "actions": (np.int32, ()),
        "returns": (np.float32, ()),
        "discounts": (np.float32, ()),
        "next_states": (neighbourhood.state_dtype, seen),
        "next_counts": (np.int32, ()),
    }


def encoded(neighbourhood: NeighbourhoodEnv, states: NDArray[Any], counts: NDArray[Any]) -> NDArray[np.uint8]:
    """(n, L, bits) the encodings of observations as states (n, A, k), as far as the longest of them goes."""
    longest = int(counts.max())
    shown = states[:, :longest]
    bits = neighbourhood.encode(shown.reshape(-1, shown.shape[2]))
    return bits.reshape(len(shown), longest, -1)


def batch_of(neighbourhood: NeighbourhoodEnv, sample: Sample) -> Batch:
    """A sample of the replay with its observations encoded."""
    columns = sample.columns
    return Batch(
        encoded(neighbourhood, columns["states"], columns["counts"]),
        columns["counts"],
        columns["actions"],
        columns["returns"],
        columns["discounts"],
        encoded(neighbourhood, columns["next_states"], columns["next_counts"]),
        columns["next_counts"],
        sample.weights,
    )


def columns_of(found: Transitions) -> dict[str, NDArray[Any]]:
    """Transitions as the replay's columns."""
    columns = found._asdict()
    del columns["errors"]
    return columns


# -- what happened --------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """Sums over what happened since they were last taken; `best` is that of the whole training."""

    gathered: int = 0
    values: float = 0.0
    episodes: int = 0
    ends: float = 0.0
    exploiting: int = 0
    """Episodes of the third of the walkers that explores least; `ends` are theirs."""
    lengths: int = 0
    stopped: int = 0
    errors: float = 0.0
    learnt: int = 0
    losses: float = 0.0
    updates: int = 0
    best: float = -math.inf

    def clear(self) -> None:
        """Begin again, but for `best`."""
        vars(self).update(vars(Tally(best=self.best)))

    def add(self, other: Tally) -> None:
        """Count what another has counted, too."""
        best = max(self.best, other.best)
        sums = {each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)}
        vars(self).update(sums, best=best)


# -- gathering ------------------------------------------------------------------------------------------------------


class Walkers:
    """Episodes side by side that gather transitions, epsilon-greedily by a network's Q-values."""

    def __init__(
        self, env: IncrementalVectorEnv, options: ApexOptions, seed: int, places: NDArray[np.intp] | None = None
    ) -> None:
        """`places` (n,): which of all `options.walkers` these are, if others walk elsewhere, with other seeds."""
        neighbourhood, everyone = env.neighbourhood, epsilons(options)
        self.env = env
        self.rates = everyone if places is None else everyone[places]
        self.neighbourhood = neighbourhood
        self._scale = reward_scale(options, env.alpha)
        self._window = NStepWindow(
            env.num_envs,
            options.n_step,
            options.gamma,
            (options.max_neighbours + 1, neighbourhood.state_width),
            neighbourhood.state_dtype,
            exact_discount=options.exact_discount,
            bootstrap=options.bootstrap,
        )
        self._rng = seeds.stream(seed, "agent/explore")
        self._ended = np.zeros(env.num_envs, dtype=bool)
        self._lengths = np.zeros(env.num_envs, dtype=np.int64)
        self._exploiting = self.rates <= np.quantile(everyone, 1 / 3)
        env.reset(seed=int(seeds.stream(seed, "agent/env").integers(2**62)))

    def step(self, network: QNetwork, tally: Tally) -> tuple[Transitions, int]:
        """One step of every walker: the transitions that became complete, and how many steps count.

        A walker whose episode ended at the step before starts another one, which is no step of an episode.
        TrainingError if a TD error is not finite.
        """
        states, counts = self.env.seen_states(), self.env.shown + 1
        q = network.q_values(encoded(self.neighbourhood, states, counts), counts)
        complete = self._window.observe(states, counts, q.max(axis=1))
        check_finite(complete.errors)
        actions = self._chosen(q, counts)
        _, rewards, terminations, truncations, info = self.env.step(actions)
        taken = q[np.arange(len(q)), actions]
        self._window.act(actions, rewards * self._scale, terminations, truncations, taken)
        going, self._ended = ~self._ended, terminations | truncations
        self._count(tally, going, terminations, info["value"])
        return complete, int(going.sum())

    def _chosen(self, q: NDArray[np.float32], counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Greedy, or any of the actions that there are."""
        draws = self._rng.random((2, len(q)))
        explored = np.minimum((draws[1] * counts).astype(np.int64), counts - 1)
        chosen: NDArray[np.int64] = np.where(draws[0] < self.rates, explored, q.argmax(axis=1))
        return chosen

    def _count(
        self, tally: Tally, going: NDArray[np.bool_], stopped: NDArray[np.bool_], values: NDArray[np.float64]
    ) -> None:
        ended = self._ended
        self._lengths = np.where(going, self._lengths + 1, 0)
        tally.gathered += int(going.sum())
        tally.values += float(values[going].sum())
        tally.episodes += int(ended.sum())
        tally.lengths += int(self._lengths[ended].sum())
        tally.stopped += int(stopped.sum())
        told = ended & self._exploiting
        tally.exploiting += int(told.sum())
        tally.ends += float(values[told].sum())
        tally.best = max(tally.best, float(values[ended].max(initial=-math.inf)))

    def state_dict(self) -> dict[str, Any]:
        return {
            "env": self.env.state_dict(),
            "window": self._window.state_dict(),
            "rng": self._rng.bit_generator.state,
            "ended": self._ended,
            "lengths": self._lengths,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.env.load_state_dict(state["env"])
        self._window.load_state_dict(state["window"])
        self._rng.bit_generator.state = state["rng"]
        self._ended = np.array(state["ended"], dtype=bool)
        self._lengths = np.array(state["lengths"], dtype=np.int64)


# -- the agent ------------------------------------------------------------------------------------------------------


@dataclass
class Progress:
    """How far a training is: steps gathered, batches learnt, transitions to be learnt for what was gathered already,
    and steps since walkers got weights."""

    steps: int = 0
    updates: int = 0
    owed: float = 0.0
    since_sync: int = 0
    tally: Tally = field(default_factory=Tally)


class BaseApex(ABC):
    """The learner of an agent, with its count of what is gathered and learnt; subclasses gather, and keep what was."""

    def __init__(
        self,
        neighbourhood: NeighbourhoodEnv,
        options: ApexOptions,
        seed: int,
        network: QNetwork | None = None,
        threads: int = 1,
        device: str = "cpu",
    ) -> None:
        """`network`: one to go on with; else it is drawn. `threads` share its work, which changes no number.

        `device`: where it is, as PyTorch names it.
        """
        self.options = with_reference(options, neighbourhood, seed)
        self.progress = Progress()
        network = (network or make_network(options, neighbourhood.bits, seed)).to(device)
        network.threads = threads
        self.learner = QLearner(network, options.learning)
        self._neighbourhood = neighbourhood

    @property
    def network(self) -> QNetwork:
        return self.learner.network

    @abstractmethod
    def train(self, steps: int, after_round: Callable[[Progress], bool] = lambda progress: True) -> None:
        """Gather and learn until `steps` are gathered in all, or `after_round` returns False."""

    def check(self) -> None:
        """TrainingError if a weight is not finite."""
        for tensor in self.network.state_dict().values():
            check_finite(tensor.cpu().numpy())

    def state_dict(self) -> dict[str, Any]:
        """What was learnt, and how far it is: nested dicts of numbers, strings and arrays."""
        return {"learner": self.learner.state_dict(), "progress": asdict(self.progress)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state_dict` was taken, of any subclass."""
        self.learner.load_state_dict(state["learner"])
        told = state["progress"]
        self.progress = Progress(**{**told, "tally": Tally(**told["tally"])})

    def _count(self, steps: int, learning: bool) -> None:
        """Count gathered steps, and what is to be learnt for them once there is enough to learn from."""
        self.progress.steps += steps
        if learning:
            self.progress.owed += steps * self.options.learn_ratio

    @property
    def _owes(self) -> bool:
        """Whether a batch is to be learnt for what was gathered."""
        return self.progress.owed >= self.options.batch_size

    def _learn(self, sample: Sample) -> NDArray[np.float32]:
        """Learn from a batch that is owed: the TD errors, for the replay; TrainingError if they are not finite."""
        done = self.progress
        rate = learning_rate(self.options, done.steps)
        errors, loss = self.learner.learn(batch_of(self._neighbourhood, sample), rate)
        check_finite(errors)
        done.owed -= self.options.batch_size
        done.updates += 1
        done.tally.errors += float(np.abs(errors).sum())
        done.tally.learnt += len(errors)
        done.tally.losses += loss
        done.tally.updates += 1
        return errors


class Apex(BaseApex):
    """The agent in one process.

    With the same options, seed and environment everything it does is the same. The environment starts episodes again
    with the step after their end (Gymnasium's NEXT_STEP).
    """

    def __init__(
        self,
        env: IncrementalVectorEnv,
        options: ApexOptions,
        seed: int,
        network: QNetwork | None = None,
        threads: int = 1,
        device: str = "cpu",
    ) -> None:
        """`network`: one to go on with; else it is drawn. `threads` share its work, which changes no number.

        `device`: where it is, as PyTorch names it.
        """
        super().__init__(env.neighbourhood, options, seed, network, threads, device)
        self._acting = copy.deepcopy(self.network).requires_grad_(False)
        self._walkers = Walkers(env, self.options, seed)
        columns = replay_columns(options, env.neighbourhood)
        self._replay = PrioritisedReplay(options.buffer, columns, options.priority_alpha, options.priority_eps)
        self._rng = seeds.stream(seed, "agent/replay")

    def train(self, steps: int, after_round: Callable[[Progress], bool] = lambda progress: True) -> None:
        while self.progress.steps < steps:
            self.round()
            if not after_round(self.progress):
                return

    def round(self) -> None:
        """One step of every walker, and what is to be learnt for it."""
        done, options = self.progress, self.options
        complete, steps = self._walkers.step(self._acting, done.tally)
        self._replay.add(columns_of(complete), complete.errors)
        learning = len(self._replay) >= options.learning_starts
        self._count(steps, learning)
        done.since_sync += steps
        while learning and self._owes:
            sample = self._replay.sample(options.batch_size, options.priority_beta, self._rng)
            self._replay.update(sample.rows, self._learn(sample))
        if done.since_sync >= options.sync_delay:
            self._sync()

    def _sync(self) -> None:
        self._acting.load_state_dict(self.network.state_dict())
        self.progress.since_sync = 0

    def state_dict(self) -> dict[str, Any]:
        """Everything that later behaviour depends on: nested dicts of numbers, strings and arrays."""
        return {
            **super().state_dict(),
            "acting": {name: tensor.cpu().numpy().copy() for name, tensor in self._acting.state_dict().items()},
            "walkers": self._walkers.state_dict(),
            "replay": self._replay.state_dict(),
            "rng": self._rng.bit_generator.state,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on exactly from where `state_dict` was taken; from that of a distributed training with new episodes and
        an empty replay."""
        super().load_state_dict(state)
        if "walkers" not in state:
            self._sync()
            return
        self._acting.load_state_dict({name: torch.from_numpy(np.array(a)) for name, a in state["acting"].items()})
        self._walkers.load_state_dict(state["walkers"])
        self._replay.load_state_dict(state["replay"])
        self._rng.bit_generator.state = state["rng"]
