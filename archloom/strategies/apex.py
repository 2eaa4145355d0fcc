"""The Ape-X agent at work (Cassimon et al.): it was trained to walk to better architectures, and no longer learns.

An episode starts at a random architecture. In each step the agent sees up to as many neighbours as in its training,
drawn at random, and goes to the one with the highest Q, or stays where it is, which ends the episode. It needs no
accuracy on its way: one architecture of an episode is asked for, as a rule its end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from archloom.constraints import Criteria
from archloom.errors import InputError
from archloom.learners.agent_file import AgentCard, load_agent
from archloom.learners.arrays import one_thread
from archloom.spaces.base import SearchSpace
from archloom.spaces.walks import HasWalks
from archloom.strategies.base import BaseStrategy, pack_archs, unpack_archs
from archloom.types import Arch, Proposal
from archloom.utils.options import Options, UnitInterval
from archloom.utils.text import one_line

_SHOWN = 80
"""How many characters of what a card says are shown."""


ProposeName = Literal["new", "end"]

_KEPT: Mapping[ProposeName, int | None] = {"new": None, "end": 1}
"""How much of an episode's way may be asked for, from its end on."""

_Moves = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
"""More would be played for hours before the first answer."""


@dataclass(frozen=True)
class ApexOptions(Options):
    """`steps` and `epsilon` are those of the paper's evaluation.

    checkpoint: the file of a trained agent (`archloom agent train`).
    steps: moves in an episode, after which it ends wherever it is.
    epsilon: the probability of a random action instead of the best one.
    propose: which architecture of an episode is asked for: "new", the last that was not asked for before, so its end
        if that is new; "end", its end in any case: most episodes of a well trained agent have one of a few ends, so a
        run ends when these are known, long before its queries are used.
    batch: episodes that are played side by side, for speed. Another number gives other episodes.
    """

    checkpoint: Path | None = None
    steps: _Moves = 32
    epsilon: UnitInterval = 0.0
    propose: ProposeName = "new"
    batch: _Moves = 32


class Apex(BaseStrategy):
    """A trained agent walks from random architectures to good ones, and asks for where it ends.

    See docs/apex-agent.md. The look-ups that its training took are not counted.
    """

    Options: ClassVar[type[Any]] = ApexOptions
    needs = (HasWalks,)
    options: ApexOptions
    space: Any

    def __init__(
        self, space: SearchSpace, criteria: Criteria, rng: np.random.Generator, options: ApexOptions | None = None
    ) -> None:
        super().__init__(space, criteria, rng, options)
        if self.options.checkpoint is None:
            raise InputError(
                "strategy apex needs a trained agent: give --set checkpoint=FILE (in Python checkpoint=FILE); "
                "archloom agent train --on BENCHMARK --out DIR trains one"
            )
        agent = load_agent(self.options.checkpoint)
        _check_fits(agent.card, self.space, self.options.checkpoint)
        self.card = agent.card
        self.network = agent.network
        self.waiting: list[list[Arch]] = []  # ways of episodes that were played, each with its end first
        self.asked: set[Arch] = set()  # in canonical form

    def caveats(self) -> Sequence[str]:
        card = self.card
        metric, on = one_line(card.metric, _SHOWN), one_line(card.on, _SHOWN)
        notes = [f"apex: the agent has learned to raise {metric} on {on} in {card.steps:,} steps"]
        others = [o.metric for o in self.criteria.objectives if (o.metric, o.goal) != (card.metric, "max")]
        if others:
            notes.append(
                f"apex: the agent still climbs {metric}; what of it holds for {', '.join(others)} is for this "
                "search to show (zero-shot transfer)"
            )
        if self.criteria.constraints:
            bounds = ", ".join(map(str, self.criteria.constraints))
            notes.append(f"apex: the agent knows no constraints, and asks for what violates {bounds} like for the rest")
        return notes

    def propose(self) -> Proposal:
        if not self.waiting:
            self.waiting = self.play()
        way = self.waiting.pop(0)
        known = [self.space.canonical(arch) in self.asked for arch in way]
        chosen = way[known.index(False) if not all(known) else 0]
        self.asked.add(self.space.canonical(chosen))
        return Proposal(chosen)

    def play(self) -> list[list[Arch]]:
        """A batch of episodes: of each its way from the end back to the start, if that is needed, or its end alone."""
        genes = np.array([self.sample_valid().genes for _ in range(self.options.batch)])
        ways = [[row] for row in genes.tolist()]
        going = np.arange(len(genes))
        with one_thread():
            for _ in range(self.options.steps):
                genes[going], moved = self.step(genes[going])
                going = going[moved]
                if not len(going):
                    break
                for episode, row in zip(going.tolist(), genes[going].tolist(), strict=True):
                    ways[episode].append(row)
        kept = _KEPT[self.options.propose]
        return [[Arch(tuple(row)) for row in way[::-1][:kept]] for way in ways]

    def step(self, genes: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Where episodes at `genes` (n, g) go, (n, g), and (n,) which of them moved."""
        shown = self.space.show_neighbours(genes, self.card.max_neighbours, self.rng)
        counts = shown.counts + 1
        seen = np.concatenate([genes[:, None], shown.genes], axis=1)[:, : counts.max()]
        there = np.arange(seen.shape[1]) < counts[:, None]
        encoded = np.zeros((*there.shape, self.card.bits), dtype=np.uint8)
        encoded[there] = self.space.encode(seen[there])
        actions = self.network.q_values(encoded, counts).argmax(axis=1)
        if self.options.epsilon:
            random = self.rng.random(len(genes)) < self.options.epsilon
            actions = np.where(random, self.rng.integers(counts), actions)
        return seen[np.arange(len(genes)), actions], actions > 0

    def dump(self) -> dict[str, Any]:
        return {"waiting": [pack_archs(way) for way in self.waiting], "asked": sorted(pack_archs(list(self.asked)))}

    def restore(self, own: dict[str, Any]) -> None:
        self.waiting = [unpack_archs(way) for way in own["waiting"]]
        self.asked = set(unpack_archs(own["asked"]))


def _check_fits(card: AgentCard, space: Any, checkpoint: Path) -> None:
    """InputError if the agent reads other bits than the space has."""
    if (card.encoding, card.bits) != (space.encoding, space.encoding_bits):
        encoding, known, on = (one_line(text, _SHOWN) for text in (card.encoding, card.space, card.on))
        raise InputError(
            f"agent {checkpoint} reads encoding {encoding} ({card.bits} bits) of space {known!r}, and space "
            f"{space.name!r} has {space.encoding} ({space.encoding_bits} bits): search on {on} with the "
            "operations that it knows, or train another agent"
        )
