"""What a task is: how an architecture's networks are built, trained for some epochs, and evaluated."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from archloom.checkpoints.drafts import EpisodeDraft
from archloom.checkpoints.experience import Episodes
from archloom.checkpoints.state import TrainingState
from archloom.constraints import Winner
from archloom.types import Arch, Goal


@runtime_checkable
class Training(Protocol):
    """One member in training: all its networks, averaged copies, optimisers and random streams.

    Two trainings that begin with the same seed, or resume from the same state, continue identically, bit for bit.
    """

    @property
    def epochs(self) -> int:
        """How many epochs it has been trained for in all."""
        ...

    def train(self, epochs: int) -> None:
        """Train for this many more epochs."""
        ...

    def evaluate(self) -> Mapping[str, float]:
        """Every metric of the task by name; changes nothing that training depends on."""
        ...

    def state(self) -> TrainingState:
        """Everything that `resume` needs to continue as if it had never stopped; copies, on the CPU."""
        ...

    def resume(self, state: TrainingState) -> None:
        """Continue from the state of a training of the same architecture.

        Optimiser slots that are missing in the state or have another shape there are initialised again. For the
        networks' tensors that is an error.
        """
        ...

    def reseed(self, seed: int) -> None:
        """Draw from new random streams from now on: a child that continues its parent's state is not its twin."""
        ...


@runtime_checkable
class PlansAhead(Protocol):
    """A training that depends on how long it will be: a learning rate may fall until its end."""

    def train_until(self, epochs: int) -> None:
        """It is evaluated next after so many epochs in all; said before it trains for those that are missing."""
        ...


@runtime_checkable
class UsesExperience(Protocol):
    """A training that learns from what it, and perhaps others, experienced before: one of a `CollectsExperience`."""

    def recall(self, episodes: Sequence[Episodes]) -> None:
        """What it may read, whole episodes in parts, oldest first, perhaps none; said before it trains."""
        ...

    def experience(self) -> Sequence[Episodes]:
        """What it has experienced itself since it began or resumed, in parts, of which there is one at least; asked
        after it has trained."""
        ...


@runtime_checkable
class WritesDraft(Protocol):
    """A training that `UsesExperience` and puts its own on disk as it comes."""

    def write_to(self, draft: EpisodeDraft) -> None:
        """Where; and from where it hears what others experience meanwhile. Said before it trains."""
        ...


@runtime_checkable
class EvaluatedFinally(Protocol):
    """A training that is measured more thoroughly after a search than during it; others are just evaluated again."""

    def evaluate_finally(self) -> Mapping[str, float]:
        """Metrics for people, by name; changes nothing that training depends on."""
        ...


class Film(NamedTuple):
    """Pictures (h, w, 3) of bytes, and how many of them there are in a second."""

    pictures: Sequence[NDArray[np.uint8]]
    rate: float


@runtime_checkable
class Filmed(Protocol):
    """A training of an agent that can be watched."""

    def film(self, size: int) -> Film:
        """An episode in pictures of `size` x `size` pixels; the same one every time."""
        ...


@runtime_checkable
class GeneratesImages(Protocol):
    """A training that can be shown in images: of a generator its own, of an agent moments of an episode."""

    def generate(self, count: int) -> Iterator[Tensor]:
        """Batches of images (B, c, h, w), `count` in all, with values from 0 to 255; the same ones every time."""
        ...


class Deployed(NamedTuple):
    """A trained network as it is used: in its mode for evaluation, it makes a batch of outputs of a batch of inputs.

    `input` and `output` are what these are called, `values` says what the numbers of an input are, and `example` is a
    batch of two inputs, on the CPU.
    """

    network: nn.Module
    input: str
    output: str
    values: str
    example: Tensor


@runtime_checkable
class Deployable(Protocol):
    """A training of a network that is of use without the training: a classifier, a generator, a policy."""

    def deployed(self) -> Deployed:
        """The network that is measured. It may share its weights with the training."""
        ...


@runtime_checkable
class PreparesEvaluation(Protocol):
    """A task whose evaluations need something that takes long to compute and is kept on this machine."""

    def prepare_evaluation(self) -> None:
        """Compute it, unless it is kept already, before processes start that would all wait for it."""
        ...


@runtime_checkable
class ChoosesWinner(Protocol):
    """A task that says which trial of a population is the best of its run: that of other tasks is the best ever."""

    winner: Winner
    """`Winner.OF_LAST_POPULATION` if what networks are measured against changes as they train."""


@runtime_checkable
class CollectsExperience(Protocol):
    """A task whose trainings are `UsesExperience`: each chunk's experience becomes a file, which later chunks read."""

    experience_epochs: int
    """So many epochs' experience is all that a training reads, the latest: as much as its replay holds. More is not
    offered, and files that are older are removed."""


@runtime_checkable
class Task(Protocol):
    """What is trained for, on what data. A user adds a task in one file."""

    name: str
    epochs: int
    """How many epochs an architecture is trained for by default."""

    @property
    def goals(self) -> Mapping[str, Goal]:
        """The metrics that may be optimised, with their direction, the default one first."""
        ...

    @property
    def report(self) -> Sequence[str]:
        """Metrics that are recorded whatever is optimised: for people only, such as test accuracy, and of the goals
        what costs nothing, such as the number of parameters."""
        ...

    def begin(self, arch: Arch, seed: int) -> Training:
        """A training from the start; everything random in it comes from `seed`."""
        ...


@runtime_checkable
class TrainsNetworksOf(Protocol):
    """A task that builds the networks of one space."""

    space: Any

    def on(self, space: Any) -> Task:
        """The same task for the networks of `space`, which is `Buildable`; InputError if they are not for it."""
        ...


class SuppliedTask(Task, Protocol):
    """A task that `--on NAME:DATA` opens, on any space that suits it."""

    space_name: str
    """The space to search by default,"""
    space_settings: Mapping[str, Any]
    """and the settings that any space for this task needs, such as the number of classes;"""
    optional_settings: Collection[str]
    """those of them that a space may lack: its networks take any data, the size of images say."""
    final_options: Collection[str]
    """Its options that concern only measurement, so that `archloom evaluate` may change them."""
    data: Any
    """The data it trains on: `name`, `sha256`, and `source`, a description; perhaps `remarks`, lines for people."""

    @classmethod
    def named(cls) -> Collection[str]:
        """The names of data sets; anything else after the colon is a path."""
        ...

    def on(self, space: Any) -> Task:
        """The same task for the networks of `space`, which is `Buildable`."""
        ...
