"""What a task is: how an architecture's networks are built, trained for some epochs, and evaluated."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from archloom.checkpoints.state import TrainingState
from archloom.types import Arch, Goal


@runtime_checkable
class Training(Protocol):
    """One member in training: all its networks, averaged copies, optimisers and random streams.

    Two trainings that begin with the same seed, or that take the same state, go on the same, bit for bit.
    """

    @property
    def epochs(self) -> int:
        """How many epochs it has had in all."""
        ...

    def train(self, epochs: int) -> None:
        """Go on for so many epochs."""
        ...

    def evaluate(self) -> Mapping[str, float]:
        """Every metric of the task by name; it changes nothing that training depends on."""
        ...

    def state(self) -> TrainingState:
        """Everything that `resume` needs to go on as if nothing had happened; copies, on the CPU."""
        ...

    def resume(self, state: TrainingState) -> None:
        """Go on from a state of a training of the same architecture.

        Optimiser slots that the state has not, or has in another shape, begin anew; so do networks' tensors never: a
        tensor that is missing or of another shape is an error.
        """
        ...

    def reseed(self, seed: int) -> None:
        """Draw from new random streams from now on: a child that goes on from its parent's state is no twin."""
        ...


@runtime_checkable
class EvaluatedFinally(Protocol):
    """A training that is measured more thoroughly after a search than within it; others are just evaluated again."""

    def evaluate_finally(self) -> Mapping[str, float]:
        """What people are to read of it, by name; it changes nothing that training depends on."""
        ...


@runtime_checkable
class GeneratesImages(Protocol):
    """A training of something that makes images."""

    def generate(self, count: int) -> Iterator[Tensor]:
        """Batches of images (B, c, h, w), `count` in all, with values from 0 to 255; the same ones when asked again."""
        ...


@runtime_checkable
class Task(Protocol):
    """What is trained for, on what data. A user adds a task in one file."""

    name: str
    epochs: int
    """How long an architecture is trained where nothing else is said."""

    @property
    def goals(self) -> Mapping[str, Goal]:
        """The metrics that may be optimised, with their direction, the default one first."""
        ...

    @property
    def report(self) -> Sequence[str]:
        """Metrics for people only: test accuracy, say."""
        ...

    def begin(self, arch: Arch, seed: int) -> Training:
        """A training from the start; everything random in it comes from `seed`."""
        ...


class SuppliedTask(Task, Protocol):
    """A task that `--on NAME:DATA` opens, on whatever space is asked for."""

    space_name: str
    """The space to search where nothing else is said,"""
    space_settings: Mapping[str, Any]
    """and what any space for this task must be told: how many classes there are, say."""
    final_options: Collection[str]
    """Those of its options that concern the measuring alone, so that `archloom evaluate` may change them."""
    data: Any
    """What it trains on, with its `name`, its `sha256` and its `source` in words."""

    @classmethod
    def named(cls) -> Collection[str]:
        """The names of data; anything else after the colon is a path."""
        ...

    def on(self, space: Any) -> Task:
        """The same task for the networks of `space`, which is `Buildable`."""
        ...
