"""DDAS: a DDPG agent draws architectures for a supernet that trains with it (thesis "ddas-cadam", chapter 3).

An action alpha has shape (E, O), decisions by options, and stands for the architecture that the space discretises it
to. The state is the last step's architecture. Every step trains the supernet along its architecture, going on from
where the last step left it, and the reward says how good that is and by how much the loss fell.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from archloom.constraints import Criteria
from archloom.learners.ddpg import Ddpg
from archloom.learners.mlp import Float32
from archloom.spaces.base import SearchSpace, is_valid
from archloom.strategies.alpha import ActionNote, AlphaStrategy, Float64, rounded
from archloom.strategies.base import Plan
from archloom.strategies.ddas.experience import Experiences
from archloom.strategies.ddas.noise import Noise
from archloom.strategies.ddas.options import DdasOptions, Stage, StageName
from archloom.types import Arch, Inherit, Proposal, Resource, Trial


class DdasNote(ActionNote, frozen=True):
    """`stage` the proposal belongs to; `changed`: how many pairs of decision and option are others than those of the
    actor's output without noise; None for a random action."""

    stage: StageName
    changed: int | None = None


class Ddas(AlphaStrategy):
    """Explore at random, then propose the actor's output with noise; after each step, one update.

    One proposal at a time, since the next state is the last architecture. Where a query trains some more of a network
    that all architectures share, it goes on from the last trial that succeeded: that is so if the evaluator has no
    resource, as a resource counts the training of one architecture from its start. See docs/ddas.md.
    """

    Options: ClassVar[type[Any]] = DdasOptions
    takes_resource = True
    takes_reference = True
    options: DdasOptions

    def __init__(
        self,
        space: SearchSpace,
        criteria: Criteria,
        rng: np.random.Generator,
        options: DdasOptions | None = None,
        *,
        resource: Resource | None = None,
        reference: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(space, criteria, rng, options)
        o, known = self.options, reference or {}
        self.net = Ddpg(
            self.entries, o.hidden, gamma=o.gamma, mix=o.soft_update, actor_lr=o.actor_lr, critic_lr=o.critic_lr,
            betas=(o.beta1, o.beta2), start=o.weights, rng=rng,
        )  # fmt: skip
        origin = [x.utility(known[x.metric]) if x.metric in known else np.nan for x in criteria.objectives]
        self.experiences = Experiences(
            self.entries, o.capacity, np.array(origin), accuracy_weight=o.accuracy_weight, loss_weight=o.loss_weight
        )
        self.stages = o.stages()
        self.ends = list(itertools.accumulate(stage.steps for stage in self.stages))
        self.goes_on = resource is None
        self.state = np.ones(self.entries, np.float32)
        self.loss = known.get(o.loss)  # of the last step
        self.last: int | None = None  # the last trial that succeeded
        self.steps = 0  # proposals made
        self.waiting = False
        self.failed = False  # whether the last trial has

    @classmethod
    def plan(cls, options: DdasOptions) -> Plan:
        stages = options.stages()
        random = stages[0].steps if len(stages) > 1 else 0
        return Plan(trials=options.steps, inherits=True, unique=True, random=random)

    @classmethod
    def learns_from(cls, options: DdasOptions) -> Sequence[str]:
        return (options.loss,) if options.loss_weight else ()

    # -- acting ---------------------------------------------------------------------------------------------------

    def propose(self) -> Proposal | None:
        if self.waiting:
            return None
        stage = self.stage(self.steps)
        with self.one_thread():
            alpha, arch, changed = self.act(stage.noise)
        self.waiting = True
        self.steps += 1
        inherit = Inherit(self.last) if self.goes_on and self.last is not None else None
        return Proposal(arch, inherit=inherit, note=DdasNote(alpha.ravel().tolist(), stage.name, changed).to_note())

    def stage(self, step: int) -> Stage:
        """The stage of a step, which count from 0; a run that is longer than planned stays in the last that has any."""
        return self.stages[bisect.bisect_right(self.ends, min(step, self.ends[-1] - 1))]

    def act(self, noise: Noise | None) -> tuple[Float64, Arch, int | None]:
        """An action, its architecture, and how many of its pairs the noise has changed.

        mu(s) + Z (eq. 3.1), if that is valid. A random one without noise, and after a failure, since the actor would
        propose the same again.
        """
        if noise is not None and not self.failed:
            centre = self.net.action(self.state).astype(np.float64)
            alpha = centre + noise.draw(self.entries, self.rng)
            alpha = rounded(np.clip(alpha, 0.0, 1.0) if self.options.clip else alpha)
            arch = self.discretised(alpha)
            if is_valid(self.space, arch):
                return alpha, arch, self.pairs_changed(self.one_hot(self.discretised(centre)), self.one_hot(arch))
        return *self.any_valid(), None

    def discretised(self, alpha: Float64) -> Arch:
        arch: Arch = self.space.discretise(alpha.reshape(self.shape))
        return arch

    def one_hot(self, arch: Arch) -> Float32:
        """The discrete matrix of an architecture, (E*O,)."""
        matrix: Float32 = self.space.one_hot(arch).ravel()
        return matrix

    @staticmethod
    def pairs_changed(before: Float32, after: Float32) -> int:
        """How many pairs of decision and option one discrete matrix has that the other lacks."""
        return int(np.count_nonzero(after > before))

    # -- learning -------------------------------------------------------------------------------------------------

    def learn(self, trial: Trial) -> None:
        """Remember the step; if the actor acted, one update. A failed trial teaches nothing, and the next step starts
        from the last one that succeeded."""
        self.waiting = False
        self.failed = not trial.result.ok
        if self.failed:
            return
        stage = self.stage(self.steps - 1)
        reached = self.one_hot(trial.proposal.arch)
        action = np.array(DdasNote.of(trial.proposal.note).action, np.float32)
        self.experiences.add(
            self.state,
            action,
            reached,
            self.criteria.utilities(trial.result),
            self.loss_fell(trial),
            self.criteria.violation(trial.result),
        )
        changed = self.pairs_changed(self.state, reached)
        self.state, self.last = reached, trial.id
        if stage.noise is not None:
            stage.noise.saw(changed / np.count_nonzero(reached))
            with self.one_thread():
                self.net.update(self.experiences.sample(self.options.batch_size, stage.window, self.rng))

    def loss_fell(self, trial: Trial) -> float:
        """L(previous) - L, and remember L. The first step's previous loss is that of the network as a whole; if that is
        unknown, its own."""
        if not self.options.loss_weight:
            return 0.0
        loss = trial.result.scores[self.options.loss]
        previous = loss if self.loss is None else self.loss
        self.loss = loss
        return previous - loss

    def needed(self) -> set[int]:
        return {self.last} if self.goes_on and self.last is not None else set()

    # -- state ----------------------------------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        return {
            "net": self.net.state_dict(),
            "experiences": self.experiences.state_dict(),
            "noises": [None if stage.noise is None else stage.noise.dump() for stage in self.stages],
            "state": self.state.copy(),
            "loss": self.loss,
            "last": self.last,
            "steps": self.steps,
            "waiting": self.waiting,
            "failed": self.failed,
        }

    def restore(self, own: dict[str, Any]) -> None:
        self.net.load_state_dict(own["net"])
        self.experiences.load_state_dict(own["experiences"])
        for stage, noise in zip(self.stages, own["noises"], strict=True):
            if stage.noise is not None:
                stage.noise.restore(noise)
        self.state = np.array(own["state"], np.float32)
        self.loss, self.last, self.steps = own["loss"], own["last"], own["steps"]
        self.waiting, self.failed = own["waiting"], own["failed"]
