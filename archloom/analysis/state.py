"""The state of a search as CADAM sees it: the mean of the one-hot matrices of its best architectures.

It is made from the record, so every strategy has one, on every space with architecture parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.analysis.sampled import Top
from archloom.analysis.stats import Floats
from archloom.errors import InputError
from archloom.problems import TableProblem
from archloom.runs.report import RunReport
from archloom.spaces.base import HasAlpha
from archloom.spaces.drawing import AlphaLayout, HasAlphaLayout
from archloom.types import Arch


@dataclass(frozen=True)
class State:
    """The mean (E, O) of the one-hot matrices of `archs`: how often each operation is on each edge among them.

    The thesis's s_t (section 4.1.1). `archs` are strings, the best first.
    """

    matrix: Floats
    archs: tuple[str, ...]

    @classmethod
    def of(cls, report: RunReport, top: Top) -> State:
        """That of a run's best architectures; InputError for a space without architecture parameters, or if the run
        found nothing."""
        lines = top.of(report)
        if not lines:
            raise InputError("nothing found: a state is the mean of the best architectures, and there are none")
        return cls.over(report.scenario.space, [line.trial.proposal.arch for line in lines])

    @classmethod
    def over(cls, space: Any, archs: Sequence[Arch]) -> State:
        """That of some architectures, the best first."""
        check_alpha(space)
        mean = np.mean(np.stack([space.one_hot(arch) for arch in archs]), axis=0, dtype=np.float64)
        return cls(np.asarray(mean), tuple(map(space.format, archs)))

    def discretised(self, space: Any) -> NDArray[np.bool_]:
        """(E, O) the one-hot matrix of the architecture that the state stands for (Algorithms 2 and 3)."""
        return np.asarray(space.one_hot(space.discretise(self.matrix)), dtype=bool)


def exhaustive(report: RunReport, count: int) -> State | None:
    """The state of the best `count` architectures of the run's table, which it would reach if it asked for all; None
    without a table. Under constraints, of those that meet them."""
    problem, criteria = report.scenario.problem, report.scenario.criteria
    if not isinstance(problem, TableProblem):
        return None
    rows = problem.ranking(criteria)[:count]
    return State.over(problem.space, [Arch(tuple(genes)) for genes in problem.table.genes[rows].tolist()])


def layout_of(space: Any) -> AlphaLayout:
    """What a space calls the rows and columns of alpha; their numbers if it does not say."""
    if isinstance(space, HasAlphaLayout):
        return space.alpha_layout
    edges, operations = space.alpha_shape
    return AlphaLayout(tuple(map(str, range(1, edges + 1))), tuple(map(str, range(1, operations + 1))))


def check_alpha(space: Any) -> None:
    """InputError for a space without architecture parameters."""
    if not isinstance(space, HasAlpha):
        raise InputError(f"space {space.name!r} has no architecture parameters, of which a state is the mean")
