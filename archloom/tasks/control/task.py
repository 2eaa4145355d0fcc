"""Visual control: agents learn from pixels, or from vectors, by DrQ-v2, as in PBT-NAS (Chebykin et al. 2023, 4.3)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from archloom.checkpoints.drafts import EpisodeDraft
from archloom.checkpoints.experience import Episodes
from archloom.checkpoints.state import Average, TrainingState
from archloom.constraints import Winner
from archloom.errors import InputError
from archloom.learners.drqv2 import AgentNetworks, DrQv2
from archloom.learners.episode_recorder import EpisodeRecorder
from archloom.learners.episode_replay import EpisodeReplay
from archloom.spaces.control import Control, Dimensions
from archloom.tasks.base import Deployed, Film
from archloom.tasks.control import rendering
from archloom.tasks.control.data import ControlData, check_begins, read_environment
from archloom.tasks.control.environments import GYMNASIUM, Environment, Step, open_environment
from archloom.tasks.control.options import OTHER_SIZES, PUBLISHED, SIZES, ControlOptions
from archloom.tasks.fit import Fit
from archloom.tasks.network import NetworkTraining
from archloom.tasks.training import EpochStreams, device_of, load_network, network_state
from archloom.types import Arch, Goal
from archloom.utils import seeds

REWARD = "episode_reward"
"""The mean sum of rewards over the episodes of an evaluation."""
FRAMES = "frames"
"""How many frames an agent has acted for in all."""

CRITIC, TARGET = "critic", "critic_target"
"""Names in the state of a training: of a network, and of the copy that follows it."""

FINAL = "final"
"""The purpose of the episodes after a search."""

OBSERVED = {
    True: "bytes of frames, 0 to 255, one frame after the other, the oldest first",
    False: "what the environment observes",
}
"""The numbers of an observation, by whether there are pixels."""

SHOWN_SIDE = 64
"""Pixels of each side of a moment in a grid."""


@runtime_checkable
class ControlBuildable(Protocol):
    """A space of the networks of agents; `archloom.spaces.control.Control` is one."""

    name: str
    dimensions: Dimensions

    def build(self, arch: Arch, seed: int) -> AgentNetworks: ...


class ControlTask:
    """Agents of an environment, with the networks of `Control` unless `on` gives another space."""

    name = "control"
    space_name = "control"
    Options = ControlOptions
    final_options: ClassVar[Collection[str]] = ("final_episodes", "device")
    read_with: ClassVar[tuple[str, ...]] = ("pixels", "size", "render_size", "camera", "effects")
    winner = Winner.OF_LAST_POPULATION
    optional_settings: ClassVar[Collection[str]] = ()
    other_data = "another environment of the DeepMind Control suite, or gym:ID for one of Gymnasium"

    def __init__(
        self, data: ControlData, settings: ControlOptions | None = None, space: ControlBuildable | None = None
    ) -> None:
        self.data = data
        self.options = settings or ControlOptions()
        self.epochs = self.options.epochs
        self.experience_epochs = self.options.experience_epochs
        first, *sides = data.frame_shape
        self.space_settings = {"observation": (first * self.options.stacked, *sides), "actions": data.actions}
        self.space = space or Control(**self.space_settings)  # type: ignore[arg-type]
        self.device = device_of(self.options.device)

    @classmethod
    def read(cls, data: str, settings: Mapping[str, Any], environ: Mapping[str, str]) -> ControlData:
        """The environment of this name (see `environments.open_environment`)."""
        return read_environment(data, ControlOptions(**settings))

    @classmethod
    def open(
        cls, data: str, settings: Mapping[str, Any], environ: Mapping[str, str], found: ControlData | None = None
    ) -> ControlTask:
        """The task for the environment of this name, or for the one that was `found`.

        `settings` are values of `ControlOptions`. InputError for settings that do not fit.
        """
        return cls(cls.read(data, settings, environ) if found is None else found, ControlOptions(**settings))

    @classmethod
    def fit(cls, found: ControlData, settings: Mapping[str, Any]) -> Fit:
        """What was published for this environment.

        InputError if its pictures cannot be made on this machine, and if one of Gymnasium cannot begin an episode.
        """
        published = PUBLISHED.get(found.name, {})
        chosen = ControlOptions(**{**published, **settings})
        if chosen.pixels or found.name.startswith(GYMNASIUM):
            check_begins(found.name, chosen)
        sizes = OTHER_SIZES.get(found.name, SIZES).asked(epochs=settings.get("epochs"))
        return Fit(sizes, task={**published, "epochs": sizes.epochs})

    @classmethod
    def named(cls) -> Collection[str]:
        """The environments of the paper; others have names, too."""
        return PUBLISHED.keys()

    def on(self, space: Any) -> ControlTask:
        """The same task for the networks of another space; InputError if they are not for this environment."""
        if not isinstance(space, ControlBuildable):
            name = getattr(space, "name", type(space).__name__)
            raise InputError(f"space {name!r} has no networks of agents: task control expects control")
        for name, wanted in self.space_settings.items():
            made = getattr(space.dimensions, name)
            if made != wanted:
                raise InputError(f"space option {name}={made}: {self.data.name} has {wanted}; omit it")
        return ControlTask(self.data, self.options, space)

    @property
    def goals(self) -> Mapping[str, Goal]:
        return {REWARD: "max"}

    @property
    def report(self) -> Sequence[str]:
        return (FRAMES,)

    @property
    def remarks(self) -> Sequence[str]:
        """What pictures are rendered with, once that is known, and what of the options is probably not meant."""
        rendered = [f"pictures are rendered with {rendering.device()}"] if rendering.is_started() else []
        return [*rendered, *self.options.remarks]

    def prepare_evaluation(self) -> None:
        """Choose what to render with, so that processes that are started now need not try it."""
        if self.options.pixels and not self.data.name.startswith(GYMNASIUM):
            rendering.backend()

    def begin(self, arch: Arch, seed: int) -> ControlTraining:
        weights = int(seeds.stream(seed, "weights").integers(2**63))
        return ControlTraining(self, self.space.build(arch, weights), seed)


class ControlTraining(NetworkTraining):
    """An agent that acts and learns. See `archloom.tasks.base.Training`, `UsesExperience` and `WritesDraft`.

    Every epoch has an environment and random numbers of its own, which follow from the seed and the epoch. On the CPU
    two trainings are identical, bit for bit, if they use the same number of threads.
    """

    def __init__(self, task: ControlTask, networks: AgentNetworks, seed: int) -> None:
        self._task = task
        self._options = options = task.options
        self.agent = DrQv2(networks, task.data.actions, options, task.device)
        with_weights = {name: network for name, network in self.agent.networks.items() if network.state_dict()}
        super().__init__(with_weights, self.agent.optimisers, seed, task.device)
        self.steps = 0
        self._replay = self._replay_of(())
        self._lived: list[Episodes] = []
        self._draft: EpisodeDraft | None = None

    def _replay_of(self, episodes: Sequence[Episodes]) -> EpisodeReplay:
        options = self._options
        return EpisodeReplay(episodes, options.capacity, options.n_step, options.gamma, options.stacked)

    # -- experience -----------------------------------------------------------------------------------------------

    def recall(self, episodes: Sequence[Episodes]) -> None:
        self._replay = self._replay_of(episodes)
        self._lived = []

    def write_to(self, draft: EpisodeDraft) -> None:
        self._draft = draft

    def experience(self) -> Sequence[Episodes]:
        if self._lived:
            return self._lived
        frame = np.empty((0, *self._task.data.frame_shape), np.uint8 if self._options.pixels else np.float32)
        none = np.empty(0, np.float32)
        return [Episodes(frame, np.empty((0, self._task.data.actions), np.float32), none, none, np.empty(0, np.int64))]

    def _live(self, episode: Episodes) -> None:
        """Learn from an episode from now on, and keep what later chunks may read: the latest episodes, as many as a
        replay has room for."""
        if self._draft is not None:
            episode = self._draft.add(episode)
        self._replay.add(episode)
        self._lived.append(episode)
        kept = sum(each.transitions for each in self._lived)
        while kept > self._options.capacity and len(self._lived) > 1:
            kept -= self._lived.pop(0).transitions
            if self._draft is not None:
                self._draft.drop()

    def _hear(self) -> None:
        """Learn from now on from what others experience at the same time."""
        for episodes in () if self._draft is None else self._draft.news():
            self._replay.add(episodes)

    # -- learning -------------------------------------------------------------------------------------------------

    def run_epoch(self, streams: EpochStreams) -> None:
        """Whole episodes, until the frames of this epoch and those before have been reached."""
        rng = seeds.stream(self._seed, "act and learn", self.epochs)
        until = (self.epochs + 1) * self._options.epoch_frames
        with closing(self._environment("environment")) as environment:
            while self.steps * self._options.repeat < until:
                self._hear()
                self._live(self._episode(environment, rng))

    def _episode(self, environment: Environment, rng: np.random.Generator) -> Episodes:
        """Act for an episode, and learn from those before it."""
        recorder = EpisodeRecorder(self._options.stacked)
        observation, last = recorder.begin(environment.reset()), False
        while not last:
            action = self.agent.act(observation, self.steps, rng)
            if self._options.learns(self.steps, self._options.repeat) and self._replay.starts:
                self.agent.update(self._replay.sample(self._options.batch_size, rng), self.steps, rng)
            step = environment.step(action)
            observation, last = recorder.add(action, step.reward, step.discount, step.frame), step.last
            self.steps += 1
        return recorder.episode()

    def _environment(self, purpose: str) -> Environment:
        seed = int(seeds.stream(self._seed, purpose, self.epochs).integers(2**63))
        return open_environment(self._task.data.name, seed, self._options)

    # -- measuring ------------------------------------------------------------------------------------------------

    def evaluate(self) -> Mapping[str, float]:
        """The mean reward of some episodes of mean actions."""
        return self._measured(self._options.episodes, "evaluate")

    def evaluate_finally(self) -> Mapping[str, float]:
        """The same over more episodes, none of which were used to select the agent."""
        return self._measured(self._options.final_episodes, FINAL)

    def _measured(self, episodes: int, purpose: str) -> Mapping[str, float]:
        with closing(self._environment(purpose)) as environment:
            rewards = [self._mean_episode(environment) for _ in range(episodes)]
        return {REWARD: float(np.mean(rewards)), FRAMES: float(self.steps * self._options.repeat)}

    def _mean_episode(self, environment: Environment) -> float:
        """The sum of rewards of an episode of mean actions."""
        return sum(step.reward for step in self._mean_steps(environment))

    def _mean_steps(self, environment: Environment) -> Iterator[Step]:
        """The steps of an episode of mean actions."""
        recorder = EpisodeRecorder(self._options.stacked)
        observation, last = recorder.begin(environment.reset()), False
        unused = np.random.default_rng(0)
        while not last:
            action = self.agent.act(observation, self.steps, unused, mean=True)
            step = environment.step(action)
            observation, last = recorder.add(action, step.reward, step.discount, step.frame), step.last
            yield step

    def deployed(self) -> Deployed:
        """The policy: observations to mean actions."""
        first, *sides = self._task.data.frame_shape
        example = torch.zeros(2, first * self._options.stacked, *sides)
        policy = nn.Sequential(self.agent.encoder, self.agent.actor).eval()
        return Deployed(policy, "observation", "action", OBSERVED[self._options.pixels], example)

    # -- pictures for people --------------------------------------------------------------------------------------

    def film(self, size: int) -> Film:
        """The first episode of `evaluate_finally`."""
        with closing(self._environment(FINAL)) as environment:
            return Film([environment.render(size) for _ in self._mean_steps(environment)], environment.rate)

    def generate(self, count: int) -> Iterator[Tensor]:
        """(count, 3, h, w): moments of that episode, in order, at equal distances, as people see them."""
        pictures = self.film(SHOWN_SIDE).pictures
        moments = np.linspace(0, len(pictures) - 1, count).round().astype(int)
        yield torch.from_numpy(np.stack([pictures[moment] for moment in moments]).transpose(0, 3, 1, 2))

    # -- state ----------------------------------------------------------------------------------------------------

    def state(self) -> TrainingState:
        state = super().state()
        state.averages[TARGET] = Average(CRITIC, network_state(self.agent.critic_target), target=True)
        state.rest["steps"] = self.steps
        return state

    def resume(self, state: TrainingState) -> None:
        """Continue from a state, with its random streams; settings are this task's own, and so is what it recalls."""
        super().resume(state)
        load_network(TARGET, self.agent.critic_target, state.averages[TARGET].tensors)
        self.steps = int(state.rest["steps"])
        self._lived = []
