"""Benchmarks that a surrogate answers, as problems."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from archloom import registry
from archloom.evaluators.base import Evaluator
from archloom.evaluators.surrogates.evaluator import Options, Surrogate, SurrogateEvaluator, goals_of, load_nb301
from archloom.evaluators.surrogates.nb301_network import check_epoch
from archloom.problems.base import DataIdentity, Problem
from archloom.problems.spec import ProblemSpec
from archloom.problems.tabular import space_settings
from archloom.spaces.base import SearchSpace
from archloom.utils import options


class SurrogateProblem(Problem):
    """A benchmark whose metrics a model predicts, after `epoch` epochs of training, and whose costs are counted."""

    isolate = False
    units = "accuracy in percent, runtime in seconds, parameters and FLOPs in millions"

    def __init__(self, model: Surrogate, space: SearchSpace, epoch: int) -> None:
        check_epoch(epoch, model.first_epoch)
        self.space = space
        self.goals = goals_of(model)
        self.model = model
        self._epoch = epoch
        self._report = ()

    @property
    def data(self) -> DataIdentity:
        return DataIdentity(self.model.name, self.model.sha256, self.model.source, self.model.path)

    def evaluator(self, scores: Sequence[str], report: Sequence[str]) -> Evaluator:
        return SurrogateEvaluator(self.model, self.space, scores, report, self._epoch)


def open_surrogate(spec: ProblemSpec, space: str, path: Path) -> Problem:
    """The surrogate in the file or folder at `path`."""
    kind = registry.load_space(space)  # first: it says which extra is missing
    chosen = Options(**options.convert_all("task", options.of_dataclass(Options), spec.task))
    return SurrogateProblem(load_nb301(path), kind(**space_settings(kind, spec)), chosen.epoch)
