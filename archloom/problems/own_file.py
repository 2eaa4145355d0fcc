"""A problem that a Python file of the user's defines: `--on FILE.py`, `--on FILE.py:NAME`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archloom.checkpoints.store import Kind, Place
from archloom.errors import InputError
from archloom.evaluators.base import Evaluator, left_by
from archloom.problems.base import Problem
from archloom.problems.spec import ProblemSource, ProblemSpec
from archloom.types import Proposal, Result, Weights
from archloom.utils.files import why_no_file
from archloom.utils.user_files import RunningCode, UserFile, users_code

DEFAULT_NAME = "problem"


class OwnEvaluator:
    """What a file's problem evaluates with, each time in the surroundings that loading the file has left."""

    def __init__(self, file: Path, evaluator: Evaluator) -> None:
        self.goals = evaluator.goals
        self.resource = evaluator.resource
        self.leaves: Kind | None = left_by(evaluator)
        self._code = RunningCode.of(file)
        self._evaluator: Any = evaluator

    def evaluate(
        self, proposal: Proposal, weights: Mapping[int, Weights] | None, rng: np.random.Generator
    ) -> tuple[Result, Weights | None]:
        with self._code.inside():
            answer: tuple[Result, Weights | None] = self._evaluator.evaluate(proposal, weights, rng)
        return answer

    def evaluate_with_files(
        self,
        proposal: Proposal,
        weights: Mapping[int, Weights] | None,
        files: Sequence[Any],
        place: Place | None,
        rng: np.random.Generator,
    ) -> tuple[Result, Weights | None, Any | None]:
        with self._code.inside():
            answer: tuple[Result, Weights | None, Any | None] = self._evaluator.evaluate_with_files(
                proposal, weights, files, place, rng
            )
        return answer


class OwnFile(ProblemSource):
    """The `Problem` behind a name in a file, or what a function of this name returns."""

    def __init__(self, on: str) -> None:
        super().__init__(on)
        found = UserFile.parse(on)
        assert found is not None  # noqa: S101 - this is how it was recognised
        self._file = UserFile(found.path, DEFAULT_NAME if found.name is None else found.name)

    @property
    def file(self) -> Path:
        return self._file.path

    def hashes(self, spec: ProblemSpec) -> dict[str, str]:
        return {**self._file.hashes(), **super().hashes(spec)}

    def open(self, spec: ProblemSpec) -> Problem:
        if spec.table:
            raise InputError(f"--table {spec.table}: a problem of your own ({spec.on}) takes no table")
        for owner, given in (("space", spec.space), ("task", spec.task)):
            if given:
                raise InputError(f"{owner} option {next(iter(given))}: set it in {spec.on}")
        if spec.space_name:
            raise InputError(f"--space {spec.space_name}: {spec.on} has a space of its own")
        return self._load()

    def absolute(self, spec: ProblemSpec) -> ProblemSpec:
        return super().absolute(spec.changed(on=str(UserFile(self.file.resolve(), self._file.name))))

    def _load(self) -> Problem:
        path, name = self.file, self._file.name
        if not path.is_file():
            raise InputError(f"--on {self.on}: {why_no_file(path)}")
        module = self._file.load()
        if not hasattr(module, str(name)):
            raise InputError(f"{path} defines no {name!r}: add  {name} = archloom.Problem(space, evaluate, goals)")
        found = getattr(module, str(name))
        with users_code(path):
            problem = found() if inspect.isfunction(found) else found
        if not isinstance(problem, Problem):
            raise InputError(f"{name} in {path} is a {type(problem).__name__}: expected an archloom.Problem")
        return problem
