"""How GA-NAS refits its generator to the truth set (Algorithm 2, steps 4 to 6), and its ablations.

`Adversarial` is the paper's: a discriminator learns to tell the truth set from what the generator draws, and the
generator is trained on its judgement by PPO. Each of the others omits one part.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from archloom.errors import InputError
from archloom.learners import arrays
from archloom.learners.gnn import GraphBatch, PairDiscriminator, pair_loss
from archloom.learners.graph_policy import Episodes, GraphPolicy, retrace
from archloom.learners.ppo import Ppo, step
from archloom.spaces.base import SearchSpace, sample_valid
from archloom.spaces.graphs import Graph
from archloom.types import Arch
from archloom.utils.optimisers import Adam

REWARDS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "logit": lambda logits: logits,
    "probability": torch.sigmoid,
    "log": functional.logsigmoid,
    "minimax": functional.softplus,
}
"""The generator's reward from the discriminator's logits: log(D/(1-D)), D, log D, or -log(1-D)."""

_CERTAIN = 1e-6
"""No probability is taken to be nearer to 0 or 1 when the divergence is estimated."""

_SAME = 1e-12
"""Fitness that differs by less, relative to its size, is the same."""


@dataclass(frozen=True)
class Settings:
    """What `GaNasOptions` says of networks and training; see there."""

    width: int
    layers: int
    masked: bool
    lr: float
    discriminator_lr: float
    fresh: bool
    rounds: int
    pairs: int
    pair_steps: int
    smoothing: float
    updates: int
    episodes: int
    reward: Callable[[Tensor], Tensor]
    step_penalty: float
    penalty: float
    pool: int
    standardise: bool
    ppo: Ppo


@dataclass(frozen=True)
class FitData:
    """What a generator is fitted to: the truth set, and the architectures evaluated last with their fitness (n,)."""

    truth: Sequence[Arch]
    latest: Sequence[Arch]
    fitness: NDArray[np.float64]


class GraphView:
    """A space's architectures as batches of graphs, and drawn graphs as architectures."""

    def __init__(self, space: Any) -> None:
        self.space: Any = space
        self.grammar = space.grammar()
        self.labels = len(space.graph_labels)
        self.vertices = len(self.grammar.template.labels)

    def graphs(self, archs: Sequence[Arch]) -> list[Graph]:
        """Those of the canonical architectures: equal architectures must have equal graphs."""
        return [self.space.to_graph(self.space.canonical(arch)) for arch in archs]

    def batch(self, archs: Sequence[Arch]) -> GraphBatch:
        return GraphBatch.of(self.graphs(archs), self.vertices)

    def read(self, episodes: Episodes) -> tuple[list[Arch | None], NDArray[np.int64]]:
        """The architectures, None for a graph that is not a valid one, and the violations (B,) of each: its illegal
        choices or, if it has none, the rules of the space that the whole breaks."""
        archs: list[Arch | None] = [None] * len(episodes)
        violations = episodes.illegal.sum(axis=1)
        graphs = episodes.drawn.graphs()
        for row in np.flatnonzero(violations == 0).tolist():
            try:
                arch = self.space.from_graph(graphs[row])
            except InputError:
                violations[row] = 1
            else:
                violations[row] = sum(amount > 0.0 for amount in self.space.violations(arch).values())
                archs[row] = None if violations[row] else arch
        return archs, violations


