"""What fits the data of a task if nobody says otherwise: sizes of a first search, which ends in minutes on tiny data.

Nothing here needs PyTorch, so that a command may ask before anything is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from archloom.types import PopulationSizes

MEMBERS, CHUNKS = 12, 10
"""Of a population that nobody sizes: its members, and the chunks of training after which the worst are replaced."""

CHUNK_STEPS, LEAST_EPOCHS = 80, 20
"""How many steps of an optimiser a chunk has at least, and how many epochs a training."""


@dataclass(frozen=True)
class Fit:
    """What fits a task's data: the sizes of a `population`, and options of the `task` and of its `space`."""

    population: PopulationSizes
    task: Mapping[str, Any] = field(default_factory=dict)
    space: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class FitsData(Protocol):
    """What the class of a task has that says so (see `tasks.base.SuppliedTask`)."""

    read_with: tuple[str, ...]
    """The options of the task on which depends what `read` reads."""

    @classmethod
    def read(cls, data: str, settings: Mapping[str, Any], environ: Mapping[str, str]) -> Any:
        """The data of this name or path, which `open` takes as `found`: it is read once in a command."""
        ...

    @classmethod
    def fit(cls, found: Any, settings: Mapping[str, Any]) -> Fit:
        """What fits the data that were read; `settings` are those options of the task that were given."""
        ...


def sizes_for(steps: int, epochs: int | None = None) -> PopulationSizes:
    """The sizes for data of which an epoch takes `steps` steps; `epochs`: how long a user wants networks trained.

    12 networks are trained in 10 chunks of at least 80 steps, and for at least 20 epochs in all.
    """
    step = max(-(-CHUNK_STEPS // max(steps, 1)), LEAST_EPOCHS // CHUNKS)
    return PopulationSizes(MEMBERS, CHUNKS * step, step).asked(epochs=epochs)
