"""What an environment is to a search: the data that agents are trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib import metadata

from archloom.errors import InputError, TrainingError
from archloom.tasks.control.environments import GYMNASIUM, open_environment
from archloom.tasks.control.simulation import EnvironmentSettings


@dataclass(frozen=True)
class ControlData:
    """An environment by name. `frame_shape` is (c, h, w) or (d,), `actions` how many numbers an action has."""

    name: str
    frame_shape: tuple[int, ...]
    actions: int

    @property
    def sha256(self) -> str:
        """That of the name and what agents see and do, whatever the versions of the packages."""
        return hashlib.sha256(f"{self.name} {self.frame_shape} {self.actions}".encode()).hexdigest()

    @property
    def source(self) -> str:
        """The packages that bring it, with their versions."""
        packages: Sequence[str] = ("gymnasium",) if self.name.startswith(GYMNASIUM) else ("dm_control", "mujoco")
        return ", ".join(f"{package} {metadata.version(package)}" for package in packages)


def read_environment(name: str, settings: EnvironmentSettings) -> ControlData:
    """What there is to know of an environment; nothing is rendered. InputError if there is none like it."""
    environment = open_environment(name, 0, settings)
    environment.close()
    return ControlData(name, environment.frame_shape, environment.actions)


def check_begins(name: str, settings: EnvironmentSettings) -> None:
    """InputError for an environment that cannot begin an episode, or make a picture of it where agents see those."""
    try:
        with closing(open_environment(name, 0, settings)) as environment:
            environment.reset()
    except TrainingError as error:
        raise InputError(str(error)) from error
