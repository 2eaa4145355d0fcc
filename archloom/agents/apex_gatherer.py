"""Walkers in a process of their own, which gather for a learner elsewhere; Ray need not be imported here."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from archloom.agents.apex import Tally, Walkers, columns_of, make_network
from archloom.agents.apex_shard import Stored
from archloom.agents.options import ApexOptions
from archloom.envs.incremental import IncrementalVectorEnv, NeighbourhoodEnv
from archloom.learners.q_network import QNetwork
from archloom.workers.pool import told

Weights = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class GathererSetup:
    """What a gatherer starts with.

    Attributes:
        make: the neighbourhood, from a number of slots and the most neighbours to show; picklable.
        options: of the training.
        places: (n,) which of all `options.walkers` walk here.
        seed: its own.
        threads: variables that set how many threads it computes with.
        device: where its network is.
    """

    make: Callable[[int, int], NeighbourhoodEnv]
    options: ApexOptions
    places: NDArray[np.intp]
    seed: int
    threads: Mapping[str, str]
    device: str = "cpu"


@dataclass(frozen=True)
class Gathered:
    """What a gatherer tells the learner: steps that count, transitions that became complete, and what happened."""

    steps: int
    complete: int
    tally: Tally


class Gatherer:
    """The actor class."""

    def __init__(self) -> None:
        self._walkers: Walkers | None = None
        self._network: QNetwork | None = None

    def begin(self, setup: GathererSetup) -> str | None:
        """Open the environment; the reason if that fails."""
        os.environ.update(setup.threads)
        try:
            torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
            options, slots = setup.options, len(setup.places)
            neighbourhood = setup.make(slots, options.max_neighbours)
            env = IncrementalVectorEnv(
                neighbourhood, slots, options.max_neighbours, options.episode_steps, options.shaping
            )
            self._walkers = Walkers(env, options, setup.seed, setup.places)
            network = make_network(options, neighbourhood.bits, setup.seed).requires_grad_(False)
            self._network = network.to(setup.device)
        except BaseException as error:  # noqa: BLE001 - told to the driver, which gives up
            return told(error)
        return None

    def gather(self, steps: int, weights: Weights | None) -> tuple[Gathered, Stored]:
        """At least `steps` steps, with new weights if there are any; transitions go straight to a shard."""
        assert self._walkers is not None and self._network is not None  # noqa: S101 - it has begun
        if weights is not None:
            self._network.load_state_dict({name: torch.from_numpy(np.array(a)) for name, a in weights.items()})
        tally, found, done = Tally(), [], 0
        while done < steps:
            complete, more = self._walkers.step(self._network, tally)
            found.append(complete)
            done += more
        columns = [columns_of(each) for each in found]
        together = {name: np.concatenate([each[name] for each in columns]) for name in columns[0]}
        errors = np.concatenate([each.errors for each in found])
        return Gathered(done, len(errors), tally), (together, errors)