class GeneratorTrainer(ABC):
    """Trains a generator of architectures, again and again."""

    def __init__(self, space: SearchSpace, settings: Settings, rng: np.random.Generator) -> None:
        self.space, self.settings, self.rng = space, settings, rng
        self.view = GraphView(space)

    @abstractmethod
    def refit(self, data: FitData) -> float | None:
        """Fit to the truth set. Returns the estimated Jensen-Shannon divergence from it before, or None."""

    @abstractmethod
    def draw(self, count: int, temperature: float) -> list[Arch | None]:
        """`count` architectures, None for one that is not valid; above 1 the temperature flattens the generator."""

    @abstractmethod
    def dump(self) -> dict[str, Any]:
        """Everything learned that is used again."""

    @abstractmethod
    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `dump` gave."""


# -- the two players ----------------------------------------------------------------------------------------------


class Discriminator:
    """A `PairDiscriminator` with its training and its judgement of architectures."""

    def __init__(self, view: GraphView, settings: Settings, rng: np.random.Generator) -> None:
        self.settings, self.rng = settings, rng
        with arrays.drawn_from(rng):
            self.network = PairDiscriminator(view.labels, view.vertices, settings.width, settings.layers)
        self.optimiser = Adam(self.network.parameters(), lr=settings.discriminator_lr, fused=True)
        self.truth = torch.zeros(0, settings.width)  # (K, width) codes of the truth set that it was trained on

    def train(self, truth: GraphBatch, fakes: GraphBatch) -> None:
        """Pairs (truth, truth) are 1, or as much as smoothing leaves, pairs (truth, generated) 0.

        No truth is paired with itself unless it is the only one: a pair of equal cells carries no information.
        """
        s, k = self.settings, len(truth)
        both = GraphBatch(torch.cat([truth.labels, fakes.labels]), torch.cat([truth.adjacency, fakes.adjacency]))
        half = s.pairs // 2
        labels = torch.zeros(2 * half)
        labels[:half] = s.smoothing
        for _ in range(s.pair_steps):
            first = self.rng.integers(k, size=2 * half)
            other = (first[:half] + self.rng.integers(1, max(k, 2), size=half)) % k
            second = np.concatenate([other, k + self.rng.integers(len(fakes), size=half)])
            codes = self.network.encode(both)
            loss = pair_loss(self.network.compare(codes[first], codes[second]), labels)
            step(self.network, self.optimiser, loss, s.ppo.max_grad_norm)
        with torch.no_grad():
            self.truth = self.network.encode(truth)

    @torch.no_grad()
    def logits(self, graphs: GraphBatch) -> Tensor:
        """(N, K) of each graph against each of the truth set."""
        return self.network.against(self.truth, self.network.encode(graphs))

    def dump(self) -> dict[str, Any]:
        return {"network": arrays.dump(self.network, self.optimiser), "truth": self.truth.numpy().copy()}

    def restore(self, state: Mapping[str, Any]) -> None:
        arrays.restore(self.network, self.optimiser, state["network"])
        self.truth = torch.from_numpy(np.array(state["truth"]))

    def divergence(self, truth: GraphBatch, fakes: GraphBatch) -> float:
        """ln 2 + E_T[log D] / 2 + E_F[log(1 - D)] / 2 in nats, the divergence for the best D (Goodfellow et al. 2014).

        D(x) is the mean over the truth set, without x itself if it is a member. For the architectures that D was
        trained on this estimate is too high, the more so the fewer they are.
        """
        real = torch.sigmoid(self.logits(truth))
        if len(truth) > 1:
            real = real * (1.0 - torch.eye(len(truth))) * (len(truth) / (len(truth) - 1))
        fake = torch.sigmoid(self.logits(fakes))
        terms = (_log(real.mean(dim=1)), _log(1.0 - fake.mean(dim=1)))
        return math.log(2.0) + 0.5 * sum(float(term.mean()) for term in terms)


def _log(probabilities: Tensor) -> Tensor:
    return probabilities.clamp(_CERTAIN, 1.0 - _CERTAIN).log()


class Generator:
    """A `GraphPolicy` with its optimiser."""

    def __init__(self, view: GraphView, settings: Settings, rng: np.random.Generator) -> None:
        self.settings, self.rng = settings, rng
        with arrays.drawn_from(rng):
            self.policy = GraphPolicy(view.grammar, view.labels, settings.width, settings.layers, settings.masked)
        self.optimiser = Adam(self.policy.parameters(), lr=settings.lr, fused=True)

    def draw(self, count: int, temperature: float = 1.0) -> Episodes:
        return self.policy.draw(count, self.rng, temperature)

    def reinforce(
        self,
        episodes: Episodes,
        final: NDArray[np.floating[Any]],
        expert: Episodes | None = None,
        ppo: Ppo | None = None,
    ) -> None:
        """One PPO update: an illegal choice is penalised at its step, `final` (B,) comes at the last step."""
        rewards = -self.settings.step_penalty * episodes.illegal.astype(np.float64)
        rewards[np.arange(len(final)), episodes.live.sum(axis=1) - 1] += final
        (ppo or self.settings.ppo).update(self.policy, self.optimiser, episodes, rewards, self.rng, expert)


# -- trainers -------------------------------------------------------------------------------------------------------


class _Learned(GeneratorTrainer):
    """A trainer of a generator that is a network."""

    def __init__(self, space: SearchSpace, settings: Settings, rng: np.random.Generator) -> None:
        super().__init__(space, settings, rng)
        self.generator = Generator(self.view, settings, rng)

    def draw(self, count: int, temperature: float) -> list[Arch | None]:
        return self.view.read(self.generator.draw(count, temperature))[0]

    def retraced(self, archs: Sequence[Arch]) -> Episodes:
        """The decisions that lead to these architectures."""
        return retrace(self.view.grammar, self.view.graphs(archs), self.view.labels, self.settings.masked)

    def dump(self) -> dict[str, Any]:
        return {"generator": arrays.dump(self.generator.policy, self.generator.optimiser)}

    def restore(self, state: Mapping[str, Any]) -> None:
        arrays.restore(self.generator.policy, self.generator.optimiser, state["generator"])


class Adversarial(_Learned):
    """GA-NAS: discriminator and generator take turns (Algorithm 2, steps 4 to 6)."""

    def __init__(self, space: SearchSpace, settings: Settings, rng: np.random.Generator) -> None:
        super().__init__(space, settings, rng)
        self.discriminator: Discriminator | None = None

    def refit(self, data: FitData) -> float | None:
        s = self.settings
        if self.discriminator is None or s.fresh:
            self.discriminator = Discriminator(self.view, s, self.rng)
        truth, divergence = self.view.batch(data.truth), None
        expert = self.retraced(data.truth)
        for turn in range(s.rounds):
            fakes = [arch for arch in self.draw(len(truth), 1.0) if arch is not None]
            if fakes:
                drawn = self.view.batch(fakes)
                self.discriminator.train(truth, drawn)
                if turn == 0:
                    divergence = self.discriminator.divergence(truth, drawn)
            for _ in range(s.updates):
                episodes = self.generator.draw(s.episodes)
                self.generator.reinforce(episodes, self._judge(episodes, self.discriminator), expert)
        return divergence

    def _judge(self, episodes: Episodes, discriminator: Discriminator) -> NDArray[np.float64]:
        """R_final (B,): the discriminator's reward, averaged over the truth set, or a penalty for each violation."""
        archs, violations = self.view.read(episodes)
        final = -self.settings.penalty * violations.astype(np.float64)
        valid = [arch for arch in archs if arch is not None]
        if valid and len(discriminator.truth):
            logits = discriminator.logits(self.view.batch(valid))
            final[violations == 0] = self.settings.reward(logits).mean(dim=1).double().numpy()
        return final

    def dump(self) -> dict[str, Any]:
        kept = None if self.settings.fresh or self.discriminator is None else self.discriminator.dump()
        return {**super().dump(), "discriminator": kept}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        self.discriminator = None
        if state["discriminator"] is not None:
            before = self.rng.bit_generator.state
            self.discriminator = Discriminator(self.view, self.settings, self.rng)
            self.rng.bit_generator.state = before
            self.discriminator.restore(state["discriminator"])


