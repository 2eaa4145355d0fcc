"""How an agent's training is laid out over processes and machines, as something to pass around."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from archloom.agents.apex import Apex, BaseApex
from archloom.agents.options import ApexOptions
from archloom.envs.incremental import IncrementalVectorEnv, NeighbourhoodEnv
from archloom.learners.arrays import one_thread
from archloom.learners.q_network import QNetwork
from archloom.tasks.training import device_of
from archloom.utils.threads import threads


@dataclass(frozen=True)
class Work:
    """What is to be trained.

    Attributes:
        neighbourhood: where to walk, with a slot for each of the options' walkers.
        make: opens the same in another process, from a number of slots and the most neighbours to show; picklable.
        options: of the training.
        seed: of the training.
        network: one to go on with; None: it is drawn.
    """

    neighbourhood: NeighbourhoodEnv
    make: Callable[[int, int], NeighbourhoodEnv]
    options: ApexOptions
    seed: int
    network: QNetwork | None = None


class Layout(Protocol):
    """Makes the agent. The algorithm is the same in each layout, and so are its files."""

    def ready(self) -> AbstractContextManager[object]:
        """A context in which its agents can train. Entered before anything is written; it may be nested.

        InputError or WorkerError if it is not available.
        """
        ...

    def agent(self, work: Work) -> BaseApex:
        """The agent, which has not begun to train."""
        ...


@dataclass(frozen=True)
class OneProcess:
    """Everything in this process: the same training again is the same, bit for bit, however many threads share it.

    `threads`; None: as many as there are cores, or as the variable OMP_NUM_THREADS says. `device`: where the network
    is, as PyTorch names it; the environment stays on the CPU. InputError for a device that there is not.
    """

    threads: int | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        device_of(self.device, "device")

    def ready(self) -> AbstractContextManager[object]:
        return one_thread()  # in each operation of PyTorch's

    def agent(self, work: Work) -> BaseApex:
        options = work.options
        env = IncrementalVectorEnv(
            work.neighbourhood, options.walkers, options.max_neighbours, options.episode_steps, options.shaping
        )
        count = threads() if self.threads is None else self.threads
        return Apex(env, options, work.seed, work.network, count, self.device)
