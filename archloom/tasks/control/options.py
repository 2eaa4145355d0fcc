"""The options of visual control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from archloom.learners.drqv2 import DrQv2Options
from archloom.spaces.control.dimensions import KERNEL
from archloom.tasks.control.simulation import EnvironmentSettings
from archloom.types import PopulationSizes
from archloom.utils.options import PositiveInt

PUBLISHED: Mapping[str, Mapping[str, Any]] = {
    "quadruped_run": {},
    "walker_run": {"n_step": 1, "batch_size": 512, "capacity": 1_000_000},
    "humanoid_run": {"lr": 8e-5, "std_steps": 2_000_000, "capacity": 1_000_000},
}
"""What PBT-NAS sets for its environments, where that differs from the defaults of `ControlOptions`."""

SIZES = PopulationSizes(population=12, epochs=300, step=10)
"""Of PBT-NAS's searches, but for those in `OTHER_SIZES`."""

OTHER_SIZES: Mapping[str, PopulationSizes] = {"humanoid_run": PopulationSizes(population=12, epochs=1500, step=100)}


@dataclass(frozen=True)
class ControlOptions(DrQv2Options, EnvironmentSettings):
    """How agents act, learn and are measured: `DrQv2Options`, `EnvironmentSettings`, and these.

    An epoch is `epoch_frames` frames of whole episodes: it ends with the first episode that reaches them, and the next
    one is shorter by as much. An observation is `stack` frames, or one vector. Agents are measured by `episodes`
    episodes of mean actions, by `final_episodes` after a search. `device` is PyTorch's name of one: cpu, cuda, cuda:1.
    """

    size: Annotated[int, msgspec.Meta(ge=KERNEL)] = 84
    epochs: PositiveInt = SIZES.epochs
    epoch_frames: PositiveInt = 10_000
    stack: PositiveInt = 3
    episodes: PositiveInt = 10
    final_episodes: PositiveInt = 100
    device: str = "cpu"

    @property
    def stacked(self) -> int:
        """The frames of an observation."""
        return self.stack if self.pixels else 1

    @property
    def experience_epochs(self) -> int:
        """The epochs whose transitions fill the replay, and one for epochs that are short."""
        return -(-self.capacity * self.repeat // self.epoch_frames) + 1

    @property
    def remarks(self) -> Sequence[str]:
        """Why agents will have learnt nothing by the end, where that follows from the options alone."""
        frames = self.epochs * self.epoch_frames
        steps = None if self.episode_frames is None else -(-self.episode_frames // self.repeat)
        said = []
        if self.seed_frames >= frames:
            said.append(f"seed_frames={self.seed_frames:,} of {frames:,} frames in all: agents never learn")
        if self.update_every * self.repeat >= frames:
            said.append(f"update_every={self.update_every:,} steps of {frames:,} frames in all: agents never learn")
        if steps is not None and self.n_step > steps:
            said.append(f"n_step={self.n_step:,}, and episodes have {steps:,} steps: agents learn from terminals only")
        return said
