"""What can be set of the Ape-X agent's training."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

import msgspec

from archloom.errors import InputError
from archloom.learners.agent_file import MOST_NEIGHBOURS
from archloom.learners.q_learning import Learning
from archloom.learners.q_network import NetworkOptions
from archloom.utils.options import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, UnitInterval

_Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
"""Of things that take memory: more would overflow."""
_Small = Annotated[float, msgspec.Meta(ge=1e-30, le=1e6)]
"""What is added to a divisor, or to a priority, in 32 bits."""


@dataclass(frozen=True)
class ApexOptions(NetworkOptions):
    """Sizes of the network (`NetworkOptions`), and how it is trained. P: the paper's, R: RLlib 1.13's default.

    `archloom list apex_nb101` and `apex_nb301` show the paper's set-up. Of RLlib's settings there are no distributional
    and no noisy networks (off by default there), and no fragments and iterations, which only cut up the same work.

    steps: to gather in all. P: 10,000,000 on NAS-Bench-101, 15,000,000 on NAS-Bench-301.
    walkers: episodes that run side by side. P: 8 workers with 32 each; 8 with one on NAS-Bench-301.
    max_neighbours, episode_steps: N, and the length of an episode. P: 50, 16.
    shaping: alpha in f = exp(alpha * accuracy); 0: the accuracy as it is; none: the benchmark's own (P: 6 on
        NAS-Bench-101, 32 on NAS-Bench-301).
    scale_rewards: rewards are multiplied by exp(-alpha * reference), so that near this accuracy they are of the order
        of the gain in accuracy times alpha, and below Huber's bend. P: false.
    reference: an accuracy from 0 to 1; none: the best of some random architectures.
    gamma, n_step: the discount and the length of returns. P: 0.9, 3.
    bootstrap: through a truncated episode (partial-episode bootstrapping, Pardo et al. 2018). P: true.
    exact_discount: a return of k < n rewards is followed by gamma^k times the next value. R: false, gamma^n.
    double_q: P: true.
    lr, adam_eps, max_grad_norm, huber_delta: of the learner. P: 4e-5 (lr); R: 1e-8, 40, 1.
    lr_decay: the learning rate falls linearly, to 0 after `steps`: where a constant one ends depends on its last
        updates. A training that is resumed for more steps goes on at the rate of a longer one. P: false.
    batch_size: transitions learnt at once. R: 512.
    learn_ratio: learnt transitions for each gathered step. R: 1.
    target_period: learnt transitions after which the target network is renewed. R: 500,000; the authors' later work:
        8,192.
    buffer: transitions in the replay. P: 25,000.
    priority_alpha, priority_beta, priority_eps: of prioritised replay. P: 0.6, 0.4; R: 1e-6.
    learning_starts: transitions in the replay before anything is learnt. R: 50,000, which the paper's buffer cannot
        hold.
    epsilon, epsilon_exponent: walker i of n explores with epsilon^(1 + exponent * i / (n - 1)). P: 0.4, 7.
    epsilon_levels: n, if that many groups of walkers have an epsilon each; none: every walker has its own. P: 8, one
        for each worker.
    sync_delay: gathered steps after which walkers get new weights: steps of all of them, on Ray of each gatherer. R:
        400 of each worker.
    log_steps: gathered steps between rows of the log.
    """

    steps: PositiveInt = 64_000
    walkers: _Count = 128
    max_neighbours: Annotated[int, msgspec.Meta(ge=1, le=MOST_NEIGHBOURS)] = 50
    episode_steps: PositiveInt = 16
    shaping: Annotated[float, msgspec.Meta(ge=0, le=700)] | None = None
    scale_rewards: bool = True
    reference: UnitInterval | None = None
    gamma: UnitInterval = 0.9
    n_step: _Count = 3
    bootstrap: bool = True
    exact_discount: bool = True
    double_q: bool = True
    lr: Annotated[float, msgspec.Meta(gt=0, le=1e6)] = 1e-3
    lr_decay: bool = True
    adam_eps: _Small = 1e-8
    max_grad_norm: PositiveFloat = 40.0
    huber_delta: PositiveFloat = 1.0
    batch_size: _Count = 64
    learn_ratio: Annotated[float, msgspec.Meta(ge=0, le=1_000)] = 1.0
    target_period: PositiveInt = 2_000
    buffer: _Count = 25_000
    priority_alpha: UnitInterval = 0.6
    priority_beta: UnitInterval = 0.4
    priority_eps: _Small = 1e-6
    learning_starts: PositiveInt = 1_000
    epsilon: UnitInterval = 0.4
    epsilon_exponent: NonNegativeFloat = 7.0
    epsilon_levels: PositiveInt | None = None
    sync_delay: NonNegativeInt = 400
    log_steps: PositiveInt = 1_000

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.learning_starts > self.buffer:
            raise InputError(
                f"learning_starts={self.learning_starts}: expected at most buffer={self.buffer}, "
                "or nothing would ever be learnt"
            )
        if self.batch_size > self.buffer:
            raise InputError(f"batch_size={self.batch_size}: expected at most buffer={self.buffer}")
        if self.epsilon_levels is not None and self.epsilon_levels > self.walkers:
            raise InputError(f"epsilon_levels={self.epsilon_levels}: expected at most walkers={self.walkers}")

    @property
    def network(self) -> NetworkOptions:
        """The sizes of the network alone."""
        return NetworkOptions(**{field.name: getattr(self, field.name) for field in fields(NetworkOptions)})

    @property
    def learning(self) -> Learning:
        """How the network learns."""
        return Learning(self.lr, self.adam_eps, self.max_grad_norm, self.huber_delta, self.double_q, self.target_period)