_LARGEST_REWARD = 1e15
"""So that the critic's squared error is a finite number of 32 bits."""


class FromAccuracy(_Learned):
    """Without the discriminator: the reward is the fitness of the architectures evaluated last.

    As many updates as the adversarial generator gets, all of them on these episodes: one long update of PPO, whose
    clipped ratio is to the policy that drew them. (What was drawn at random or at a higher temperature counts as drawn
    by it.)
    """

    def refit(self, data: FitData) -> float | None:
        s = self.settings
        episodes, expert = self.retraced(data.latest), self.retraced(data.truth)
        ppo = replace(s.ppo, epochs=s.rounds * s.updates * s.ppo.epochs)
        fitness = standardised(data.fitness) if s.standardise else data.fitness.clip(-_LARGEST_REWARD, _LARGEST_REWARD)
        self.generator.reinforce(episodes, fitness, expert, ppo)
        return None


def standardised(fitness: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) of mean 0 and standard deviation 1, so that the critic's loss has the scale it has with a discriminator."""
    size = float(np.abs(fitness).max(initial=0.0))
    scaled = fitness / size if size else fitness  # the mean of the largest numbers would be infinite
    spread = float(scaled.std())
    return (scaled - scaled.mean()) / spread if spread > _SAME else np.zeros_like(scaled)


class Likelihood(_Learned):
    """The cross-entropy method: KL in place of JS, so the generator maximises the likelihood of the truth set.

    As many passes over it as the adversarial generator makes over its episodes.
    """

    def refit(self, data: FitData) -> float | None:
        s, generator = self.settings, self.generator
        episodes = self.retraced(data.truth)
        there = torch.from_numpy(episodes.live)
        for _ in range(s.rounds * s.updates * s.ppo.epochs):
            judged = generator.policy.judge(episodes)
            loss = -(judged.log_probs + s.ppo.entropy * judged.entropies)[there].mean()
            step(generator.policy, generator.optimiser, loss, s.ppo.max_grad_norm)
        return None


class RandomGenerator(GeneratorTrainer):
    """Without the generator: the discriminator picks those of a pool of random architectures that it rates highest."""

    def __init__(self, space: SearchSpace, settings: Settings, rng: np.random.Generator) -> None:
        super().__init__(space, settings, rng)
        self.discriminator = Discriminator(self.view, settings, rng)

    def refit(self, data: FitData) -> float | None:
        if self.settings.fresh:
            self.discriminator = Discriminator(self.view, self.settings, self.rng)
        truth = self.view.batch(data.truth)
        fakes = self.view.batch([sample_valid(self.space, self.rng) for _ in data.truth])
        for _ in range(self.settings.rounds):
            self.discriminator.train(truth, fakes)
        return self.discriminator.divergence(truth, fakes)

    def draw(self, count: int, temperature: float) -> list[Arch | None]:
        pool = [sample_valid(self.space, self.rng) for _ in range(count * self.settings.pool)]
        liked = self.discriminator.logits(self.view.batch(pool)).mean(dim=1).numpy()
        return [pool[row] for row in np.argsort(-liked, kind="stable")[:count].tolist()]

    def dump(self) -> dict[str, Any]:
        return {"discriminator": self.discriminator.dump()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.discriminator.restore(state["discriminator"])


REFITS: Mapping[str, type[GeneratorTrainer]] = {
    "adversarial": Adversarial,
    "accuracy": FromAccuracy,
    "likelihood": Likelihood,
    "random": RandomGenerator,
}
"""Trainers by the values of GA-NAS's option `refit`."""
