"""The options of graph_bo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from archloom.errors import InputError
from archloom.utils.options import NonNegativeInt, Options, PositiveInt


@dataclass(frozen=True)
class GraphBoOptions(Options):
    """One set of defaults serves all spaces.

    initial: how many architectures are drawn at random first.
    fidelities: how many fidelities are used: the highest and those below it. With more than one, an architecture is
        begun at the lowest of them, and goes on to the next when it is the most promising again.
    codes, statistics, linear: whether the kernel has its term of the genes, that of the statistics of the flow graph,
        and the linear one on these statistics.
    warp: what the model learns of an objective: minus the log of the distance to the best (`log_regret`), the distance
        from the median with ranks below it (`half`), or standardised values (`standard`).
    random: how many random architectures are candidates for each proposal.
    rounds: how many times the neighbours of the best candidates are added to the candidates.
    """

    initial: PositiveInt = 5
    fidelities: PositiveInt = 1
    codes: bool = True
    statistics: bool = True
    linear: bool = True
    warp: Literal["log_regret", "half", "standard"] = "log_regret"
    random: NonNegativeInt = 256
    rounds: NonNegativeInt = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.codes or self.statistics):
            raise InputError("codes=false, statistics=false: the kernel needs at least one of the two")
